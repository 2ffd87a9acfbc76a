"""Whatever was ever concluded of a subject: whether it stands, what it rests on, and what a human said of it last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from memory.errors import NotFound
from memory.models import Conclusion, Correction, Evidence, Span, Subject


@dataclass(frozen=True, slots=True)
class Known:
    """A statement, since which version it stands (None where it does not), its events, and a human's last word."""

    conclusion: Conclusion
    since: int | None
    sources: tuple[UUID, ...]
    correction: Correction | None


def find(subject: Subject, conclusion: UUID | None) -> Known:
    """Return a statement of a subject, or raise :class:`NotFound`. Four statements of SQL."""
    found = None if conclusion is None else _of(subject).filter(pk=conclusion).first()
    if found is None:
        raise NotFound("There is no such conclusion")
    return _known(subject, [found])[0]


def page(
    subject: Subject,
    *,
    standing: bool | None = None,
    pinned: bool | None = None,
    retracted: bool | None = None,
    cursor: UUID | None = None,
    limit: int = 50,
) -> list[Known]:
    """Return up to ``limit`` statements of a subject, newest first; ``cursor`` is the last one of the page before.

    ``standing``, ``pinned`` and ``retracted`` leave out those of which the opposite holds. Four statements of SQL.
    """
    found = _of(subject)
    if standing is not None:
        stands = Exists(Span.objects.filter(line=subject.line_id, conclusion=OuterRef("pk"), until=None))
        found = found.filter(stands if standing else ~stands)
    if pinned is not None:
        found = found.filter(pinned=pinned)
    if retracted is not None:
        found = found.filter(retracted=retracted)
    if cursor is not None:
        found = found.filter(pk__lt=cursor)
    return _known(subject, list(found.order_by("-pk")[:limit]))


def _of(subject: Subject) -> QuerySet[Conclusion]:
    return Conclusion.objects.filter(subject=subject).select_related("about")


def _known(subject: Subject, rows: Sequence[Conclusion]) -> list[Known]:
    named = [row.pk for row in rows]
    open_spans = Span.objects.filter(line=subject.line_id, conclusion__in=named, until=None)
    since = dict(open_spans.values_list("conclusion", "since"))
    sources: dict[UUID, list[UUID]] = defaultdict(list)
    for conclusion_id, event_id in (
        Evidence.objects.filter(conclusion__in=named).order_by("event_id").values_list("conclusion", "event_id")
    ):
        sources[conclusion_id].append(event_id)
    said: dict[UUID, Correction] = {}
    corrections = Correction.objects.filter(Q(conclusion__in=named) | Q(replaced_by__in=named), subject=subject)
    for correction in corrections.select_related("representation").order_by("representation__number"):
        said[correction.conclusion_id] = correction
        if correction.replaced_by_id is not None:
            said[correction.replaced_by_id] = correction
    return [Known(row, since.get(row.pk), tuple(sources[row.pk]), said.get(row.pk)) for row in rows]
