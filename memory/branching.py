"""Opening lines that read the same feed again, beside what serves: for thousands of subjects at once.

Such a line is a branch. It begins with what readers got at a moment, or with nothing; what humans have said of a
subject since holds in it too. It serves nobody until somebody lets it (``memory.restoring``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import publishing
from memory.models import Line, Representation, Subject

# Where lines of subjects begin whose window begins at ``since``: the version that was served then and what it had read,
# or else the last event recorded before it. Without ``since``: at the very beginning, or where the log begins, if what
# came before was archived. ``head`` is the last position that the log has, ``events`` how many are to be read.
STARTS = """
SELECT subject.id AS subject_id, feed.last AS head, base.id AS base_id, start.cursor,
       feed.last - greatest(start.cursor, feed.first - 1) AS events
  FROM memory_subject subject
 CROSS JOIN LATERAL (
       SELECT coalesce(min(position), subject.head + 1) AS first, coalesce(max(position), subject.head) AS last
         FROM memory_feedentry WHERE subject_id = subject.id) feed
  LEFT JOIN LATERAL (
       SELECT representation_id FROM memory_serving serving
        WHERE serving.subject_id = subject.id AND serving.since <= %(since)s::timestamptz
        ORDER BY serving.since DESC LIMIT 1) served ON true
  LEFT JOIN memory_representation base ON base.id = served.representation_id AND base.status = 'published'
  LEFT JOIN LATERAL (
       SELECT entry.position FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
        WHERE entry.subject_id = subject.id AND entry.position IS NOT NULL AND base.id IS NULL
          AND event.recorded_at < %(since)s::timestamptz
        ORDER BY entry.position DESC LIMIT 1) earlier ON true
 CROSS JOIN LATERAL (SELECT coalesce(base.covers_to, earlier.position, feed.first - 1) AS cursor) start
 WHERE (%(kind)s::text IS NULL OR subject.kind = %(kind)s)
   AND (%(app)s::uuid IS NULL OR subject.app_id = %(app)s)
   AND (%(subjects)s::uuid[] IS NULL OR subject.id = ANY(%(subjects)s))
"""

# What stands in the version that a line begins with, as far as humans let it, and what they pinned.
_STAND = """
WITH line AS (
    SELECT line.id, line.subject_id, subject.versions + 1 AS since, base.line_id AS base_line_id, base.number
      FROM memory_line line JOIN memory_subject subject ON subject.id = line.subject_id
      LEFT JOIN memory_representation base ON base.id = line.head_id
     WHERE line.id = ANY(%(lines)s)
), begun AS (
    SELECT line.id AS line_id, line.since, span.conclusion_id, span.latest
      FROM line JOIN memory_span span ON span.line_id = line.base_line_id AND span.since <= line.number
                                     AND (span.until IS NULL OR span.until > line.number)
)
INSERT INTO memory_span (line_id, conclusion_id, since, latest, reason)
SELECT begun.line_id, begun.conclusion_id, begun.since, begun.latest, ''
  FROM begun JOIN memory_conclusion conclusion ON conclusion.id = begun.conclusion_id AND NOT conclusion.retracted
 UNION ALL
SELECT line.id, conclusion.id, line.since,
       coalesce((SELECT max(event.occurred_at) FROM memory_evidence evidence JOIN memory_event event
                     ON event.id = evidence.event_id WHERE evidence.conclusion_id = conclusion.id),
                (SELECT max(shown.latest) FROM memory_span shown WHERE shown.conclusion_id = conclusion.id)), ''
  FROM line JOIN memory_conclusion conclusion ON conclusion.subject_id = line.subject_id AND conclusion.pinned
 WHERE NOT EXISTS (SELECT FROM begun WHERE begun.line_id = line.id AND begun.conclusion_id = conclusion.id)
"""

# Which lines need a version of their own to begin with: those whose subject was corrected since the version that they
# go on from, and those that begin in the middle of a feed with nothing; and as of when each is.
_TO_BEGIN = """
SELECT line.id, corrected.yes,
       coalesce(base.as_of, (SELECT event.recorded_at FROM memory_feedentry entry
                               JOIN memory_event event ON event.id = entry.event_id
                              WHERE entry.subject_id = line.subject_id AND entry.position = line.cursor),
                (SELECT max(version.as_of) FROM memory_representation version
                  WHERE version.subject_id = line.subject_id AND version.covers_to <= line.cursor))
  FROM memory_line line
  LEFT JOIN memory_representation base ON base.id = line.head_id
 CROSS JOIN LATERAL (
       SELECT EXISTS (SELECT FROM memory_correction correction
                        JOIN memory_representation said ON said.id = correction.representation_id
                       WHERE correction.subject_id = line.subject_id AND said.number > coalesce(base.number, 0)) AS yes
       ) corrected
 WHERE line.id = ANY(%(lines)s) AND line.cursor > 0 AND (corrected.yes OR base.id IS NULL)
"""

_HEADS = """
UPDATE memory_line line SET head_id = version.id
  FROM memory_representation version WHERE version.id = ANY(%(versions)s) AND line.id = version.line_id
"""
_COUNT = """
UPDATE memory_subject subject SET versions = version.number
  FROM memory_representation version WHERE version.id = ANY(%(versions)s) AND subject.id = version.subject_id
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which subjects are meant, by what is given of kind, app and ids, and where their window begins."""

    kind: str | None = None
    app_id: UUID | None = None
    subjects: tuple[UUID, ...] | None = None
    since: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return what ``STARTS`` is to be asked with."""
        return {
            "kind": self.kind,
            "app": self.app_id,
            "subjects": None if self.subjects is None else list(self.subjects),
            "since": self.since,
        }


@transaction.atomic
def open_branches(
    subjects: Collection[UUID], *, recipe: str, branch: str, since: datetime | None, made_by: Mapping[str, Any]
) -> list[Line]:
    """Begin a line of ``recipe``, named ``branch``, for each subject; return the lines.

    It goes on from what was served at ``since``. Where nothing was, it begins with what came from then on, with a
    first version that says nothing of what came before; ``made_by`` is noted with that. Locks the subjects until the
    transaction ends. A fixed number of statements; only subjects that humans have corrected since are looked at one by
    one.
    """
    locked = Subject.objects.select_for_update(no_key=True).filter(pk__in=subjects).order_by("pk")
    by_id = {subject.pk: subject for subject in locked}
    with connection.cursor() as cursor:
        cursor.execute(STARTS, Scope(subjects=tuple(by_id), since=since).values())
        starts = cursor.fetchall()
        lines = {
            line.pk: line
            for line in Line.objects.bulk_create(
                Line(subject=by_id[subject_id], recipe=recipe, branch=branch, cursor=position, head_id=base_id)
                for subject_id, _, base_id, position, _ in starts
            )
        }
        values = {"lines": list(lines)}
        cursor.execute(_STAND, values)
        cursor.execute(_TO_BEGIN, values)
        _begin([(lines[pk], corrected, as_of) for pk, corrected, as_of in cursor.fetchall()], made_by)
    return list(lines.values())


def _begin(begun: Sequence[tuple[Line, bool, datetime | None]], made_by: Mapping[str, Any]) -> None:
    """Write the version that each of these lines begins with, covering no more than what it goes on from."""
    heads = Representation.objects.in_bulk([line.head_id for line, _, _ in begun if line.head_id])
    made = []
    for line, corrected, as_of in begun:
        base = heads.get(line.head_id) if line.head_id else None
        shown = publishing.shown_again(line.subject, line, base) if corrected else {}
        made.append(
            Representation(
                subject=line.subject,
                line=line,
                number=line.subject.versions + 1,
                parent=base,
                **shown,
                covers_from=line.cursor if base else 0,
                covers_to=line.cursor,
                as_of=as_of,
                made_by=dict(made_by),
                reason=f"What humans have said since version {base.number} holds here"
                if base
                else "The log begins here: what came before is archived"
                if line.cursor <= line.subject.archived_to
                else "The window begins here",
            )
        )
        line.head = made[-1]
    Representation.objects.bulk_create(made)
    with connection.cursor() as cursor:
        for statement in (_HEADS, _COUNT):
            cursor.execute(statement, {"versions": [version.pk for version in made]})
