"""Making versions: what stands in them, what they rest on, and who may go on from where."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from memory import feeds, publishing, restoring
from memory.errors import Conflict, Invalid, NotFound
from memory.log import NewEvent
from memory.models import Conclusion, Evidence, Line, Representation, Span, Subject
from memory.publishing import NewConclusion, Retired
from memory.signals import representation_published
from tests.store.helpers import concluded, contents, draft_on, person, said, say, together


@pytest.fixture
def ana(db):
    return person()


@pytest.fixture
def line(ana):
    return publishing.open_line(ana, "recipe")


def state() -> tuple[object, ...]:
    """Everything that a publication may change."""
    return (
        list(Subject.objects.order_by("pk").values_list("head", "versions", "line", "current")),
        list(Line.objects.order_by("pk").values_list("pk", "cursor", "head")),
        list(Representation.objects.order_by("number").values_list("number", "text")),
        list(Span.objects.order_by("pk").values_list("conclusion", "since", "until", "latest")),
        Conclusion.objects.count(),
        Evidence.objects.count(),
    )


def test_the_first_version(ana, line):
    events = said("I moved to Lisbon.", "I have a dog, Rex.")
    heard = []

    def listen(sender, representation, **told):
        heard.append(representation)

    representation_published.connect(listen)
    try:
        version = concluded(
            line,
            "Ana lives in Lisbon.",
            evidence=events,
            now="Ana has just moved.",
            card=["Name: Ana"],
            made_by={"by": "test"},
        )
    finally:
        representation_published.disconnect(listen)
    assert heard == [version]
    ana.refresh_from_db()
    line.refresh_from_db()
    assert (version.number, version.status, version.parent) == (1, "published", None)
    assert (version.covers_from, version.covers_to) == (0, 2)
    assert version.text == "Ana has just moved.\n## Facts\nName: Ana\n## Known of ana\nAna lives in Lisbon"
    assert version.made_by == {"by": "test"}
    assert version.as_of == feeds.read(ana.pk, 1, 1)[0][1].recorded_at
    assert (line.cursor, line.head) == (2, version)
    assert (ana.line, ana.current, ana.versions) == (line, version, 1)
    assert set(Evidence.objects.values_list("event_id", "representation_id")) == {(e, version.pk) for e in events}


def test_the_same_statement_again_adds_its_evidence_to_the_one_that_stands(line):
    [first] = said("I moved to Lisbon.", occurred_at="2026-01-01T00:00:00Z")
    one = concluded(line, "Ana lives in Lisbon.", evidence=[first])
    [second] = said("Lisbon is home.", occurred_at="2026-02-01T00:00:00Z")
    two = concluded(line, "  ana lives in LISBON ", evidence=[second, first])
    [conclusion] = Conclusion.objects.all()
    assert conclusion.content == "Ana lives in Lisbon."
    assert dict(conclusion.evidence.values_list("event_id", "representation_id")) == {first: one.pk, second: two.pk}
    [span] = Span.objects.all()
    assert (span.since, span.until) == (1, None)
    assert span.latest == datetime(2026, 2, 1, tzinfo=UTC)
    assert contents(two) == ["Ana lives in Lisbon."]


def test_an_older_event_does_not_make_a_statement_older(line):
    [new] = said("I live in Lisbon.", occurred_at="2026-02-01T00:00:00Z")
    concluded(line, "Ana lives in Lisbon.", evidence=[new])
    [old] = said("I live in Lisbon.", occurred_at="2026-01-01T00:00:00Z")
    concluded(line, "Ana lives in Lisbon.", evidence=[old])
    assert Span.objects.get().latest == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_same_statement_twice_in_one_draft_is_one(line):
    first, second = said("one", "two")
    added = [NewConclusion(content="Ana counts.", evidence=[event]) for event in (first, second)]
    publishing.publish(line.pk, draft_on(line, added=added))
    assert Conclusion.objects.count() == 1
    assert Evidence.objects.count() == 2
    assert Span.objects.count() == 1


def test_the_same_words_about_somebody_else_are_another_statement(ana, line):
    [event] = said("We both sing.")
    added = [NewConclusion(content="They sing.", evidence=[event], about_id=about) for about in (None, ana.user_id)]
    publishing.publish(line.pk, draft_on(line, added=added))
    assert Conclusion.objects.count() == 2


def test_a_retired_statement_stands_in_the_versions_before_and_comes_back_when_said_again(line):
    [event] = said("I live in Porto.")
    one = concluded(line, "Ana lives in Porto.", evidence=[event])
    porto = Conclusion.objects.get()
    [event] = said("I have moved to Lisbon.")
    added = [NewConclusion(content="Ana lives in Lisbon.", evidence=[event])]
    retired = [Retired(conclusion_id=porto.pk, reason="She has moved", replaced_by=0)]
    two = publishing.publish(line.pk, draft_on(line, added=added, retired=retired))
    span = Span.objects.get(conclusion=porto)
    assert (span.since, span.until, span.reason) == (1, 2, "She has moved")
    assert span.replaced_by == Conclusion.objects.get(content="Ana lives in Lisbon.")
    [event] = said("Back to Porto!")
    three = concluded(line, "Ana lives in Porto.", evidence=[event])
    assert contents(one) == ["Ana lives in Porto."]
    assert contents(two) == ["Ana lives in Lisbon."]
    assert contents(three) == ["Ana lives in Lisbon.", "Ana lives in Porto."]
    assert list(Span.objects.filter(conclusion=porto).order_by("since").values_list("since", "until")) == [
        (1, 2),
        (3, None),
    ]


def test_what_is_said_again_in_the_pass_that_retires_it_stands(line):
    [event] = said("I live in Porto.")
    concluded(line, "Ana lives in Porto.", evidence=[event])
    retired = [Retired(conclusion_id=Conclusion.objects.get().pk, reason="?")]
    two = concluded(line, "Ana lives in Porto.", evidence=[event], retired=retired)
    assert contents(two) == ["Ana lives in Porto."]
    assert Span.objects.count() == 1


def test_who_begins_from_a_version_that_is_no_longer_the_head_publishes_nothing(line):
    [event] = said("one")
    stale = draft_on(line, added=[NewConclusion(content="Stale.", evidence=[event])])
    concluded(line, "Fresh.", evidence=[event])
    before = state()
    with pytest.raises(Conflict):
        publishing.publish(line.pk, stale)
    assert state() == before


def test_a_rollback_makes_drafts_that_were_begun_before_it_conflict(ana, line):
    [event] = said("one")
    concluded(line, "One.", evidence=[event])
    concluded(line, "Two.", evidence=[event])
    stale = draft_on(line, added=[NewConclusion(content="Stale.", evidence=[event])])
    restoring.roll_back(Subject.objects.get(), 1, reason="wrong", by="ops")
    before = state()
    with pytest.raises(Conflict):
        publishing.publish(line.pk, stale)
    assert state() == before


def test_evidence_must_be_of_the_subjects_feed_and_read(line):
    person("ben")
    [own, unread] = said("one", "two")
    [foreign] = said("three", user="ben")
    [unnumbered] = say("four")
    before = state()
    for event in (unread, foreign, unnumbered):
        added = [NewConclusion(content="Something.", evidence=[own, event])]
        with pytest.raises(Invalid, match="1 of the events named as evidence"):
            publishing.publish(line.pk, draft_on(line, up_to=1, added=added))
    assert state() == before
    publishing.publish(line.pk, draft_on(line, up_to=2, added=[NewConclusion(content="Both.", evidence=[own, unread])]))


@pytest.mark.parametrize("covers_to", [0, 3])
def test_a_version_covers_neither_less_than_its_line_nor_more_than_the_feed(line, covers_to):
    said("one")
    concluded(line, evidence=[])
    said("two")
    before = state()
    with pytest.raises(Invalid, match="the feed goes up to 2"):
        publishing.publish(line.pk, draft_on(line, up_to=covers_to))
    assert state() == before


def test_two_who_publish_from_the_same_head_get_one_version(transactional_db):
    line = publishing.open_line(person(), "recipe")
    [event] = said("one")
    draft = draft_on(line, added=[NewConclusion(content="One.", evidence=[event])])

    def publish():
        try:
            return publishing.publish(line.pk, draft).number
        except Conflict:
            return None

    assert sorted(together(*[publish] * 6), key=str) == [1] + [None] * 5
    assert Representation.objects.count() == 1


def test_two_lines_of_a_subject_that_publish_at_once_get_numbers_of_their_own(transactional_db):
    subject = person()
    lines = [publishing.open_line(subject, "recipe"), Line.objects.create(subject=subject, recipe="beside")]
    [event] = said("one")
    ready = threading.Barrier(2)

    def publish(line):
        numbers = []
        for turn in range(15):
            ready.wait(20)
            numbers.append(concluded(line, f"{line.recipe} {turn}", evidence=[event]).number)
        return numbers

    one, other = together(*[lambda line=line: publish(line) for line in lines])
    assert sorted(one + other) == list(range(1, 31))
    assert Subject.objects.get().versions == 30


def test_the_database_itself_lets_no_position_be_covered_twice(line):
    [event] = said("one")
    version = concluded(line, "One.", evidence=[event])
    with pytest.raises(IntegrityError, match="representation_covers_once"), transaction.atomic():
        Representation.objects.create(
            subject=line.subject, line=line, number=9, covers_from=0, covers_to=1, text="", parent=version
        )


def test_a_quarantined_draft_is_kept_and_nobody_reads_it(ana, line):
    [event] = said("one")
    one = concluded(line, "One.", evidence=[event])
    said("two")
    before = state()
    kept = publishing.quarantine(line.pk, draft_on(line, now="Nonsense."), "It says nothing.")
    after = state()
    assert (kept.number, kept.status, kept.reason, kept.text) == (2, "quarantined", "It says nothing.", "Nonsense.")
    assert (kept.covers_from, kept.covers_to, kept.parent) == (1, 2, one)
    assert after[1] == before[1], "head and cursor stay"
    assert after[3:] == before[3:]
    ana.refresh_from_db()
    assert (ana.current, ana.versions) == (one, 2)
    assert concluded(line, "Two.", evidence=[event]).number == 3


def test_a_rollback_is_a_new_version_that_equals_the_old_one(ana, line):
    [event] = said("one")
    one = concluded(line, "One.", "Both.", evidence=[event], card=["a"], now="first")
    said("two")
    gone = Conclusion.objects.get(content="One.")
    two = concluded(
        line, "Two.", evidence=[event], now="second", retired=[Retired(conclusion_id=gone.pk, reason="over")]
    )
    ana.refresh_from_db()
    three = restoring.roll_back(ana, 1, reason="the second is wrong", by="ops")
    for name in ("text", "line_tokens", "card", "now", "short_summary", "long_summary", "as_of"):
        assert getattr(three, name) == getattr(one, name), name
    assert (three.number, three.parent, three.reason) == (3, two, "the second is wrong")
    assert three.made_by == {"rolled_back_to": 1, "by": "ops"}
    assert (three.covers_from, three.covers_to) == (2, 2), "what was covered stays covered"
    assert contents(three) == contents(one) == ["Both.", "One."]
    assert contents(two) == ["Both.", "Two."]
    assert Span.objects.get(conclusion__content="Two.").reason == "Rolled back to version 1"
    ana.refresh_from_db()
    line.refresh_from_db()
    assert (ana.current, line.head, line.cursor) == (three, three, 2)


def test_a_rollback_says_why_and_goes_to_a_version_that_was_published(ana, line):
    with pytest.raises(NotFound):
        restoring.roll_back(person("ben"), 1, reason="why not")
    [event] = said("one")
    concluded(line, "One.", evidence=[event])
    publishing.quarantine(line.pk, draft_on(line), "bad")
    before = state()
    ana.refresh_from_db()
    for to, reason, refusal in ((1, "  ", Invalid), (2, "why", Invalid), (9, "why", NotFound)):
        with pytest.raises(refusal):
            restoring.roll_back(ana, to, reason=reason)
    assert state() == before


def test_a_fork_goes_on_from_where_the_old_line_stands(ana, line):
    [event] = said("one")
    one = concluded(line, "One.", "Gone.", evidence=[event])
    fork = publishing.fork_line(line, "better")
    ana.refresh_from_db()
    assert (ana.line, ana.current) == (fork, one), "readers keep what they had"
    assert (fork.cursor, fork.head) == (1, one)
    [event] = said("two")
    gone = Conclusion.objects.get(content="Gone.")
    two = concluded(fork, "Two.", evidence=[event], retired=[Retired(conclusion_id=gone.pk, reason="over")])
    assert (two.parent, two.covers_from, two.covers_to) == (one, 1, 2)
    assert contents(two) == ["One.", "Two."]
    assert contents(one) == ["Gone.", "One."]
    assert Span.objects.get(line=fork, conclusion=gone).reason == "over", "that it was retired leaves a trace"
    back = publishing.fork_line(fork, "recipe")
    assert back == line
    assert (back.cursor, back.head) == (2, two)
    three = concluded(back, "Three.", evidence=[event])
    assert contents(three) == ["One.", "Three.", "Two."]
    assert contents(one) == ["Gone.", "One."]


def test_a_version_of_a_line_that_does_not_serve_changes_nothing_for_readers(ana, line):
    [event] = said("one")
    one = concluded(line, "One.", evidence=[event])
    other = Line.objects.create(subject=ana, recipe="beside")
    two = concluded(other, "Two.", evidence=[event])
    ana.refresh_from_db()
    assert (ana.line, ana.current, ana.versions) == (line, one, 2)
    assert contents(two) == ["Two."]
    assert contents(one) == ["One."]


def test_a_fork_never_goes_back_to_before_what_a_line_has_covered(ana, line):
    [event] = said("one")
    other = publishing.fork_line(line, "other")
    concluded(line, "One.", evidence=[event])
    back = publishing.fork_line(other, "recipe")
    assert (back.branch, back.cursor, back.head) == ("fork-2", other.cursor, None), "it begins a branch"
    line.refresh_from_db()
    assert line.cursor == 1


def test_a_fork_does_not_rewrite_the_newest_version_of_the_line_that_it_goes_to(ana, line):
    [event] = said("one")
    concluded(line, "One.", evidence=[event])
    other = publishing.fork_line(line, "other")
    two = concluded(line, "Two.", evidence=[event])
    assert contents(two) == ["One.", "Two."]
    publishing.fork_line(other, "recipe")
    assert contents(two) == ["One.", "Two."], "a version always reads the same"
    three = concluded(line, "Three.", evidence=[event])
    assert contents(three) == ["One.", "Three."]


def test_statements_are_compared_without_case_space_and_final_stop():
    same = {publishing.fingerprint(text, None) for text in ("Ana  sings.", "ana sings", " Ana\nSINGS!", "ANA SINGS...")}
    assert len(same) == 1
    assert publishing.fingerprint("Ana sings?", None) not in same


@pytest.mark.parametrize("importance", [0, 6])
def test_importance_is_one_to_five(line, importance):
    [event] = said("one")
    added = [NewConclusion(content="One.", evidence=[event], importance=importance)]
    with pytest.raises(IntegrityError, match="conclusion_importance_range"):
        publishing.publish(line.pk, draft_on(line, added=added))


def test_a_new_events_kind_does_not_matter_to_evidence(line):
    from memory import log

    rows = log.append("harbour", [NewEvent(kind="invoice.sent", data={"total": 5})], user="ana")
    feeds.number()
    version = concluded(line, "Ana was sent an invoice.", evidence=[rows[0].id])
    assert contents(version) == ["Ana was sent an invoice."]
