"""The rows that an erasure takes: marked in temporary tables, so that nothing is read into the process.

Marked are the thing itself, whatever refers to it, and what was made of it: the statements of every pass that may have
known of it, and what humans said of those. A human's word stays where it does not rest on what goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import Model

from memory import audit
from memory.erasure import graph
from memory.erasure.scope import Scope
from memory.models import (
    Audit,
    Conclusion,
    Correction,
    Event,
    Participant,
    Project,
    Representation,
    Session,
    Subject,
    User,
)

TOUCHED = "erasing_touched"
"""Subjects that stay and lose something: the first erased place of the feed, and the first version that may know."""

_THINGS = """
(SELECT id FROM erasing_memory_user UNION ALL SELECT id FROM erasing_memory_session
  UNION ALL SELECT id FROM erasing_memory_project)
"""

_TOUCH = f"""
WITH places AS (
    SELECT subject_id, min(place) AS place
      FROM (SELECT entry.subject_id, entry.position AS place
              FROM erasing_memory_event gone JOIN memory_feedentry entry ON entry.event_id = gone.id
             UNION ALL
            SELECT part.subject_id, part.place  -- what was archived may be known too
              FROM memory_archivedplace part JOIN {_THINGS} gone ON gone.id = part.thing) part
     GROUP BY 1
), named AS (  -- whoever reads a session is told who takes part in it
    SELECT entry.subject_id, min(entry.position) AS place
      FROM erasing_memory_participant gone JOIN memory_participant participant ON participant.id = gone.id
      JOIN memory_event event ON event.session_id = participant.session_id
      JOIN memory_feedentry entry ON entry.event_id = event.id GROUP BY 1
     UNION ALL
    SELECT part.subject_id, min(part.place)
      FROM erasing_memory_participant gone JOIN memory_participant participant ON participant.id = gone.id
      JOIN memory_archivedplace part ON part.thing = participant.session_id GROUP BY 1
), knew AS (
    SELECT seen.subject_id, (
           SELECT min(version.number) FROM memory_representation version
            WHERE version.subject_id = seen.subject_id AND version.covers_to >= seen.place
              AND version.status <> 'erased') AS number
      FROM (SELECT * FROM places UNION ALL SELECT * FROM named) seen
     UNION ALL
    SELECT said.subject_id, said.number
      FROM erasing_memory_correction gone JOIN memory_correction correction ON correction.id = gone.id
      JOIN memory_representation said ON said.id = correction.representation_id
     UNION ALL
    SELECT version.subject_id, version.number
      FROM erasing_memory_event gone JOIN memory_evidence evidence ON evidence.event_id = gone.id
      JOIN memory_representation version ON version.id = evidence.representation_id
     UNION ALL
    SELECT conclusion.subject_id, least(
           (SELECT min(span.since) FROM memory_span span WHERE span.conclusion_id = conclusion.id),
           (SELECT min(version.number) FROM memory_evidence evidence
              JOIN memory_representation version ON version.id = evidence.representation_id
             WHERE evidence.conclusion_id = conclusion.id))
      FROM erasing_memory_conclusion gone JOIN memory_conclusion conclusion ON conclusion.id = gone.id
), found AS (
    SELECT subject_id, place, NULL::int AS number FROM places UNION ALL SELECT subject_id, NULL, number FROM knew
)
INSERT INTO {TOUCHED} (subject_id, place, version)
SELECT subject_id, max(place), min(number) FROM found
 WHERE NOT EXISTS (SELECT FROM erasing_memory_subject gone WHERE gone.id = found.subject_id) GROUP BY 1
"""

# What was first said in a version that may know: no evidence that a model names proves that it did not use what it was
# shown besides.
_STATEMENTS = f"""
SELECT conclusion.id
  FROM {TOUCHED} touched JOIN memory_conclusion conclusion ON conclusion.subject_id = touched.subject_id
 WHERE coalesce(least(
           (SELECT min(span.since) FROM memory_span span WHERE span.conclusion_id = conclusion.id),
           (SELECT min(version.number) FROM memory_evidence evidence
              JOIN memory_representation version ON version.id = evidence.representation_id
             WHERE evidence.conclusion_id = conclusion.id)), touched.version) >= touched.version
   AND (NOT EXISTS (SELECT FROM memory_correction said WHERE said.conclusion_id = conclusion.id)
            AND NOT EXISTS (SELECT FROM memory_correction said WHERE said.replaced_by_id = conclusion.id)
        OR EXISTS (SELECT FROM memory_evidence evidence JOIN erasing_memory_event gone ON gone.id = evidence.event_id
                    WHERE evidence.conclusion_id = conclusion.id)
        OR EXISTS (SELECT FROM memory_archivedevidence rested JOIN {_THINGS} gone ON gone.id = rested.thing
                    WHERE rested.conclusion_id = conclusion.id)
        OR EXISTS (SELECT FROM memory_premise premise
                     JOIN erasing_memory_conclusion gone ON gone.id = premise.premise_id
                    WHERE premise.conclusion_id = conclusion.id))
"""

# A correction's event repeats the statement that it is about.
_SAID = """
SELECT correction.event_id FROM erasing_memory_correction gone
  JOIN memory_correction correction ON correction.id = gone.id AND correction.event_id IS NOT NULL
"""

# No foreign key leads from an act to the row that it was done to.
_AUDITED = """
SELECT audit.id FROM memory_audit audit JOIN {table} gone ON audit.object_id = gone.id::text WHERE audit.kind = %s
"""
_AUDITED_VERSIONS = f"""
SELECT audit.id
  FROM memory_audit audit JOIN memory_representation version ON audit.object_id = version.id::text
  JOIN {TOUCHED} touched ON version.subject_id = touched.subject_id AND version.number >= touched.version
 WHERE audit.kind = %s
"""


class Marks:
    """Rows that are to go, by table, until the transaction ends or ``clear`` is called."""

    def __init__(self, scope: Scope) -> None:
        self._tables: dict[type[Model], str] = {}
        self._grown: set[type[Model]] = set()
        self.cursor = connection.cursor()
        self._sql(
            f"DROP TABLE IF EXISTS {TOUCHED};"
            f" CREATE TEMPORARY TABLE {TOUCHED} (subject_id uuid PRIMARY KEY, place bigint, version int)"
        )
        for model in (Event, Conclusion, Correction, Subject, Participant, User, Session, Project):
            self._open(model)
        self.add(scope.model, "SELECT %s::uuid", [scope.target])
        while self._spread() | self._rests():
            pass
        self._note_acts()

    def add(self, model: type[Model], select: str, values: Iterable[Any] = ()) -> int:
        """Mark the rows of a table whose keys a query returns; return how many are new."""
        self._open(model)
        added = self._sql(f"INSERT INTO {self.table(model)} {select} ON CONFLICT DO NOTHING", values)
        if added:
            self._grown.add(model)
        return added

    def table(self, model: type[Model]) -> str:
        """Return the table that names a model's marked rows."""
        return f"erasing_{model._meta.db_table}"

    def models(self) -> list[type[Model]]:
        """Return the models of which rows are marked, those first that refer to others."""
        return graph.children_first(self._tables)

    def leaves(self) -> dict[type[Model], list[graph.Edge]]:
        """Return the tables without ids of their own that refer to marked rows, and by what."""
        found: dict[type[Model], list[graph.Edge]] = {}
        for edge in graph.edges():
            if graph.is_leaf(edge.child) and not edge.clears and edge.parent in self._tables:
                found.setdefault(edge.child, []).append(edge)
        return found

    def counts(self) -> Counter[str]:
        """Count the marked rows, and those that only name marked ones, by what they are."""
        found: Counter[str] = Counter()
        for model in self.models():
            found[word(model)] += self._count(f"SELECT FROM {self.table(model)}")
        for model, edges in self.leaves().items():
            key = ", ".join(f"child.{field.column}" for field in model._meta.pk_fields)
            found[word(model)] += self._count(
                " UNION ".join(
                    f"SELECT {key} FROM {model._meta.db_table} child"
                    f" JOIN {self.table(edge.parent)} gone ON gone.id = child.{edge.column}"
                    for edge in edges
                )
            )
        return +found

    def delete(self) -> None:
        """Delete what is marked; rows that stay without what they named name nothing from then on."""
        for edge in graph.edges():
            if edge.clears and edge.parent in self._tables:
                self._sql(
                    f"UPDATE {edge.child._meta.db_table} child SET {edge.column} = NULL"
                    f"  FROM {self.table(edge.parent)} gone WHERE child.{edge.column} = gone.id"
                )
        for model, edges in self.leaves().items():
            for edge in edges:
                self._sql(
                    f"DELETE FROM {model._meta.db_table} child USING {self.table(edge.parent)} gone"
                    f" WHERE child.{edge.column} = gone.id"
                )
        for model in self.models():
            key = model._meta.pk.column
            self._sql(
                f"DELETE FROM {model._meta.db_table} child USING {self.table(model)} gone WHERE child.{key} = gone.id"
            )

    def clear(self) -> None:
        """Forget all marks."""
        self._sql(f"DROP TABLE IF EXISTS {', '.join([TOUCHED, *map(self.table, self._tables)])}")
        self._tables.clear()

    def _open(self, model: type[Model]) -> None:
        if model in self._tables:
            return
        table = self._tables[model] = self.table(model)
        kind = model._meta.pk.rel_db_type(connection)
        self._sql(f"DROP TABLE IF EXISTS {table}; CREATE TEMPORARY TABLE {table} (id {kind} PRIMARY KEY)")

    def _spread(self) -> bool:
        """Mark what refers to what is marked; return whether there was anything new."""
        spread = bool(self._grown)
        while self._grown:
            parent = self._grown.pop()
            self._sql(f"ANALYZE {self.table(parent)}")
            for edge in graph.followed(parent):
                if not graph.is_leaf(edge.child):
                    key = edge.child._meta.pk.column
                    self.add(
                        edge.child,
                        f"SELECT child.{key} FROM {edge.child._meta.db_table} child"
                        f" JOIN {self.table(parent)} gone ON gone.id = child.{edge.column}",
                    )
        return spread

    def _rests(self) -> bool:
        """Mark what was made of what is marked; return whether there was anything new."""
        self._sql(f"DELETE FROM {TOUCHED}")
        self._sql(_TOUCH)
        self._sql(f"ANALYZE {TOUCHED}")
        return bool(self.add(Conclusion, _STATEMENTS) + self.add(Event, _SAID))

    def _note_acts(self) -> None:
        """Mark what was noted of what is marked, and of versions that will be unreadable."""
        for model in self.models():
            self.add(Audit, _AUDITED.format(table=self.table(model)), [audit.kind_of(model)])
        self.add(Audit, _AUDITED_VERSIONS, [audit.kind_of(Representation)])

    def _count(self, rows: str) -> int:
        self._sql(f"SELECT count(*) FROM ({rows}) rows")
        return int(self.cursor.fetchone()[0])

    def _sql(self, statement: str, values: Iterable[Any] = ()) -> int:
        self.cursor.execute(statement, list(values) or None)
        return int(self.cursor.rowcount)


def word(model: type[Model]) -> str:
    """Return what a receipt calls the rows of a table."""
    return str(model._meta.verbose_name_plural).replace(" ", "_").lower()
