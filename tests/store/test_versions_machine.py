"""Versions against a simple model of them: a set of statements for each version, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from memory import publishing, restoring
from memory.errors import Conflict, Invalid
from memory.models import Conclusion, Evidence, Line, Representation, Subject
from memory.publishing import Draft, NewConclusion, Retired
from tests.store.helpers import contents, draft_on, person, said

STATEMENTS = ["Ana sings.", "Ana sails.", "Ana swims.", "Ana sews.", "Ana sleeps."]
RECIPES = ["first", "second", "third"]


@dataclass
class ModelLine:
    """What a line should be."""

    alive: set[str] = field(default_factory=set)
    cursor: int = 0
    head: int | None = None


@dataclass
class ModelVersion:
    """What a version should be, for ever."""

    status: str
    alive: set[str]
    row: Representation


class Versions(RuleBasedStateMachine):
    """Publish, quarantine, fork and roll back in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.app = uuid4().hex
        self.subject = person(app=self.app)
        publishing.open_line(self.subject, RECIPES[0])
        self.events: list[UUID] = []
        self.lines = {RECIPES[0]: ModelLine()}
        self.serving = RECIPES[0]
        self.versions: dict[int, ModelVersion] = {}
        self.current: int | None = None
        self.evidence: set[tuple[str, UUID]] = set()
        self.stale: list[tuple[str, Draft]] = []

    def line(self, recipe: str) -> Line:
        return Line.objects.get(subject=self.subject, recipe=recipe)

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.events += said(*["x"] * count, app=self.app)

    @precondition(lambda self: self.events)
    @rule(
        data=st.data(),
        add=st.lists(st.sampled_from(STATEMENTS), max_size=3),
        retire=st.lists(st.sampled_from(STATEMENTS), max_size=3, unique=True),
        beside=st.booleans(),
    )
    def publish(self, data: st.DataObject, add: list[str], retire: list[str], beside: bool) -> None:
        recipe = data.draw(st.sampled_from(sorted(self.lines))) if beside else self.serving
        model = self.lines[recipe]
        covers_to = data.draw(st.integers(model.cursor, len(self.events)), label="covers_to")
        if covers_to == 0:
            add = []
        picked = [data.draw(st.sampled_from(self.events[:covers_to]), label="evidence") for _ in add]
        ids = dict(Conclusion.objects.filter(subject=self.subject).values_list("content", "pk"))
        draft = draft_on(
            self.line(recipe),
            up_to=covers_to,
            added=[NewConclusion(content=text, evidence=[event]) for text, event in zip(add, picked, strict=True)],
            retired=[Retired(conclusion_id=ids[text], reason="over") for text in retire if text in ids],
            now=f"version {len(self.versions) + 1}",
        )
        self.stale.append((recipe, draft))
        version = publishing.publish(self.line(recipe).pk, draft)
        model.alive = (model.alive - set(retire)) | set(add)
        model.cursor = covers_to
        self.evidence |= set(zip(add, picked, strict=True))
        self.expect(version, recipe, "published", set(model.alive))

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def publish_from_a_state_that_is_gone(self, data: st.DataObject) -> None:
        recipe, draft = data.draw(st.sampled_from(self.stale))
        line = self.line(recipe)
        if (line.head_id, line.cursor) == (draft.parent_id, draft.covers_from):
            return
        with pytest.raises(Conflict):
            publishing.publish(line.pk, draft)

    @rule(data=st.data())
    def quarantine(self, data: st.DataObject) -> None:
        recipe = data.draw(st.sampled_from(sorted(self.lines)))
        version = publishing.quarantine(self.line(recipe).pk, draft_on(self.line(recipe)), "bad")
        self.versions[version.number] = ModelVersion("quarantined", set(), version)
        assert version.number == len(self.versions)

    @rule(recipe=st.sampled_from(RECIPES))
    def fork(self, recipe: str) -> None:
        if recipe == self.serving:
            return
        old, new = self.lines[self.serving], self.lines.setdefault(recipe, ModelLine())
        if new.cursor > old.cursor:
            with pytest.raises(Conflict):
                publishing.fork_line(self.line(self.serving), recipe)
            return
        publishing.fork_line(self.line(self.serving), recipe)
        new.alive, new.cursor, new.head = set(old.alive), old.cursor, old.head
        self.serving = recipe

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        to = data.draw(st.integers(1, len(self.versions)))
        target = self.versions[to]
        subject = Subject.objects.get(pk=self.subject.pk)
        if target.status != "published":
            with pytest.raises(Invalid):
                restoring.roll_back(subject, to, reason="why")
            return
        version = restoring.roll_back(subject, to, reason="why")
        assert (version.text, version.line_tokens) == (target.row.text, target.row.line_tokens)
        self.lines[self.serving].alive = set(target.alive)
        self.expect(version, self.serving, "published", set(target.alive))

    def expect(self, version: Representation, recipe: str, status: str, alive: set[str]) -> None:
        self.versions[version.number] = ModelVersion(status, alive, version)
        assert version.number == len(self.versions), "numbers have no gaps"
        self.lines[recipe].head = version.number
        if recipe == self.serving:
            self.current = version.number

    @invariant()
    def every_version_reads_as_it_always_did(self) -> None:
        rows = {row.number: row for row in Representation.objects.filter(subject=self.subject)}
        assert rows.keys() == self.versions.keys()
        for number, model in self.versions.items():
            assert rows[number].text == model.row.text
            if model.status == "published":
                assert contents(rows[number]) == sorted(model.alive), f"version {number}"

    @invariant()
    def one_version_is_current_and_lines_stand_where_they_should(self) -> None:
        subject = Subject.objects.select_related("current", "line").get(pk=self.subject.pk)
        assert (subject.current.number if subject.current else None) == self.current
        assert subject.line is not None
        assert subject.line.recipe == self.serving
        for recipe, model in self.lines.items():
            line = Line.objects.select_related("head").get(subject=subject, recipe=recipe)
            assert (line.cursor, line.head.number if line.head else None) == (model.cursor, model.head)

    @invariant()
    def evidence_is_kept(self) -> None:
        rows = Evidence.objects.filter(conclusion__subject=self.subject)
        assert set(rows.values_list("conclusion__content", "event_id")) == self.evidence

    @invariant()
    def no_line_covers_a_position_twice(self) -> None:
        for recipe in self.lines:
            covered = [
                position
                for since, until in Representation.objects.filter(
                    line__recipe=recipe, subject=self.subject, status="published"
                ).values_list("covers_from", "covers_to")
                for position in range(since + 1, until + 1)
            ]
            assert len(covered) == len(set(covered))


@pytest.mark.django_db
def test_versions_behave_as_a_model_of_sets_does():
    run_state_machine_as_test(
        Versions,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
