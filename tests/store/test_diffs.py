"""What changed between two versions: exactly what one needs to come from the one to the other, and a paragraph."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memory import clock, diffs, log, publishing, restoring, tenants, tokens
from memory.errors import Invalid, NotFound
from memory.models import Conclusion, Line, Representation, Subject
from memory.publishing import NewConclusion, Retired
from tests.store.helpers import concluded, draft_on, person, said, served_ago
from tests.store.test_rendering import random_text


def ids(*statements: Any) -> set[UUID]:
    return {item.conclusion.pk for each in statements for item in each}


@pytest.fixture
def project(db: None) -> Line:
    """The line of a project's scope, of which nothing has been concluded yet."""
    log.append("harbour", [log.NewEvent(content="Sails are in stock.")], project="spring")
    subject = Subject.objects.select_related("project").get(kind="project")
    return publishing.open_line(subject, "recipe")


def passed(line: Line, *added: str | NewConclusion, gone: dict[str, int | None] | None = None, **parts: Any) -> int:
    """Publish a version that adds statements and retires others, replaced by the one at that place or by none."""
    retired = [
        Retired(conclusion_id=Conclusion.objects.get(content=text).pk, reason="Changed.", replaced_by=place)
        for text, place in (gone or {}).items()
    ]
    new = [item if isinstance(item, NewConclusion) else NewConclusion(content=item, evidence=[]) for item in added]
    return publishing.publish(line.pk, draft_on(line, 0, added=new, retired=retired, **parts)).number


def said_of(diff: diffs.Diff) -> tuple[Any, ...]:
    return (
        sorted(item.conclusion.content for item in diff.added),
        sorted((item.conclusion.content, item.reason) for item in diff.retired),
        sorted(
            (item.before.conclusion.content, item.after.conclusion.content, item.replaced) for item in diff.reworded
        ),
        sorted(item.conclusion.content for item in diff.kept),
    )


def test_what_was_added_retired_reworded_and_kept(project):
    passed(project, "The shop sells sails.", "The shop is in Porto.", "The shop opens at nine each day.", "It rains.")
    passed(
        project,
        "The shop moved to a bigger house in Lisbon.",
        "The shop opens at ten each day.",
        "There is a workshop too.",
        gone={"The shop is in Porto.": 0, "The shop opens at nine each day.": None, "It rains.": None},
    )
    diff = diffs.compare(project.subject, 1, 2)
    assert said_of(diff) == (
        ["There is a workshop too."],
        [("It rains.", "Changed.")],
        [
            ("The shop is in Porto.", "The shop moved to a bigger house in Lisbon.", True),
            ("The shop opens at nine each day.", "The shop opens at ten each day.", False),
        ],
        ["The shop sells sails."],
    )
    alike = {item.replaced: item.similarity for item in diff.reworded}
    assert alike[False] == pytest.approx(12 / 14)
    assert diff.retired[0].until == 2
    assert diffs.tell(diff, 200).startswith("From version 1 (")


def test_a_replacement_of_a_replacement_is_followed(project):
    passed(project, "One thing.")
    passed(project, "Another matter.", gone={"One thing.": 0})
    passed(project, "A third point.", gone={"Another matter.": 0})
    diff = diffs.compare(project.subject, 1, 3)
    assert said_of(diff) == ([], [], [("One thing.", "A third point.", True)], [])
    assert diff.reworded[0].before.until == 2


def test_two_that_were_merged_into_one(project):
    passed(project, "Ann sells sails.", "Ann sells ropes.")
    passed(project, "Ann sells sails and ropes.", gone={"Ann sells sails.": 0, "Ann sells ropes.": 0})
    diff = diffs.compare(project.subject)
    assert len(diff.reworded) == len(diff.retired) == 1
    assert diff.retired[0].replaced_by == diff.reworded[0].after.conclusion


def test_words_pair_only_what_is_about_the_same_user_and_alike_enough(project):
    ann, ben = (tenants.make_user(project.subject.app, name)[0] for name in ("ann", "ben"))

    def about(user, text):
        return NewConclusion(content=text, evidence=[], about_id=user.pk)

    passed(project, about(ann, "Likes to sail in summer."), about(ann, "Owns a dog."), about(ann, "船は青い。"))
    passed(
        project,
        about(ben, "Likes to sail in spring."),
        about(ann, "Likes to sail in autumn."),
        about(ann, "Lives in a house."),
        about(ann, "船は赤い。"),
        gone={"Likes to sail in summer.": None, "Owns a dog.": None, "船は青い。": None},
    )
    diff = diffs.compare(project.subject)
    assert sorted(item.after.conclusion.content for item in diff.reworded) == ["Likes to sail in autumn.", "船は赤い。"]
    assert {item.after.conclusion.about for item in diff.reworded} == {ann}
    assert [item.conclusion.content for item in diff.retired] == ["Owns a dog."]


def test_two_lines_are_compared_by_what_stands_in_them(project):
    passed(project, "Shared.", "Only here.")
    beside = publishing.open_line(project.subject, "better")
    passed(beside, "Shared.", "Only there.")
    diff = diffs.compare(project.subject, 1, 2)
    assert said_of(diff) == (["Only there."], [("Only here.", "It does not stand in version 2.")], [], ["Shared."])


def test_after_a_rollback_the_diff_says_so(project):
    passed(project, "One.", card=["A"], now="Here.", short_summary="S", long_summary="L")
    passed(project, "Two.", gone={"One.": None}, card=["A", "B"], now="There.", short_summary="S", long_summary="M")
    subject = Subject.objects.get(pk=project.subject_id)
    restoring.roll_back(subject, 1, reason="Two is wrong")
    diff = diffs.compare(subject)
    assert (diff.start.number, diff.end.number) == (2, 3)
    assert said_of(diff) == (["One."], [("Two.", "Rolled back to version 1")], [], [])
    assert (diff.card_added, diff.card_removed) == ([], ["B"])
    assert diff.now == diffs.Change("There.", "Here.")
    assert (diff.short_summary, diff.long_summary) == (None, diffs.Change("M", "L"))
    same = diffs.compare(subject, 1, 3)
    assert said_of(same) == ([], [], [], ["One."])
    assert diffs.tell(same).endswith("nothing has changed in the scope of project spring.")


def test_events_in_between_are_counted(db):
    line = publishing.open_line(person(), "recipe")
    concluded(line, "One.", evidence=said("x"))
    concluded(line, "Two.", evidence=said("y", "z"))
    diff = diffs.compare(line.subject)
    assert (diff.start.covers_to, diff.end.covers_to, diff.events) == (1, 3, 2)
    assert diffs.compare(line.subject, timedelta(days=1)).events == 3


def test_the_first_version_is_compared_with_nothing(project):
    nothing = diffs.compare(project.subject)
    assert said_of(nothing) == ([], [], [], [])
    assert diffs.tell(nothing).startswith("Since the beginning nothing has changed in the scope of")
    passed(project, "One.")
    diff = diffs.compare(Subject.objects.get(pk=project.subject_id))
    assert said_of(diff) == (["One."], [], [], [])
    assert diffs.tell(diff) == "Since the beginning the scope of project spring has grown by 1 statement: “One”."


def test_what_cannot_be_compared_is_refused_in_words(project):
    passed(project, "One.")
    publishing.quarantine(project.pk, draft_on(project), "bad")
    passed(project, "Two.")
    subject = Subject.objects.get(pk=project.subject_id)
    with pytest.raises(NotFound, match="There is no version 9"):
        diffs.compare(subject, 1, 9)
    with pytest.raises(NotFound, match="Version 2 was quarantined"):
        diffs.compare(subject, 2)
    now = clock.now()
    for start, end in ((3, 1), (now, now - timedelta(days=1)), (timedelta(hours=1), timedelta(days=1)), (now, 1)):
        with pytest.raises(Invalid, match="after"):
            diffs.compare(subject, start, end)
    assert said_of(diffs.compare(subject, now, 3)) == ([], [], [], ["One.", "Two."]), "the same version is no mistake"
    assert diffs.compare(subject, 3, 3).start.number == 3


def test_how_the_scope_changed_over_the_last_week(project):
    passed(project, "The shop sells sails.", "Delivery is free.")
    passed(project, "The shop mends sails too.", "Orders are taken by telephone.", gone={"Delivery is free.": None})
    first, second = Representation.objects.order_by("number")
    served_ago(project.subject, (first, timedelta(days=9)), (second, timedelta(days=2)))
    subject = Subject.objects.select_related("project").get(pk=project.subject_id)
    diff = diffs.compare(subject, timedelta(days=7))
    week_ago = clock.now() - timedelta(days=7)
    assert diffs.tell(diff) == (
        f"Since {week_ago.day} {week_ago:%B %Y} the scope of project spring has grown by 2 statements:"
        " “Orders are taken by telephone”; “The shop mends sails too”."
        " It no longer holds 1 statement: “Delivery is free” (Changed)."
    )
    assert diffs.compare(subject, timedelta(days=12), timedelta(days=10)).end.version is None
    before = diffs.compare(subject, timedelta(days=12))
    assert ", when nothing was known yet, the scope of" in diffs.tell(before)


@pytest.mark.parametrize("seed", range(4))
def test_the_paragraph_keeps_to_its_budget_and_counts_what_it_leaves_out(project, seed):
    dice = random.Random(seed)
    old = [f"{number} {random_text(dice)}" for number in range(dice.randint(1, 15))]
    passed(project, *old, card=[random_text(dice)], now=random_text(dice))
    new = [f"{number} {random_text(dice)}" for number in range(20, 20 + dice.randint(1, 15))]
    gone = {item.content: None for item in Conclusion.objects.all()[: dice.randint(0, 15)]}
    passed(project, *new, gone=gone, card=[random_text(dice)], now=random_text(dice))
    diff = diffs.compare(Subject.objects.get(pk=project.subject_id))
    whole = diffs.tell(diff, 1_000_000)
    for budget in [*range(0, 80, 7), *(dice.randint(80, 2_000) for _ in range(20))]:
        text = diffs.tell(diff, budget)
        assert tokens.count(text) <= budget
        if text and diff.added:
            assert f"has grown by {len(diff.added)} statement" in text
    assert diffs.tell(diff, tokens.count(whole)) == whole


def test_the_questions_do_not_grow(project):
    counts = []
    for size in (2, 60):
        passed(project, *(f"Fact {number} of {size}." for number in range(size)))
        with CaptureQueriesContext(connection) as asked:
            diffs.compare(Subject.objects.get(pk=project.subject_id), timedelta(days=1), with_kept=True)
        counts.append(len(asked))
    assert counts == [7, 7], "one of them finds the subject"


def test_what_many_pairs_have_in_common_is_what_comparing_each_says(project, django_assert_num_queries):
    passed(project, "The shop sells sails.", "The shop is in Porto.", "The shop opens at nine each day.", "It rains.")
    passed(
        project,
        "The shop moved to a bigger house in Lisbon.",
        "The shop opens at ten each day.",
        "There is a workshop too.",
        gone={"The shop is in Porto.": 0, "The shop opens at nine each day.": None, "It rains.": None},
    )
    beside = publishing.open_line(project.subject, "other recipe")
    passed(beside, "The shop sells sails.", "The shop is in Lisbon.", "There is a big workshop too.")
    one, two, other = Representation.objects.order_by("number")
    pairs = [(one, two), (two, one), (one, other), (other, two), (two, two)]
    with django_assert_num_queries(1):
        found = diffs.in_common(pairs)
    for (first, last), counted in zip(pairs, found, strict=True):
        diff = diffs.between(project.subject, first, last)
        alike = 2 * (len(diff.kept) + len(diff.reworded))
        assert counted == (alike + len(diff.added) + len(diff.retired), alike)
    assert found[0] == (8, 6), "of four and four, one is kept and two are reworded"
    assert diffs.in_common([]) == []
