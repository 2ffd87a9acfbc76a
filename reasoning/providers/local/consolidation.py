"""Going over what is known: statements that say the same become one.

That is all that rules can do reliably. They see no patterns, draw no conclusions and look for no contradictions: what a
statement settles is looked for when it is read (``contradictions``).
"""

from __future__ import annotations

from collections import defaultdict

from reasoning.providers.base import Answer, Kind, KnownStatement, Level, Request, Retirement, Statement
from reasoning.providers.local.compare import Index, fingerprint

REASON = "Says the same as another statement"


def consolidate(request: Request) -> Answer:
    """Answer a request without events; the same request always gives the same answer."""
    add: list[Statement] = []
    retire: list[Retirement] = []
    for kept, others in _groups(request):
        numbers = sorted({kept.number, *(item.number for item in others)})
        retire.extend(Retirement(item.number, REASON, len(add)) for item in others)
        add.append(
            Statement(
                kept.content, (), Level(kept.level), kept.about, kept.held_from, kept.held_until, kept.importance,
                tuple(numbers),
            )
        )  # fmt: skip
    return Answer(tuple(add), tuple(retire), request.card, request.now, request.short_summary, request.long_summary)


def _groups(request: Request) -> list[tuple[KnownStatement, list[KnownStatement]]]:
    """What says the same of the same person for the same time: which stays, and what goes.

    What a human pinned stays, then what matters most, then what says it in most words, then what was said last.
    """
    indexes: dict[object, Index] = defaultdict(Index)
    kept: dict[object, list[tuple[KnownStatement, list[KnownStatement]]]] = defaultdict(list)
    for item in sorted(request.known, key=_rank, reverse=True):
        if item.about is None and request.kind in (Kind.USER, Kind.OBSERVED):
            continue  # about somebody whom no name stands for
        about = (item.about, item.held_from, item.held_until)
        found = None if item.pinned else indexes[about].find(item.content)
        if found is None:
            indexes[about].add(item.content)
            kept[about].append((item, []))
        else:
            kept[about][found][1].append(item)
    merged = [group for groups in kept.values() for group in groups if group[1]]
    return sorted(merged, key=lambda group: group[0].number)


def _rank(item: KnownStatement) -> tuple[object, ...]:
    return item.pinned, item.importance, len(fingerprint(item.content).words), item.since, item.number
