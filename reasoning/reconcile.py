"""Where every event is: for each line that must read it exactly one of waiting, leased, held, covered, parked; and
proof that none is in no state or in two.

One look at the whole store in one snapshot; a command, an admin page and tests ask it, not the read path.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.db import connection

# The lines that serve, and those that follow beside them: of an experiment, or of a run that reads again. What was
# archived counts as read: nobody will.
_STATES = """
WITH lines AS (
    SELECT id AS subject_id, head, archived_to, line_id, false AS beside FROM memory_subject
     UNION ALL
    SELECT subject.id, subject.head, subject.archived_to, line.id, true
      FROM reasoning_work work JOIN memory_line line ON line.id = work.line_id
      JOIN memory_subject subject ON subject.id = line.subject_id
     WHERE work.follows AND line.id IS DISTINCT FROM subject.line_id
), states AS (
    SELECT lines.head, lines.beside, greatest(line.cursor, lines.archived_to) AS cursor,
           coalesce(work.state, 'none') AS state, coalesce(pass.covers_to - pass.covers_from, 0) AS leased
      FROM lines
      LEFT JOIN memory_line line ON line.id = lines.line_id
      LEFT JOIN reasoning_work work ON work.line_id = line.id
      LEFT JOIN reasoning_pass pass ON pass.id = work.lease_token AND work.state = 'leased'
     WHERE lines.head > 0
)
SELECT coalesce(sum(cursor) FILTER (WHERE NOT beside), 0) AS covered,
       coalesce(sum(head - cursor - leased) FILTER (WHERE NOT beside AND state IN ('waiting', 'leased')), 0) AS waiting,
       coalesce(sum(leased) FILTER (WHERE NOT beside), 0) AS leased,
       coalesce(sum(head - cursor) FILTER (WHERE NOT beside AND state = 'held'), 0) AS held,
       coalesce(sum(head - cursor) FILTER (WHERE NOT beside AND state = 'parked'), 0) AS parked,
       coalesce(sum(cursor) FILTER (WHERE beside), 0) AS beside_covered,
       coalesce(sum(head - cursor) FILTER (WHERE beside AND state NOT IN ('idle', 'none')), 0) AS beside_left,
       coalesce(sum(abs(head - cursor)) FILTER (WHERE state IN ('idle', 'none')), 0) AS stateless
  FROM states
"""

_NOT_TAKEN_IN = "SELECT count(*) AS not_taken_in FROM memory_feedentry WHERE position IS NULL"

# A version goes on where its parent ended: a gap was covered by none, an overlap by two.
_CHAIN = """
SELECT coalesce(sum(version.covers_from - coalesce(parent.covers_to, 0))
                FILTER (WHERE version.covers_from > coalesce(parent.covers_to, 0)), 0) AS uncovered,
       coalesce(sum(coalesce(parent.covers_to, 0) - version.covers_from)
                FILTER (WHERE version.covers_from < coalesce(parent.covers_to, 0)), 0) AS doubled
  FROM memory_representation version LEFT JOIN memory_representation parent ON parent.id = version.parent_id
 WHERE version.status = 'published'
"""

# A line's cursor is where its head ended, and positions have no holes but where events were archived.
_HEADS = """
SELECT coalesce(sum(abs(line.cursor - coalesce(version.covers_to, 0))), 0) AS off
  FROM memory_line line LEFT JOIN memory_representation version ON version.id = line.head_id
"""
_HOLES = """
SELECT coalesce(sum(abs(subject.head - subject.archived_to - coalesce(entry.numbered, 0))), 0) AS holes
  FROM memory_subject subject
  LEFT JOIN (SELECT subject_id, count(*) AS numbered
               FROM memory_feedentry JOIN memory_subject own ON own.id = subject_id AND position > own.archived_to
              GROUP BY 1) entry ON entry.subject_id = subject.id
"""

# One statement has one snapshot, whatever transaction it is asked in.
_ACCOUNT = f"""
SELECT not_taken_in, waiting, leased, held, covered, parked, beside_covered, beside_left,
       stateless, uncovered, doubled, off + holes
  FROM ({_NOT_TAKEN_IN}) AS new, ({_STATES}) AS states, ({_CHAIN}) AS chain, ({_HEADS}) AS heads, ({_HOLES}) AS holes
"""  # noqa: S608 - nothing of it comes from outside


@dataclass(frozen=True, slots=True)
class Account:
    """Feed entries (an event counts once for each subject that it concerns) by state, and the faults, which are 0.

    ``beside_covered`` and ``beside_left`` are those that lines which read beside what serves have read, and have not.
    ``stateless`` are in no state, ``uncovered`` were stepped over, ``doubled`` were covered twice, ``misplaced`` is the
    difference between what cursors or heads say and what versions or feeds hold.
    """

    not_taken_in: int
    waiting: int
    leased: int
    held: int
    covered: int
    parked: int
    beside_covered: int
    beside_left: int
    stateless: int
    uncovered: int
    doubled: int
    misplaced: int

    @property
    def faults(self) -> int:
        """How many entries are not in exactly one state."""
        return self.stateless + self.uncovered + self.doubled + self.misplaced


def account() -> Account:
    """Count every feed entry by its state, in one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNT)
        return Account(*(int(value) for value in cursor.fetchone()))


def rows(found: Account) -> list[tuple[str, int]]:
    """Return the account as lines for people."""
    return [(field.name.replace("_", " "), getattr(found, field.name)) for field in fields(found)]
