"""No path reads a table from its beginning: what each statement of it would do with tables of millions of rows.

The tables have thousands of rows; the planner is told a thousand times as many. An index that is dropped is missed:
``test_a_missing_index_is_noticed`` drops one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from benchmarks.explaining import Plan, Plans, nodes
from benchmarks.growth import paths, running, world
from benchmarks.growth.copying import TABLES
from benchmarks.growth.paths import Agent, Passes, Someone, Step
from memory.models import Subject, User

MORE = 1_000
MOST_SORTED = 50_000

LARGE = TABLES.keys() - {"memory_event", "memory_premise", "memory_posting"} | {"memory_event_rest"}
"""Without those of which there is nothing, or only the huge user's; of the log its partition, which has the rows."""

COUNTED = ("list users", "list sessions", "list messages")
"""Whoever asks for these pages is promised how many there are in all."""

pytestmark = pytest.mark.django_db

_KEEP_STATISTICS = "ALTER TABLE {table} SET (autovacuum_enabled = off)"
_PRETEND = """
UPDATE pg_class SET reltuples = greatest(reltuples, 1) * %(more)s
 WHERE oid = %(table)s::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = %(table)s::regclass)
"""


@pytest.fixture(scope="module", autouse=True)
def large(copies: None, django_db_blocker: Any) -> None:
    """Let the planner take each table for a large one."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in LARGE:
            cursor.execute(_KEEP_STATISTICS.format(table=table))
        cursor.execute("ANALYZE")
        for table in LARGE:
            cursor.execute(_PRETEND, {"table": table, "more": MORE})


def person() -> Someone:
    return Someone.of(running.people(1)[0])


def huge() -> Someone:
    return Someone.of(User.objects.get(app__name=world.GROWN, name=world.HUGE))


def faults(steps: Iterator[Step]) -> list[str]:
    """Take steps; return what their statements read or sort whole."""
    found = []
    for name, call in steps:
        with connection.execute_wrapper(plans := Plans()):
            call()
        for sql, plan in plans.found:
            if not (name in COUNTED and sql.startswith("SELECT COUNT(*)")):
                found += [f"{name}: {fault} in {' '.join(sql.split())}" for fault in wrong(plan)]
    return found


def wrong(plan: Plan) -> Iterator[str]:
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            yield f"a scan of {node['Relation Name']}"
        if node["Node Type"] == "Sort" and node["Plan Rows"] > MOST_SORTED:
            yield f"a sort of {node['Plan Rows']:,} rows"


@pytest.mark.parametrize("who", [person, huge])
def test_reads_go_by_indexes(who: Callable[[], Someone]):
    assert faults(paths.reads(Agent(), who())) == []


@pytest.mark.parametrize("who", [person, huge])
def test_writes_and_passes_go_by_indexes(who: Callable[[], Someone]):
    agent = Agent()

    assert faults(paths.writes(agent, who())) == []
    assert faults(Passes().steps(agent, who())) == []


def test_an_erasure_goes_by_indexes():
    agent = Agent()
    who = Someone.of(running.people(3)[-1])

    assert faults(paths.erase(agent, who)) == []


def test_of_a_long_line_what_stands_is_read_and_not_what_has_ended():
    """Though of most lines nearly all stands, so that to look for what began by a version seems to be cheap."""
    subject = Subject.objects.get(user__app__name=world.GROWN, user__name=world.HUGE, kind="user")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO memory_span (line_id, conclusion_id, since, until, reason)"
            " SELECT line_id, conclusion_id, since, until, reason FROM memory_span, generate_series(1, 1000)"
            "  WHERE line_id = %s AND until IS NOT NULL",
            [subject.line_id],
        )
        cursor.execute(
            "WITH others AS MATERIALIZED (SELECT gen_random_uuid() AS line FROM generate_series(1, 20000))"
            " INSERT INTO memory_span (line_id, conclusion_id, since, reason)"
            " SELECT line, gen_random_uuid(), since, '' FROM others, generate_series(1, 5) AS since"
        )
        cursor.execute("ANALYZE memory_span")
        for _ in range(2):  # the first reads the catalog too
            cursor.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT * FROM memory_statements(%s)", [subject.current_id]
            )
            [[[found]]] = cursor.fetchall()
        transaction.set_rollback(True)
    pages = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
    assert pages < 20 * found["Plan"]["Actual Rows"]


def test_a_missing_index_is_noticed():
    agent = Agent()
    who = person()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memory_evidence DROP CONSTRAINT memory_evidence_pkey")
        found = faults(paths.reads(agent, who))
        transaction.set_rollback(True)

    assert any("a scan of memory_evidence" in fault for fault in found), found
