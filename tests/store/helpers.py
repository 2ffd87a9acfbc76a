"""What the tests of the store and of the loop share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memory import clock, feeds, log, publishing, tenants
from memory.models import Event, Evidence, FeedEntry, Line, Representation, Serving, Subject

PATIENCE = 30.0


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until ``condition`` gives something true, and return that."""
    give_up = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < give_up, f"waited {patience} s in vain: {what}"
        time.sleep(0.01)
    return found


def is_waited_for() -> bool:
    """Say whether another transaction of this database waits for the one that asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))")
        return bool(cursor.fetchone()[0])


def together(*functions: Callable[[], Any], patience: float = 120.0) -> list[Any]:
    """Run each function in a thread and with a connection of its own; return what they return."""
    results: list[Any] = [None] * len(functions)
    failures: list[BaseException] = []

    def run(index: int, function: Callable[[], Any]) -> None:
        try:
            results[index] = function()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if failures:
        raise failures[0]
    return results


def person(name: str = "ana", app: str = "harbour") -> Subject:
    """The subject of a user, who is made if need be."""
    user, _ = tenants.make_user(tenants.make_app(app)[0], name)
    return tenants.subject_of(user)


def say(*texts: str, user: str = "ana", app: str = "harbour", **event: Any) -> list[UUID]:
    """Append messages to a user's feed; return their ids."""
    return [row.id for row in log.append(app, [log.NewEvent(content=text, **event) for text in texts], user=user)]


def said(*texts: str, user: str = "ana", app: str = "harbour", **event: Any) -> list[UUID]:
    """Append messages and give them positions."""
    found = say(*texts, user=user, app=app, **event)
    feeds.number()
    return found


def draft_on(line: Line, up_to: int | None = None, **parts: Any) -> publishing.Draft:
    """A draft that goes on where the line stands now, and reads the whole feed unless told otherwise."""
    line = Line.objects.select_related("subject").get(pk=line.pk)
    covers_to = line.subject.head if up_to is None else up_to
    return publishing.Draft(parent_id=line.head_id, covers_from=line.cursor, covers_to=covers_to, **parts)


def concluded(line: Line, *contents: str, evidence: Collection[UUID], **parts: Any) -> Representation:
    """Publish a version that adds these statements."""
    added = [publishing.NewConclusion(content=content, evidence=list(evidence)) for content in contents]
    return publishing.publish(line.pk, draft_on(line, added=added, **parts))


def served_ago(subject: Subject, *served: tuple[Representation | None, timedelta]) -> None:
    """Let the subject have served these versions since so long ago each, oldest first, and nothing else."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE memory_serving DISABLE TRIGGER refuse_change")
        Serving.objects.filter(subject=subject).delete()
        Serving.objects.bulk_create(
            Serving(subject=subject, since=now - age, representation=version) for version, age in served
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE memory_serving ENABLE TRIGGER refuse_change")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def contents(version: Representation) -> list[str]:
    """What stands in a version."""
    return sorted(span.conclusion.content for span in publishing.spans_at(version))


def refused(sql: str, parameters: Collection[Any] = ()) -> str:
    """Run SQL that the database must refuse, and return what it said."""
    from django.db import Error

    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, list(parameters))
    except Error as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"the database did it: {sql}")


def assert_covered_once(subject: Subject, events: Collection[UUID], line: Line | None = None) -> None:
    """The subject's feed is exactly ``events``, gapless, and its line's versions cover each exactly once."""
    subject = Subject.objects.get(pk=subject.pk)
    feed = list(FeedEntry.objects.filter(subject=subject).values_list("position", "event_id"))
    positions = {event_id: position for position, event_id in feed}
    assert set(positions) == set(events), "the feed holds what was committed and nothing else"
    assert len(feed) == len(positions)
    assert sorted(position or 0 for position in positions.values()) == list(range(1, len(events) + 1))
    assert subject.head == len(events)
    line = Line.objects.get(pk=line.pk if line else subject.line_id)
    assert line.cursor == subject.head, "the line has read its whole feed"
    covering = dict.fromkeys(range(1, subject.head + 1), 0)
    for covers_from, covers_to in Representation.objects.filter(
        line=line, status=Representation.Status.PUBLISHED
    ).values_list("covers_from", "covers_to"):
        for position in range(covers_from + 1, covers_to + 1):
            covering[position] += 1
    assert set(covering.values()) <= {1}, "each position is covered by exactly one version"


def assert_evidence_once(subject: Subject, events: Collection[UUID]) -> None:
    """Each event is under exactly one statement of the subject."""
    rows = Evidence.objects.filter(conclusion__subject=subject).values_list("event_id", flat=True)
    assert sorted(rows) == sorted(events)


def events_in_log(subject: Subject) -> set[UUID]:
    """The ids of the events that a subject's feed holds."""
    return set(Event.objects.filter(feed_entries__subject=subject).values_list("pk", flat=True))
