"""What is known is gone over when a subject has grown or been quiet: once, after what is to be read, and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from memory import clock, corrections, explaining, restoring, tenants
from memory import quarantine as store
from memory.errors import Conflict, Invalid, NotFound
from memory.models import App, Conclusion, Evidence, Premise, Representation, Subject
from reasoning import consolidation, disposition, following, labels, passes, prompt_versions, queue, reconcile
from reasoning.chores import everything
from reasoning.conf import ReasoningSettings
from reasoning.drainer import Drainer
from reasoning.models import Budget, Pass, Work
from reasoning.providers.base import (
    Answer,
    Failure,
    Level,
    ProviderError,
    Request,
    Retirement,
    Statement,
    Step,
    Task,
)
from reasoning.providers.local import LocalProvider
from tests.loop.helpers import AT_ONCE, STEP, FakeProvider, completion, drain, make_due, truthful, work_of
from tests.store.helpers import assert_covered_once, contents, events_in_log, person, refused, say

pytestmark = pytest.mark.django_db
with_threads = pytest.mark.django_db(transaction=True)

GROWN = {"CONSOLIDATE_STATEMENTS": 3, "CONSOLIDATE_QUIET_STATEMENTS": 2}


@pytest.fixture(autouse=True)
def at_once(settings, monkeypatch):
    settings.HONCHO = {**AT_ONCE, **GROWN}
    monkeypatch.setattr(disposition, "BACKOFF_SECONDS", 0.001)


def taken(worker: str = "d1") -> passes.Prepared | None:
    """Prepare the one row that has anything to do."""
    following.take_in()
    make_due()
    [claim] = queue.claim(10, worker)
    return passes.prepare(claim, STEP)


def read(*texts: str, user: str = "ana", app: str = "harbour") -> Representation | None:
    """Read these messages in one pass: a statement for each."""
    say(*texts, user=user, app=app)
    ready = taken()
    return passes.complete(ready, completion(truthful(ready.request)))


def go_on(answer: Callable[[Request], Answer]) -> list[Request]:
    """Do whatever is due, and becomes due, until there is nothing more; return what was asked."""
    asked: list[Request] = []
    while True:
        consolidation.schedule()
        following.take_in()
        make_due()
        claims = queue.claim(1, "d1")
        if not claims:
            return asked
        ready = passes.prepare(claims[0], STEP)
        if ready is not None:
            asked.append(ready.request)
            passes.complete(ready, completion(answer(ready.request)))


def merging(request: Request) -> Answer:
    """The first statement, in new words, in place of all but the last."""
    if request.task is Task.READ:
        return truthful(request)
    gone = request.known[:-1]
    numbers = tuple(item.number for item in gone)
    return Answer(
        add=(Statement("It was said several times.", (), Level.INDUCTIVE, request.subject, known=numbers),),
        retire=tuple(Retirement(number, "merged", 0) for number in numbers),
        card=request.card,
        now=request.now,
        short_summary=request.short_summary,
    )


def unmerged(request: Request) -> Answer:
    """Nothing to be done: all as it was shown."""
    return Answer(card=request.card, now=request.now) if request.task is Task.CONSOLIDATE else truthful(request)


def failing(failure: Failure) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.task is Task.CONSOLIDATE:
            raise ProviderError(failure, "No.")
        return truthful(request)

    return answer


def tasks(asked: list[Request]) -> list[str]:
    return [request.task.value for request in asked]


def state(subject: Subject | None = None) -> tuple[str, str, int, bool]:
    work = work_of(subject)
    return work.state, work.task, work.unconsolidated, work.bulk


def due() -> passes.Prepared:
    """Mark what is due, and claim and prepare it."""
    assert consolidation.schedule()
    ready = taken()
    assert ready.request.task is Task.CONSOLIDATE
    return ready


IDLE = ("idle", "read", 0, False)


class TestWhenItIsDue:
    def test_what_a_pass_added_is_counted_and_what_it_said_again_is_not(self):
        read("one", "two")
        assert state() == ("idle", "read", 2, False)
        read("one", "two", "three")
        assert state() == ("idle", "read", 3, False)

    def test_a_line_that_has_grown_enough_is_due_at_once_and_yields_to_other_work(self):
        read("one", "two")
        assert consolidation.schedule() is False
        read("three")
        assert consolidation.schedule() is True
        assert state() == ("waiting", "consolidate", 3, True)
        assert consolidation.schedule() is False

    def test_one_that_has_grown_a_little_is_due_once_it_has_been_quiet(self):
        read("one", "two")
        quiet = timedelta(seconds=ReasoningSettings.load().consolidate_quiet_seconds)
        Work.objects.update(last_pass_at=clock.now() - quiet + timedelta(minutes=1))
        assert consolidation.schedule() is False
        Work.objects.update(last_pass_at=clock.now() - quiet - timedelta(minutes=1))
        assert consolidation.schedule() is True
        assert state()[:2] == ("waiting", "consolidate")

    def test_one_that_has_hardly_grown_never_is(self):
        read("one")
        Work.objects.update(last_pass_at=clock.now() - timedelta(days=400))
        assert consolidation.schedule() is False

    def test_a_site_can_do_without(self, settings):
        settings.HONCHO = {**settings.HONCHO, "CONSOLIDATE": False}
        read("one", "two", "three")
        assert consolidation.schedule() is False
        assert state()[0] == "idle"

    def test_a_line_that_serves_no_more_is_left_alone(self):
        read("one", "two", "three")
        old = Work.objects.get()
        better = prompt_versions.create("user", "Better: {subject}", message="better")
        labels.move("live", better, reason="better")
        assert consolidation.schedule() is True
        read("four")
        old.refresh_from_db()
        assert (old.state, old.task, old.unconsolidated) == ("idle", "read", 3)
        assert consolidation.schedule() is False

    def test_a_part_is_marked_at_a_time(self, monkeypatch):
        for name in ("ana", "bo"):
            read("one", "two", "three", user=name)
        monkeypatch.setattr(consolidation, "AT_ONCE", 1)
        assert consolidation.schedule() is True
        assert Work.objects.filter(task="consolidate").count() == 1
        assert consolidation.schedule() is True
        assert consolidation.schedule() is False

    @with_threads
    def test_drainers_do_it_by_themselves(self):
        assert consolidation.schedule in [chore.run for chore in everything()]
        say("one", "two", "three", "four")
        assert tasks(drain(FakeProvider(merging)).requests) == ["read", "consolidate"]
        assert state() == IDLE


class TestTheVersionThatItMakes:
    def test_it_covers_nothing_and_rests_on_statements_and_their_events(self):
        before = read("one", "two", "three")
        ready = due()
        assert ready.request.events == ()
        assert len(ready.request.known) == 3
        version = passes.complete(ready, completion(merging(ready.request)))
        assert (version.number, version.covers_from, version.covers_to) == (2, 3, 3)
        assert version.parent == before
        assert contents(version) == ["It was said several times.", "It was said: three"]
        assert Subject.objects.get().current == version
        made = Conclusion.objects.get(content="It was said several times.")
        assert made.level == "inductive"
        told = {row.premise.content: row.representation for row in Premise.objects.filter(conclusion=made)}
        assert told == {"It was said: one": version, "It was said: two": version}
        assert Evidence.objects.filter(conclusion=made).count() == 2
        row = Pass.objects.get(representation=version)
        assert (row.task, row.outcome, row.covers_from, row.covers_to) == ("consolidate", "published", 3, 3)
        assert (version.made_by["task"], version.made_by["events"]) == ("consolidate", 0)
        assert (before.made_by["task"], before.made_by["events"]) == ("read", 3)

    def test_what_it_rests_on_cannot_be_changed(self):
        read("one", "two", "three")
        ready = due()
        passes.complete(ready, completion(merging(ready.request)))
        first = "(SELECT id FROM memory_representation WHERE number = 1)"
        assert "is refused" in refused(f"UPDATE memory_premise SET representation_id = {first}")
        assert "is refused" in refused("DELETE FROM memory_premise")

    def test_it_is_done_once_and_no_event_is_read_twice(self):
        subject = person()
        read("one", "two", "three")
        last_pass = work_of().last_pass_at
        go_on(merging)
        assert state() == IDLE
        assert work_of().last_pass_at == last_pass, "the next reading need not wait for it"
        assert tasks(go_on(merging)) == []
        read("four")
        assert_covered_once(subject, events_in_log(subject))
        assert reconcile.account().faults == 0

    def test_a_sentence_leads_to_its_premises_and_events_and_a_premise_back(self):
        subject = person()
        read("one", "two", "three")
        go_on(merging)
        found = explaining.explain(subject, Conclusion.objects.get(content="It was said several times."))
        assert [row.premise.content for row in found.premises] == ["It was said: one", "It was said: two"]
        assert [row.event.content for row in found.evidence] == ["one", "two"]
        assert found.introduced.number == 2
        assert found.premise_of == []
        back = explaining.explain(subject, Conclusion.objects.get(content="It was said: one"))
        assert [row.conclusion for row in back.premise_of] == [found.conclusion]
        assert [item.span.replaced_by for item in back.spans] == [found.conclusion]
        assert not back.stands

    def test_one_that_is_said_again_takes_the_others_evidence_and_is_no_premise_of_itself(self):
        read("one", "two", "three")

        def keeps_the_first(request: Request) -> Answer:
            first = request.known[0]
            again = Statement(first.content, (), about=first.about, known=(1, 2))
            return Answer((again,), (Retirement(2, "the same", 0),), request.card, request.now)

        ready = due()
        version = passes.complete(ready, completion(keeps_the_first(ready.request)))
        assert contents(version) == ["It was said: one", "It was said: three"]
        first = Conclusion.objects.get(content="It was said: one")
        assert [row.premise.content for row in first.premises.all()] == ["It was said: two"]
        assert first.evidence.count() == 2

    def test_an_answer_that_changes_nothing_makes_no_version(self):
        version = read("one", "two", "three")
        assert tasks(go_on(unmerged)) == ["consolidate"]
        assert Subject.objects.get().current == version
        row = Pass.objects.get(outcome="unchanged")
        assert (row.representation, row.task, row.input_tokens) == (None, "consolidate", 100)
        assert state() == IDLE
        assert consolidation.schedule() is False

    def test_what_a_human_pinned_stays(self):
        subject = person()
        read("one", "two", "three")
        corrections.pin(subject, Conclusion.objects.get(content="It was said: one").pk, by="olga")
        go_on(merging)
        standing = contents(Subject.objects.select_related("current").get().current)
        assert "It was said several times." in standing
        assert "It was said: one" in standing

    def test_a_premise_is_a_statement_of_the_same_subject(self):
        read("one", user="bo")
        foreign = Conclusion.objects.get().pk
        read("one", "two", "three")
        ready = due()
        known = dict.fromkeys(ready.known, foreign)
        with pytest.raises(Invalid, match="1 of the statements named as premises are not the subject's"):
            passes.complete(replace(ready, known=known), completion(merging(ready.request)))
        assert not Premise.objects.exists()

    @with_threads
    def test_the_built_in_reasoner_merges_what_says_the_same(self, settings):
        settings.HONCHO = {**settings.HONCHO, "PROVIDER": "local", "KNOWN_TOKENS": 1}
        for text in ("I love sailing on the sea.", "I play the cello in an orchestra.", "I enjoy sailing on the sea."):
            say(text)
            asyncio.run(Drainer(Step(LocalProvider())).run(until_idle=True))
        version = Subject.objects.select_related("current").get().current
        assert version.made_by["task"] == "consolidate"
        assert contents(version) == ["ana enjoys sailing on the sea.", "ana plays the cello in an orchestra."]
        assert [row.premise.content for row in Premise.objects.all()] == ["ana loves sailing on the sea."]


class TestWhatItIsShown:
    def test_what_none_has_gone_over_comes_first_and_the_rest_is_for_another_time(self, settings):
        settings.HONCHO = {**settings.HONCHO, "CONSOLIDATE_TOKENS": 72}
        read(*(f"number {number} of all that was said" for number in range(1, 13)))
        shown: list[list[str]] = []

        def answer(request: Request) -> Answer:
            if request.task is Task.CONSOLIDATE:
                shown.append([item.content.split()[4] for item in request.known])
            return unmerged(request)

        go_on(answer)
        fresh = [{"1", "2", "3"}, {"4", "5", "6"}, {"7", "8", "9"}, {"10", "11", "12"}]
        assert len(shown) == 4
        assert all(wanted <= set(each) for wanted, each in zip(fresh, shown, strict=True)), shown
        assert all(len(each) <= 7 for each in shown)
        assert state() == IDLE

    def test_statements_that_are_gone_since_do_not_keep_it_going(self):
        read("one", "two", "three", "four")
        Work.objects.update(unconsolidated=50)
        assert len(due().request.known) == 4
        go_on(unmerged)
        assert state() == IDLE

    def test_a_single_statement_is_not_worth_a_call(self):
        read("one")
        consolidation.ask_for(person(), by="olga")
        assert tasks(go_on(merging)) == []
        assert state() == IDLE
        assert Pass.objects.count() == 1


class TestEventsGoFirst:
    def test_events_that_come_before_it_are_read_before_it(self):
        subject = person()
        read("one", "two", "three")
        consolidation.schedule()
        say("four")
        following.take_in()
        assert state() == ("waiting", "consolidate", 3, False)
        asked = go_on(merging)
        assert tasks(asked) == ["read", "consolidate"]
        assert [item.content for item in asked[1].known][-1] == "It was said: four"
        assert state() == IDLE
        assert_covered_once(subject, events_in_log(subject))

    def test_events_that_come_during_it_are_read_at_once_after_it(self):
        read("one", "two", "three")
        ready = due()
        say("four")
        following.take_in()
        version = passes.complete(ready, completion(merging(ready.request)))
        assert version.number == 2
        assert state() == ("waiting", "read", 0, False)
        assert taken().covers_from == 3

    def test_a_line_that_waits_for_both_reads_first_even_where_it_was_asked_for(self):
        subject = person()
        read("one")
        say("two", "three")
        following.take_in()
        work = consolidation.ask_for(subject, by="olga")
        assert (work.state, work.task, work.bulk, work.waiting_events) == ("waiting", "consolidate", False, 2)
        assert tasks(go_on(merging)) == ["read", "consolidate"]

    def test_one_that_waits_is_claimed_after_what_others_have_to_read(self):
        read("one", "two", "three")
        consolidation.schedule()
        say("hello", user="bo")
        following.take_in()
        make_due()
        assert [claim.bulk for claim in queue.claim(1, "d1")] == [False]
        assert [claim.bulk for claim in queue.claim(1, "d1")] == [True]

    def test_one_that_is_held_for_a_budget_holds_up_no_reading(self):
        ana = person()
        read("one", "two", "three")
        Budget.objects.create(app=App.objects.get(), period="day", tokens=1)
        consolidation.schedule()
        assert taken() is None
        assert state(ana)[:2] == ("held", "consolidate")
        say("four")
        following.take_in()
        assert state(ana) == ("waiting", "consolidate", 3, False)
        assert work_of(ana).waiting_events == 1

    def test_a_rollback_made_meanwhile_is_heeded_and_what_is_due_still_is(self):
        subject = person()
        first = read("one", "two", "three")
        read("four")
        ready = due()
        restoring.roll_back(subject, first.number, reason="Too much")
        with pytest.raises(Conflict):
            passes.complete(ready, completion(merging(ready.request)))
        passes.fail(ready.claim, ProviderError(Failure.TRANSIENT, "moved on"), ready)
        restoring.roll_back(subject, first.number, reason="Again")
        assert state() == ("idle", "read", 4, False)
        asked = go_on(unmerged)
        assert tasks(asked) == ["consolidate"]
        assert len(asked[0].known) == 3

    def test_a_correction_made_meanwhile_is_heeded(self):
        subject = person()
        read("one", "two", "three")
        ready = due()
        corrections.retract(subject, Conclusion.objects.get(content="It was said: one").pk, "No", by="olga")
        with pytest.raises(Conflict):
            passes.complete(ready, completion(merging(ready.request)))
        passes.fail(ready.claim, ProviderError(Failure.TRANSIENT, "moved on"), ready)
        asked = go_on(merging)
        assert tasks(asked) == ["read", "consolidate"]
        assert "It was said: one" not in [item.content for item in asked[-1].known]
        assert "It was said: one" not in contents(Subject.objects.select_related("current").get().current)


@with_threads
class TestWhenItFails:
    def test_it_is_tried_like_any_pass_and_then_given_up_not_parked(self):
        read("one", "two", "three")
        provider = drain(FakeProvider(failing(Failure.REFUSED)))
        assert tasks(provider.requests) == ["consolidate"] * 3  # the same question, the same failure
        work = work_of()
        assert state() == IDLE
        assert (work.last_failure, work.last_error, work.most_events, work.attempts) == ("refused", "No.", None, 0)
        assert consolidation.schedule() is False
        read("four")
        assert state() == ("idle", "read", 1, False)

    def test_one_that_has_failed_gives_way_to_events_for_good(self):
        read("one", "two", "three")
        ready = due()
        passes.fail(ready.claim, ProviderError(Failure.NONSENSE, "No."), ready)
        assert state()[:2] == ("waiting", "consolidate")
        say("four")
        following.take_in()
        assert state() == ("waiting", "read", 0, False)
        assert tasks(go_on(merging)) == ["read"]

    def test_one_that_fails_while_events_come_gives_way_to_them_for_good(self):
        read("one", "two", "three")
        ready = due()
        say("four")
        following.take_in()
        passes.fail(ready.claim, ProviderError(Failure.NONSENSE, "No."), ready)
        work = work_of()
        assert state() == ("waiting", "read", 0, False)
        assert (work.attempts, work.most_events, work.waiting_events) == (0, None, 1)
        assert work.due_at <= clock.now()

    def test_an_outage_is_waited_out(self):
        read("one", "two", "three")
        ready = due()
        say("four")
        following.take_in()
        passes.fail(ready.claim, ProviderError(Failure.TRANSIENT, "Away."), ready)
        assert state() == ("waiting", "consolidate", 3, False)
        assert tasks(go_on(merging)) == ["read", "consolidate"]

    def test_one_that_a_model_is_too_slow_for_is_given_up(self):
        read("one", "two", "three")

        def slow(request):
            raise ProviderError(Failure.TRANSIENT, "Not within 60 seconds.", usage=None, slow=True)

        assert len(drain(FakeProvider(slow)).requests) == 3
        assert state() == IDLE
        assert work_of().last_failure == "transient"

    def test_one_that_kills_its_workers_is_given_up(self):
        read("one", "two", "three")
        consolidation.schedule()
        for _ in range(ReasoningSettings.load().max_attempts + 1):
            ready = taken()
        assert ready is None
        assert state() == IDLE
        assert work_of().last_failure == "lost_lease"

    def test_its_lease_is_anothers_once_it_has_run_out(self):
        read("one", "two", "three")
        ready = due()
        again = taken("d2")
        with pytest.raises(queue.LostLease):
            passes.complete(ready, completion(merging(ready.request)))
        assert passes.complete(again, completion(merging(again.request))).number == 2
        assert state() == IDLE

    def test_a_bad_answer_is_quarantined_and_can_be_published_with_its_premises(self):
        version = read("one", "two", "three")
        kept = quarantined()
        assert Subject.objects.get().current == version
        assert state()[:2] == ("waiting", "consolidate")
        assert not Premise.objects.exists()
        made = store.publish(kept, reason="It is right", by="olga")
        told = Premise.objects.filter(representation=made)
        assert sorted(row.premise.content for row in told) == ["It was said: one", "It was said: two"]
        assert Evidence.objects.filter(representation=made).count() == 2

    def test_what_rests_on_a_statement_that_was_retracted_since_is_not_published(self):
        read("one", "two", "three")
        kept = quarantined()
        corrections.retract(person(), Conclusion.objects.get(content="It was said: one").pk, "No", by="olga")
        with pytest.raises(Invalid, match="a human has retracted since"):
            store.publish(kept, reason="It is right", by="olga")


def quarantined() -> Representation:
    """A consolidation that is stopped: it says far more than its premises."""
    ready = due()
    answer = merging(ready.request)
    long = replace(answer.add[0], content="It was said, and said again. " * 30)
    kept = passes.complete(ready, completion(replace(answer, add=(long,))))
    assert (kept.status, kept.gate) == ("quarantined", "grown")
    return kept


class TestWhenItIsAskedFor:
    def test_a_subject_is_gone_over_next_whatever_it_has_grown(self, settings):
        settings.HONCHO = {**AT_ONCE, "CONSOLIDATE": False}
        subject = person()
        read("one", "two", "three")
        work = consolidation.ask_for(subject, by="olga")
        assert (work.state, work.task) == ("waiting", "consolidate")
        assert consolidation.ask_for(subject, by="olga") == work
        assert tasks(go_on(merging)) == ["consolidate"]

    def test_where_nothing_is_known_or_an_operator_must_act_it_is_refused(self):
        subject = person()
        with pytest.raises(NotFound, match="nothing to consolidate"):
            consolidation.ask_for(subject, by="olga")
        read("one", "two")
        Work.objects.update(state="parked", due_at=None)
        with pytest.raises(Conflict, match="parked"):
            consolidation.ask_for(subject, by="olga")
        assert work_of().task == "read"

    def test_all_of_an_app_are_and_nobody_elses(self):
        for name in ("ana", "bo"):
            read("one", user=name)
        read("one", user="cy", app="shipyard")
        assert consolidation.ask_for_all(App.objects.get(name="harbour")) == 2
        marked = Work.objects.filter(task="consolidate", state="waiting")
        assert {work.app.name for work in marked} == {"harbour"}
        assert consolidation.ask_for_all(App.objects.get(name="harbour")) == 0

    @pytest.mark.parametrize(
        ("arguments", "count"), [([], 1), (["harbour"], 2), (["harbour", "--user", "bo"], 1)], ids=str
    )
    def test_the_command_marks_what_it_names(self, arguments, count):
        read("one", "two", "three")
        read("one", user="bo")
        out = StringIO()
        call_command("consolidate", *arguments, stdout=out)
        assert out.getvalue() == f"Subjects that are gone over next: {count}.\n"
        assert Work.objects.filter(task="consolidate").count() == count

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--user", "ana"], "Name the app"),
            (["harbour", "--session", "s"], "Give --user"),
            (["harbour", "--user", "ana", "--project", "p"], "by itself"),
            (["harbour", "--user", "nobody"], "no such user"),
            (["nowhere"], "App not found"),
            (["harbour", "--user", "cy"], "nothing to consolidate"),
        ],
        ids=str,
    )
    def test_the_command_says_what_is_wrong(self, arguments, problem):
        person()
        tenants.make_user(App.objects.get(), "cy")
        with pytest.raises(CommandError, match=problem):
            call_command("consolidate", *arguments)
