"""What reasoning costs: model calls and tokens per 100 messages of a conversation, over a real HTTP provider.

    python -m benchmarks.cost FILE.jsonl [--by chat|session|all|message]

Appends the conversation to a new app of the site's database and drains it with the OpenAI provider against a loopback
server that counts (no key is needed; what the server answers is derived from what it is sent). ``all`` is a backlog:
everything at once. ``session`` reasons after each session, a burst each. ``chat`` sends a message every ``--gap``
seconds on average, an hour of quiet between sessions, and reasons when the cadence says so, on a virtual clock.
``message`` reasons after each message, which is what one call per message would cost.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
"""Where the virtual clock begins: nothing of it is due to the database's own."""


def chunks(lines: list[dict[str, Any]], by: str) -> Iterator[list[dict[str, Any]]]:
    """Return the parts of a conversation after each of which the loop reasons until nothing waits."""
    if by == "all":
        yield lines
    elif by == "message":
        yield from ([line] for line in lines)
    else:
        for _, part in itertools.groupby(lines, key=lambda line: line["session"]):
            yield list(part)


def arrivals(lines: list[dict[str, Any]], gap: float) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Return when each message of a chat arrives, on the virtual clock."""
    source, moment, session = random.Random(7), FUTURE, None
    for line in lines:
        moment += timedelta(seconds=source.expovariate(1 / gap))
        if line["session"] != session:
            session, moment = line["session"], moment + timedelta(hours=1)
        yield moment, line


def reason_until(step: Any, moment: datetime) -> None:
    """Make the passes that are due by a moment of the virtual clock, each at its time."""
    from reasoning import following, passes, queue
    from reasoning.models import Work

    while True:
        with time_machine.travel(moment, tick=False):
            following.take_in()
        work = Work.objects.filter(state="waiting", due_at__gte=FUTURE - timedelta(days=1)).order_by("due_at").first()
        if work is None or work.due_at > moment:
            return
        Work.objects.filter(pk=work.pk).update(due_at=datetime(2000, 1, 1, tzinfo=UTC))  # so that it can be claimed
        [claim] = queue.claim(1, "cost")
        prepared = passes.prepare(claim, step)
        completion = asyncio.run(step.provider.answer(prepared.request))
        with time_machine.travel(work.due_at, tick=False):
            passes.complete(prepared, completion)


def main() -> None:
    """Run one conversation and print what it cost, by kind of subject."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", choices=["chat", "session", "all", "message"], default="session")
    parser.add_argument("--gap", type=float, default=20.0, help="seconds between messages of a chat")
    parser.add_argument("--limit", type=int, help="use only the first LIMIT messages")
    options = parser.parse_args()
    import django

    django.setup()
    from django.conf import settings as site_settings
    from django.utils import timezone

    from memory import clock

    clock.now = timezone.now  # the virtual clock is everybody's
    if options.by == "chat":
        site_settings.HONCHO |= {"PROVIDER": "openai"}  # at the pace of a model that costs something
    from django.db.models import Count, Sum

    from memory import log
    from reasoning.drainer import Drainer
    from reasoning.models import Pass
    from reasoning.providers.base import Step
    from reasoning.providers.openai import OpenAIProvider
    from tests.loopback.server import LoopbackModel

    lines = [json.loads(line) for line in options.file.read_text().splitlines() if line.strip()]
    lines = sorted(lines, key=lambda line: line["occurred_at"])[: options.limit]
    app, owner = f"cost-{time.time_ns()}", lines[0]["author"]

    def write(part: list[dict[str, Any]]) -> None:
        for session, events in itertools.groupby(part, key=lambda line: line["session"]):
            new = [log.NewEvent(content=e["content"], author=e["author"], occurred_at=e["occurred_at"]) for e in events]
            log.append(app, new, user=owner, session=session)

    with LoopbackModel() as model:
        step = Step(OpenAIProvider("none", model.url))
        if options.by == "chat":
            for moment, line in arrivals(lines, options.gap):
                reason_until(step, moment)
                with time_machine.travel(moment, tick=False):
                    write([line])
            reason_until(step, FUTURE + timedelta(days=3_650))
        else:
            for part in chunks(lines, options.by):
                write(part)
                asyncio.run(Drainer(step).run(until_idle=True))
    passes = Pass.objects.filter(line__subject__app__name=app)
    bad = passes.exclude(outcome="published").count()
    print(f"{options.file.stem}, {len(lines)} messages, by {options.by}; {bad} passes not published")
    print(f"{'subject':<10}{'calls/100':>11}{'input tokens/100':>18}{'output tokens/100':>19}")
    rows = passes.values("line__subject__kind").annotate(
        calls=Count("pk"), sent=Sum("input_tokens"), got=Sum("output_tokens")
    )
    total = {
        "line__subject__kind": "all",
        **passes.aggregate(calls=Count("pk"), sent=Sum("input_tokens"), got=Sum("output_tokens")),
    }
    for row in [*rows, total]:
        per = [100 * row[key] / len(lines) for key in ("calls", "sent", "got")]
        print(f"{row['line__subject__kind']:<10}{per[0]:>11.1f}{per[1]:>18,.0f}{per[2]:>19,.0f}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    main()
