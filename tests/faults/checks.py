"""What must hold once all is well again, asked of the tables by SQL that shares nothing with the product's own.

``inspect`` takes a function that asks the database, so that the checks can be checked on any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory import ids
from tests.faults.traffic import Fresh

Ask = Callable[..., list[tuple[Any, ...]]]
EXAMPLES = 5

VERSIONS = """
SELECT line.id, subject.id, subject.head, line.cursor, subject.line_id = line.id,
       subject.current_id IS NOT DISTINCT FROM line.head_id, version.id, version.number, version.covers_from,
       version.covers_to, version.made_by ->> 'pass', line.head_id = version.id
  FROM memory_subject subject
  LEFT JOIN memory_line line ON line.subject_id = subject.id
  LEFT JOIN memory_representation version ON version.line_id = line.id AND version.status = 'published'
 ORDER BY line.id, version.number
"""

PASSES = "SELECT id, outcome, representation_id, line_id, covers_from, covers_to FROM reasoning_pass"

QUARANTINED = "SELECT id FROM memory_representation WHERE status = 'quarantined'"

POSITIONS = """
SELECT subject.id, subject.head, count(entry.position), coalesce(min(entry.position), 1),
       coalesce(max(entry.position), 0), count(DISTINCT entry.position)
  FROM memory_subject subject LEFT JOIN memory_feedentry entry ON entry.subject_id = subject.id
 GROUP BY subject.id
"""

# An event of a session belongs in the feeds of the session and of its owner, any other in its user's; and in its
# project's if it has one.
NOT_FED = """
SELECT count(*) FROM memory_event event
  JOIN memory_subject subject ON subject.kind = 'session' AND subject.session_id = event.session_id
       OR subject.kind = 'user' AND subject.user_id = event.user_id
       OR subject.kind = 'project' AND subject.project_id = event.project_id
 WHERE NOT EXISTS (SELECT FROM memory_feedentry entry WHERE entry.event_id = event.id AND entry.subject_id = subject.id)
"""

# The loopback model makes one statement of each event. Nothing rests on an event only where the version that covers
# it was made of an empty answer.
EVIDENCE = """
WITH rests AS (
    SELECT conclusion.subject_id, evidence.event_id, count(*) AS statements
      FROM memory_evidence evidence JOIN memory_conclusion conclusion ON conclusion.id = evidence.conclusion_id
     GROUP BY 1, 2
), silent AS (
    SELECT version.id, version.subject_id, version.covers_from, version.covers_to FROM memory_representation version
     WHERE version.status = 'published'
       AND NOT EXISTS (SELECT FROM memory_evidence evidence WHERE evidence.representation_id = version.id)
)
SELECT count(*) FILTER (WHERE rests.statements > 1),
       count(*) FILTER (WHERE rests.statements IS NULL AND NOT EXISTS (
           SELECT FROM silent WHERE silent.subject_id = entry.subject_id
              AND silent.covers_from < entry.position AND entry.position <= silent.covers_to)),
       count(*) FILTER (WHERE rests.statements IS NULL)
  FROM memory_feedentry entry LEFT JOIN rests USING (subject_id, event_id)
"""

UNFED_EVIDENCE = """
SELECT count(*) FROM memory_evidence evidence
  JOIN memory_conclusion conclusion ON conclusion.id = evidence.conclusion_id
  LEFT JOIN memory_feedentry entry ON entry.event_id = evidence.event_id AND entry.subject_id = conclusion.subject_id
  JOIN memory_representation version ON version.id = evidence.representation_id
 WHERE entry.position IS NULL OR entry.position > version.covers_to OR version.status <> 'published'
"""

SPANS = """
SELECT count(*) FROM memory_conclusion conclusion
 WHERE (SELECT count(*) FROM memory_span span JOIN memory_subject subject ON subject.id = conclusion.subject_id
         WHERE span.conclusion_id = conclusion.id AND span.line_id = subject.line_id AND span.until IS NULL) <> 1
"""

# No fault of this world is a reason for an exception that nobody foresaw.
BROKEN = "SELECT error, count(*) FROM reasoning_pass WHERE failure = 'ours' GROUP BY 1"

LEFT = """
SELECT (SELECT count(*) FROM memory_feedentry WHERE position IS NULL),
       (SELECT count(*) FROM reasoning_work WHERE state = 'waiting'),
       (SELECT count(*) FROM reasoning_work WHERE state = 'leased'),
       (SELECT count(*) FROM reasoning_work WHERE state = 'parked'),
       (SELECT count(*) FROM reasoning_work WHERE state NOT IN ('idle', 'waiting', 'leased', 'parked')),
       (SELECT count(*) FROM reasoning_pass WHERE outcome = 'running')
"""

COVERED = """
SELECT subject.kind, app.name, owner.name, coalesce(session.name, ''), version.number, version.covers_to
  FROM memory_representation version
  JOIN memory_subject subject ON subject.id = version.subject_id AND subject.kind IN ('user', 'session')
  JOIN memory_app app ON app.id = subject.app_id
  LEFT JOIN memory_session session ON session.id = subject.session_id
  JOIN memory_user owner ON owner.id = coalesce(subject.user_id, session.owner_id)
 WHERE version.status = 'published'
"""


@dataclass
class Findings:
    """Numbers of what must not be; ``examples`` says more of the first ones. ``silent`` entries are none: a model may
    say that there is nothing to conclude.
    """

    events: int = 0
    versions: int = 0
    lost: int = 0
    """Acknowledged events that are not in the log, or not under the id that was told."""
    written_twice: int = 0
    unknown: int = 0
    """Events in the log that nobody sent."""
    not_fed: int = 0
    misnumbered: int = 0
    uncovered: int = 0
    covered_twice: int = 0
    misplaced: int = 0
    """Lines whose cursor, head or current version is not where their versions end."""
    lost_lease: int = 0
    """Published versions without exactly one pass of their own that says so, or with one that says otherwise."""
    doubled_evidence: int = 0
    missing_evidence: int = 0
    foreign_evidence: int = 0
    misspanned: int = 0
    not_taken_in: int = 0
    waiting: int = 0
    leased: int = 0
    parked: int = 0
    stateless: int = 0
    running: int = 0
    broken: int = 0
    """Passes that ended with an exception that nobody foresaw."""
    untrue_reads: int = 0
    """Reads that said that nothing was missing although something acknowledged was."""
    silent: int = 0
    examples: list[str] = field(default_factory=list)

    def wrong(self) -> dict[str, int]:
        """Return the numbers that must be 0 and are not."""
        good = {"events", "versions", "silent", "examples"}
        return {name: count for name, count in vars(self).items() if name not in good and count}

    def add(self, name: str, text: str, count: int = 1) -> None:
        """Count something that must not be."""
        setattr(self, name, getattr(self, name) + count)
        if len(self.examples) < EXAMPLES * 4 and sum(each.startswith(name) for each in self.examples) < EXAMPLES:
            self.examples.append(f"{name}: {text}")


def inspect(ask: Ask, acknowledged: Mapping[str, str], fresh: Sequence[Fresh] = ()) -> Findings:
    """Look at everything. ``acknowledged`` are the public ids of events by their content."""
    found = Findings()
    _log(ask, acknowledged, found)
    _feeds(ask, found)
    _versions(ask, found)
    _evidence(ask, found)
    [(found.not_taken_in, found.waiting, found.leased, found.parked, found.stateless, found.running)] = ask(LEFT)
    for error, count in ask(BROKEN):
        found.add("broken", error, count)
    _reads(ask, fresh, found)
    return found


def _log(ask: Ask, acknowledged: Mapping[str, str], found: Findings) -> None:
    stored: dict[str, list[str]] = defaultdict(list)
    for event_id, content in ask("SELECT id, content FROM memory_event"):
        stored[content].append(ids.encode(event_id))
    found.events = sum(map(len, stored.values()))
    for content, public_id in acknowledged.items():
        if public_id not in stored.get(content, ()):
            found.add("lost", f"{content!r}, acknowledged as {public_id}; stored: {stored.get(content)}")
    for content, public_ids in stored.items():
        if len(public_ids) > 1:
            found.add("written_twice", f"{content!r} as {public_ids}", len(public_ids) - 1)
        if content not in acknowledged:
            found.add("unknown", f"{content!r}")


def _feeds(ask: Ask, found: Findings) -> None:
    [(not_fed,)] = ask(NOT_FED)
    if not_fed:
        found.add("not_fed", "events miss in feeds that they concern", not_fed)
    for subject, head, numbered, lowest, highest, distinct in ask(POSITIONS):
        if not (head == numbered == distinct == highest and lowest == 1):
            found.add("misnumbered", f"subject {subject}: head {head}, positions {lowest} to {highest}, {numbered}")


def _versions(ask: Ask, found: Findings) -> None:
    passes = {row[0]: row[1:] for row in ask(PASSES)}
    by_version: dict[Any, list[Any]] = defaultdict(list)
    for token, (_, representation, *_) in passes.items():
        if representation is not None:
            by_version[representation].append(token)
    lines: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for row in ask(VERSIONS):
        lines[row[0] or row[1]].append(row)
    for line, rows in lines.items():
        _tiles(line, rows, found)
        for row in rows:
            if row[6] is not None:
                found.versions += 1
                _one_pass(row, passes, by_version, found)
    for (quarantined,) in ask(QUARANTINED):
        outcomes = [passes[token][0] for token in by_version[quarantined]]
        if outcomes and outcomes != ["quarantined"]:
            found.add("lost_lease", f"quarantined version {quarantined} has passes with outcomes {outcomes}")


def _tiles(line: Any, rows: Sequence[tuple[Any, ...]], found: Findings) -> None:
    """Check that a line's versions cover its subject's feed from end to end, and each position once."""
    _, _, head, cursor, serves, current, *_ = rows[0]
    reached, last_is_head = 0, True
    for row in rows:
        version, number, covers_from, covers_to = row[6:10]
        if version is None:
            continue
        if covers_from > reached:
            found.add("uncovered", f"line {line}: {reached} to {covers_from}", covers_from - reached)
        if covers_from < reached:
            found.add("covered_twice", f"line {line}: version {number} goes back to {covers_from} from {reached}",
                      min(reached, covers_to) - covers_from)  # fmt: skip
        reached, last_is_head = max(reached, covers_to), bool(row[11])
    if serves is None and head:
        found.add("uncovered", f"subject {rows[0][1]} has no line", head)
    if serves and reached < head:
        found.add("uncovered", f"line {line}: {reached} to its subject's head at {head}", head - reached)
    if serves is not None and (cursor != reached or not last_is_head or (serves and not current)):
        found.add("misplaced", f"line {line}: cursor {cursor}, covered to {reached}, its head is the last: "
                  f"{last_is_head}, and current: {current}")  # fmt: skip


def _one_pass(
    row: tuple[Any, ...], passes: Mapping[Any, tuple[Any, ...]], by_version: Mapping[Any, list[Any]], found: Findings
) -> None:
    """Check that a published version is of exactly one pass, which was published with it and covers the same."""
    line, version, number, covers_from, covers_to, made_by = row[0], *row[6:11]
    tokens = by_version.get(version, [])
    told = None if made_by is None else ids.decode(made_by)
    if len(tokens) != 1 or told != tokens[0]:
        found.add("lost_lease", f"version {number} of line {line} says it is of pass {told}; passes say: {tokens}")
        return
    if passes[tokens[0]] != ("published", version, line, covers_from, covers_to):
        found.add("lost_lease", f"version {number} of line {line} is of a pass that says {passes[tokens[0]]}")


def _evidence(ask: Ask, found: Findings) -> None:
    [(doubled, missing, found.silent)] = ask(EVIDENCE)
    if doubled:
        found.add("doubled_evidence", "events are under more than one statement of a subject", doubled)
    if missing:
        found.add("missing_evidence", "events were covered and nothing rests on them", missing)
    [(foreign,)] = ask(UNFED_EVIDENCE)
    if foreign:
        found.add("foreign_evidence", "statements rest on what their version had not read", foreign)
    [(misspanned,)] = ask(SPANS)
    if misspanned:
        found.add("misspanned", "statements do not stand exactly once in the line that serves", misspanned)


def _reads(ask: Ask, fresh: Sequence[Fresh], found: Findings) -> None:
    """Check each read that said that nothing was missing against what its versions cover."""
    covered = {row[:5]: row[5] for row in ask(COVERED)} if fresh else {}
    for told in fresh:
        app, user, session = told.place
        for key, events in (
            (("user", app, user, "", told.version), told.of_user),
            (("session", app, user, session, told.session_version), told.of_session),
        ):
            if covered.get(key, 0) < events:
                found.add("untrue_reads", f"{key} covers {covered.get(key)}; {events} events were acknowledged before")
