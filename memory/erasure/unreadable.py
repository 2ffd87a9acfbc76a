"""What becomes of subjects that stay and lose something: what may know of it can be read no more, from this moment on.

A version may know of what is erased from the first on that had read it, whatever line it is of: text goes from version
to version only that way. All of them keep their number and lose everything that they said. Lines go back to their last
version that did not know, and so does what readers get; the events that remain are put in order anew, and read again.
"""

from __future__ import annotations

from django.db import connection

from memory import ids, restoring
from memory.erasure.marks import TOUCHED
from memory.models import Erasure
from memory.restoring import Onward
from memory.signals import text_erased

REASON = "What it rested on was erased"

_KNOWS = f"""
  FROM {TOUCHED} touched
 WHERE version.subject_id = touched.subject_id AND version.number >= touched.version
"""

_HOLLOW = f"""
UPDATE memory_representation version
   SET status = 'erased', text = '', line_tokens = '{{}}', card = '{{}}', now = '', short_summary = '',
       long_summary = '', draft = NULL, made_by = '{{}}', reason = '', gate = '', thinned = false {_KNOWS}
"""

# What people wrote beside such a version; that they did, and how it scored, stays.
_BESIDE = [
    "DELETE FROM memory_keptversion kept USING memory_representation version, {touched} touched"
    " WHERE kept.representation_id = version.id AND {knows}",
    "UPDATE memory_feedback said SET comment = '' FROM memory_representation version, {touched} touched"
    " WHERE said.representation_id = version.id AND said.comment <> '' AND {knows}",
    "UPDATE memory_ruling ruling SET reason = 'Erased' FROM memory_representation version, {touched} touched"
    " WHERE ruling.representation_id = version.id AND {knows}",
    "UPDATE memory_serving serving SET reason = '', \"by\" = '' FROM memory_representation version, {touched} touched"
    " WHERE serving.subject_id = version.subject_id AND serving.representation_id = version.id AND {knows}",
]

# What such a version found out of a statement that stays; a human's word vouches for what it is about.
_FOUND = [
    f"DELETE FROM memory_{table} found USING memory_representation version, {TOUCHED} touched"
    " WHERE found.representation_id = version.id AND version.subject_id = touched.subject_id"
    " AND version.number >= touched.version"
    " AND NOT EXISTS (SELECT FROM memory_correction said WHERE said.conclusion_id = found.conclusion_id)"
    " AND NOT EXISTS (SELECT FROM memory_correction said WHERE said.replaced_by_id = found.conclusion_id)"
    for table in ("evidence", "premise")
]

# Without a position they are taken in again like events that have just come.
_ORDER = [
    f"UPDATE memory_feedentry entry SET position = NULL FROM {TOUCHED} touched"
    " WHERE entry.subject_id = touched.subject_id AND entry.position > touched.place",
    "UPDATE memory_subject subject"
    "   SET head = least(subject.head, touched.place - 1), archived_to = least(subject.archived_to, touched.place - 1)"
    f"  FROM {TOUCHED} touched WHERE subject.id = touched.subject_id AND touched.place IS NOT NULL",
    f"DELETE FROM memory_archivedplace part USING {TOUCHED} touched"
    " WHERE part.subject_id = touched.subject_id AND part.place >= touched.place",
]

# Lines whose last version knew, and the last of their own that did not.
_BACK = f"""
CREATE TEMPORARY TABLE erasing_back AS
SELECT line.id AS line_id, line.subject_id, keep.id AS keep_id, coalesce(keep.number, 0) AS number,
       coalesce(keep.covers_to, 0) AS cursor
  FROM {TOUCHED} touched JOIN memory_line line ON line.subject_id = touched.subject_id
  JOIN memory_representation head ON head.id = line.head_id AND head.number >= touched.version
  LEFT JOIN LATERAL (
       SELECT version.id, version.number, version.covers_to FROM memory_representation version
        WHERE version.subject_id = line.subject_id AND version.line_id = line.id AND version.number < touched.version
          AND version.status = 'published' ORDER BY version.number DESC LIMIT 1) keep ON true
"""

_GO_BACK = [
    "UPDATE memory_line line SET head_id = back.keep_id, cursor = back.cursor FROM erasing_back back"
    " WHERE line.id = back.line_id",
    "DELETE FROM memory_span span USING erasing_back back WHERE span.line_id = back.line_id"
    " AND (span.since > back.number OR back.keep_id IS NULL)",
    "UPDATE memory_span span SET until = NULL, reason = '', replaced_by_id = NULL FROM erasing_back back"
    " WHERE span.line_id = back.line_id AND span.until > back.number",
]

# A human's last word that is left about each statement.
_RULED = f"""
UPDATE memory_conclusion conclusion SET pinned = ruled.pinned, retracted = ruled.retracted
  FROM (SELECT own.id,
               coalesce(last.stands AND last.act <> 'unpin', false) AS pinned,
               coalesce(NOT last.stands, false) AS retracted
          FROM {TOUCHED} touched JOIN memory_conclusion own ON own.subject_id = touched.subject_id
          LEFT JOIN LATERAL (
               SELECT said.act, said.act <> 'retract' AND (said.replaced_by_id IS NULL OR said.replaced_by_id = own.id)
                          AS stands
                 FROM memory_correction said JOIN memory_representation made ON made.id = said.representation_id
                WHERE said.subject_id = own.subject_id AND (said.conclusion_id = own.id OR said.replaced_by_id = own.id)
                ORDER BY made.number DESC LIMIT 1) last ON true
         WHERE own.pinned OR own.retracted OR last.act IS NOT NULL) ruled
 WHERE conclusion.id = ruled.id
   AND (conclusion.pinned, conclusion.retracted) IS DISTINCT FROM (ruled.pinned, ruled.retracted)
"""

# What humans have said holds on every line, from its next version on.
_LINES = f"""
(SELECT line.id, line.subject_id, subject.versions + 1 AS next
   FROM {TOUCHED} touched JOIN memory_subject subject ON subject.id = touched.subject_id
   JOIN memory_line line ON line.subject_id = subject.id WHERE touched.version IS NOT NULL) line
"""
_HEARD = [
    f"DELETE FROM memory_span span USING {_LINES}, memory_conclusion conclusion"
    " WHERE span.line_id = line.id AND span.until IS NULL AND span.since >= line.next"
    "   AND conclusion.id = span.conclusion_id AND conclusion.retracted",
    "UPDATE memory_span span SET until = line.next, reason = 'A human retracted it'"
    f" FROM {_LINES}, memory_conclusion conclusion"
    " WHERE span.line_id = line.id AND span.until IS NULL"
    "   AND conclusion.id = span.conclusion_id AND conclusion.retracted",
    "INSERT INTO memory_span (line_id, conclusion_id, since, reason)"
    f" SELECT line.id, conclusion.id, line.next, '' FROM {_LINES}"
    "   JOIN memory_conclusion conclusion ON conclusion.subject_id = line.subject_id AND conclusion.pinned"
    "  WHERE NOT EXISTS (SELECT FROM memory_span span WHERE span.line_id = line.id"
    "                       AND span.conclusion_id = conclusion.id AND span.until IS NULL)",
]

_LATEST = f"""
UPDATE memory_span span SET latest = coalesce(found.latest, span.latest)
  FROM (SELECT own.id, (SELECT max(event.occurred_at) FROM memory_evidence evidence
                          JOIN memory_event event ON event.id = evidence.event_id
                         WHERE evidence.conclusion_id = own.conclusion_id) AS latest
          FROM {TOUCHED} touched JOIN memory_line line ON line.subject_id = touched.subject_id
          JOIN memory_span own ON own.line_id = line.id WHERE touched.version IS NOT NULL) found
 WHERE span.id = found.id AND span.latest IS DISTINCT FROM coalesce(found.latest, span.latest)
"""

# Of whom readers got what knew: what they get instead, the last that did not.
_READERS = f"""
SELECT subject.id, (
       SELECT serving.representation_id FROM memory_serving serving
         JOIN memory_representation version ON version.id = serving.representation_id
        WHERE serving.subject_id = subject.id AND version.number < touched.version AND version.status = 'published'
        ORDER BY serving.since DESC LIMIT 1)
  FROM {TOUCHED} touched JOIN memory_subject subject ON subject.id = touched.subject_id
  JOIN memory_representation current ON current.id = subject.current_id AND current.number >= touched.version
"""


def make_unreadable(erasure: Erasure) -> None:
    """Take from the subjects that stay what may know of what was erased, and have the rest read again.

    Once the marked rows are gone; the subjects are locked.
    """
    knows = "version.subject_id = touched.subject_id AND version.number >= touched.version"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS erasing_back")
        cursor.execute(_BACK)
        for statement in (*_BESIDE, *_FOUND):
            cursor.execute(statement.format(touched=TOUCHED, knows=knows))
        for statement in (_HOLLOW, *_ORDER, *_GO_BACK, _RULED, *_HEARD, _LATEST):
            cursor.execute(statement)
        cursor.execute(f"SELECT subject_id FROM {TOUCHED}")
        touched = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT line_id FROM erasing_back")
        gone_back = [row[0] for row in cursor.fetchall()]
        cursor.execute("DROP TABLE erasing_back")
        cursor.execute(_READERS)
        targets = dict(cursor.fetchall())
    text_erased.send(sender=Erasure, subject_ids=touched, line_ids=gone_back)
    if targets:
        note = {"erasure": ids.encode(erasure.pk)}
        restoring.restore(targets, onward=Onward.REASON_AGAIN, reason=REASON, made_by=note, key="went_back_to")
