"""How long versions are kept whole: old ones lose their text and keep their statements; what is needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from memory import clock, history, publishing, reading, restoring, retention
from memory.errors import Invalid
from memory.models import Representation, Serving, Subject
from memory.signals import history_needed
from tests.store.helpers import concluded, contents, draft_on, person, said

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line():
    """Ana's line with three versions, of which the last is served."""
    line = publishing.open_line(person(), "recipe")
    for number, word in enumerate(("One.", "Two.", "Three."), start=1):
        concluded(line, word, evidence=said(f"event {number}"), now=f"Now {number}", card=["Name: Ana"])
    return line


def whole() -> list[int]:
    return list(Representation.objects.filter(thinned=False).order_by("number").values_list("number", flat=True))


def thin_all() -> int:
    return retention.thin(clock.now())


def test_what_is_served_stays_and_of_older_versions_only_statements_do(line):
    before = {row.number: contents(row) for row in Representation.objects.all()}
    assert thin_all() == 2
    assert whole() == [3]
    assert thin_all() == 0
    old = Representation.objects.get(number=1)
    assert (old.text, old.card, old.now) == ("", [], "")
    assert {row.number: contents(row) for row in Representation.objects.all()} == before
    assert (old.covers_to, old.made_by) == (1, {})


def test_a_thinned_version_reads_as_its_statements(line):
    moment = Serving.objects.order_by("since")[0].since
    thin_all()
    assert "One" in reading.context("harbour", "ana", version=1).text
    assert "Now 1" not in reading.context("harbour", "ana", version=1).text
    assert "One" in reading.context("harbour", "ana", at=moment).text
    assert "Three" in reading.context("harbour", "ana").text
    assert [item.representation.thinned for item in history.versions(Subject.objects.get())] == [False, True, True]


def test_a_rollback_to_a_thinned_version_says_what_stood_in_it(line):
    thin_all()
    made = restoring.roll_back(Subject.objects.get(), 1, reason="why")
    assert contents(made) == ["One."]
    assert "One" in made.text


def test_what_was_served_within_the_time_is_kept_whole(line):
    between = Representation.objects.get(number=2).created_at + timedelta(microseconds=1)
    assert retention.thin(between) == 1
    assert whole() == [2, 3], "two was served at that moment"


def test_what_somebody_keeps_what_nobody_decided_upon_and_heads_of_lines_are_kept(line):
    one = Representation.objects.get(number=1)
    retention.keep(one, reason="Evidence", by="olga")
    publishing.quarantine(line.pk, draft_on(line), "bad")
    other = publishing.fork_line(line, "other")
    concluded(other, "Four.", evidence=said("x"))
    thin_all()
    assert whole() == [1, 3, 4, 5], "three is the head of the line that served before"
    retention.release(one)
    thin_all()
    assert whole() == [3, 4, 5]
    with pytest.raises(Invalid, match="only the statements"):
        retention.keep(Representation.objects.get(number=1), reason="too late")


def test_nothing_is_thinned_unless_the_site_says_for_how_long_history_is_kept(line, settings, capsys):
    assert retention.prune() == 0
    settings.HONCHO = {"HISTORY_DAYS": 30}
    assert retention.prune() == 0
    assert retention.keeps_from() < clock.now() - timedelta(days=29)
    call_command("prune")
    assert "0 old versions thinned" in capsys.readouterr().out


def test_others_can_need_more_of_the_history(line, settings):
    settings.HONCHO = {"HISTORY_DAYS": 1}
    needed = clock.now() - timedelta(days=90)

    def asks(**kwargs):
        return needed

    history_needed.connect(asks)
    try:
        assert retention.keeps_from() == needed
    finally:
        history_needed.disconnect(asks)


@pytest.mark.parametrize(
    "change", ["text = 'other', thinned = true", "thinned = true", "thinned = true, text = '', number = 9"]
)
def test_the_database_lets_nobody_change_a_version_but_to_thin_it(line, change):
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE memory_representation SET {change} WHERE number = 1")
    assert whole() == [1, 2, 3]
