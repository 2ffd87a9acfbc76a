"""Taking readers to other versions: one subject back to an earlier one, or thousands at once.

A version is never moved: a new one repeats it, on that version's own line, which serves the subject from then on. What
humans have said since holds in it too. One transaction and a fixed number of statements, however many subjects there
are; only those that humans have corrected since are looked at one by one. Readers wait for nothing.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import audit, ids, publishing, serving
from memory.errors import Conflict, Erased, Invalid, NotFound
from memory.models import Line, Representation, Subject
from memory.signals import lines_moved, representation_published
from memory.webhooks import outbox


class Onward(enum.StrEnum):
    """What becomes of the events that a subject has read and the repeated version has not.

    ``stay``: they stay read. ``reason_again``: they are read again, on a new branch that begins with that version.
    ``go_on``: the version is the last of its line, which goes on where it stands; what it has not read still waits.
    """

    STAY = "stay"
    REASON_AGAIN = "reason_again"
    GO_ON = "go_on"


@dataclass(frozen=True, slots=True)
class Restored:
    """One subject that was taken to another version: what readers got before, what is repeated, what was made."""

    subject_id: UUID
    before_id: UUID | None
    target_id: UUID | None
    made_id: UUID


_LOCK = "SELECT id FROM memory_subject WHERE id = ANY(%(subjects)s) ORDER BY id FOR NO KEY UPDATE"

# What is to be made of each subject. Where events are read again the line is new, otherwise it is the repeated
# version's own; a version without a target is empty, and on the line that serves.
_PLAN = """
CREATE TEMPORARY TABLE memory_restoring ON COMMIT DROP AS
SELECT subject.id AS subject_id, asked.made_id, subject.current_id AS before_id, subject.versions + 1 AS number,
       asked.target_id AS asked_id, target.id AS target_id, target.number AS target_number,
       target.line_id AS target_line_id,
       CASE WHEN %(again)s THEN asked.line_id ELSE coalesce(target.line_id, subject.line_id) END AS line_id,
       coalesce(asked.recipe, serves.recipe) AS recipe,
       CASE WHEN %(again)s THEN coalesce(target.covers_to, 0)
            WHEN %(go_on)s THEN own.cursor ELSE greatest(own.cursor, serves.cursor) END AS cursor,
       CASE WHEN %(again)s THEN target.id
            WHEN %(go_on)s OR own.cursor > serves.cursor THEN own.head_id ELSE serves.head_id END AS parent_id,
       EXISTS (SELECT FROM memory_correction correction JOIN memory_representation said
                   ON said.id = correction.representation_id
                WHERE correction.subject_id = subject.id AND said.number > coalesce(target.number, 0))
           OR coalesce(target.thinned, false) AS made_anew
  FROM unnest(%(subjects)s::uuid[], %(targets)s::uuid[], %(made)s::uuid[], %(lines)s::uuid[], %(recipes)s::text[])
       AS asked (subject_id, target_id, made_id, line_id, recipe)
  JOIN memory_subject subject ON subject.id = asked.subject_id
  JOIN memory_line serves ON serves.id = subject.line_id
  LEFT JOIN memory_representation target
       ON target.id = asked.target_id AND target.subject_id = subject.id AND target.status = 'published'
  JOIN memory_line own ON own.id = coalesce(target.line_id, subject.line_id)
"""

_UNFIT = """
SELECT count(*) FILTER (WHERE target_id IS DISTINCT FROM asked_id),
       count(*) FILTER (WHERE %(go_on)s AND parent_id IS DISTINCT FROM target_id)
  FROM memory_restoring
"""

_BRANCH = """
INSERT INTO memory_line (id, subject_id, recipe, branch, cursor)
SELECT line_id, subject_id, recipe, 'again-' || number, cursor FROM memory_restoring
"""

# What stands in the repeated version, as far as humans let it, and what they pinned.
_WANTED = """
CREATE TEMPORARY TABLE memory_wanted ON COMMIT DROP AS
SELECT plan.line_id, plan.number, span.conclusion_id, span.latest
  FROM memory_restoring plan
  JOIN memory_span span ON span.line_id = plan.target_line_id AND span.since <= plan.target_number
                       AND (span.until IS NULL OR span.until > plan.target_number)
  JOIN memory_conclusion conclusion ON conclusion.id = span.conclusion_id AND NOT conclusion.retracted
 UNION ALL
SELECT plan.line_id, plan.number, conclusion.id,
       coalesce((SELECT max(event.occurred_at) FROM memory_evidence evidence JOIN memory_event event
                     ON event.id = evidence.event_id WHERE evidence.conclusion_id = conclusion.id),
                (SELECT max(shown.latest) FROM memory_span shown WHERE shown.conclusion_id = conclusion.id))
  FROM memory_restoring plan
  JOIN memory_conclusion conclusion ON conclusion.subject_id = plan.subject_id AND conclusion.pinned
 WHERE NOT EXISTS (SELECT FROM memory_span span
                    WHERE span.line_id = plan.target_line_id AND span.conclusion_id = conclusion.id
                      AND span.since <= plan.target_number
                      AND (span.until IS NULL OR span.until > plan.target_number))
"""

_INDEX = "CREATE INDEX ON memory_wanted (line_id, conclusion_id)"

_NOT_WANTED = """
span.line_id = plan.line_id AND span.until IS NULL
   AND NOT EXISTS (SELECT FROM memory_wanted wanted
                    WHERE wanted.line_id = span.line_id AND wanted.conclusion_id = span.conclusion_id)
"""

# A span that no version has shown yet leaves no trace.
_FORGET = f"""
DELETE FROM memory_span span USING memory_restoring plan WHERE {_NOT_WANTED} AND span.since >= plan.number
"""  # noqa: S608 - our own text

_CLOSE = f"""
UPDATE memory_span span
   SET until = plan.number, replaced_by_id = NULL,
       reason = coalesce('Rolled back to version ' || plan.target_number, 'Rolled back to before anything was known')
  FROM memory_restoring plan WHERE {_NOT_WANTED}
"""  # noqa: S608 - our own text

_OPEN = """
INSERT INTO memory_span (line_id, conclusion_id, since, latest, reason)
SELECT wanted.line_id, wanted.conclusion_id, wanted.number, wanted.latest, '' FROM memory_wanted wanted
 WHERE NOT EXISTS (SELECT FROM memory_span span WHERE span.line_id = wanted.line_id
                      AND span.conclusion_id = wanted.conclusion_id AND span.until IS NULL)
"""

_MAKE = """
INSERT INTO memory_representation (
       id, subject_id, line_id, number, parent_id, restores_id, status, text, line_tokens, card, now,
       short_summary, long_summary, covers_from, covers_to, as_of, made_by, reason, gate, created_at)
SELECT plan.made_id, plan.subject_id, plan.line_id, plan.number, plan.parent_id, plan.target_id, 'published',
       coalesce(target.text, ''), coalesce(target.line_tokens, '{}'), coalesce(target.card, '{}'),
       coalesce(target.now, ''), coalesce(target.short_summary, ''), coalesce(target.long_summary, ''),
       plan.cursor, plan.cursor, target.as_of,
       %(made_by)s::jsonb || jsonb_build_object(%(key)s::text, plan.target_number), %(reason)s, '', clock_timestamp()
  FROM memory_restoring plan LEFT JOIN memory_representation target ON target.id = plan.target_id
 WHERE NOT plan.made_anew
"""

_HEADS = """
UPDATE memory_line line SET head_id = plan.made_id, cursor = plan.cursor
  FROM memory_restoring plan WHERE line.id = plan.line_id
"""

_SERVE = """
UPDATE memory_subject subject SET line_id = plan.line_id, current_id = plan.made_id, versions = plan.number
  FROM memory_restoring plan WHERE subject.id = plan.subject_id
"""


@transaction.atomic
def roll_back(subject: Subject, to: int, *, reason: str, by: str = "", then: Onward = Onward.STAY) -> Representation:
    """Make a new version that equals version ``to``, but for what humans have said since, and let readers get it.

    ``reason`` is required; ``by`` names who asked; ``then`` says what becomes of the events since. Raises
    :class:`NotFound` for a version that does not exist, :class:`Erased` for one that was erased and
    :class:`Invalid` for one that was never published.
    """
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))
    target = Representation.objects.filter(subject=subject, number=to).first()
    if target is None:
        raise NotFound(f"There is no version {to}")
    if target.status == Representation.Status.ERASED:
        raise Erased(f"Version {to} was erased: something that it may have known of was.")
    if target.status != Representation.Status.PUBLISHED:
        raise Invalid(f"Version {to} was never published.", ("to",))
    [restored] = restore({subject.pk: target.pk}, onward=then, reason=reason, by=by)
    made = Representation.objects.get(pk=restored.made_id)
    audit.note("roll back", subject, by=by, reason=reason, after={"version": made.number, "repeats": to, "then": then})
    return made


@transaction.atomic
def restore(
    targets: Mapping[UUID, UUID | None],
    *,
    onward: Onward,
    reason: str,
    by: str = "",
    made_by: Mapping[str, Any] | None = None,
    key: str = "rolled_back_to",
    recipes: Mapping[UUID, str] | None = None,
) -> list[Restored]:
    """Give readers of each subject a new version that repeats the given one; None is a version that says nothing.

    ``made_by`` is noted with each version, and its target's number under ``key``. Where events are read again,
    ``recipes`` says by which recipe, by default that of the line that serves. Subjects that no line serves yet are left
    out. Locks the subjects until the transaction ends; sends ``lines_moved``. Raises :class:`NotFound` for a version
    that is not a published one of its subject, and :class:`Conflict` where a line that shall go on has moved on since.
    """
    wanted = {pk: targets[pk] for pk in sorted(targets)}
    again = onward is Onward.REASON_AGAIN
    note = {**(made_by or {}), "by": by}
    values: dict[str, Any] = {
        "subjects": list(wanted),
        "targets": list(wanted.values()),
        "made": [ids.uuid7() for _ in wanted],
        "lines": [ids.uuid7() if again else None for _ in wanted],
        "recipes": [(recipes or {}).get(pk) for pk in wanted],
        "again": again,
        "go_on": onward is Onward.GO_ON,
        "reason": reason,
        "made_by": json.dumps(note),
        "key": key,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS memory_restoring, memory_wanted")
        cursor.execute(_LOCK, values)
        cursor.execute(_PLAN, values)
        cursor.execute(_UNFIT, values)
        unknown, moved_on = cursor.fetchone()
        if unknown:
            raise NotFound(f"{unknown} of the versions are not published ones of their subjects.")
        if moved_on:
            raise Conflict(f"{moved_on} of the lines have moved on since these versions.")
        if again:
            cursor.execute(_BRANCH)
        if onward is not Onward.GO_ON:  # what stands in a line that goes on is right already
            for statement in (_WANTED, _INDEX, "ANALYZE memory_wanted", _FORGET, _CLOSE, _OPEN):
                cursor.execute(statement, values)
        cursor.execute(_MAKE, values)
        cursor.execute(
            "SELECT subject_id, made_id, line_id, number, parent_id, target_id, cursor FROM memory_restoring"
            " WHERE made_anew"
        )
        for row in cursor.fetchall():
            _make_anew(*row, note=note, key=key, reason=reason)
        cursor.execute(_HEADS)
        with serving.because(reason, by):
            cursor.execute(_SERVE)
        cursor.execute("SELECT subject_id, before_id, target_id, made_id FROM memory_restoring ORDER BY subject_id")
        restored = [Restored(*row) for row in cursor.fetchall()]
        cursor.execute("DROP TABLE IF EXISTS memory_restoring, memory_wanted")
    _tell(restored, again)
    return restored


def _make_anew(
    subject_id: UUID,
    made_id: UUID,
    line_id: UUID,
    number: int,
    parent_id: UUID | None,
    target_id: UUID | None,
    cursor: int,
    *,
    note: Mapping[str, Any],
    key: str,
    reason: str,
) -> None:
    """Make the version of a subject that humans have corrected since the target, or whose target was thinned."""
    subject = Subject.objects.get(pk=subject_id)
    line = Line.objects.get(pk=line_id)
    target = Representation.objects.get(pk=target_id) if target_id else None
    Representation.objects.create(
        pk=made_id,
        subject=subject,
        line=line,
        number=number,
        parent_id=parent_id,
        restores=target,
        **publishing.shown_again(subject, line, target),
        covers_from=cursor,
        covers_to=cursor,
        as_of=target.as_of if target else None,
        made_by={**note, key: target.number if target else None},
        reason=reason,
    )


def _tell(restored: list[Restored], again: bool) -> None:
    outbox.published([item.made_id for item in restored])
    if representation_published.has_listeners(Representation):
        for made in Representation.objects.filter(pk__in=[item.made_id for item in restored]).iterator():
            representation_published.send(sender=Representation, representation=made)
    if restored:
        lines_moved.send(sender=Subject, subject_ids=[item.subject_id for item in restored], again=again)
