"""What a run has made, beside what is served: a sample to look at, and where it is worse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import QuerySet

from memory import diffs
from memory.models import Representation
from reasoning.conf import ReasoningSettings
from reasoning.gates import language, size
from reasoning.models import Pass, Reprocess, ReprocessItem
from reasoning.reprocessing import parts
from reasoning.reprocessing.parts import EVERYTHING, Part
from reasoning.reprocessing.progress import WITH_ITEM

CHUNK = 1_000
MOST_COMPARED = 500
"""In so many subjects regressions are looked for before a promotion; it looks for them in all that it takes."""

LOOKED_AT = 1_000
"""So many characters of a text tell its language."""

_UNUSED = ("card", "now", "short_summary", "long_summary", "made_by", "reason", "draft")

Item = ReprocessItem.State


@dataclass(frozen=True, slots=True)
class Compared:
    """One subject of a run: what it would say otherwise (None where nothing was made), and where that is worse."""

    item: ReprocessItem
    diff: diffs.Diff | None
    regressions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What promoting a part would do now: how many subjects it takes, of how many of those the run has made something
    worse, and how many it leaves as they are. Not ``exact`` where regressions were looked for in some of them only."""

    promoted: int
    worse: int
    left: int
    exact: bool = True


def plan(run: Reprocess, part: Part) -> Plan:
    """Return what promoting a part of a run would do. Changes nothing.

    Regressions are looked for in up to ``MOST_COMPARED`` subjects drawn by chance, and projected beyond those.
    """
    chosen = parts.of(run, part)
    drawn = list(chosen.order_by(parts.by_chance(run)).values_list("subject", flat=True)[: MOST_COMPARED + 1])
    exact = len(drawn) <= MOST_COMPARED
    drawn = drawn[:MOST_COMPARED]
    worse = sum(map(bool, regressions(list(_compared(parts.made(run).filter(subject__in=drawn)))).values()))
    count = len(drawn) if exact else chosen.count()
    if not exact:
        worse = math.ceil(worse * count / MOST_COMPARED)
    open_still = ReprocessItem.objects.filter(run=run).exclude(state__in=parts.SETTLED).count()
    promoted = count - worse if part.without_regressions else count
    return Plan(promoted, 0 if part.without_regressions else worse, open_still - promoted, exact)


def sample(run: Reprocess, limit: int, part: Part = EVERYTHING) -> list[Compared]:
    """Return some of the subjects (of a part) that a run has made something of and that are not promoted yet.

    They are drawn by chance, and always the same ones. Regressions are looked at, but do not decide who is drawn.
    """
    drawn = list(parts.of(run, part).order_by(parts.by_chance(run)).values_list("subject", flat=True)[:limit])
    rows = ReprocessItem.objects.filter(run=run, subject__in=drawn).select_related(*WITH_ITEM)
    found = sorted(rows, key=lambda item: drawn.index(item.subject_id))
    worse = regressions(found)
    return [Compared(item, _diff(item), worse[item.subject_id]) for item in found]


def _diff(item: ReprocessItem) -> diffs.Diff | None:
    """Compare what readers get of a subject with what the run has made of it, as humans let that be promoted."""
    line = item.line
    if line is None or line.head is None:
        return None
    found = diffs.between(item.subject, item.subject.current, line.head)
    return replace(
        found,
        added=[each for each in found.added if not each.conclusion.retracted],
        retired=[each for each in found.retired if not each.conclusion.pinned],
    )


def chosen(run: Reprocess, part: Part) -> set[UUID]:
    """Return the subjects that promoting a part of a run takes."""
    if not part.without_regressions:
        return set(parts.of(run, part).values_list("subject", flat=True))
    fine: set[UUID] = set()
    for items in _chunks(_compared(parts.of(run, part))):
        fine |= {subject for subject, found in regressions(items).items() if not found}
    return fine


def _compared(items: QuerySet[ReprocessItem]) -> QuerySet[ReprocessItem]:
    """Return items with what regressions are told from, and without the other texts of their versions."""
    found = items.order_by("subject").select_related("line__head", "subject__current")
    return found.defer(*(f"{where}__{text}" for where in ("line__head", "subject__current") for text in _UNUSED))


def _chunks(items: QuerySet[ReprocessItem]) -> Iterator[list[ReprocessItem]]:
    last: UUID | None = None
    while chunk := list((items if last is None else items.filter(subject__gt=last))[:CHUNK]):
        yield chunk
        last = chunk[-1].subject_id


def regressions(items: Sequence[ReprocessItem]) -> dict[UUID, list[str]]:
    """Return by subject, in sentences, where what a run has made of it is worse than what is served.

    A subject that was promoted, or left, has none any more. Two statements.
    """
    settings = ReasoningSettings.load()
    stopped = _stopped([item.line_id for item in items if item.line_id])
    found: dict[UUID, list[str]] = {}
    for item in items:
        open_still = item.state not in parts.SETTLED
        found[item.subject_id] = list(_regressions(item, stopped, settings)) if open_still else []
    return found


def _stopped(lines: Sequence[UUID]) -> dict[UUID, Pass]:
    """Return by line its last pass that ended with an answer, where a gate stopped that."""
    answered = Pass.objects.filter(
        line__in=lines, outcome__in=[Pass.Outcome.PUBLISHED, Pass.Outcome.QUARANTINED]
    ).select_related("representation")
    newest = answered.order_by("line", "-started_at", "-pk").distinct("line").defer("raw")
    return {item.line_id: item for item in newest if item.outcome == Pass.Outcome.QUARANTINED}


def _regressions(item: ReprocessItem, stopped: dict[UUID, Pass], settings: ReasoningSettings) -> Iterable[str]:
    served, line = item.subject.current, item.line
    if item.state == Item.FAILED:
        yield f"It failed: {item.error}"
    if line is None or line.head is None:
        yield "Nothing was made of it yet."
        return
    must_have = served.covers_to if served else item.target
    if line.cursor < must_have:
        yield f"It has read the feed up to event {line.cursor:,}; what is served has read up to {must_have:,}."
    last = stopped.get(line.pk)
    if last is not None and last.representation is not None and last.representation.number > line.head.number:
        yield f"A gate stopped its last answer: {last.error}"
    if served is not None:
        yield from _poorer(served, line.head, settings)


def _poorer(served: Representation, made: Representation, settings: ReasoningSettings) -> Iterable[str]:
    """Yield in what the text of a version falls behind that of the one that is served."""
    stood, stands = sum(served.line_tokens), sum(made.line_tokens)
    if served.text and not made.text:
        yield "It says nothing; what is served says something."
    elif size.too_much_lost(stood, stood - stands, settings.gate_shrink_percent):
        yield (
            f"It has {stands:,} tokens where what is served has {stood:,}; at most"
            f" {settings.gate_shrink_percent:g} per cent may go."
        )
    for what, told in (("letters", language.script_of), ("language", language.language_of)):
        before, after = told(served.text[:LOOKED_AT]), told(made.text[:LOOKED_AT])
        if before and after and before != after:
            yield f"It is written in {after}{' letters' if what == 'letters' else ''}; what is served is in {before}."
