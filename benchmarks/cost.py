"""What reasoning costs: model calls and tokens per 100 messages of a conversation, over a real HTTP provider.

    python -m benchmarks.cost FILE.jsonl [--by session|all|message]

Appends the conversation to a new app of the site's database and drains it with the OpenAI provider against a loopback
server that counts (no key is needed; what the server answers is derived from what it is sent). ``all`` is a backlog:
everything at once. ``session`` reasons after each session, ``message`` after each message, which is what one call per
message would cost.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def chunks(lines: list[dict[str, Any]], by: str) -> Iterator[list[dict[str, Any]]]:
    """Return the parts of a conversation after each of which the loop reasons until nothing waits."""
    if by == "all":
        yield lines
    elif by == "message":
        yield from ([line] for line in lines)
    else:
        for _, part in itertools.groupby(lines, key=lambda line: line["session"]):
            yield list(part)


def main() -> None:
    """Run one conversation and print what it cost, by kind of subject."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", choices=["session", "all", "message"], default="session")
    parser.add_argument("--limit", type=int, help="use only the first LIMIT messages")
    options = parser.parse_args()
    import django

    django.setup()
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
    with LoopbackModel() as model:
        for part in chunks(lines, options.by):
            for session, events in itertools.groupby(part, key=lambda line: line["session"]):
                log.append(
                    app,
                    [
                        log.NewEvent(content=e["content"], author=e["author"], occurred_at=e["occurred_at"])
                        for e in events
                    ],
                    user=owner,
                    session=session,
                )
            asyncio.run(Drainer(Step(OpenAIProvider("none", model.url))).run(until_idle=True))
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
