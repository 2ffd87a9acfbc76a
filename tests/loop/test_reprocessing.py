"""Reprocessing: old events read again beside what is served, in the background of what comes in, until promoted."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from memory import clock, corrections, log, reading, tenants
from memory.errors import Conflict, Invalid
from memory.models import App, Line, Representation, Serving, Span, Subject
from reasoning import backlog, disposition, following, labels, passes, prompt_versions, queue, reconcile
from reasoning.models import Budget, Pass, Price, PromptVersion, Reprocess, ReprocessItem, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Statement
from reasoning.reprocessing import advance, lifecycle, outcome, progress
from reasoning.reprocessing.parts import Part
from tests.loop.helpers import AT_ONCE, STEP, FakeProvider, completion, drain, make_due, people, truthful
from tests.store.helpers import assert_covered_once, contents, events_in_log, person, say, until

pytestmark = pytest.mark.django_db(transaction=True)

BRISK = AT_ONCE | {"MAX_ATTEMPTS": 1}
"""What fails is parked at once."""

FINE = Part(without_regressions=True)

CALL = 120
"""What a call of FakeProvider takes."""


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = BRISK


def again(request: Request) -> Answer:
    """What the second prompt makes of events."""
    said = [event for event in request.events if event.kind != "correction"]
    return Answer(
        add=tuple(Statement(f"Now read as: {event.content}", (event.number,)) for event in said),
        card=("Read: again",),
    )


class TwoPrompts(FakeProvider):
    """Answers by ``truthful``, and for the second prompt by ``again``."""

    def __init__(self, second: Any = again, **more: Any) -> None:
        super().__init__(lambda request: (second if "Again." in request.instructions else truthful)(request), **more)


def second_prompt(kind: str = "user", **fields: Any) -> PromptVersion:
    first = PromptVersion.objects.get(kind=kind, app=None, number=1)
    return prompt_versions.create(kind, f"{first.instructions}\nAgain.", message="Reads better", **fields)


def app() -> App:
    return App.objects.get(name="harbour")


def draft(**options: Any) -> Reprocess:
    version = PromptVersion.objects.filter(number=2).first() or second_prompt()
    return lifecycle.create(version, **{"app": app(), "reason": "It reads better"} | options)


def started(**options: Any) -> Reprocess:
    return lifecycle.start(draft(**options))


def finished(run: Reprocess, provider: FakeProvider | None = None) -> Reprocess:
    drain(provider or TwoPrompts())
    return state_of(run)


def state_of(run: Reprocess) -> Reprocess:
    return Reprocess.objects.get(pk=run.pk)


def states(run: Reprocess) -> list[str]:
    return list(ReprocessItem.objects.filter(run=run).order_by("subject").values_list("state", flat=True))


def line_of(run: Reprocess, subject: Subject) -> Line:
    return Line.objects.get(subject=subject, branch=run.public_id)


def served(subject: Subject) -> str:
    current = Subject.objects.select_related("current").get(pk=subject.pk).current
    return current.text if current else ""


def context(name: str = "ana") -> bytes:
    """What an agent gets, as it goes out."""
    view = reading.context("harbour", name)
    return repr(view).encode()


def ago(days: float) -> datetime:
    return clock.now() - timedelta(days=days)


def test_a_run_reads_everything_again_and_what_is_served_stays_until_it_is_promoted():
    ana = person()
    say("one", "two")
    drain()
    say("three")
    drain()
    before = served(ana)
    run = started()
    assert run.state == "running"
    run = finished(run)
    assert (run.state, states(run)) == ("done", ["ready"])
    assert served(ana) == before
    line = line_of(run, ana)
    assert_covered_once(ana, events_in_log(ana), line)
    assert contents(line.head) == ["Now read as: one", "Now read as: three", "Now read as: two"]
    assert reconcile.account().faults == 0
    told = lifecycle.promote(run, reason="It is better", by="me")
    assert (told.promoted, told.left) == (1, 0)
    ana.refresh_from_db()
    assert (ana.line, contents(ana.current)) == (line, contents(line.head))
    assert "Now read as: one" in served(ana)
    assert (states(run), state_of(run).state) == (["promoted"], "promoted")
    note = Serving.objects.filter(subject=ana).latest("since")
    assert (note.representation, note.reason, note.by) == (ana.current, "It is better", "me")
    work = Work.objects.get(line=line)
    assert (work.run, work.bulk, work.follows, work.state) == (None, False, False, "idle")
    assert reconcile.account().faults == 0


def test_what_an_agent_gets_is_the_same_to_the_byte_until_the_promotion():
    person()
    say("one", "two")
    drain()
    before = context()
    run = finished(started())
    assert context() == before
    lifecycle.promote(run)
    assert context() != before


def test_a_draft_reads_nothing():
    person()
    say("one")
    drain()
    run = draft()
    provider = drain()
    assert (provider.requests, run.state, Line.objects.count()) == ([], "draft", 1)


def test_many_subjects_are_opened_a_few_at_a_time(monkeypatch):
    subjects = people(5)
    for subject in subjects:
        say("one", user=subject.user.name)
    drain()
    monkeypatch.setattr(advance, "CHUNK", 2)
    monkeypatch.setattr(advance, "MOST_OPEN", 3)
    run = started()
    counts = []
    while advance.advance():
        counts.append(states(run).count("reading"))
    assert counts == [2, 3]
    run = finished(run)
    assert (run.state, states(run)) == ("done", ["ready"] * 5)
    for subject in subjects:
        assert_covered_once(subject, events_in_log(subject), line_of(run, subject))


def test_only_subjects_of_the_version_s_kind_with_events_are_read_and_only_the_listed_ones_where_some_are_listed():
    people(3)
    say("one", user="user-0")
    log.append("harbour", [log.NewEvent(content="one")], user="user-1", session="s")
    say("one", app="other", user="ana")
    drain()
    assert draft().estimate["subjects"] == 2
    assert draft(subjects=["user-1"]).estimate["subjects"] == 1
    assert draft(app=None).estimate["subjects"] == 3
    with pytest.raises(Invalid, match="no such user"):
        draft(subjects=["nobody"])
    with pytest.raises(Invalid, match="Name the app"):
        draft(app=None, subjects=["user-1"])
    with pytest.raises(Conflict, match="nothing to read"):
        started(subjects=["user-2"])


def test_a_session_a_project_and_another_s_view_can_be_named():
    user = person().user
    session, _ = tenants.make_session(user.app, user, "talk")
    tenants.make_project(user.app, "work")
    bo, _ = tenants.make_user(user.app, "bo")
    tenants.join(session, bo, observes_others=True)
    for kind, ref, thing in (
        ("session", "talk", tenants.subject_of(session)),
        ("session", session.public_id, tenants.subject_of(session)),
        ("project", "work", Subject.objects.get(kind="project")),
        ("observed", {"user": "ana", "observer": "bo"}, tenants.subject_of(user, bo)),
    ):
        version = PromptVersion.objects.get(kind=kind, number=1)
        run = lifecycle.create(version, app=user.app, reason="x", subjects=[ref])
        assert run.subjects == [thing.public_id]


# Windows


def test_a_window_begins_with_the_version_that_was_served_then():
    ana = person()
    say("one")
    drain()
    since = clock.now()
    say("two")
    drain()
    first, second = Representation.objects.order_by("number")
    run = started(since=since)
    assert run.estimate["events"] == 1
    run = finished(run)
    line = line_of(run, ana)
    [item] = ReprocessItem.objects.all()
    assert (item.base, item.made, line.head.parent, line.head.covers_from) == (first, line.head, first, 1)
    assert contents(line.head) == ["It was said: one", "Now read as: two"]
    assert contents(second) == ["It was said: one", "It was said: two"]
    assert reconcile.account().faults == 0


def test_a_window_in_which_nothing_was_served_yet_begins_with_nothing_and_leaves_no_gap():
    ana = person()
    say("one", "two")
    following.take_in()
    since = clock.now()
    say("three")
    drain()
    run = started(since=since)
    advance.advance()
    [item] = ReprocessItem.objects.all()
    line = line_of(run, ana)
    assert (item.base, line.cursor) == (line.head, 2)
    assert (line.head.covers_from, line.head.covers_to, line.head.text) == (0, 2, "")
    assert line.head.reason == "The window begins here"
    assert line.head.made_by["reprocess"] == run.public_id
    assert line.head.as_of < since
    run = finished(run)
    assert contents(line_of(run, ana).head) == ["Now read as: three"]
    assert reconcile.account().faults == 0
    assert_covered_once(ana, events_in_log(ana), line)


def test_a_window_before_everything_is_the_whole_log():
    ana = person()
    say("one")
    drain()
    run = finished(started(since=ago(1)))
    line = line_of(run, ana)
    assert (line.head.parent, line.head.covers_from) == (None, 0)


def test_a_subject_without_events_in_the_window_is_not_in_it():
    people(2)
    say("one", user="user-0")
    drain()
    since = clock.now()
    say("two", user="user-1")
    drain()
    assert draft(since=since).estimate["subjects"] == 1


def test_a_window_begins_in_the_past():
    person()
    with pytest.raises(Invalid, match="in the past"):
        draft(since=ago(-1))


# What humans have said


def statement(ana: Subject, content: str) -> Any:
    return ana.conclusions.get(content=content)


def test_corrections_hold_in_a_window_that_begins_before_them_and_through_a_promotion():
    ana = person()
    say("one", "two", "three")
    drain()
    since = clock.now()
    say("four")
    drain()
    corrections.retract(ana, statement(ana, "It was said: one").pk, by="me")
    corrections.edit(ana, statement(ana, "It was said: two").pk, "It was said: 2", by="me")
    corrections.add(ana, "She sails.", by="me")
    run = started(since=since)
    advance.advance()
    line = line_of(run, ana)
    stands = ["It was said: 2", "It was said: three", "She sails."]
    assert contents(line.head) == stands
    assert "It was said: one" not in line.head.text
    assert line.head.reason == "What humans have said since version 1 holds here"
    run = finished(run)
    corrections.retract(ana, statement(ana, "It was said: three").pk, by="me")
    corrections.pin(ana, statement(ana, "It was said: four").pk, by="me")
    lifecycle.promote(run)
    ana.refresh_from_db()
    assert {"It was said: 2", "She sails.", "It was said: four"} <= set(contents(ana.current))
    for gone in ("It was said: one", "It was said: two", "It was said: three"):
        assert gone not in contents(ana.current)
        assert gone not in ana.current.text
    assert reconcile.account().faults == 0


def test_what_is_pinned_stands_from_the_first_pass_over_the_whole_log():
    ana = person()
    say("one")
    drain()
    corrections.add(ana, "She sails.", by="me")
    run = started()
    advance.advance()
    line = line_of(run, ana)
    assert (line.cursor, line.head) == (0, None)
    assert [span.conclusion.content for span in Span.objects.filter(line=line)] == ["She sails."]
    finished(run, provider := TwoPrompts())
    [asked] = [request for request in provider.requests if request.instructions.endswith("Again.")]
    assert [known.content for known in asked.known] == ["She sails."]
    assert "She sails." in contents(line_of(run, ana).head)


# Beside what comes in


def test_new_events_are_read_by_what_serves_and_by_the_run_before_and_after_it_is_done():
    ana = person()
    say("one")
    drain()
    run = started()
    advance.advance()
    say("two")
    run = finished(run)
    assert contents(line_of(run, ana).head) == ["Now read as: one", "Now read as: two"]
    say("three")
    run = finished(run)
    line = line_of(run, ana)
    ana.refresh_from_db()
    assert (run.state, line.cursor, ana.line.cursor) == ("done", 3, 3)
    assert "It was said: three" in contents(ana.current)
    assert "Now read as: three" in contents(line.head)
    assert reconcile.account().faults == 0
    lifecycle.promote(run)
    say("four")
    labels.move("live", run.prompt_version, reason="It is better")
    finished(run)
    ana.refresh_from_db()
    assert (ana.line, ana.line.cursor) == (line, 4)
    assert "Now read as: four" in contents(ana.current)
    assert_covered_once(ana, events_in_log(ana), line)


def test_after_a_promotion_the_live_prompt_goes_on_with_what_was_promoted():
    ana = person()
    say("one")
    drain()
    run = finished(started())
    lifecycle.promote(run)
    say("two")
    finished(run)
    ana.refresh_from_db()
    assert ana.line.recipe == labels.live(ana.app_id, "user").recipe != run.prompt_version.recipe
    assert contents(ana.current) == ["It was said: two", "Now read as: one"]
    assert reconcile.account().faults == 0


def test_what_comes_in_is_claimed_first_and_a_run_gets_no_more_than_its_share():
    subjects = people(4)
    for subject in subjects:
        say("one", user=subject.user.name)
    drain()
    run = started()
    advance.advance()
    say("new", user="user-3")
    following.take_in()
    make_due()
    serving = set(Subject.objects.values_list("line", flat=True))
    [first] = queue.claim(1, "me")
    assert (first.line_id in serving, first.bulk) == (True, False)
    assert [claim.bulk for claim in queue.claim(10, "me", bulk=2)] == [True, True]
    assert Pass.objects.filter(run=run).count() == 2
    assert queue.claim(10, "me", bulk=0) == []


def test_what_a_run_has_to_read_is_no_backlog_of_what_is_served(client, settings):
    settings.HONCHO = BRISK | {"AUTH": False}
    person()
    say("one")
    drain()
    started()
    advance.advance()
    assert Work.objects.exclude(state="idle").get().waiting_events == 1
    assert backlog.of_app(app().pk).groups == ()
    told = client.get("/metrics").content.decode()
    assert "honcho_reasoning_oldest_waiting_seconds 0.0" in told


# Pausing, throttling, ending


def test_a_paused_run_is_not_claimed_but_what_waits_for_it_counts_on():
    ana = person()
    say("one")
    drain()
    run = started()
    advance.advance()
    lifecycle.pause(run, reason="It is noon", by="me")
    assert state_of(run).state_reason == "By me: It is noon"
    say("two")
    disposition.release_held()
    provider = drain(TwoPrompts())
    assert [request.instructions.endswith("Again.") for request in provider.requests] == [False]
    work = Work.objects.get(run=run)
    assert (work.state, work.waiting_events, line_of(run, ana).cursor) == ("waiting", 2, 0)
    assert queue.next_due() is None
    lifecycle.resume(run)
    assert finished(run).state == "done"
    assert_covered_once(ana, events_in_log(ana), line_of(run, ana))


def test_a_pass_under_way_when_its_run_is_paused_ends_well():
    ana = person()
    say("one")
    drain()
    run = started()
    advance.advance()
    [claim] = queue.claim(1, "me")
    prepared = passes.prepare(claim, STEP)
    lifecycle.pause(run)
    passes.complete(prepared, completion(again(prepared.request)))
    assert line_of(run, ana).cursor == 1


def test_a_run_begins_no_more_passes_a_minute_than_it_may():
    for subject in people(4):
        say("one", user=subject.user.name)
    drain()
    run = started(passes_per_minute=2)
    advance.advance()
    assert len(queue.claim(10, "me")) == 2
    assert queue.claim(10, "me") == []
    assert queue.next_due() > 0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reasoning_pass SET started_at = started_at - interval '1 minute' WHERE run_id IS NOT NULL"
        )
    lifecycle.change(run, passes_per_minute=1)
    assert len(queue.claim(10, "me")) == 1
    lifecycle.change(run, passes_per_minute=None)
    assert len(queue.claim(10, "me")) == 1


def test_a_cancelled_run_stops_at_once_and_loses_nothing_that_it_has_made():
    people(2)
    say("one", user="user-0")
    say("one", user="user-1")
    drain()
    run = started()
    advance.advance()
    first, second = queue.claim(2, "me")
    prepared = passes.prepare(first, STEP)
    passes.complete(prepared, completion(again(prepared.request)))
    made = Representation.objects.count()
    lifecycle.cancel(run, reason="It is worse")
    assert Pass.objects.get(pk=second.token).outcome == "abandoned"
    with pytest.raises(queue.LostLease):
        passes.prepare(second, STEP)
    say("two", user="user-0")
    drain()
    assert Work.objects.filter(follows=True).count() == Work.objects.exclude(run=None).count() == 0
    assert Work.objects.exclude(state="idle").count() == 0
    assert {line.cursor for line in Line.objects.filter(branch=run.public_id)} == {0, 1}
    assert Representation.objects.count() == made + 1
    run = state_of(run)
    assert (run.state, run.state_reason, run.ended_at is not None) == ("cancelled", "It is worse", True)
    assert reconcile.account().faults == 0


def test_lines_that_a_crash_left_to_an_ended_run_are_let_go_by_the_next_chore():
    person()
    say("one")
    drain()
    run = started()
    advance.advance()
    Reprocess.objects.filter(pk=run.pk).update(state="cancelled")  # and the process died right then
    assert Work.objects.filter(run=run, follows=True).count() == 1
    assert advance.advance()
    assert Work.objects.filter(follows=True).count() == 0
    assert not advance.advance()


def test_a_discarded_run_is_read_by_nobody_and_stays_in_the_history():
    ana = person()
    say("one")
    drain()
    before = context()
    run = finished(started())
    made = line_of(run, ana).head
    lifecycle.discard(run, reason="No better")
    say("two")
    drain()
    assert line_of(run, ana).head == made
    assert context() != before
    assert "Now read" not in served(ana)
    assert reconcile.account().faults == 0


STEPS: dict[str, Any] = {
    "start": lifecycle.start,
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
    "cancel": lifecycle.cancel,
    "discard": lifecycle.discard,
    "promote": lambda run: lifecycle.promote(run),
    "change": lambda run: lifecycle.change(run, token_budget=1),
}
FITS = {
    "draft": {"start", "cancel", "change"},
    "running": {"pause", "cancel", "change"},
    "paused": {"resume", "cancel", "promote", "change"},
    "done": {"pause", "promote", "discard", "change"},
    "cancelled": set(),
    "promoted": set(),
    "discarded": set(),
}


def test_a_step_that_does_not_fit_is_refused_and_changes_nothing(subtests):
    person()
    say("one")
    drain()
    run = draft()
    for state, fits in FITS.items():
        for name in STEPS.keys() - fits:
            with subtests.test(f"{name} of a run that is {state}"):
                Reprocess.objects.filter(pk=run.pk).update(state=state)
                with pytest.raises(Conflict, match=f"this one is {state}"):
                    STEPS[name](run)
                assert state_of(run).state == state


# Budgets


def spent_up(run: Reprocess) -> Reprocess:
    run = finished(run)
    assert run.state == "paused"
    assert (
        Work.objects.filter(run=run, attempts=0, state="waiting").count()
        == Work.objects.filter(run=run).exclude(state="idle").count()
    )
    assert not Pass.objects.filter(run=run).exclude(outcome="published").exists()
    return run


def test_a_run_stops_where_its_budget_ends_and_goes_on_when_it_is_raised():
    for subject in people(4):
        say("one", user=subject.user.name)
    drain()
    run = spent_up(started(token_budget=2 * CALL + 10))
    assert run.tokens == 2 * CALL
    assert run.state_reason == (
        "The budget of this run is 250 tokens: 240 are spent, and the next call may take 120. Raise it and resume."
    )
    lifecycle.resume(run)
    assert spent_up(run).tokens == 2 * CALL
    lifecycle.change(run, token_budget=4 * CALL)
    lifecycle.resume(run)
    run = finished(run)
    assert (run.state, run.tokens, sorted(states(run))) == ("done", 4 * CALL, ["ready"] * 4)


def test_a_budget_of_money_needs_a_price():
    person()
    say("one")
    drain()
    run = spent_up(started(money_budget=Decimal("0.2")))
    assert run.state_reason.startswith("No price: nobody knows what the model gpt-4o-mini of the provider fake costs")
    Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1000, output_price=1000)
    lifecycle.resume(run)
    run = finished(run)
    assert (run.state, run.cost) == ("done", Decimal("0.12"))


def test_a_budget_of_the_app_holds_the_work_of_a_run_like_any_other():
    person()
    say("one")
    drain()
    Budget.objects.create(app=app(), tokens=CALL)
    run = finished(started())
    assert (run.state, Work.objects.get(run=run).state, run.tokens) == ("running", "held", 0)
    Budget.objects.all().delete()
    Work.objects.filter(run=run).update(due_at=clock.now())
    assert finished(run).state == "done"


def test_a_call_of_which_nobody_knows_what_it_took_stays_charged():
    person()
    say("one")
    drain()
    run = started()
    advance.advance()
    [claim] = queue.claim(1, "me")
    prepared = passes.prepare(claim, STEP)
    assert state_of(run).tokens == CALL
    passes.fail(claim, ProviderError(Failure.TRANSIENT, "cut off", usage=None), prepared)
    assert state_of(run).tokens == CALL


# What it will take, and how far it is


def test_the_estimate_rests_on_history_and_comes_true():
    for subject in people(3):
        say(*["A sentence of some words, number one."] * 5, user=subject.user.name)
    drain()
    Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1000, output_price=2000)
    run = started()
    told = run.estimate
    assert told["rests_on"] == "3 passes of user prompts with the same model"
    assert (told["subjects"], told["events"], told["passes"]) == (3, 15, 3)
    assert told["seconds"] is not None
    run = finished(run)
    assert Pass.objects.filter(run=run).count() == told["passes"]
    assert (run.tokens, run.cost) == (told["tokens"], Decimal(told["money"])) == (3 * CALL, Decimal("0.42"))
    assert draft().estimate["rests_on"] == "3 passes of user prompt 2"


def test_an_estimate_from_passes_over_one_event_each_counts_what_larger_ones_will_answer():
    for subject in people(3):
        say("We sail at noon.", user=subject.user.name)
    drain()
    Pass.objects.update(input_tokens=1_000, output_tokens=100)
    one = draft().estimate
    assert (one["input_tokens"], one["output_tokens"]) == (3_000, 300)
    for user in ("user-0", "user-1", "user-2"):
        say(*["We sail at noon."] * 9, user=user)
    following.take_in()
    told = draft().estimate
    assert (told["passes"], told["events"], told["output_tokens"]) == (3, 30, 3_000)
    assert told["input_tokens"] == 3_000 + told["event_tokens"] - one["event_tokens"]


def test_an_estimate_counts_passes_by_what_one_may_show(settings):
    settings.HONCHO = BRISK | {"PASS_EVENTS": 2}
    person()
    say("one", "two", "three", "four", "five")
    drain()
    run = started()
    assert run.estimate["passes"] == 3
    finished(run)
    assert Pass.objects.filter(run=run).count() == 3
    settings.HONCHO = BRISK | {"PASS_TOKENS": 2}
    assert draft().estimate["passes"] == 3


def test_an_estimate_without_history_says_so_and_is_the_most_that_it_may_take():
    person()
    say("one")
    following.take_in()
    told = draft().estimate
    assert told["rests_on"] == "no history: projected from the limits, as the most that it may take"
    assert (told["output_tokens"], told["money"], told["seconds"]) == (4_000, None, None)
    assert told["input_tokens"] > 2_000
    assert draft(passes_per_minute=1).estimate["seconds"] == 60


def test_progress_counts_what_is_read_and_what_is_left():
    for subject in people(3):
        say("one", "two", user=subject.user.name)
    drain()
    run = draft()
    assert progress.progress(run).rate is None
    run = lifecycle.start(run)
    told = progress.progress(run)
    assert (told.items, told.events, told.events_read, told.rate) == ({"pending": 3}, 6, 0, 0.0)
    advance.advance()
    assert progress.progress(run).work == {"waiting": 3}
    [claim] = queue.claim(1, "me")
    prepared = passes.prepare(claim, STEP)
    passes.complete(prepared, completion(again(prepared.request)))
    advance.advance()
    told = progress.progress(state_of(run))
    assert (told.items, told.events_read, told.events_left) == ({"reading": 2, "ready": 1}, 2, 4)
    assert (told.passes, told.tokens) == ({"published": 1}, CALL)
    assert told.rate > 0
    assert told.eta_seconds is not None
    told = progress.progress(finished(run))
    assert (told.items, told.events_left, told.share) == ({"ready": 3}, 0, 1.0)


# Failures, comparing, promoting


def refusing(name: str) -> Any:
    def answer(request: Request) -> Answer:
        if request.subject == name:
            raise ProviderError(Failure.REFUSED, "It will not")
        return again(request)

    return answer


def test_a_subject_that_fails_is_noted_with_its_error_and_the_others_are_finished():
    for subject in people(3):
        say("one", user=subject.user.name)
    drain()
    run = finished(started(), TwoPrompts(refusing("user-1")))
    assert (run.state, run.state_reason) == ("done", "Everything is read, but 1 of 3 failed.")
    assert sorted(states(run)) == ["failed", "ready", "ready"]
    [failed] = progress.items(run, state="failed")
    assert (failed.error, failed.subject.user.name) == ("It will not", "user-1")
    assert outcome.regressions([failed])[failed.subject_id] == ["It failed: It will not", "Nothing was made of it yet."]
    promotion = lifecycle.promote(run, FINE)
    assert (promotion.promoted, promotion.left) == (2, 1)
    assert sorted(states(run)) == ["left", "promoted", "promoted"]
    assert "It was said" in served(failed.subject)
    assert Work.objects.filter(follows=True).count() == 0
    say("two", user="user-1")
    drain()
    assert reconcile.account().faults == 0


def test_a_failed_subject_that_an_operator_has_tried_again_is_ready():
    person()
    say("one")
    drain()
    run = finished(started(), TwoPrompts(refusing("ana")))
    assert states(run) == ["failed"]
    disposition.retry(Work.objects.filter(run=run))
    assert states(finished(run)) == ["ready"]


LONG = [
    f"The harbour has a berth for boat number {number}, which sails on every day of the week." for number in range(20)
]
GERMAN = (
    "Das ist der Hafen, in dem sie seit vielen Jahren mit ihrem Boot liegt, und sie hat es nicht verkauft, weil sie es"
    " noch immer sehr gern hat und es auch im Winter nicht aus dem Wasser nimmt."
)
ENGLISH = (
    "This is the harbour in which she has kept her boat for many years, and she has not sold it because she is still"
    " very fond of it and does not take it out of the water in winter."
)


@pytest.mark.parametrize(
    ("said", "answer", "told"),
    [
        (LONG, lambda request: Answer(add=(Statement("A harbour.", (1,)),)), "at most 60 per cent may go"),
        (["one"], lambda request: Answer(), "It says nothing; what is served says something."),
        ([ENGLISH], lambda request: Answer(add=(Statement(GERMAN, (1,)),)), "It is written in German; what is served"),
        (["one"], again, None),
    ],
)
def test_what_is_worse_is_told_in_sentences_and_left_as_it_is(settings, said, answer, told):
    settings.HONCHO = BRISK | {"GATE_LANGUAGE": False}
    ana = person()
    say(*said)
    drain()
    before = served(ana)
    run = finished(started(), TwoPrompts(answer))
    [found] = outcome.sample(run, 10)
    assert [told in sentence for sentence in found.regressions] == ([True] if told else [])
    assert found.diff.start.version.number < found.diff.end.version.number
    promotion = lifecycle.promote(run, FINE)
    assert (promotion.promoted, promotion.left) == ((0, 1) if told else (1, 0))
    assert (served(ana) == before) is bool(told)


def test_what_a_gate_stopped_last_is_worse():
    ana = person()
    say("one")
    drain()
    run = finished(started())
    say("two")

    def unfounded(request: Request) -> Answer:
        return Answer(add=(Statement("It rests on nothing that it was shown.", (99,)),))

    finished(run, TwoPrompts(unfounded))
    [item] = progress.items(run)
    told = outcome.regressions([item])[ana.pk]
    assert told[0] == "It has read the feed up to event 1; what is served has read up to 2."
    assert told[1].startswith("A gate stopped its last answer: ")
    assert len(told) == 2


def test_a_sample_shows_what_would_change_even_where_what_is_served_is_newer():
    ana = person()
    say("one")
    drain()
    run = finished(started())
    corrections.add(ana, "She sails.", by="me")
    [found] = outcome.sample(run, 10)
    assert [item.conclusion.content for item in found.diff.added] == ["Now read as: one"]
    assert [item.conclusion.content for item in found.diff.retired] == ["It was said: one"]


def test_promoting_a_run_that_was_paused_before_its_end_takes_what_is_there():
    for subject in people(3):
        say("one", user=subject.user.name)
    drain()
    run = spent_up(started(token_budget=CALL))
    promotion = lifecycle.promote(run, FINE)
    assert (promotion.promoted, promotion.left) == (1, 2)
    say("two", user="user-0")
    drain()
    assert reconcile.account().faults == 0


def test_events_that_a_promoted_line_has_not_read_wait_on_it():
    ana = person()
    say("one")
    drain()
    run = finished(started())
    lifecycle.pause(run)
    say("two")
    drain()
    before = served(ana)
    assert lifecycle.promote(run, FINE).promoted == 0
    assert served(ana) == before
    run = finished(lifecycle.start(draft()))
    lifecycle.pause(run)
    say("three")
    drain()
    labels.move("live", run.prompt_version, reason="It is better")
    assert lifecycle.promote(run).promoted == 1
    work = Work.objects.get(line__subject=ana, line__branch=run.public_id)
    assert (work.state, work.waiting_events, work.bulk) == ("waiting", 1, False)
    finished(run)
    ana.refresh_from_db()
    assert contents(ana.current) == [f"Now read as: {word}" for word in ("one", "three", "two")]
    assert reconcile.account().faults == 0


# A process that dies

DRAINER = """
import asyncio, sys
import django
django.setup()
from django.conf import settings
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from reasoning.drainer import Drainer
from reasoning.providers.base import Step
from reasoning.reprocessing import advance
from tests.loop.test_reprocessing import SLOW, TwoPrompts
settings.HONCHO = SLOW
advance.CHUNK, advance.MOST_OPEN = 2, 4
asyncio.run(Drainer(Step(TwoPrompts(delay=0.1))).run())
"""
SLOW = AT_ONCE | {"PASS_EVENTS": 2, "WORKER_CONCURRENCY": 2, "CALLS_PER_CONNECTION": 2}


def killed_when(condition: Any, what: str) -> None:
    """Let a drainer run in a process of its own, and kill -9 it as soon as ``condition`` holds."""
    drainer = subprocess.Popen([sys.executable, "-c", DRAINER, connection.settings_dict["NAME"]])
    try:
        until(lambda: condition() or drainer.poll() is not None, what)
        assert drainer.poll() is None
    finally:
        drainer.kill()
        drainer.wait()
    make_due()  # as its leases will be


def test_kill_9_in_the_middle_leaves_nothing_undone_and_nothing_done_twice(settings):
    settings.HONCHO = SLOW
    subjects = people(6)
    for subject in subjects:
        say(*(f"number {number}" for number in range(4)), user=subject.user.name)
    drain()
    before = {subject.pk: served(subject) for subject in subjects}
    run = started()
    made = Representation.objects.filter(line__branch=run.public_id)
    leased = Work.objects.filter(run=run, state="leased")
    killed_when(
        lambda: made.count() >= 2 and {"pending", "reading"} <= set(states(run)) and leased.exists(),
        "lines that were read, lines that are, and some that are not open yet",
    )
    assert leased.exists()
    assert "pending" in states(run)
    say("new", user="user-0")
    run = finished(run)
    assert (run.state, states(run)) == ("done", ["ready"] * 6)
    assert reconcile.account().faults == 0
    assert Pass.objects.filter(run=run, outcome="abandoned").exists()
    for subject in subjects:
        assert_covered_once(subject, events_in_log(subject), line_of(run, subject))
        assert subject.user.name == "user-0" or served(subject) == before[subject.pk]
    assert lifecycle.promote(run, FINE).promoted == 6
    assert reconcile.account().faults == 0
