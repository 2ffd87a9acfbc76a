"""What was: the log page by page, and a subject's versions with what each added and retired.

Every function asks a fixed number of questions, however much there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from memory.errors import NotFound
from memory.models import Conclusion, Event, Evidence, Representation, Span, Subject
from memory.places import Place
from memory.publishing import spans_at


@dataclass(frozen=True, slots=True)
class Statement:
    """A conclusion as a version shows it: since which version, and on which events it rested then (oldest first)."""

    conclusion: Conclusion
    since: int
    sources: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One line of a subject's history: the version and how many statements it added and retired."""

    representation: Representation
    added: int
    retired: int


@dataclass(frozen=True, slots=True)
class VersionDetail:
    """A version with what it added and the spans that it ended."""

    representation: Representation
    added: Sequence[Statement]
    retired: Sequence[Span]


def events(
    place: Place,
    *,
    kind: str | None = None,
    author: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: UUID | None = None,
    reverse: bool = False,
    limit: int = 50,
) -> list[Event]:
    """Return up to ``limit`` events of a session, user or project in the order in which they were written.

    ``since`` and ``until`` bound when they occurred (inclusive, exclusive); ``cursor`` is the last event of the page
    before; ``reverse`` begins with the newest.
    """
    found = events_of(place).select_related("author")
    if kind is not None:
        found = found.filter(kind=kind)
    if author is not None:
        found = found.filter(author_id=author)
    if since is not None:
        found = found.filter(occurred_at__gte=since)
    if until is not None:
        found = found.filter(occurred_at__lt=until)
    if cursor is not None:
        found = found.filter(pk__lt=cursor) if reverse else found.filter(pk__gt=cursor)
    return list(found.order_by("-pk" if reverse else "pk")[:limit])


def events_of(place: Place) -> QuerySet[Event]:
    """Return the events of a session, user or project."""
    if place.session_id is not None:
        return Event.objects.filter(session_id=place.session_id)
    if place.user_id is not None:
        return Event.objects.filter(user_id=place.user_id)
    return Event.objects.filter(project=place.project_id)


def find_version(subject: Subject, number: int) -> Representation:
    """Return a version of a subject, published or not, or raise :class:`NotFound`."""
    found = Representation.objects.filter(subject=subject, number=number).select_related("parent", "subject").first()
    if found is None:
        raise NotFound(f"There is no version {number}")
    return found


def statements(representation: Representation) -> list[Statement]:
    """Return what stands in a version, with the events each statement rested on by then. Two statements of SQL."""
    return with_sources(representation, spans_at(representation))


def holds(span: Span, version: Representation) -> bool:
    """Say whether a statement stands in a version by this span."""
    since, until = span.since, span.until
    return span.line_id == version.line_id and since <= version.number and (until is None or until > version.number)


def versions(
    subject: Subject, *, before: int | None = None, line: UUID | None = None, limit: int = 20
) -> list[Version]:
    """Return up to ``limit`` versions below number ``before``, of all lines or one, newest first. One statement."""
    found = Representation.objects.filter(subject=subject).select_related("parent", "subject").order_by("-number")
    if line is not None:
        found = found.filter(line=line)
    if before is not None:
        found = found.filter(number__lt=before)
    counted = found.annotate(added=_spans_counted("since"), retired=_spans_counted("until"))
    return [Version(row, row.added, row.retired) for row in counted[:limit]]


def _spans_counted(column: str) -> Coalesce:
    """Count the spans of a version's line that begin (``since``) or end (``until``) with the version."""
    spans = Span.objects.filter(line=OuterRef("line"), **{column: OuterRef("number")}).order_by()
    return Coalesce(Subquery(spans.values("line").annotate(n=Count("pk")).values("n")), 0)


def version_detail(subject: Subject, number: int) -> VersionDetail:
    """Return a version with what it added and retired; raises :class:`NotFound`. Four statements."""
    row = find_version(subject, number)
    begun = Span.objects.filter(line=row.line_id, since=number).select_related("conclusion__about")
    ended = Span.objects.filter(line=row.line_id, until=number).select_related("conclusion")
    added = begun.order_by("-conclusion__pinned", "-conclusion__importance", "conclusion__content")
    return VersionDetail(row, with_sources(row, list(added)), list(ended.order_by("conclusion__content")))


def with_sources(representation: Representation, spans: Sequence[Span]) -> list[Statement]:
    """Return spans as statements with the events that each rested on by a version. One statement of SQL."""
    sources: dict[UUID, list[UUID]] = defaultdict(list)
    if spans:
        known_by_then = (
            Evidence.objects.filter(conclusion__in=[span.conclusion_id for span in spans])
            .filter(representation__number__lte=representation.number)
            .order_by(F("event_id"))
            .values_list("conclusion_id", "event_id")
        )
        for conclusion_id, event_id in known_by_then:
            sources[conclusion_id].append(event_id)
    return [Statement(span.conclusion, span.since, tuple(sources[span.conclusion_id])) for span in spans]
