"""The work of subjects that were taken to other versions: what waits then, whose pass is given up, who goes first."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from memory import restoring
from memory.models import Line, Representation, Subject
from memory.restoring import Onward, restore
from reasoning import following, labels, passes, prompt_versions, queue, reconcile
from reasoning.models import Pass, PromptVersion, Work
from reasoning.providers.base import Failure, ProviderError
from tests.loop.helpers import (
    AT_ONCE,
    FakeProvider,
    claimed,
    completion,
    drain,
    draining,
    make_due,
    others_connected,
    outcomes,
    prepared,
    truthful,
    work_of,
)
from tests.store.helpers import assert_covered_once, contents, events_in_log, person, say, together, until

STAY, AGAIN, GO_ON = Onward

pytestmark = pytest.mark.django_db(transaction=True)  # inside one transaction, the database's now() stands still


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def history(name: str = "ana", versions: int = 2) -> list[Representation]:
    """A version for each of some events."""
    subject = person(name)
    for number in range(versions):
        say(f"event {number}", user=name)
        drain()
    return list(Representation.objects.filter(subject=subject).order_by("number"))


def of(name: str = "ana") -> Subject:
    return Subject.objects.select_related("line", "current").get(user__name=name)


def roll_back(to: Representation, then: Onward = STAY) -> Representation:
    return restoring.roll_back(of(to.subject.user.name), to.number, reason="why", then=then)


def make_live(message: str = "Better") -> PromptVersion:
    version = prompt_versions.create("user", f"{message}. {{subject}}", message=message)
    labels.move("live", version, reason="Try it")
    return version


def waiting(work: Work) -> tuple[str, int, bool]:
    return (work.state, work.waiting_events, work.due_at is not None)


def line_beside(subject: Subject, recipe: str = "beside") -> Work:
    """A line that follows beside what serves, and has everything to read."""
    line = Line.objects.create(subject=subject, recipe=recipe)
    return Work.objects.create(
        line=line, app_id=subject.app_id, kind="user", state="waiting", waiting_events=2, due_at="2020-01-01T00:00:00Z",
        follows=True, bulk=True,
    )  # fmt: skip


def test_nothing_waits_where_the_events_since_stay_read():
    first, _ = history()
    roll_back(first)
    assert waiting(work_of(of())) == ("idle", 0, False)
    assert drain().requests == []
    assert reconcile.account().faults == 0


def test_what_came_meanwhile_waits_and_is_due_at_once(settings):
    first, _ = history()
    settings.HONCHO = AT_ONCE | {"SETTLE_SECONDS": 600}
    say("three", "four")
    following.take_in()
    assert queue.claim(1, "d1") == [], "it is not due yet"
    roll_back(first)
    assert waiting(work_of(of())) == ("waiting", 2, True)
    assert claimed().line_id == of().line_id
    assert Work.objects.get().waiting_tokens > 0


def test_what_has_no_position_yet_is_taken_in_later():
    first, _ = history()
    say("three")
    roll_back(first)
    assert work_of(of()).state == "idle"
    drain()
    assert contents(of().current) == ["It was said: event 0", "It was said: three"]


def test_what_is_read_again_waits_on_the_branch_and_the_line_that_was_left_is_idle():
    first, second = history()
    old = of().line
    say("three")
    following.take_in()
    roll_back(first, AGAIN)
    assert waiting(Work.objects.get(line=old)) == ("idle", 0, False)
    work = work_of(of())
    assert waiting(work) == ("waiting", 2, True)
    assert not work.bulk, "somebody waits for this one"
    assert reconcile.account().faults == 0
    drain()
    assert contents(of().current) == [f"It was said: {text}" for text in ("event 0", "event 1", "three")]
    assert (of().current.covers_from, of().current.covers_to) == (1, 3)
    assert reconcile.account().faults == 0
    assert contents(second) == ["It was said: event 0", "It was said: event 1"]


def test_it_is_read_again_by_the_prompt_that_is_live_now():
    first, _ = history()
    better = make_live()
    made = roll_back(first, AGAIN)
    assert of().line.recipe == better.recipe
    assert (of().line.cursor, of().line.head) == (1, made)
    assert waiting(work_of(of())) == ("waiting", 1, True)
    assert Work.objects.exclude(state="idle").count() == 1
    drain()
    assert Pass.objects.latest("started_at").prompt_version == better


def test_many_that_read_again_yield_to_others_until_they_have_caught_up():
    ana, ben = history("ana"), history("ben")
    restore({rows[0].subject_id: rows[0].pk for rows in (ana, ben)}, onward=AGAIN, reason="why")
    rows = [work_of(of(name)) for name in ("ana", "ben")]
    assert [(work.bulk, work.follows, work.run_id, waiting(work)) for work in rows] == (
        [(True, False, None, ("waiting", 1, True))] * 2
    )
    say("live", user="cleo")
    following.take_in()
    [claim] = queue.claim(1, "d1")
    assert claim.kind == "user"
    assert not claim.bulk
    queue.release([claim])
    drain()
    assert [(work_of(of(name)).bulk, work_of(of(name)).state) for name in ("ana", "ben")] == [(False, "idle")] * 2
    assert reconcile.account().faults == 0


def test_many_whose_events_stay_read_do_not_yield():
    ana, ben = history("ana"), history("ben")
    say("three", user="ana")
    following.take_in()
    restore({rows[0].subject_id: rows[0].pk for rows in (ana, ben)}, onward=STAY, reason="why")
    assert [(work_of(of(name)).bulk, work_of(of(name)).state) for name in ("ana", "ben")] == [
        (False, "waiting"),
        (False, "idle"),
    ]


def test_a_pass_on_the_line_that_is_left_is_given_up_and_publishes_nothing():
    first, _ = history()
    say("three")
    ready = prepared(claimed())
    old = of().line
    roll_back(first, AGAIN)
    work = Work.objects.get(line=old)
    assert (work.lease_token, work.leased_by, waiting(work)) == (None, "", ("idle", 0, False))
    row = Pass.objects.get(pk=ready.claim.token)
    assert (row.outcome, row.error, row.ended_at is not None) == (
        "abandoned",
        "Another line serves its subject now",
        True,
    )
    before = of().versions
    with pytest.raises(queue.LostLease):
        passes.complete(ready, completion(truthful(ready.request)))
    assert of().versions == before


def test_a_pass_on_the_line_that_serves_on_keeps_its_lease_and_its_answer_is_not_published():
    first, _ = history()
    say("three")
    provider = FakeProvider()
    provider.gate = threading.Event()
    with draining(provider):
        until(lambda: provider.in_flight, "a call")
        lease = work_of(of()).lease_token
        roll_back(first)
        assert (work_of(of()).lease_token, work_of(of()).state) == (lease, "leased")
        assert Pass.objects.get(pk=lease).outcome == "running"
        provider.gate.set()
        until(lambda: work_of(of()).state != "leased", "the pass to end")
    assert (Pass.objects.get(pk=lease).outcome, contents(of().current)) == ("failed", ["It was said: event 0"])
    make_due()
    drain()
    assert contents(of().current) == ["It was said: event 0", "It was said: three"]
    assert_covered_once(of(), events_in_log(of()))
    assert reconcile.account().faults == 0


def test_what_is_parked_waits_for_an_operator_unless_another_line_takes_over(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    first, _ = history()
    say("poison")
    passes.fail(claimed(), ProviderError(Failure.REFUSED, "no"))
    assert work_of(of()).state == "parked"
    old = of().line
    roll_back(first)
    assert (work_of(of()).state, of().line) == ("parked", old)
    assert reconcile.account().parked == 1
    roll_back(first, AGAIN)
    assert waiting(work_of(of())) == ("waiting", 2, True)
    assert Work.objects.get(line=old).state == "idle"
    assert reconcile.account().faults == 0


def test_held_and_failed_work_begins_anew():
    first, _ = history()
    say("three")
    following.take_in()
    Work.objects.update(
        state="held", due_at=None, attempts=3, step=1, last_failure=Failure.QUOTA, last_error="No budget"
    )
    roll_back(first)
    work = work_of(of())
    assert waiting(work) == ("waiting", 1, True)
    assert (work.attempts, work.step, work.last_failure, work.last_error) == (0, 0, "", "")


def test_a_line_beside_that_is_promoted_goes_on_like_any_other_and_those_that_follow_still_do():
    history()
    subject = of()
    beside, other = line_beside(subject), line_beside(subject, "another")
    old = subject.line
    better = Representation.objects.create(
        subject=subject, line=beside.line, number=3, covers_from=0, covers_to=1, text="Better"
    )
    Subject.objects.filter(pk=subject.pk).update(versions=3)
    Line.objects.filter(pk=beside.line_id).update(head=better, cursor=1)
    restore({subject.pk: better.pk}, onward=GO_ON, reason="why")
    beside.refresh_from_db()
    assert (of().line_id, beside.follows, beside.bulk, waiting(beside)) == (
        beside.line_id,
        False,
        False,
        ("waiting", 1, True),
    )
    assert waiting(Work.objects.get(line=old)) == ("idle", 0, False)
    other.refresh_from_db()
    assert (other.follows, other.bulk, waiting(other)) == (True, True, ("waiting", 2, True))
    assert reconcile.account().faults == 0


def test_the_lease_of_a_line_beside_that_serves_from_now_on_is_kept():
    first, _ = history()
    subject = of()
    work = line_beside(subject)
    [claim] = queue.claim(1, "d1")
    better = Representation.objects.create(
        subject=subject, line=work.line, number=3, covers_from=0, covers_to=1, text="Better"
    )
    Subject.objects.filter(pk=subject.pk).update(versions=3)
    Line.objects.filter(pk=work.line_id).update(head=better, cursor=1)
    roll_back(better)
    work.refresh_from_db()
    assert (work.state, work.lease_token, work.follows, work.bulk) == ("leased", claim.token, False, False)
    assert outcomes(work.line) == ["running"]
    assert first.line != of().line


def test_a_drainer_is_woken_once_it_is_committed(settings):
    settings.HONCHO = AT_ONCE | {"POLL_INTERVAL": 600}
    first, _ = history()
    with draining(FakeProvider()):
        until(lambda: any("LISTEN" in row[2] for row in others_connected()), "it should listen")
        roll_back(first, AGAIN)
        until(lambda: of().line.cursor == 2, "the branch to be read")


def test_work_rows_are_locked_in_the_order_in_which_everybody_locks_them():
    """Whoever renews leases goes by the rows' keys; another order would be a deadlock with a big rollback."""
    ana, ben = history("ana"), history("ben")
    for name in ("ana", "ben"):
        say("three", user=name)
    following.take_in()
    old = {name: of(name).line for name in ("ana", "ben")}
    make_live()
    first, last = sorted((Work.objects.get(line=line) for line in old.values()), key=lambda work: work.pk)
    stays, leaves = (ana, ben) if first.line == old["ana"] else (ben, ana)
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Work.objects.select_for_update().get(pk=first.pk)
            holding.set()
            assert let_go.wait(20)

    def go() -> None:
        assert holding.wait(20)
        with transaction.atomic():
            subjects = [rows[0].subject_id for rows in (stays, leaves)]
            list(Subject.objects.select_for_update(no_key=True).filter(pk__in=subjects).order_by("pk"))
            beside = Line.objects.create(subject_id=leaves[0].subject_id, recipe="beside", cursor=3)
            Subject.objects.filter(pk=leaves[0].subject_id).update(line=beside)
            following.realign(subjects)

    def look() -> bool:
        try:
            until(waits, "the rows to be waited for")
            with transaction.atomic():
                return Work.objects.select_for_update(skip_locked=True).filter(pk=last.pk).exists()
        finally:
            let_go.set()

    _, _, free = together(hold, go, look)
    assert free, "it waits for the first and holds the last already"


def waits() -> bool:
    """Whether some connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])
