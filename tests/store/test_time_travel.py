"""What was served when: whatever moves what readers get, reading as of a moment gives what they got at that moment."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from memory import clock, publishing, reading, restoring, serving
from memory.models import Line, Representation, Serving, Subject
from tests.store.helpers import concluded, draft_on, person, said, served_ago


@pytest.fixture
def line(db: None) -> Line:
    """Ana's line, with the versions 1 and 2."""
    made = publishing.open_line(person(), "recipe")
    [event] = said("I moved to Lisbon.")
    concluded(made, "Ana lives in Lisbon.", evidence=[event], card=["City: Lisbon"])
    concluded(made, "Ana sings.", evidence=[event], card=["City: Lisbon", "Sings"])
    return Line.objects.get(pk=made.pk)


def notes() -> list[tuple[Any, ...]]:
    return list(Serving.objects.order_by("since").values_list("representation__number", "reason", "by"))


def test_each_move_is_noted_whoever_makes_it(line):
    subject = line.subject
    restoring.roll_back(Subject.objects.get(), 1, reason="Ana does not sing", by="olga")
    Subject.objects.update(current=Representation.objects.get(number=2))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE memory_subject SET current_id = NULL, line_id = NULL")
    Subject.objects.update(current=None, head=1)  # moves nothing
    assert notes() == [(1, "", ""), (2, "", ""), (3, "Ana does not sing", "olga"), (2, "", ""), (None, "", "")]
    assert reading.context("harbour", "ana", at=clock.now()).user.number is None
    moments = list(Serving.objects.order_by("since").values_list("since", flat=True))
    served = [reading.context("harbour", "ana", at=moment).user.number for moment in moments]
    assert served == [1, 2, 3, 2, None]
    assert subject.servings.count() == 5


def test_why_is_noted_within_and_no_longer(line):
    first, second = Representation.objects.order_by("number")
    with serving.because("Deployment 12 was taken back", by="key 7"):
        Subject.objects.update(current=first)

    def fail() -> None:
        with serving.because("never"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    Subject.objects.update(current=second)
    assert notes()[2:] == [(1, "Deployment 12 was taken back", "key 7"), (2, "", "")]


def test_a_subject_that_is_born_with_a_version_is_noted(line):
    row = Subject.objects.get()
    ben = person("ben")
    ben.delete()
    with transaction.atomic():
        Subject.objects.create(app=ben.app, kind="user", user=ben.user, current=row.current)
        assert Serving.objects.filter(subject__user=ben.user).count() == 1
        transaction.set_rollback(True)  # before it is asked whose version that is


def test_order_holds_where_the_clock_does_not(line):
    subject = Subject.objects.get()
    ahead = clock.now() + timedelta(hours=1)
    Serving.objects.create(subject=subject, since=ahead, representation=subject.current)
    restoring.roll_back(subject, 1, reason="why")
    newest = Serving.objects.order_by("-since")[0]
    assert newest.since == ahead + timedelta(microseconds=1)
    assert newest.representation.number == 3


def test_a_version_beside_is_not_served_until_the_pointer_moves(transactional_db):
    main = publishing.open_line(person(), "main")
    beside = publishing.open_line(main.subject, "beside")
    concluded(main, "One.", evidence=said("x"))
    two = concluded(beside, "Two.", evidence=[])
    before = clock.now()
    assert notes() == [(1, "", "")]
    Subject.objects.update(line=beside, current=two)
    after = clock.now()
    Subject.objects.update(line=main, current=Line.objects.get(pk=main.pk).head)
    moments = (two.created_at, before, after, clock.now())
    assert [reading.context("harbour", "ana", at=at).user.number for at in moments] == [1, 1, 2, 1]


def test_an_age_counts_back_from_the_databases_clock(line, django_assert_num_queries):
    first, second = Representation.objects.order_by("number")
    served_ago(line.subject, (first, timedelta(days=9)), (second, timedelta(days=3)))
    with django_assert_num_queries(1):
        found = reading.context("harbour", "ana", at=timedelta(days=7), tokens=9)
    assert found.user.number == 1
    assert found.text == "## Facts\nCity: Lisbon"
    assert abs(timezone.now() - timedelta(days=7) - found.user.at) < timedelta(minutes=5)
    for age, number in ((timedelta(days=10), None), (timedelta(days=2), 2), (timedelta(0), 2)):
        assert reading.context("harbour", "ana", at=age).user.number == number


def test_a_read_as_of_a_moment_is_one_index_lookup_however_long_the_history(line):
    subject, version = line.subject, Line.objects.get().head
    start = clock.now() + timedelta(days=1)
    Serving.objects.bulk_create(
        Serving(subject=subject, since=start + timedelta(seconds=n), representation=version) for n in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE memory_serving")
        cursor.execute(
            "EXPLAIN SELECT representation_id FROM memory_serving WHERE subject_id = %s AND since <= now()"
            " ORDER BY since DESC LIMIT 1",
            [subject.pk],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan Backward using memory_serving_pkey" in plan
    assert "Sort" not in plan


def test_what_was_served_before_it_was_noted_is_filled_in(transactional_db):
    main = publishing.open_line(person(), "main")
    [event] = said("x")
    for text in ("One.", "Two."):
        concluded(main, text, evidence=[event])
    publishing.quarantine(main.pk, draft_on(main), "bad")
    fork = publishing.fork_line(main, "better")
    concluded(main, "Beside.", evidence=[event])
    concluded(fork, "Five.", evidence=[event])
    restoring.roll_back(Subject.objects.get(), 1, reason="why")
    publishing.open_line(person("ben"), "main")  # has no version
    noted = list(Serving.objects.order_by("since").values_list("since", "representation"))
    fill = importlib.import_module("memory.migrations.0007_served_before").fill
    for kept in (0, 1, 2, 4):  # the newest so many were noted by the database already
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE memory_serving DISABLE TRIGGER refuse_change")
            Serving.objects.exclude(since__in=[since for since, _ in noted[len(noted) - kept :]]).delete()
            cursor.execute("ALTER TABLE memory_serving ENABLE TRIGGER refuse_change")
        for _ in range(2):
            fill(None, connection.schema_editor())
            assert list(Serving.objects.order_by("since").values_list("since", "representation")) == noted
