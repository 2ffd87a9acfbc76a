"""What an erasure means for the loop: nobody who was shown what is erased may publish, and no answer of it is kept.

All in the erasure's own transaction, which has locked the subjects. Lock order as everywhere: work row, pass, run.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from reasoning import signals

# In the order in which everybody locks rows: whoever renews leases holds many at once.
_LOCK = """
SELECT work.id FROM reasoning_work work JOIN memory_line line ON line.id = work.line_id
 WHERE line.subject_id = ANY(%(subjects)s) ORDER BY work.id FOR UPDATE OF work
"""

_END_PASSES = """
UPDATE reasoning_pass pass SET outcome = 'abandoned', ended_at = clock_timestamp()
  FROM memory_line line
 WHERE line.subject_id = ANY(%(subjects)s) AND pass.line_id = line.id AND pass.outcome = 'running'
"""

# What a model said that was not published, why not, and a hash of what it was asked.
_FORGET_ANSWERS = """
UPDATE reasoning_pass pass SET raw = '', error = '', input_hash = ''
  FROM memory_line line
 WHERE line.subject_id = ANY(%(subjects)s) AND pass.line_id = line.id
   AND (pass.raw <> '' OR pass.error <> '' OR pass.input_hash <> '')
"""

# Lines that serve or follow have to read what there is now, and whoever is at it has lost it.
_READ_ANEW = """
UPDATE reasoning_work work
   SET state = CASE WHEN reads.events > 0 THEN 'waiting' ELSE 'idle' END,
       due_at = CASE WHEN reads.events > 0 THEN clock_timestamp() END,
       waiting_events = reads.events, waiting_tokens = reads.tokens, oldest = reads.oldest, newest = reads.newest,
       lease_token = NULL, leased_by = '', attempts = 0, step = 0, most_events = NULL, last_failure = '',
       last_error = '', task = 'read'
  FROM (SELECT own.id, own.line_id, line.cursor, waiting.*
          FROM reasoning_work own JOIN memory_line line ON line.id = own.line_id
          JOIN memory_subject subject ON subject.id = line.subject_id
         CROSS JOIN LATERAL (
               SELECT count(*) AS events, coalesce(sum(event.tokens), 0) AS tokens, min(event.recorded_at) AS oldest,
                      max(event.recorded_at) AS newest
                 FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
                WHERE entry.subject_id = subject.id AND entry.position > line.cursor
                  AND (own.follows OR subject.line_id = line.id)) waiting
         WHERE line.subject_id = ANY(%(subjects)s)) reads
 WHERE work.id = reads.id
"""

# A run begins again with the subjects whose line it had gone back: on a new branch of its name.
_RUNS_AGAIN = """
WITH again AS (
    UPDATE reasoning_reprocessitem item
       SET state = 'pending', line_id = NULL, base_id = NULL, made_id = NULL, error = ''
      FROM reasoning_reprocess run, reasoning_reprocessitem own
     WHERE run.id = item.run_id AND run.state IN ('running', 'paused', 'done') AND item.line_id = ANY(%(lines)s)
       AND own.run_id = item.run_id AND own.subject_id = item.subject_id
    RETURNING item.run_id, own.line_id
), renamed AS (
    UPDATE memory_line line SET branch = left(line.branch, 30) || '-erased-' || subject.versions
      FROM again, memory_subject subject WHERE line.id = again.line_id AND subject.id = line.subject_id
), left_alone AS (
    UPDATE reasoning_work work
       SET state = 'idle', due_at = NULL, follows = false, bulk = false, run_id = NULL, waiting_events = 0,
           waiting_tokens = 0, oldest = NULL, newest = NULL
      FROM again WHERE work.line_id = again.line_id
)
UPDATE reasoning_reprocess run SET state = 'running', state_reason = 'Something that it had read was erased'
  FROM again WHERE run.id = again.run_id AND run.state = 'done'
"""

# A feed that is shorter now is read sooner.
_TARGETS = """
UPDATE reasoning_reprocessitem item SET target = least(item.target, feed.entries), error = ''
  FROM (SELECT subject.id AS subject_id, subject.head + (
               SELECT count(*) FROM memory_feedentry entry
                WHERE entry.subject_id = subject.id AND entry.position IS NULL) AS entries
          FROM memory_subject subject WHERE subject.id = ANY(%(subjects)s)) feed
 WHERE item.subject_id = feed.subject_id
"""

_COMPARISONS = """
UPDATE reasoning_comparison compared SET reason = ''
  FROM memory_representation version
 WHERE version.subject_id = ANY(%(subjects)s) AND version.status = 'erased' AND compared.reason <> ''
   AND version.id IN (compared.control_id, compared.candidate_id)
"""

# What is under way then finds nothing to write its answer down in.
_TRIALS = "DELETE FROM reasoning_trial WHERE subject_id = ANY(%(subjects)s)"


def on_text_erased(*, subject_ids: list[UUID], line_ids: list[UUID], **kwargs: Any) -> None:
    """End the passes of these subjects, and set the work of their lines to what there is to read."""
    values = {"subjects": subject_ids, "lines": line_ids}
    with connection.cursor() as cursor:
        for statement in (
            _LOCK, _END_PASSES, _FORGET_ANSWERS, _READ_ANEW, _RUNS_AGAIN, _TARGETS, _COMPARISONS, _TRIALS,
        ):  # fmt: skip
            cursor.execute(statement, values)
    transaction.on_commit(signals.wake, robust=True)
