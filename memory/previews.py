"""What a draft would make of a subject, beside what stands: a version is made, compared and taken back at once.

Nobody else ever sees that version: the transaction that makes it is rolled back. So a preview is what publishing would
make, word for word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import diffs, feeds, publishing
from memory.models import Conclusion, Line, Representation, Span, Subject
from memory.standing import standing_now

_BRANCH = "preview"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a draft goes on from: a version (None: nothing yet) that has read the feed up to ``position``.

    ``spans`` are the statements that stand there, the most important first, and ``parts`` what it says besides; both as
    far as humans let them stand by now.
    """

    version: Representation | None
    position: int
    spans: Sequence[Span]
    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """The version that would be made, and what it would change of what is served now."""

    version: Representation
    diff: diffs.Diff


# From a line's head to the version before each, down to the first that has read no further than `after`.
_CHAIN = """
WITH RECURSIVE chain AS (
    SELECT id, parent_id, covers_to, 1 AS place FROM memory_representation WHERE id = %(head)s
    UNION ALL
    SELECT older.id, older.parent_id, older.covers_to, chain.place + 1
      FROM chain JOIN memory_representation older ON older.id = chain.parent_id
     WHERE chain.covers_to > %(after)s
)
SELECT id, covers_to FROM chain WHERE covers_to < %(cursor)s ORDER BY place
"""


def newest(subject: Subject) -> Basis:
    """Return what the next version of the line that serves a subject would go on from."""
    line = None if subject.line_id is None else Line.objects.select_related("head").get(pk=subject.line_id)
    if line is None:
        return _basis(subject, None, 0, [])
    standing = standing_now(line.pk).select_related("conclusion__about")
    ordered = standing.order_by("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content")
    return _basis(subject, line.head, line.cursor, list(ordered))


def before(line: Line, after: int) -> Basis:
    """Return what a line stood at before it read the events above position ``after`` of its feed.

    That is the version which had read up to there, or else the next one after that; where all those events were read
    at once, the one before they were.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CHAIN, {"head": line.head_id, "after": after, "cursor": line.cursor})
        chain: list[tuple[UUID | None, int]] = [*cursor.fetchall(), (None, 0)]
    places = [place for _, place in chain]
    position = min((place for place in places if place >= after), default=max(places))
    found = next(pk for pk, place in chain if place == position)
    version = None if found is None else Representation.objects.get(pk=found)
    return _basis(line.subject, version, position, publishing.spans_at(version) if version else [])


def _basis(subject: Subject, version: Representation | None, position: int, spans: Sequence[Span]) -> Basis:
    """Return a basis without what humans have retracted since, and with what they have pinned."""
    parts = {name: getattr(version, name) for name in publishing.PARTS} if version else {}
    for span in spans:
        if span.conclusion.retracted:
            parts = publishing.reworded(parts, span.conclusion.content)
    kept = [span for span in spans if not span.conclusion.retracted]
    there = [span.conclusion_id for span in kept]
    pinned = Conclusion.objects.filter(subject=subject, pinned=True).exclude(pk__in=there).select_related("about")
    return Basis(version, position, [*(Span(conclusion=row, since=0) for row in pinned), *kept], parts)


def preview(subject: Subject, basis: Basis, draft: publishing.Draft) -> Preview:
    """Return what ``draft``, which goes on from ``basis``, would make, and how that differs from what is served now.

    Nothing is kept of it. Raises what :func:`memory.publishing.publish` raises.
    """
    with transaction.atomic():
        subject = feeds.lock_subject(subject.pk)
        line = Line.objects.create(
            subject=subject, recipe=_BRANCH, branch=_BRANCH, cursor=basis.position, head=basis.version
        )
        Span.objects.bulk_create(
            Span(line=line, conclusion=span.conclusion, since=min(span.since, subject.versions), latest=span.latest)
            for span in basis.spans
        )
        made = publishing.publish(line.pk, draft)
        served = None if subject.current is None else subject.current.number
        found = Preview(made, diffs.compare(subject, served, made.number, with_kept=True))
        transaction.set_rollback(True)
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What readers of a subject get now, what they would get, and what that changes; None where nothing is known."""

    before: Representation | None
    after: Representation | None
    diff: diffs.Diff | None


def tried(subject: Subject, act: Callable[[], object]) -> Outcome:
    """Return what an act upon a subject would make of what its readers get: it is done, compared and taken back.

    Raises what ``act`` raises. The subject is locked for as long as that takes; signals are sent as for any other act,
    what waits for a commit is not done.
    """
    with transaction.atomic():
        before = _served(subject)
        act()
        after = _served(subject)
        diff = None if after is None else diffs.between(subject, before, after)
        transaction.set_rollback(True)
    return Outcome(before, after, diff)


def _served(subject: Subject) -> Representation | None:
    rows = Representation.objects.select_related("subject")
    return rows.filter(pk__in=Subject.objects.filter(pk=subject.pk).values("current")).first()
