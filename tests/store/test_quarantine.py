"""What a human decides about a version that a gate stopped: published after all, or discarded; once."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from memory import publishing, quarantine, reading, restoring, tenants
from memory.erasure import act as erasing
from memory.errors import Conflict, Invalid
from memory.models import Conclusion, Event, Evidence, Line, Representation, Ruling, Span, Subject
from memory.publishing import NewConclusion, Retired
from tests.store.helpers import PATIENCE, concluded, contents, draft_on, is_waited_for, person, said, together, until


@pytest.fixture
def ana(db):
    return person()


@pytest.fixture
def line(ana):
    return publishing.open_line(ana, "recipe")


def stopped(line: Line, *said_so: str, evidence: Any = (), **parts: Any) -> Representation:
    """A quarantined version that would have added these statements."""
    parts.setdefault("added", [NewConclusion(content=text, evidence=list(evidence)) for text in said_so])
    return publishing.quarantine(line.pk, draft_on(line, **parts), "It shrinks too much.", "shrunk")


def conclusion(content: str) -> Conclusion:
    return Conclusion.objects.get(content=content)


def state() -> tuple[object, ...]:
    """Everything that a ruling may change."""
    return (
        list(Subject.objects.order_by("pk").values_list("head", "versions", "line", "current")),
        list(Line.objects.order_by("pk").values_list("pk", "cursor", "head")),
        list(Representation.objects.order_by("number").values_list("number", "text")),
        list(Span.objects.order_by("pk").values_list("conclusion", "since", "until", "latest")),
        Conclusion.objects.count(),
        Evidence.objects.count(),
        Ruling.objects.count(),
    )


def test_a_quarantined_version_keeps_what_it_would_have_changed(ana, line):
    [event] = said("I am on Bob's farm until May.")
    gone = concluded(line, "Ana lives in Lisbon.", evidence=[event])
    bob, _ = tenants.make_user(ana.app, "bob")
    added = NewConclusion(
        content="Ana is on Bob's farm.", evidence=[event], level="deductive", about_id=bob.pk,
        held_from=date(2026, 4, 1), held_until=date(2026, 5, 1), importance=5,
    )  # fmt: skip
    retired = Retired(conclusion_id=publishing.spans_at(gone)[0].conclusion_id, reason="Moved", replaced_by=0)
    kept = stopped(line, added=[added], retired=[retired])
    kept.refresh_from_db()
    assert (kept.gate, kept.reason) == ("shrunk", "It shrinks too much.")
    assert publishing.proposed(kept) == ([added], [retired])
    assert (gone.draft, gone.gate) == (None, "")
    assert list(quarantine.undecided()) == [kept]


def test_its_parent_is_the_version_that_it_went_on_from(ana, line):
    [event] = said("one")
    concluded(line, "One.", evidence=[event])
    draft = draft_on(line, now="from one")
    ana.refresh_from_db()
    restoring.roll_back(ana, 1, reason="moves the head and not the cursor")
    kept = publishing.quarantine(line.pk, draft, "bad")
    assert (kept.parent_id, kept.covers_from) == (draft.parent_id, draft.covers_from)


def test_published_where_the_line_stood_still_it_covers_what_it_read(ana, line):
    first = said("I live in Lisbon.")
    concluded(line, "Ana lives in Lisbon.", "Ana sings.", evidence=first, now="before", card=["before"])
    second = said("I moved to Oslo.", "It is cold.")
    lisbon = conclusion("Ana lives in Lisbon.")
    kept = stopped(
        line,
        added=[NewConclusion(content="Ana lives in Oslo.", evidence=second)],
        retired=[Retired(conclusion_id=lisbon.pk, reason="She moved.", replaced_by=0)],
        now="Ana has moved.",
        card=["Name: Ana"],
        short_summary="Short.",
        long_summary="Long.",
        made_by={"model": "m-1", "prompt_number": 3},
    )
    made = quarantine.publish(kept, reason="She said so herself.", by="olga")
    assert (made.number, made.status, made.parent_id) == (3, "published", kept.parent_id)
    assert (made.covers_from, made.covers_to) == (1, 3) == (kept.covers_from, kept.covers_to)
    assert (made.now, made.card, made.short_summary, made.long_summary) == (
        "Ana has moved.", ["Name: Ana"], "Short.", "Long.",
    )  # fmt: skip
    assert made.made_by == {"model": "m-1", "prompt_number": 3, "published_from": 2, "by": "olga"}
    assert made.reason == "She said so herself."
    assert (made.draft, made.gate) == (None, "")
    assert contents(made) == ["Ana lives in Oslo.", "Ana sings."]
    span = Span.objects.get(conclusion=lisbon)
    assert (span.until, span.reason, span.replaced_by) == (3, "She moved.", conclusion("Ana lives in Oslo."))
    assert set(made.evidence_added.values_list("event_id", flat=True)) == set(second)
    line.refresh_from_db()
    assert (line.head, line.cursor) == (made, 3)


def test_readers_get_it_at_once(ana, line):
    event = said("I live in Lisbon.")
    kept = stopped(line, "Ana lives in Lisbon.", evidence=event)
    assert reading.context("harbour", "ana").text == ""
    quarantine.publish(kept, reason="It is true.", by="olga")
    found = reading.context("harbour", "ana")
    assert (found.version, found.behind_events) == (2, 0)
    assert "Ana lives in Lisbon" in found.text


def test_the_ruling_says_who_and_why_and_what_it_made(ana, line):
    event = said("one")
    kept = stopped(line, "One.", evidence=event)
    other = stopped(line, "Two.", evidence=event)
    made = quarantine.publish(kept, reason="It is true.", by="olga")
    ruling = Ruling.objects.get(representation=kept)
    assert (ruling.decision, ruling.made, ruling.by, ruling.reason) == ("published", made, "olga", "It is true.")
    assert abs((timezone.now() - ruling.created_at).total_seconds()) < 60
    assert list(quarantine.undecided()) == [other]


def test_published_after_the_line_has_moved_on_it_covers_nothing_new(ana, line):
    first = said("I live in Lisbon.")
    concluded(line, "Ana lives in Lisbon.", "Ana sings.", "Ana sails.", evidence=first)
    second = said("I moved to Oslo.")
    lisbon, sings, sails = map(conclusion, ("Ana lives in Lisbon.", "Ana sings.", "Ana sails."))
    kept = stopped(
        line,
        added=[NewConclusion(content="Ana lives in Oslo.", evidence=second)],
        retired=[
            Retired(conclusion_id=lisbon.pk, reason="She moved.", replaced_by=0),
            Retired(conclusion_id=sings.pk, reason="No more."),
            Retired(conclusion_id=sails.pk, reason="No more."),
        ],
        now="from then",
        card=["from then"],
        long_summary="from then",
    )
    third = said("I do not sing any more.")
    head = concluded(
        line,
        "Ana is silent.",
        evidence=third,
        retired=[Retired(conclusion_id=sings.pk, reason="Said so.")],
        now="from now",
        card=["from now"],
        short_summary="from now",
    )
    Conclusion.objects.filter(pk=sails.pk).update(pinned=True)
    made = quarantine.publish(kept, reason="It is true.", by="olga")
    assert (made.covers_from, made.covers_to, made.parent_id) == (3, 3, head.pk)
    assert (made.now, made.card, made.short_summary, made.long_summary) == ("from now", ["from now"], "from now", "")
    assert contents(made) == ["Ana is silent.", "Ana lives in Oslo.", "Ana sails."], "what is pinned stands"
    assert Span.objects.get(conclusion=sings).reason == "Said so.", "it had been retired already"
    assert set(made.evidence_added.values_list("event_id", flat=True)) == set(second)
    line.refresh_from_db()
    assert (line.head, line.cursor) == (made, 3)


def test_a_rollback_is_a_move_too(ana, line):
    event = said("one")
    concluded(line, "One.", evidence=event, now="one")
    kept = stopped(line, "Two.", evidence=event, now="two")
    ana.refresh_from_db()
    head = restoring.roll_back(ana, 1, reason="moves the head and not the cursor")
    made = quarantine.publish(kept, reason="It is true.", by="olga")
    assert (made.parent_id, made.now) == (head.pk, "one")


def test_what_was_pinned_since_is_not_retired(ana, line):
    event = said("one")
    concluded(line, "One.", evidence=event)
    kept = stopped(line, retired=[Retired(conclusion_id=conclusion("One.").pk, reason="over")])
    Conclusion.objects.update(pinned=True)
    assert contents(quarantine.publish(kept, reason="It is true.", by="olga")) == ["One."]


def test_several_of_one_line_are_published_one_after_the_other(ana, line):
    events = said("one", "two")
    whole = stopped(line, "One.", "Two.", evidence=events)
    part = stopped(line, "One.", evidence=events[:1], up_to=1)
    quarantine.publish(whole, reason="It is true.", by="olga")
    made = quarantine.publish(part, reason="It is true.", by="olga")
    assert contents(made) == ["One.", "Two."]
    line.refresh_from_db()
    assert line.cursor == 2


def test_discarded_it_changes_nothing_for_readers(ana, line):
    event = said("one")
    kept = stopped(line, "One.", evidence=event)
    before = state()
    ruling = quarantine.discard(kept, reason="It made that up.", by="olga")
    assert (ruling.representation, ruling.decision, ruling.made) == (kept, "discarded", None)
    assert (ruling.by, ruling.reason) == ("olga", "It made that up.")
    assert state()[:-1] == before[:-1]
    assert not quarantine.undecided().exists()


@pytest.mark.parametrize("first", [quarantine.publish, quarantine.discard])
@pytest.mark.parametrize("second", [quarantine.publish, quarantine.discard])
def test_it_is_ruled_upon_once(ana, line, first, second):
    kept = stopped(line, "One.", evidence=said("one"))
    first(kept, reason="because", by="olga")
    before = state()
    with pytest.raises(Conflict, match="already"):
        second(kept, reason="because", by="pete")
    assert state() == before


@pytest.mark.parametrize("rule", [quarantine.publish, quarantine.discard])
def test_only_what_was_quarantined_is_ruled_upon(ana, line, rule):
    version = concluded(line, "One.", evidence=said("one"))
    before = state()
    with pytest.raises(Conflict, match="not quarantined"):
        rule(version, reason="because", by="olga")
    assert state() == before


@pytest.mark.parametrize("rule", [quarantine.publish, quarantine.discard])
def test_a_reason_is_required(ana, line, rule):
    kept = stopped(line, "One.", evidence=said("one"))
    before = state()
    with pytest.raises(Invalid) as refused:
        rule(kept, reason=" \n", by="olga")
    assert refused.value.where == ("reason",)
    assert state() == before


def test_of_a_line_that_no_longer_serves_it_is_discarded_only(ana, line):
    kept = stopped(line, "One.", evidence=said("one"))
    publishing.fork_line(line, "better")
    before = state()
    with pytest.raises(Conflict, match="Another prompt serves"):
        quarantine.publish(kept, reason="because", by="olga")
    assert state() == before
    quarantine.discard(kept, reason="because", by="olga")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evidence": []}, "Statement 2 rests on no event"),
        ({"content": " "}, "Statement 2 is empty"),
        ({"importance": 9}, "Statement 2 has an importance that is none"),
        ({"about_id": uuid4()}, "about a user who is not there"),
        ({"evidence": [uuid4()]}, "1 of the events that it rests on cannot be checked any more"),
    ],
)
def test_what_no_version_can_hold_is_refused_in_words(ana, line, change, words):
    event = said("one")
    bad = {"content": "Two.", "evidence": event, **change}
    kept = stopped(line, added=[NewConclusion(content="One.", evidence=event), NewConclusion(**bad)])
    before = state()
    with pytest.raises(Invalid, match=words):
        quarantine.publish(kept, reason="because", by="olga")
    assert state() == before


@pytest.mark.parametrize("place", [-1, 1])
def test_a_replacement_that_is_not_added_is_refused(ana, line, place):
    event = said("one")
    concluded(line, "One.", evidence=event)
    retired = Retired(conclusion_id=conclusion("One.").pk, reason="over", replaced_by=place)
    kept = stopped(line, added=[NewConclusion(content="Two.", evidence=event)], retired=[retired])
    with pytest.raises(Invalid, match="does not add"):
        quarantine.publish(kept, reason="because", by="olga")


def test_a_user_of_another_app_is_not_spoken_about(ana, line):
    stranger = person("ben", app="market").user
    event = said("one")
    kept = stopped(line, added=[NewConclusion(content="Ben sings.", evidence=event, about_id=stranger.pk)])
    with pytest.raises(Invalid, match="about a user"):
        quarantine.publish(kept, reason="because", by="olga")


def test_events_of_another_feed_are_no_evidence(ana, line):
    said("one")
    foreign = said("two", user="ben")
    kept = stopped(line, "Two.", evidence=foreign)
    with pytest.raises(Invalid, match="cannot be checked any more"):
        quarantine.publish(kept, reason="because", by="olga")


def test_it_does_not_rest_on_events_that_its_line_has_yet_to_read(ana, line):
    events = said("one", "two", "three")
    kept = stopped(line, "Three.", evidence=events[2:])
    concluded(line, "One.", evidence=events[:1], up_to=1)
    before = state()
    with pytest.raises(Invalid, match="yet to read again"):
        quarantine.publish(kept, reason="because", by="olga")
    assert state() == before
    concluded(line, "Two.", evidence=events[1:2])
    assert contents(quarantine.publish(kept, reason="because", by="olga")) == ["One.", "Three.", "Two."]


def test_what_was_stopped_before_drafts_were_kept_is_discarded_only(ana, line):
    number = Subject.objects.get().versions + 1
    kept = Representation.objects.create(
        subject=ana, line=line, number=number, status="quarantined", covers_from=0, covers_to=0
    )
    with pytest.raises(Invalid, match="was not kept"):
        quarantine.publish(kept, reason="because", by="olga")
    quarantine.discard(kept, reason="because", by="olga")


@pytest.mark.parametrize("rule", [quarantine.publish, quarantine.discard])
def test_what_was_erased_since_it_was_looked_at_is_ruled_upon_no_more(ana, line, rule):
    first = said("I live in Lisbon.")
    concluded(line, "Ana lives in Lisbon.", evidence=first)
    [second] = said("My number is 4711.")
    kept = stopped(line, "Ana has a number.", evidence=first, now="4711", card=["4711"])
    erasing.erase(Event.objects.get(pk=second))
    said("It rains.")
    with pytest.raises(Conflict):
        rule(kept, reason="because", by="olga")
    with pytest.raises(Conflict):
        quarantine.text_if_published(kept)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_does():
    line = publishing.open_line(person(), "recipe")
    kept = stopped(line, "One.", evidence=said("one"))

    def decide(rule: Any, name: str) -> bool:
        try:
            rule(kept, reason="because", by=name)
        except Conflict:
            return False
        return True

    done = together(
        lambda: decide(quarantine.publish, "olga"),
        lambda: decide(quarantine.discard, "pete"),
        lambda: decide(quarantine.publish, "quin"),
        lambda: decide(quarantine.discard, "rita"),
    )
    assert sorted(done) == [False, False, False, True]
    published = Representation.objects.filter(status="published").count()
    assert published == (Ruling.objects.get().decision == "published")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [quarantine.publish, quarantine.discard])
@pytest.mark.parametrize("second", [quarantine.publish, quarantine.discard])
def test_who_comes_second_waits_and_is_told(first, second):
    line = publishing.open_line(person(), "recipe")
    kept = stopped(line, "One.", evidence=said("one"))
    begun = threading.Event()

    def comes_first() -> None:
        with transaction.atomic():
            first(kept, reason="because", by="olga")
            begun.set()
            until(is_waited_for, "the second waits for the first")

    def comes_second() -> None:
        assert begun.wait(PATIENCE)
        with pytest.raises(Conflict, match="already"):
            second(kept, reason="because", by="pete")

    together(comes_first, comes_second)
    assert Ruling.objects.get().by == "olga"


def test_the_database_holds_a_ruling_to_its_form(ana, line):
    event = said("one")
    kept, other = stopped(line, "One.", evidence=event), stopped(line, "Two.", evidence=event)
    version = concluded(line, "Three.", evidence=event)
    quarantine.discard(kept, reason="because", by="olga")
    for row in (
        Ruling(representation=kept, decision="discarded", reason="again"),
        Ruling(representation=other, decision="discarded", reason=""),
        Ruling(representation=other, decision="published", reason="made nothing"),
        Ruling(representation=other, decision="discarded", reason="made something", made=version),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save()
