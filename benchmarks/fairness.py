"""What one app's flood costs another: how long a small app's users wait for their versions, alone and beside it.

    python -m benchmarks.fairness [--flood 1000] [--small 10] [--latency 0.3]

One drainer with the site's settings against a loopback model that takes ``latency`` seconds for an answer. Every user
has one event; the small app's come when the flood is being worked on. Both runs are in one process, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> None:
    """Run both and print the waits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flood", type=int, default=1_000)
    parser.add_argument("--small", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.3)
    options = parser.parse_args()
    import django

    django.setup()
    from tests.loopback.server import LoopbackModel

    with LoopbackModel(latency=options.latency) as model:
        waits(model.url, 0, 1)  # what is imported at the first call is imported
        alone = waits(model.url, 0, options.small)
        beside = waits(model.url, options.flood, options.small)
    print(f"{options.small} users of a small app, seconds from write to version; a call takes {options.latency} s")
    print(f"{'':<28}{'p50':>8}{'worst':>8}")
    for name, found in (("alone", alone), (f"beside a flood of {options.flood:,}", beside)):
        print(f"{name:<28}{statistics.median(found):>8.2f}{max(found):>8.2f}")
    print(f"{'ratio':<28}{statistics.median(beside) / statistics.median(alone):>8.2f}{max(beside) / max(alone):>8.2f}")


def waits(url: str, flood: int, small: int) -> list[float]:
    """Return how long each of the small app's users waited for a version."""
    from django.db import transaction

    from memory import log
    from memory.models import Representation

    name = f"fair-{time.time_ns()}"

    def write(app: str, users: int) -> None:
        with transaction.atomic():
            for number in range(users):
                log.append(app, [log.NewEvent(content="We sail at noon.")], user=f"user-{number}")

    write(f"{name}-flood", flood)
    with draining(url):
        while flood and Representation.objects.filter(subject__app__name=f"{name}-flood").count() < flood // 20:
            time.sleep(0.02)
        begun = time.monotonic()
        write(f"{name}-small", small)
        found: list[float] = []
        while len(found) < small:
            count = Representation.objects.filter(subject__app__name=f"{name}-small").count()
            found += [time.monotonic() - begun] * (count - len(found))
            time.sleep(0.02)
    if flood and Representation.objects.filter(subject__app__name=f"{name}-flood").count() == flood:
        print("(the flood was over before the small app's versions were there: take a larger one)")
    return found


@contextmanager
def draining(url: str) -> Iterator[None]:
    """A drainer in a thread, every event due at once."""
    from django.conf import settings
    from django.db import connection

    from reasoning.conf import KINDS
    from reasoning.drainer import Drainer
    from reasoning.providers.base import Step
    from reasoning.providers.openai import OpenAIProvider

    settings.HONCHO |= {"PROVIDER": "openai", "SETTLE_SECONDS": 0, "INTERVAL_SECONDS": dict.fromkeys(KINDS, 0)}
    drainer = Drainer(Step(OpenAIProvider("none", url)))

    def run() -> None:
        asyncio.run(drainer.run())
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        drainer.stop()
        thread.join()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    main()
