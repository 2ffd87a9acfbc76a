"""What a human says of a statement stands, whoever publishes, forks or rolls back."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import IntegrityError, transaction

from memory import corrections, feeds, log, publishing, quarantine, restoring, tenants
from memory.errors import Conflict, Invalid, NotFound
from memory.models import Conclusion, Correction, Event, Evidence, FeedEntry, Line, Representation, Span, Subject
from memory.publishing import NewConclusion, Retired
from tests.store.helpers import concluded, contents, draft_on, person, said, say, together, until

WHO = "olga"


@pytest.fixture
def ana(db):
    return person()


@pytest.fixture
def line(ana):
    return publishing.open_line(ana, "recipe")


def statement(content: str) -> Conclusion:
    return Conclusion.objects.get(content=content)


def current() -> Representation:
    return Subject.objects.select_related("current").get(kind="user", user__name="ana").current


def test_what_a_human_adds_stands_at_once_and_is_an_event(ana, line):
    [event] = said("I live in Lisbon.")
    one = concluded(line, "Ana lives in Lisbon.", evidence=[event], card=["Name: Ana"], now="Ana is here.")
    made = corrections.add(ana, "  Ana is allergic\n to nuts. ", by=WHO, importance=5, reason="Her doctor says so")
    two = current()
    assert (two.number, two.parent, two.covers_from, two.covers_to) == (2, one, 1, 1), "it covers nothing new"
    assert contents(two) == ["Ana is allergic to nuts.", "Ana lives in Lisbon."]
    assert two.text == (
        "Ana is here.\n## Facts\nName: Ana\n## Known of ana\nAna is allergic to nuts\nAna lives in Lisbon"
    )
    assert (made.pinned, made.importance, made.level, made.about_id) == (True, 5, "explicit", ana.user_id)
    told = Event.objects.get(kind="correction")
    assert (told.origin, told.user_id, told.author_id) == ("operator", ana.user_id, None)
    assert told.content == "Added: “Ana is allergic to nuts.”. Reason: Her doctor says so"
    assert told.data == {
        "act": "add",
        "conclusion": made.public_id,
        "statement": "Ana is allergic to nuts.",
        "importance": 5,
        "by": WHO,
        "reason": "Her doctor says so",
    }
    assert two.made_by == {"correction": told.public_id, "act": "add", "by": WHO}
    assert two.reason == "Her doctor says so"
    [correction] = Correction.objects.all()
    assert (correction.act, correction.conclusion, correction.replaced_by) == ("add", made, None)
    assert (correction.event, correction.representation, correction.by) == (told, two, WHO)
    assert (correction.subject, correction.reason) == (ana, "Her doctor says so")
    assert list(Evidence.objects.filter(conclusion=made).values_list("event", "representation")) == [(told.pk, two.pk)]
    assert Span.objects.get(conclusion=made).latest == told.occurred_at


def test_the_event_waits_for_the_next_pass_like_any_other(ana, line):
    corrections.add(ana, "Ana sails.", by=WHO)
    [entry] = FeedEntry.objects.all()
    assert entry.position is None
    feeds.number()
    line.refresh_from_db()
    assert line.cursor == 0
    assert [event.kind for _, event in feeds.read(ana.pk, 0, 10)] == ["correction"]


def test_an_edit_puts_other_words_in_a_statements_place(ana, line):
    [event] = said("I live in Porto.")
    concluded(
        line,
        "Ana lives in Porto.",
        evidence=[event],
        now="Ana sails. Ana lives in Porto. She is well.",
        card=["Ana lives in Porto", "Porto"],
    )
    old = statement("Ana lives in Porto.")
    made = corrections.edit(ana, old.pk, "Ana lives in Lisbon.", by=WHO, reason="She has moved")
    version = current()
    assert contents(version) == ["Ana lives in Lisbon."]
    assert (made.content, made.pinned, made.about_id, made.importance) == ("Ana lives in Lisbon.", True, None, 3)
    span = Span.objects.get(conclusion=old)
    assert (span.until, span.reason, span.replaced_by) == (2, "She has moved", made)
    assert version.now == "Ana sails. Ana lives in Lisbon. She is well.", "what was said word for word is reworded"
    assert version.card == ["Ana lives in Lisbon.", "Porto"]
    old.refresh_from_db()
    assert (old.pinned, old.retracted) == (False, True)
    assert Event.objects.get(kind="correction").content == (
        "Corrected: “Ana lives in Porto.” is now “Ana lives in Lisbon.”. Reason: She has moved"
    )


def test_an_edit_of_case_alone_keeps_the_humans_words(ana, line):
    [event] = said("lisbon!")
    concluded(line, "Ana lives in lisbon.", evidence=[event])
    old = statement("Ana lives in lisbon.")
    made = corrections.edit(ana, old.pk, "Ana lives in Lisbon.", by=WHO)
    assert contents(current()) == ["Ana lives in Lisbon."]
    concluded(line, "ANA LIVES IN LISBON.", "ana lives in lisbon", "Ana lives in Lisbon.", evidence=[event])
    assert contents(current()) == ["Ana lives in Lisbon."]
    assert Evidence.objects.filter(conclusion=made, event=event).exists(), "said in its words, its evidence grows"
    back = corrections.edit(ana, made.pk, "Ana lives in lisbon.", by=WHO)
    assert back == old
    assert contents(current()) == ["Ana lives in lisbon."]


def test_how_much_a_statement_matters_can_be_changed(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event])
    made = corrections.edit(ana, statement("Ana sings.").pk, importance=1, by=WHO)
    assert (made.importance, made.pinned) == (1, True)
    assert current().text == "## Known of ana\nAna sings\nAna sews"
    assert Correction.objects.get().replaced_by is None


def test_only_what_stands_can_be_edited(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", evidence=[event])
    sews = statement("Ana sews.")
    corrections.edit(ana, sews.pk, "Ana sings.", by=WHO)
    events = Event.objects.count()
    with pytest.raises(Conflict):
        corrections.edit(ana, sews.pk, "Ana swims.", by=WHO)
    with pytest.raises(Conflict):
        corrections.edit(ana, sews.pk, importance=5, by=WHO)
    assert Event.objects.count() == events, "nothing of it is kept"
    assert not Conclusion.objects.filter(content="Ana swims.").exists()


def test_what_a_human_retracts_is_out(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event], short_summary="Ana sews! She sings too.")
    gone = corrections.retract(ana, statement("Ana sews.").pk, "She never did", by=WHO)
    assert gone.retracted
    version = current()
    assert contents(version) == ["Ana sings."]
    assert version.short_summary == "She sings too."
    assert Span.objects.get(conclusion=gone).reason == "She never did"
    again = corrections.retract(ana, gone.pk, "Again", by=WHO)
    assert again == gone
    assert Correction.objects.count() == 1, "what is out stays as it is"


def test_a_retracted_statement_stays_out_whoever_says_it_again(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event])
    corrections.retract(ana, statement("Ana sews.").pk, by=WHO)
    beside = Line.objects.create(subject=ana, recipe="beside")
    for each in (line, beside):
        made = concluded(each, " ana SEWS!", "Ana swims.", evidence=[event])
        assert "Ana sews." not in contents(made)
        assert "Ana swims." in contents(made), "the rest is published"
    sings = statement("Ana sings.")
    replaced = Retired(conclusion_id=sings.pk, reason="?", replaced_by=0)
    made = concluded(line, "Ana sews.", evidence=[event], retired=[replaced], now="Ana sings. Ana sews.")
    assert made.now == "Ana sings.", "nor is it said elsewhere, word for word"
    assert "Ana sings." in contents(made), "what a retracted statement was to replace stands"
    other = Retired(conclusion_id=sings.pk, reason="!", replaced_by=1)
    concluded(line, "Ana sews.", "Ana hums.", evidence=[event], retired=[other])
    assert Span.objects.get(line=line, conclusion=sings).replaced_by == statement("Ana hums.")


def test_a_human_lets_it_stand_again(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", evidence=[event])
    sews = statement("Ana sews.")
    corrections.retract(ana, sews.pk, by=WHO)
    assert corrections.add(ana, "ana sews", by=WHO, about=None) != sews, "that is about Ana, the other about nobody"
    assert corrections.pin(ana, sews.pk, by=WHO).pinned
    assert "Ana sews." in contents(current())
    corrections.retract(ana, sews.pk, by=WHO)
    assert "Ana sews." not in contents(current())


def test_what_is_pinned_is_retired_by_no_version_of_any_line(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event])
    sews = corrections.pin(ana, statement("Ana sews.").pk, by=WHO, reason="Sure")
    beside = publishing.open_line(ana, "beside")
    retired = [Retired(conclusion_id=row.pk, reason="over") for row in Conclusion.objects.all()]
    for each in (line, beside):
        assert contents(concluded(each, evidence=[], retired=retired)) == ["Ana sews."]
    corrections.unpin(ana, sews.pk, by=WHO)
    assert contents(current()) == ["Ana sews."], "it stands until somebody retires it"
    assert contents(concluded(line, evidence=[], retired=retired)) == []
    assert [row.act for row in Correction.objects.order_by("representation__number")] == ["pin", "unpin"]


def test_what_is_so_already_makes_no_version(ana, line):
    made = corrections.add(ana, "Ana sews.", by=WHO)
    assert corrections.pin(ana, made.pk, by=WHO) == made
    corrections.unpin(ana, made.pk, by=WHO)
    corrections.unpin(ana, made.pk, by=WHO)
    assert Correction.objects.count() == Representation.objects.count() == 2


def test_a_rollback_keeps_what_was_said_since(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event], now="Ana sings. Ana sews. All is well.", card=["c"])
    corrections.retract(ana, statement("Ana sews.").pk, by=WHO)
    corrections.edit(ana, statement("Ana sings.").pk, "Ana hums.", by=WHO)
    corrections.add(ana, "Ana sails.", by=WHO)
    corrections.add(ana, "Ana skis.", by=WHO)
    corrections.unpin(ana, statement("Ana skis.").pk, by=WHO)
    version = restoring.roll_back(Subject.objects.get(), 1, reason="worse")
    assert contents(version) == ["Ana hums.", "Ana sails."]
    assert version.now == "Ana hums. All is well."
    assert version.card == ["c"]
    assert version.text.splitlines() == [
        "Ana hums. All is well.",
        "## Facts",
        "c",
        "## Known of ana",
        "Ana sails",
        "Ana hums",
    ]
    again = restoring.roll_back(Subject.objects.get(), version.number, reason="the same")
    assert (again.text, again.line_tokens) == (version.text, version.line_tokens)


def test_a_rollback_of_a_correction_does_not_undo_it(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", evidence=[event])
    corrections.retract(ana, statement("Ana sews.").pk, by=WHO)
    assert contents(restoring.roll_back(Subject.objects.get(), 1, reason="worse")) == []


def test_corrections_reach_every_line_and_no_version_that_was_made(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana sings.", evidence=[event])
    other = publishing.fork_line(line, "other")
    beside = Line.objects.create(subject=ana, recipe="beside")
    shown = concluded(beside, "Ana sews.", "Ana swims.", evidence=[event])
    corrections.retract(ana, statement("Ana sews.").pk, by=WHO)
    corrections.add(ana, "Ana sails.", by=WHO)
    assert contents(shown) == ["Ana sews.", "Ana swims."], "a version always reads the same"
    standing = {
        each.recipe: sorted(Span.objects.filter(line=each, until=None).values_list("conclusion__content", flat=True))
        for each in Line.objects.all()
    }
    assert standing == {
        "recipe": ["Ana sails.", "Ana sings."],
        "other": ["Ana sails.", "Ana sings."],
        "beside": ["Ana sails.", "Ana swims."],
    }
    assert contents(concluded(beside, evidence=[])) == ["Ana sails.", "Ana swims."]
    forked = publishing.fork_line(other, "third")
    assert contents(concluded(forked, evidence=[])) == ["Ana sails.", "Ana sings."]


def test_a_fresh_line_begins_with_what_is_pinned(ana, line):
    made = corrections.add(ana, "Ana sails.", by=WHO)
    fresh = publishing.open_line(ana, "fresh")
    assert contents(concluded(fresh, evidence=[])) == ["Ana sails."]
    assert Span.objects.get(line=fresh).latest == Event.objects.get().occurred_at
    publishing.open_line(ana, "fresh")
    assert Span.objects.filter(line=fresh, conclusion=made).count() == 1


def test_a_subject_of_which_nothing_is_known_can_be_told(ana):
    said("hello")
    corrections.add(ana, "Ana sails.", by=WHO)
    ana.refresh_from_db()
    assert (ana.line.recipe, ana.line.cursor, ana.current.number) == (corrections.RECIPE, 0, 1)
    assert ana.current.text == "## Known of ana\nAna sails"
    taken_over = publishing.fork_line(ana.line, "recipe")
    assert contents(concluded(taken_over, evidence=[])) == ["Ana sails."]
    assert taken_over.cursor == 0, "it reads what was said, and the correction"


def test_a_gated_version_that_a_human_publishes_brings_nothing_retracted_back(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", evidence=[event])
    added = [NewConclusion(content=text, evidence=[event]) for text in ("Ana sews.", "Ana swims.")]
    kept = publishing.quarantine(line.pk, draft_on(line, added=added), "odd")
    corrections.retract(ana, statement("Ana sews.").pk, by=WHO)
    assert contents(quarantine.publish(kept, reason="fine", by=WHO)) == ["Ana swims."]


def test_corrections_of_one_subject_are_no_others(ana, line):
    user = ana.user
    project = tenants.make_project(user.app, "boat")[0]
    session, _ = tenants.make_session(user.app, user, "talk", project=project)
    tenants.join(session, tenants.make_user(user.app, "ben")[0], observes_others=True)
    ben = tenants.find_user(user.app_id, "ben")
    subjects = {
        "session": tenants.subject_of(session),
        "project": tenants.subject_of(project),
        "observed": tenants.subject_of(user, ben),
        "user": ana,
    }
    for name, subject in subjects.items():
        made = corrections.add(subject, "The boat is red.", by=WHO)
        event = Event.objects.get(correction__conclusion=made)
        assert list(event.feed_entries.values_list("subject", flat=True)) == [subject.pk], name
        where = (event.user_id, event.session_id, event.project_id)
        assert (
            where
            == {
                "session": (user.pk, session.pk, project.pk),
                "project": (None, None, project.pk),
                "observed": (user.pk, None, None),
                "user": (user.pk, None, None),
            }[name]
        )
    with pytest.raises(NotFound):
        corrections.retract(ana, made.pk.__class__(int=1), by=WHO)
    with pytest.raises(NotFound):
        corrections.pin(subjects["project"], made.pk, by=WHO)


def test_an_act_with_an_id_is_done_once(ana, line):
    [event] = said("x")
    concluded(line, "Ana sews.", "Ana swims.", evidence=[event])
    sews, swims = statement("Ana sews.").pk, statement("Ana swims.").pk
    first = corrections.add(ana, "Ana sails.", by=WHO, client_id="a")
    edited = corrections.edit(ana, sews, "Ana knits.", by=WHO, client_id="b")
    corrections.retract(ana, swims, "no", by=WHO, client_id="c")
    versions = Representation.objects.count()
    assert corrections.add(ana, "Ana sails.", by=WHO, client_id="a") == first
    assert corrections.edit(ana, sews, "Ana knits.", by=WHO, client_id="b") == edited
    assert corrections.retract(ana, swims, "no", by=WHO, client_id="c").pk == swims
    assert Representation.objects.count() == versions
    corrections.retract(ana, first.pk, by=WHO)
    assert corrections.add(ana, "Ana sails.", by=WHO, client_id="a").retracted, "what was done is not done again"
    for again in (
        lambda: corrections.add(ana, "Ana rows.", by=WHO, client_id="a"),
        lambda: corrections.pin(ana, swims, by=WHO, client_id="a"),
        lambda: corrections.retract(ana, swims, "yes", by=WHO, client_id="c"),
    ):
        with pytest.raises(Conflict):
            again()
    assert not Conclusion.objects.filter(content="Ana rows.").exists()


def test_an_id_that_a_forged_event_used_is_a_conflict(ana, line):
    corrections.add(ana, "Ana sails.", by=WHO, client_id="a")
    told = Event.objects.get()
    person("ben")
    ben = Subject.objects.get(user__name="ben")
    new = log.NewEvent(kind="correction", content=told.content, data=told.data, origin="operator", client_id="a")
    log.append("harbour", [new], user="ben")
    with pytest.raises(Conflict):
        corrections.add(ben, "Ana sails.", by=WHO, client_id="a")


def test_what_cannot_be_said_is_refused(ana, line):
    foreign = person("eve", app="elsewhere")
    for content, more, where in (
        ("", {}, "content"),
        (" \n ", {}, "content"),
        ("x" * 1_001, {}, "content"),
        ("a\0b", {}, "content"),
        ("x", {"importance": 0}, "importance"),
        ("x", {"importance": 6}, "importance"),
        ("x", {"reason": "x" * 2_001}, "reason"),
        ("x", {"about": foreign.user_id}, "about"),
    ):
        with pytest.raises(Invalid) as refusal:
            corrections.add(ana, content, by=WHO, **more)
        assert refusal.value.where == (where,)
    assert not Event.objects.exists()
    assert not Conclusion.objects.exists()


def test_standing_says_what_humans_have_ruled(ana, line):
    sails = corrections.add(ana, "Ana sails.", by=WHO)
    sews = corrections.add(ana, "Ana sews.", by=WHO)
    corrections.retract(ana, sews.pk, by=WHO)
    found = corrections.standing(ana)
    assert found.pinned == (sails,)
    assert found.retracted == {publishing.fingerprint("Ana sews.", ana.user_id)}


def test_the_database_lets_nobody_change_what_was_said(ana, line):
    made = corrections.add(ana, "Ana sails.", by=WHO)
    for change in (
        lambda: Correction.objects.update(by="mallory"),
        lambda: Correction.objects.all()._raw_delete("default"),
        lambda: Conclusion.objects.filter(pk=made.pk).update(retracted=True),
        lambda: Conclusion.objects.filter(pk=made.pk).update(content="Ana rows."),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_a_draft_that_was_begun_before_a_correction_conflicts(ana, line):
    [event] = said("x")
    stale = draft_on(line, added=[NewConclusion(content="Stale.", evidence=[event])])
    corrections.add(ana, "Ana sails.", by=WHO)
    with pytest.raises(Conflict):
        publishing.publish(line.pk, stale)


def test_evidence_of_a_model_must_still_have_been_read(ana, line):
    corrections.add(ana, "Ana sails.", by=WHO)
    [event] = say("x")
    told = Event.objects.get(kind="correction")
    for unread in (event, told.pk):
        with pytest.raises(Invalid):
            concluded(line, "Ana rows.", evidence=[unread])


def test_two_who_correct_at_once_wait_for_each_other(transactional_db):
    subject = person()
    publishing.open_line(subject, "recipe")
    together(*[lambda i=i: corrections.add(subject, f"Statement {i}.", by=WHO) for i in range(6)])
    assert sorted(Correction.objects.values_list("representation__number", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert len(contents(current())) == 6


def test_a_line_that_is_opened_during_a_correction_has_it(transactional_db):
    subject = person()
    publishing.open_line(subject, "recipe")
    said_so = threading.Event()

    def correct():
        with transaction.atomic():
            corrections.add(subject, "Ana sails.", by=WHO)
            said_so.set()
            time.sleep(0.5)

    def open_another():
        assert said_so.wait(20)
        publishing.open_line(subject, "fresh")

    together(correct, open_another)
    assert Span.objects.filter(line__recipe="fresh", until=None).count() == 1


def test_two_who_open_the_first_line_at_once_lose_nothing(transactional_db):
    subject = person()
    together(
        lambda: corrections.add(subject, "Ana sails.", by=WHO),
        lambda: publishing.open_line(subject, "recipe"),
    )
    for line in Line.objects.all():
        assert Span.objects.filter(line=line, until=None).count() == 1
    until(lambda: Correction.objects.count() == 1, "the correction")
