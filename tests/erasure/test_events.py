"""Erasing one event: what was made of it is unreadable at once and for good; the rest stays, or comes again."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from memory import corrections, diffs, feedback, feeds, history, publishing, reading, restoring, retention
from memory.erasure import act
from memory.errors import Erased, NotFound
from memory.models import (
    Conclusion,
    Correction,
    Erasure,
    Event,
    Evidence,
    FeedEntry,
    Line,
    Representation,
    Span,
    Subject,
)
from memory.publishing import NewConclusion
from tests.erasure.helpers import MARK, assert_all_accounted_for, assert_nowhere, assert_somewhere, text_of
from tests.store.helpers import concluded, contents, draft_on, person, refused, said, say

pytestmark = pytest.mark.django_db


def event(pk) -> Event:
    return Event.objects.get(pk=pk)


@pytest.fixture
def read():
    """Three events, read one by one; the second is to go. Version 1 has not read it, 2 and 3 have."""
    subject = person()
    ids = said("I sail.", f"I know {MARK}.", "I sing.")
    line = publishing.open_line(subject, "recipe")
    for place, text in enumerate(["Ana sails.", f"Ana knows {MARK}.", "Ana sings."], start=1):
        publishing.publish(
            line.pk,
            draft_on(
                line,
                up_to=place,
                added=[NewConclusion(content=text, evidence=[ids[place - 1]])],
                now=f"{MARK} {place}" if place > 1 else "One.",
            ),
        )
    return subject, line, ids


def test_readers_get_the_last_version_that_did_not_know_and_the_rest_is_read_again(read):
    subject, _, ids = read
    assert_somewhere(MARK)
    receipt = act.erase(event(ids[1]), reason="Asked for.", by="olga")
    assert_nowhere(MARK)
    subject = Subject.objects.select_related("current", "line").get(pk=subject.pk)
    assert (subject.current.number, subject.current.restores.number) == (4, 1)
    assert contents(subject.current) == ["Ana sails."]
    assert subject.current.now == "One."
    assert (subject.line.cursor, subject.head) == (1, 1)
    assert_all_accounted_for()
    entries = FeedEntry.objects.filter(subject=subject).order_by("position").values_list("position", "event_id")
    assert list(entries) == [(1, ids[0]), (2, ids[2])]
    assert (receipt.what, receipt.target, receipt.by, receipt.reason) == ("event", ids[1], "olga", "Asked for.")
    assert receipt.counts["events"] == 1
    assert receipt.counts["representations"] == 2
    assert receipt.counts["conclusions"] == 2
    assert (receipt.unreadable, receipt.rebuilding) == (1, 1)


def test_versions_that_knew_answer_that_they_were_erased(read):
    subject, _, ids = read
    moments = list(Representation.objects.order_by("number").values_list("created_at", flat=True))
    act.erase(event(ids[1]))
    for number in (2, 3):
        with pytest.raises(Erased):
            reading.representation("harbour", user="ana", version=number)
        with pytest.raises(Erased):
            reading.context("harbour", "ana", version=number)
        with pytest.raises(Erased):
            reading.context("harbour", "ana", at=moments[number - 1])
        with pytest.raises(Erased):
            diffs.compare(subject, number)
        with pytest.raises(Erased):
            diffs.compare(subject, moments[number - 1])
        with pytest.raises(Erased):
            restoring.roll_back(subject, number, reason="why")
        with pytest.raises(Erased):
            feedback.add(subject, number, 1)
        with pytest.raises(Erased):
            retention.keep(history.find_version(subject, number), reason="why")
    assert [item.representation.status for item in history.versions(subject)] == [
        "published",
        "erased",
        "erased",
        "published",
    ]
    assert reading.context("harbour", "ana", version=1).user.number == 1
    assert reading.context("harbour", "ana", at=moments[0]).user.number == 1
    assert [item.conclusion.content for item in diffs.compare(subject, 1, 4, with_kept=True).kept] == ["Ana sails."]


def test_an_event_that_nobody_has_read_takes_no_version_along():
    subject = person()
    ids = said("I sail.")
    line = publishing.open_line(subject, "recipe")
    version = concluded(line, "Ana sails.", evidence=ids)
    [waits] = said(MARK)
    [new] = say(f"{MARK} again")
    act.erase(event(waits))
    act.erase(event(new))
    assert_nowhere(MARK)
    assert Subject.objects.get(pk=subject.pk).current == version
    assert reading.context("harbour", "ana").behind_events == 0
    assert_all_accounted_for()


def test_what_was_said_again_stands_without_what_is_erased():
    subject = person()
    ids = said("I sail.")
    line = publishing.open_line(subject, "recipe")
    first = concluded(line, "Ana sails.", evidence=ids)
    more = said(f"I sail with {MARK}.")
    concluded(line, "Ana sails.", evidence=more, now=MARK)
    act.erase(event(more[0]))
    assert_nowhere(MARK)
    current = Subject.objects.select_related("current").get(pk=subject.pk).current
    assert contents(current) == contents(first) == ["Ana sails."]
    assert list(Evidence.objects.values_list("event", flat=True)) == ids


def test_what_humans_said_stays_unless_it_rests_on_what_is_erased(read):
    subject, _, ids = read
    added = corrections.add(subject, "Ana has a dog.", by="olga")
    known = {row.content: row for row in Conclusion.objects.all()}
    corrections.pin(subject, known[f"Ana knows {MARK}."].pk, by="olga")
    corrections.pin(subject, known["Ana sings."].pk, by="olga")
    corrections.retract(subject, known["Ana sails."].pk, by="olga")
    act.erase(event(ids[1]))
    assert_nowhere(MARK)
    current = Subject.objects.select_related("current").get(pk=subject.pk).current
    assert contents(current) == ["Ana has a dog.", "Ana sings."]
    assert "Ana sails" not in current.text
    assert set(Conclusion.objects.filter(pinned=True).values_list("pk", flat=True)) == {
        added.pk,
        known["Ana sings."].pk,
    }
    assert Conclusion.objects.get(retracted=True) == known["Ana sails."]
    assert_all_accounted_for()


def test_words_that_a_human_put_in_the_place_of_others_go_with_them(read):
    subject, _, ids = read
    known = Conclusion.objects.get(content=f"Ana knows {MARK}.")
    corrections.edit(subject, known.pk, f"Ana loves {MARK}.", by="olga")
    act.erase(event(ids[1]))
    assert_nowhere(MARK)
    assert not Correction.objects.exists()
    assert not Event.objects.filter(kind="correction").exists()


def test_a_retraction_that_is_erased_holds_no_longer(read):
    subject, _, _ = read
    known = Conclusion.objects.get(content="Ana sails.")
    corrections.retract(subject, known.pk, reason=MARK, by="olga")
    said_so = Event.objects.get(kind="correction")
    act.erase(said_so)
    known.refresh_from_db()
    assert not known.retracted
    assert "Ana sails" in text_of(subject)


def test_where_the_word_is_erased_that_took_back_another_that_one_holds_again():
    subject = person()
    kept = corrections.add(subject, "Ana has a dog.", by="olga")
    corrections.unpin(subject, kept.pk, by="olga")
    act.erase(Event.objects.get(data__act="unpin"))
    kept.refresh_from_db()
    assert kept.pinned
    assert contents(Subject.objects.select_related("current").get(pk=subject.pk).current) == ["Ana has a dog."]


def test_statements_that_rest_on_statements_go_with_them(read):
    _subject, line, ids = read
    premise = Conclusion.objects.get(content=f"Ana knows {MARK}.")
    over = NewConclusion(content=f"Ana is fond of {MARK}.", evidence=[], premises=[premise.pk])
    publishing.publish(line.pk, draft_on(line, added=[over]))
    act.erase(event(ids[1]))
    assert_nowhere(MARK)


def test_lines_beside_and_versions_that_repeat_others_lose_it_too(read):
    subject, line, ids = read
    restoring.roll_back(subject, 3, reason="why", then=restoring.Onward.REASON_AGAIN)
    publishing.fork_line(Subject.objects.select_related("line").get(pk=subject.pk).line, "other")
    with transaction.atomic():
        feeds.lock_subject(subject.pk)
        publishing.go_on_beside([Line.objects.get(pk=line.pk)], "shadow", "beside")
    publishing.quarantine(line.pk, draft_on(line, added=[NewConclusion(content=MARK, evidence=ids)]), MARK)
    feedback.add(subject, 2, 1, comment=f"About {MARK}")
    retention.keep(history.find_version(subject, 2), reason=f"About {MARK}")
    act.erase(event(ids[1]))
    assert_nowhere(MARK)
    assert all(own.cursor <= 1 for own in Line.objects.all())
    for own in Line.objects.select_related("head"):
        assert own.head is None or own.head.status == "published"
        assert own.cursor == (own.head.covers_to if own.head else 0)
    assert_all_accounted_for()


def test_nothing_brings_it_back(read):
    subject, _, ids = read
    act.erase(event(ids[1]))
    feeds.number()
    subject = Subject.objects.select_related("line").get(pk=subject.pk)
    concluded(subject.line, "Ana sings.", evidence=ids[2:])
    restoring.roll_back(subject, 1, reason="why")
    restoring.roll_back(subject, 5, reason="why", then=restoring.Onward.REASON_AGAIN)
    publishing.fork_line(Subject.objects.select_related("line").get(pk=subject.pk).line, "other")
    retention.prune()
    assert_nowhere(MARK)
    assert contents(Subject.objects.select_related("current").get(pk=subject.pk).current) == [
        "Ana sails.",
        "Ana sings.",
    ]


def test_a_dry_run_counts_the_same_and_changes_nothing(read):
    _, _, ids = read
    before = list(Representation.objects.order_by("number").values())
    plan = act.plan(event(ids[1]))
    assert list(Representation.objects.order_by("number").values()) == before
    assert Event.objects.count() == 3
    assert not Erasure.objects.exists()
    receipt = act.erase(event(ids[1]))
    assert (plan.counts, plan.unreadable, plan.rebuilding) == (receipt.counts, receipt.unreadable, receipt.rebuilding)


def test_what_is_erased_is_erased_once(read):
    _, _, ids = read
    row = event(ids[1])
    act.erase(row)
    with pytest.raises(NotFound):
        act.erase(row)
    assert Erasure.objects.count() == 1


def test_one_after_the_other_everything_can_be_erased(read):
    subject, _, ids = read
    corrections.add(subject, "Ana has a dog.", by="olga")
    for pk in [*ids, *Event.objects.filter(kind="correction").values_list("pk", flat=True)]:
        act.erase(event(pk))
        assert_all_accounted_for()
    assert not Conclusion.objects.exists()
    assert not Span.objects.exists()
    assert text_of(subject) == ""
    assert reading.context("harbour", "ana").behind_events == 0


class TestAuthority:
    """Only who has written a receipt in this very transaction may."""

    @pytest.fixture
    def one(self):
        [pk] = said("kept")
        return pk

    def test_a_setting_alone_is_not_enough(self, one):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('memory.erasing', %s, true)", [str(one)])
        assert "refused" in refused("DELETE FROM memory_event")
        assert "refused" in refused("UPDATE memory_event SET content = ''")

    def test_the_receipt_of_another_transaction_is_not_enough(self, one):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                "INSERT INTO memory_erasure (id, app_id, what, target, counts, unreadable, rebuilding, by, reason,"
                " transaction, created_at) VALUES (gen_random_uuid(), gen_random_uuid(), 'event', gen_random_uuid(),"
                " '{}', 0, 0, '', '', 7, now()), (gen_random_uuid(), gen_random_uuid(), 'event', gen_random_uuid(),"
                " '{}', 0, 0, '', '', pg_current_xact_id()::text::bigint, now() - interval '1 second')"
            )
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
            for receipt in Erasure.objects.values_list("pk", flat=True):
                cursor.execute("SELECT set_config('memory.erasing', %s, true)", [str(receipt)])
                assert "refused" in refused("DELETE FROM memory_event")

    def test_the_database_signs_a_receipt_itself_and_nobody_changes_it(self, one):
        row = Erasure.objects.create(app=one, what="event", target=one, transaction=7)
        row.refresh_from_db()
        assert row.transaction != 7
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('memory.erasing', %s, true)", [str(row.pk)])
        assert "refused" in refused("UPDATE memory_erasure SET counts = '[]'")
        assert "refused" in refused("DELETE FROM memory_erasure")

    def test_it_ends_with_the_erasure(self, one):
        [other] = say("other")
        act.erase(event(one))
        assert "refused" in refused("DELETE FROM memory_event")
        assert Event.objects.get().pk == other
