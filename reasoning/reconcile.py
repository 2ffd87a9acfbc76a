"""Where every event is: for each subject's line exactly one of waiting, leased, held, covered, parked; and proof that
none is in no state or in two.

One look at the whole store in one snapshot; a command, an admin page and tests ask it, not the read path.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.db import connection

_STATES = """
WITH lines AS (
    SELECT subject.head, coalesce(line.cursor, 0) AS cursor, coalesce(work.state, 'none') AS state,
           coalesce(pass.covers_to - pass.covers_from, 0) AS leased
      FROM memory_subject subject
      LEFT JOIN memory_line line ON line.id = subject.line_id
      LEFT JOIN reasoning_work work ON work.line_id = line.id
      LEFT JOIN reasoning_pass pass ON pass.id = work.lease_token AND work.state = 'leased'
     WHERE subject.head > 0
)
SELECT coalesce(sum(cursor), 0) AS covered,
       coalesce(sum(head - cursor - leased) FILTER (WHERE state IN ('waiting', 'leased')), 0) AS waiting,
       coalesce(sum(leased), 0) AS leased,
       coalesce(sum(head - cursor) FILTER (WHERE state = 'held'), 0) AS held,
       coalesce(sum(head - cursor) FILTER (WHERE state = 'parked'), 0) AS parked,
       coalesce(sum(abs(head - cursor)) FILTER (WHERE state IN ('idle', 'none')), 0) AS stateless
  FROM lines
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

# A line's cursor is where its head ended, and positions have no holes.
_HEADS = """
SELECT coalesce(sum(abs(line.cursor - coalesce(version.covers_to, 0))), 0) AS off
  FROM memory_line line LEFT JOIN memory_representation version ON version.id = line.head_id
"""
_HOLES = """
SELECT coalesce(sum(abs(subject.head - coalesce(entry.numbered, 0))), 0) AS holes
  FROM memory_subject subject
  LEFT JOIN (SELECT subject_id, count(position) AS numbered FROM memory_feedentry GROUP BY 1) entry
       ON entry.subject_id = subject.id
"""

# One statement has one snapshot, whatever transaction it is asked in.
_ACCOUNT = f"""
SELECT not_taken_in, waiting, leased, held, covered, parked, stateless, uncovered, doubled, off + holes
  FROM ({_NOT_TAKEN_IN}) AS new, ({_STATES}) AS states, ({_CHAIN}) AS chain, ({_HEADS}) AS heads, ({_HOLES}) AS holes
"""  # noqa: S608 - nothing of it comes from outside


@dataclass(frozen=True, slots=True)
class Account:
    """Feed entries (an event counts once for each subject that it concerns) by state, and the faults, which are 0.

    ``stateless`` are in no state, ``uncovered`` were stepped over, ``doubled`` were covered twice, ``misplaced`` is the
    difference between what cursors or heads say and what versions or feeds hold.
    """

    not_taken_in: int
    waiting: int
    leased: int
    held: int
    covered: int
    parked: int
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
