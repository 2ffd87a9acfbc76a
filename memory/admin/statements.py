"""The statements of a version, with what they rest on, in a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber

from memory import explaining
from memory.models import Conclusion, Evidence, Representation, Span
from memory.standing import standing_in

SHOWN = 200
"""The most statements that a page lists."""

QUOTED = 3
"""How many of the events under a statement a page quotes."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a statement is: a word or two, and what they mean."""

    words: str
    meaning: str


_LEVELS = {
    Conclusion.Level.EXPLICIT: Confidence("said outright", "It was said in so many words in these events."),
    Conclusion.Level.DEDUCTIVE: Confidence("follows", "It must be so if what was said is true."),
    Conclusion.Level.INDUCTIVE: Confidence("a pattern", "Several events point to it; it may not hold."),
    Conclusion.Level.CONTRADICTION: Confidence("contradictory", "What was said contradicts itself."),
}


def confidence(conclusion: Conclusion) -> Confidence:
    """Return how sure a statement is: what a human pinned is surest, then by how it was reached."""
    if conclusion.pinned:
        return Confidence("a human says so", "It stands until a human says otherwise.")
    return _LEVELS[Conclusion.Level(conclusion.level)]


@dataclass(frozen=True)
class Statement:
    """A span with its conclusion, how many events it rests on, and the newest of these."""

    span: Span
    evidence_count: int
    evidence: list[Evidence]

    @property
    def confidence(self) -> Confidence:
        """How sure it is."""
        return confidence(self.span.conclusion)


def standing(version: Representation) -> list[Statement]:
    """Return the first statements that stand in a version, pinned and important first, with their evidence."""
    spans = (
        standing_in(version)
        .select_related("conclusion__about")
        .order_by("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content")
    )
    return with_evidence(spans, version.number)


def with_evidence(spans: QuerySet[Span], number: int) -> list[Statement]:
    """Return the first of these spans with the evidence that versions up to ``number`` found."""
    found = list(spans[:SHOWN])
    ids = [span.conclusion_id for span in found]
    counts = _counts(ids, number)
    quoted = _quoted(ids, number)
    return [Statement(span, counts.get(span.conclusion_id, 0), quoted[span.conclusion_id]) for span in found]


def _counts(conclusions: Iterable[UUID], number: int) -> dict[Any, int]:
    rows = Evidence.objects.filter(conclusion__in=conclusions, representation__number__lte=number)
    return dict(rows.values_list("conclusion_id").annotate(count=Count("event_id")))


def _quoted(conclusions: Iterable[UUID], number: int) -> defaultdict[UUID, list[Evidence]]:
    place = Window(RowNumber(), partition_by=F("conclusion_id"), order_by=F("event_id").desc())
    rows = (
        Evidence.objects.filter(conclusion__in=conclusions, representation__number__lte=number)
        .annotate(place=place)
        .filter(place__lte=QUOTED)
        .order_by("conclusion_id", "-event_id")
    )
    found: defaultdict[UUID, list[Evidence]] = defaultdict(list)
    for row in explaining.with_events(rows, "author")[0]:
        found[row.conclusion_id].append(row)
    return found
