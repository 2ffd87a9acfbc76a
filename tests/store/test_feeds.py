"""The order of a feed: no event is lost and none is covered twice, whoever writes and drains at the same time."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection, transaction

from memory import feeds, log, publishing
from memory.errors import Conflict
from memory.log import NewEvent
from memory.models import FeedEntry, Line, Subject
from reasoning import following, passes, queue
from reasoning.models import Pass, Work
from reasoning.providers.base import Answer, Completion, Request, Statement
from tests.loop.helpers import STEP
from tests.store.helpers import (
    assert_covered_once,
    assert_evidence_once,
    concluded,
    person,
    said,
    say,
    together,
    until,
)

AT_ONCE = {"SETTLE_SECONDS": 0, "INTERVAL_SECONDS": dict.fromkeys(("user", "observed", "session", "project"), 0)}


def answered(request: Request) -> Completion:
    """An answer whose one statement rests on every event of the batch."""
    numbers = tuple(event.number for event in request.events)
    content = f"From {request.events[0].content} on, {len(numbers)} things were said."
    answer = Answer(add=(Statement(content, numbers),), short_summary="They talk.", now="They talk.")
    return Completion(answer, raw="", provider="test", model="test")


def drain_while(writing: Callable[[], bool], name: str) -> None:
    """Be a drainer until nobody writes any more and nothing waits."""
    while True:
        over = not writing()
        following.take_in()
        claims = queue.claim(4, name)
        for claim in claims:
            try:
                prepared = passes.prepare(claim, STEP)
                if prepared is not None:
                    passes.complete(prepared, answered(prepared.request))
            except queue.LostLease:  # a lease of these tests is short enough to be lost now and then
                continue
        if over and not claims and not waits():
            return


def waits() -> bool:
    return FeedEntry.objects.filter(position=None).exists() or Work.objects.exclude(state=Work.State.IDLE).exists()


class Crowd:
    """Writers whose transactions stay open for a while; some are undone."""

    def __init__(self, writers: int, turns: int, slowest: float) -> None:
        self.turns, self.slowest = turns, slowest
        self.left = writers
        self.committed: dict[str, list[UUID]] = {}
        self.undone = 0
        self.lock = threading.Lock()
        self.writers = [lambda seed=seed: self.write(random.Random(seed)) for seed in range(writers)]

    def writing(self) -> bool:
        return self.left > 0

    def write(self, dice: random.Random) -> None:
        try:
            for turn in range(self.turns):
                self.one_transaction(dice, turn)
        finally:
            with self.lock:
                self.left -= 1

    def one_transaction(self, dice: random.Random, turn: int) -> None:
        written: list[tuple[str, UUID]] = []
        undo = dice.random() < 0.15
        with transaction.atomic():
            # In one order: two that make the same two sessions, each another first, would wait for each other.
            for part, session in enumerate(sorted(dice.choices(self.sessions, k=dice.randint(1, 2)), key=str)):
                events = [NewEvent(content=f"{turn} {part} {i}") for i in range(dice.randint(1, 5))]
                rows = log.append("harbour", events, user="ana", session=session)
                written += [(session or "", row.id) for row in rows]
                if dice.random() < 0.5:
                    time.sleep(dice.uniform(0, self.slowest))
            if undo:
                transaction.set_rollback(True)
        with self.lock:
            if undo:
                self.undone += len(written)
                return
            for session, event_id in written:
                self.committed.setdefault(session, []).append(event_id)

    sessions: tuple[str | None, ...] = (None,)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sessions", [(None,), ("s1", "s2", "s3", "s4", "s5", "s6")], ids=["one", "many"])
def test_whatever_is_committed_is_covered_once_while_many_write_and_many_drain(sessions, settings):
    settings.HONCHO = AT_ONCE | {"LEASE_SECONDS": 1.5}
    person()
    crowd = Crowd(writers=16, turns=40, slowest=0.05)
    crowd.sessions = sessions
    drainers = [lambda name=name: drain_while(crowd.writing, name) for name in ("d1", "d2", "d3", "d4")]
    together(*crowd.writers, *drainers)
    everything = [event_id for ids in crowd.committed.values() for event_id in ids]
    assert len(everything) > 1_000
    assert crowd.undone > 100
    covered = Subject.objects.get(kind="session" if sessions[0] else "user", **first(sessions))
    assert Pass.objects.filter(line=covered.line_id, outcome="published").count() > 1, "they did drain meanwhile"
    for session, ids in crowd.committed.items():
        if session:
            subject = Subject.objects.get(session__name=session)
            assert_covered_once(subject, ids)
            assert_evidence_once(subject, ids)
    ana = Subject.objects.get(user__name="ana", kind="user")
    assert_covered_once(ana, everything)
    assert_evidence_once(ana, everything)
    assert not Work.objects.exclude(state=Work.State.IDLE).exists()
    assert not Pass.objects.filter(outcome=Pass.Outcome.RUNNING).exists()


def first(sessions):
    return {"session__name": sessions[0]} if sessions[0] else {"user__name": "ana"}


@pytest.mark.django_db(transaction=True)
def test_versions_published_without_the_loop_cover_each_event_once_too():
    subject = person()
    line = publishing.open_line(subject, "recipe")
    crowd = Crowd(writers=16, turns=20, slowest=0.03)

    def publish() -> None:
        while True:
            over = not crowd.writing()
            feeds.number()
            parent_id, cursor = Line.objects.values_list("head_id", "cursor").get(pk=line.pk)
            new = feeds.read(subject.pk, cursor, 50)
            if new:
                statement = publishing.NewConclusion(
                    content=f"From {new[0][0]} on.", evidence=[event.pk for _, event in new]
                )
                draft = publishing.Draft(
                    parent_id=parent_id, covers_from=cursor, covers_to=new[-1][0], added=[statement]
                )
                with contextlib.suppress(Conflict):
                    publishing.publish(line.pk, draft)
            elif over and not FeedEntry.objects.filter(position=None).exists():
                return

    together(*crowd.writers, publish, publish, publish)
    assert_covered_once(subject, crowd.committed[""])
    assert_evidence_once(subject, crowd.committed[""])


@pytest.mark.django_db(transaction=True)
def test_an_event_that_took_its_id_first_and_commits_last_is_covered_later():
    subject = person()
    line = publishing.open_line(subject, "recipe")
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> UUID:
        with transaction.atomic():
            [event] = say("I took my id first.")
            written.set()
            assert may_commit.wait(20)
        return event

    def quick() -> UUID:
        assert written.wait(20)
        [event] = said("I commit first.")
        version = concluded(line, "The quick one spoke.", evidence=[event])
        assert (version.covers_from, version.covers_to) == (0, 1)
        may_commit.set()
        return event

    slow_event, quick_event = together(slow, quick)
    assert slow_event < quick_event, "the ids are in the other order than the commits"
    assert [row.events for row in feeds.number()] == [1]
    version = concluded(line, "The slow one spoke.", evidence=[slow_event])
    assert (version.covers_from, version.covers_to) == (1, 2)
    assert [event.content for _, event in feeds.read(subject.pk, 0, 10)] == ["I commit first.", "I took my id first."]
    assert_covered_once(subject, [quick_event, slow_event])


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_holds_up_no_other_writer_of_its_subject_and_no_reader():
    person()
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            say("first")
            written.set()
            assert may_commit.wait(20)

    def others() -> None:
        assert written.wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        for number in range(5):
            said(f"meanwhile {number}")
        may_commit.set()

    together(slow, others)
    assert Subject.objects.get().head == 5


@pytest.mark.django_db(transaction=True)
def test_two_writers_that_touch_the_same_subjects_in_opposite_order_do_not_deadlock():
    for name in ("ana", "ben"):
        person(name)
    middle = threading.Barrier(2)

    def write(one: str, other: str) -> None:
        with transaction.atomic():
            say("hello", user=one)
            middle.wait(20)
            say("hello", user=other)

    together(lambda: write("ana", "ben"), lambda: write("ben", "ana"))
    feeds.number()
    assert list(Subject.objects.values_list("head", flat=True)) == [2, 2]


@pytest.mark.django_db(transaction=True)
def test_a_subject_that_somebody_holds_is_left_for_the_next_time_and_others_are_not():
    held, free = person("ana"), person("ben")
    say("one", user="ana")
    say("two", user="ben")
    locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            feeds.lock_subject(held.pk)
            locked.set()
            assert may_end.wait(20)

    def number() -> list[UUID]:
        assert locked.wait(20)
        arrivals = feeds.number()
        may_end.set()
        return [row.subject_id for row in arrivals]

    assert together(hold, number)[1] == [free.pk]
    assert [row.subject_id for row in feeds.number()] == [held.pk]


@pytest.mark.django_db(transaction=True)
def test_many_who_number_at_once_give_each_position_once():
    person("ana")
    ready = threading.Barrier(6)

    def number() -> int:
        ready.wait()
        return sum(row.events for row in feeds.number())

    for _ in range(10):
        say(*["x"] * 20)
        ready.reset()
        counted = sum(together(*[number] * 6))
        counted += sum(row.events for row in feeds.number())
        assert counted == 20
    positions = list(FeedEntry.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, 201))


@pytest.mark.django_db
def test_numbering_says_whose_feeds_grew_and_by_what():
    subject = person()
    rows = log.append("harbour", [NewEvent(content="hello there"), NewEvent(content="hm")], user="ana")
    [arrival] = feeds.number()
    assert arrival == feeds.Arrival(
        subject_id=subject.pk,
        app_id=subject.app_id,
        kind="user",
        events=2,
        tokens=sum(row.tokens for row in rows),
        oldest=rows[0].recorded_at,
        newest=rows[1].recorded_at,
    )
    assert feeds.number() == []
    assert feeds.waiting_after(subject.pk, 1) == feeds.Waiting(
        1, rows[1].tokens, rows[1].recorded_at, rows[1].recorded_at
    )
    assert feeds.waiting_after(subject.pk, 2) == feeds.Waiting(0, 0, None, None)


@pytest.mark.django_db
def test_the_tail_is_what_no_version_has_seen_numbered_or_not():
    subject = person()
    said("one", "two", "three")
    say("four", "five")
    assert [event.content for event in feeds.tail(subject.pk, 1, 10)] == ["two", "three", "four", "five"]
    assert [event.content for event in feeds.tail(subject.pk, 1, 3)] == ["three", "four", "five"]
    assert feeds.tail(subject.pk, 3, 0) == []


@pytest.mark.django_db(transaction=True)
def test_positions_begin_anew_for_nobody_after_an_undone_numbering():
    subject = person()
    say("one")
    with transaction.atomic():
        feeds.number()
        transaction.set_rollback(True)
    say("two")
    feeds.number()
    assert [position for position, _ in feeds.read(subject.pk, 0, 10)] == [1, 2]
    until(lambda: Subject.objects.get().head == 2, "the head")
