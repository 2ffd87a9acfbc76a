"""Corrections against a model of sets: whatever is published, forked and rolled back, what humans said holds."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from memory import corrections, publishing, restoring
from memory.errors import Conflict
from memory.models import Conclusion, Correction, Line, Representation, Span, Subject
from memory.publishing import NewConclusion, Retired
from tests.store.helpers import contents, draft_on, person, said

STATEMENTS = ["Ana sings.", "Ana sails.", "Ana swims.", "Ana sews.", "ANA SINGS.", "Ana sleeps."]
RECIPES = ["first", "second", "third"]
SAME = {"ANA SINGS.": "Ana sings.", "Ana sings.": "ANA SINGS."}


class Corrections(RuleBasedStateMachine):
    """Publish, correct, fork and roll back in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.app = uuid4().hex
        self.subject = person(app=self.app)
        self.events: list[UUID] = said("x", app=self.app)
        self.pinned: set[UUID] = set()
        self.retracted: set[UUID] = set()
        self.shown: dict[int, tuple[str, list[str]]] = {}

    def fresh(self) -> Subject:
        return Subject.objects.select_related("line", "current").get(pk=self.subject.pk)

    def known(self) -> list[Conclusion]:
        return list(Conclusion.objects.filter(subject=self.subject).order_by("pk"))

    @rule(
        data=st.data(),
        recipe=st.sampled_from(RECIPES),
        add=st.lists(st.sampled_from(STATEMENTS), max_size=3),
    )
    def publish(self, data: st.DataObject, recipe: str, add: list[str]) -> None:
        line = publishing.open_line(self.subject, recipe)
        known = self.known()
        gone = data.draw(st.lists(st.sampled_from(known), max_size=4, unique=True)) if known else []
        replacing = st.none() | st.integers(0, len(add) - 1) if add else st.none()
        retired = [Retired(conclusion_id=row.pk, reason="over", replaced_by=data.draw(replacing)) for row in gone]
        added = [NewConclusion(content=text, evidence=self.events, about_id=self.subject.user_id) for text in add]
        publishing.publish(line.pk, draft_on(line, added=added, retired=retired))

    @rule(content=st.sampled_from(STATEMENTS))
    def add(self, content: str) -> None:
        self.stands(corrections.add(self.subject, content, by="olga"))

    @precondition(lambda self: self.known())
    @rule(data=st.data(), content=st.none() | st.sampled_from(STATEMENTS))
    def edit(self, data: st.DataObject, content: str | None) -> None:
        old = data.draw(st.sampled_from(self.known()))
        subject = self.fresh()
        stood = Span.objects.filter(line=subject.line, conclusion=old, until=None).exists()
        try:
            made = corrections.edit(subject, old.pk, content, by="olga", importance=2)
        except Conflict:
            assert not stood
            return
        assert stood
        assert made.content == content or content is None or SAME.get(content) == made.content
        if made != old:
            self.out(old)
        self.stands(made)

    @precondition(lambda self: self.known())
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        self.out(corrections.retract(self.subject, data.draw(st.sampled_from(self.known())).pk, by="olga"))

    @precondition(lambda self: self.known())
    @rule(data=st.data())
    def pin(self, data: st.DataObject) -> None:
        self.stands(corrections.pin(self.subject, data.draw(st.sampled_from(self.known())).pk, by="olga"))

    @precondition(lambda self: self.pinned)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.pinned)))
        corrections.unpin(self.subject, chosen, by="olga")
        self.pinned -= {chosen}

    @precondition(lambda self: self.fresh().line)
    @rule(recipe=st.sampled_from(RECIPES))
    def fork(self, recipe: str) -> None:
        line = self.fresh().line
        assert line is not None
        cursor = Line.objects.filter(subject=self.subject, recipe=recipe).values_list("cursor", flat=True).first() or 0
        if recipe != line.recipe and cursor <= line.cursor:
            publishing.fork_line(line, recipe)

    @precondition(lambda self: Representation.objects.filter(subject=self.subject).exists())
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        to = data.draw(st.integers(1, self.fresh().versions))
        restoring.roll_back(self.fresh(), to, reason="why")

    def stands(self, row: Conclusion) -> None:
        self.pinned |= {row.pk}
        self.retracted -= {row.pk}

    def out(self, row: Conclusion) -> None:
        self.retracted |= {row.pk}
        self.pinned -= {row.pk}

    @invariant()
    def statements_say_what_humans_said(self) -> None:
        rows = self.known()
        assert {row.pk for row in rows if row.pinned} == self.pinned
        assert {row.pk for row in rows if row.retracted} == self.retracted

    @invariant()
    def it_can_be_told_from_what_is_kept(self) -> None:
        pinned: set[UUID] = set()
        retracted: set[UUID] = set()
        for made in Correction.objects.filter(subject=self.subject).order_by("representation__number"):
            stands = made.replaced_by_id or made.conclusion_id
            if made.act == "retract" or made.replaced_by_id:
                pinned -= {made.conclusion_id}
                retracted |= {made.conclusion_id}
            if made.act in ("add", "edit", "pin"):
                retracted -= {stands}
                pinned |= {stands}
            if made.act == "unpin":
                pinned -= {stands}
        assert (pinned, retracted) == (self.pinned, self.retracted)

    @invariant()
    def every_line_holds_to_it(self) -> None:
        for line in Line.objects.filter(subject=self.subject):
            alive = set(Span.objects.filter(line=line, until=None).values_list("conclusion", flat=True))
            assert self.pinned <= alive, line.recipe
            assert not self.retracted & alive, line.recipe

    @invariant()
    def what_readers_get_holds_to_it(self) -> None:
        current = self.fresh().current
        if current is not None:
            lines = [line.removeprefix("- ") for line in current.text.splitlines()]
            for row in self.known():
                assert row.content in lines or row.pk not in self.pinned
                assert row.content not in lines or row.pk not in self.retracted

    @invariant()
    def every_version_reads_as_it_always_did(self) -> None:
        for row in Representation.objects.filter(subject=self.subject):
            assert self.shown.setdefault(row.number, (row.text, contents(row))) == (row.text, contents(row))


@pytest.mark.django_db
def test_corrections_hold_as_a_model_of_sets_does():
    run_state_machine_as_test(
        Corrections,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
