"""Corrections and the loop: no pass, prompt, rollback or reprocess undoes what a human said."""

from __future__ import annotations

import asyncio

import pytest

from memory import clock, corrections, publishing, restoring
from memory.errors import Conflict
from memory.models import Conclusion, Event, Line, Subject
from reasoning import labels, passes, prompt_versions, reconcile
from reasoning.drainer import Drainer
from reasoning.models import Work
from reasoning.providers.base import Answer, Request, Retirement, Statement, Step
from reasoning.providers.local import LocalProvider
from tests.loop.helpers import AT_ONCE, FakeProvider, claimed, completion, drain, make_due, one_pass, prepared, work_of
from tests.store.helpers import assert_covered_once, contents, events_in_log, person, say

pytestmark = pytest.mark.django_db(transaction=True)
WHO = "olga"


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


@pytest.fixture
def ana(transactional_db):
    """Ana, of whom a model has said that she sews and that she sings."""
    subject = person()
    say("one")
    one_pass(says("Ana sews.", "Ana sings."))
    return Subject.objects.get(pk=subject.pk)


def says(*texts: str, retires: bool = False):
    """Answer with these statements; retire all that is known, where told so."""

    def answer(request: Request) -> Answer:
        gone = tuple(Retirement(item.number, "over") for item in request.known) if retires else ()
        return Answer(add=tuple(Statement(text, (1,)) for text in texts), retire=gone, now="x")

    return answer


def statement(content: str) -> Conclusion:
    return Conclusion.objects.get(content=content)


def current() -> list[str]:
    return contents(Subject.objects.select_related("current").get().current)


def corrected(ana: Subject) -> None:
    """Pin one, take one out, put other words in another's place."""
    corrections.pin(ana, statement("Ana sings.").pk, by=WHO)
    corrections.retract(ana, statement("Ana sews.").pk, "She never did", by=WHO)


def test_a_pass_reads_a_correction_like_any_event_and_cannot_undo_it(ana):
    corrected(ana)
    assert current() == ["Ana sings."]
    say("I sew.")
    asked = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return says("Ana sews.", "Ana sails.", retires=True)(request)

    version = one_pass(answer)
    assert [event.kind for event in asked[0].events] == ["correction", "correction", "message"]
    assert [(item.content, item.pinned) for item in asked[0].known] == [("Ana sings.", True)]
    assert (version.status, version.covers_from, version.covers_to) == ("published", 1, 4)
    assert contents(version) == ["Ana sails.", "Ana sings."]
    assert Event.objects.filter(correction__isnull=False).count() == 2
    assert reconcile.account().faults == 0


def test_a_prompt_that_is_made_live_goes_on_with_what_humans_said(ana):
    corrected(ana)
    labels.move("live", prompt_versions.create("user", "Better. {subject}", message="Better"), reason="Better")
    say("I sew.")
    version = one_pass(says("Ana sews.", "Ana sails.", retires=True))
    assert Line.objects.count() == 2
    assert contents(version) == ["Ana sails.", "Ana sings."]
    assert reconcile.account().faults == 0


def test_a_rollback_and_the_pass_after_it_keep_what_humans_said(ana):
    corrected(ana)
    corrections.add(ana, "Ana rows.", by=WHO)
    restoring.roll_back(Subject.objects.get(), 1, reason="worse", by=WHO)
    assert current() == ["Ana rows.", "Ana sings."]
    say("I sew.")
    one_pass(says("Ana sews.", retires=True))
    assert current() == ["Ana rows.", "Ana sings."]


def test_a_line_that_reads_all_again_beside_what_is_live_holds_to_it(ana):
    corrected(ana)
    version = prompt_versions.create("user", "Beside. {subject}", message="Beside")
    drain(FakeProvider(says()))
    beside = publishing.open_line(ana, version.recipe)
    Work.objects.create(
        line=beside, app_id=ana.app_id, kind="user", state="waiting", waiting_events=3, due_at=clock.now()
    )
    made = one_pass(says("Ana sews.", "Ana sails.", retires=True))
    assert (made.line, made.covers_from, made.covers_to) == (beside, 0, 3)
    assert contents(made) == ["Ana sails.", "Ana sings."]


def test_what_a_human_says_of_somebody_unknown_is_where_the_loop_begins():
    subject = person()
    corrections.add(subject, "Ana rows.", by=WHO)
    say("Hello.")
    assert not Work.objects.exists()
    version = one_pass(says("Ana sails."))
    assert contents(version) == ["Ana rows.", "Ana sails."]
    assert (version.covers_from, version.covers_to) == (0, 2)
    assert version.line.recipe == labels.live(subject.app_id, "user").recipe
    assert work_of().state == Work.State.IDLE
    account = reconcile.account()
    assert (account.faults, account.covered) == (0, 2)


def test_a_pass_that_was_under_way_during_a_correction_is_made_again(ana):
    say("I sew.")
    ready = prepared(claimed())
    corrected(ana)
    with pytest.raises(Conflict):
        passes.complete(ready, completion(says("Ana sews.", retires=True)(ready.request)))
    make_due()
    version = one_pass(says("Ana sews.", retires=True))
    assert contents(version) == ["Ana sings."]
    assert_covered_once(ana, events_in_log(ana))


def test_the_built_in_reasoner_makes_no_statement_of_a_correction():
    subject = person()
    say("I live in Porto. I work as a nurse. I have a dog called Rex.")

    def reasoned() -> None:
        asyncio.run(Drainer(Step(LocalProvider())).run(until_idle=True))

    reasoned()
    known = current()
    porto = next(text for text in known if "Porto" in text)
    nurse = next(text for text in known if "nurse" in text)
    corrections.edit(subject, statement(porto).pk, "ana lives in Lisbon.", by=WHO, reason="Moved")
    corrections.retract(subject, statement(nurse).pk, by=WHO)
    corrections.add(subject, "ana is allergic to nuts.", by=WHO)
    expected = sorted({*known, "ana lives in Lisbon.", "ana is allergic to nuts."} - {porto, nurse})
    assert current() == expected
    reasoned()
    assert current() == expected
    text = Subject.objects.get().current.text
    assert "Porto" not in text
    assert "nurse" not in text
    say("I work as a nurse.")
    reasoned()
    assert current() == expected
    assert_covered_once(subject, events_in_log(subject))
    assert reconcile.account().faults == 0
