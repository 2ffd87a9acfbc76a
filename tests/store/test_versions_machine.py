"""Whatever is done to versions, in any order, against a model of them: sets of statements, and nothing else.

Two subjects are written to, published, quarantined, forked, corrected, reprocessed, rolled back and promoted, on as
many lines as come of it, and events are erased; what the database says of them must be what the model says. Each
version repeats every word that its line has read, so that a word that is erased must be in none from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.models import Min
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from memory import branching, clock, corrections, diffs, feeds, history, publishing, reading, restoring
from memory.erasure import act
from memory.errors import Conflict, Erased, Invalid
from memory.models import (
    Conclusion,
    Correction,
    Event,
    Evidence,
    FeedEntry,
    Line,
    Representation,
    Serving,
    Span,
    Subject,
)
from memory.publishing import PARTS, Draft, NewConclusion, Retired
from memory.restoring import Onward
from reasoning import assignment, reconcile
from tests.store.helpers import draft_on, person, said, say, together

NAMES = ["ana", "ben"]
STATEMENTS = ["Ana sings.", "Ana sails.", "Ana swims.", "ANA SINGS.", "Ana sews."]
RECIPES = ["first", "second", "live"]
"""``live`` stands for the recipe of the prompt that is in use."""

recipes = st.sampled_from(RECIPES)

ACTS = [
    *("append", "begin", "quarantine", "fork", "shadow", "reprocess", "publish_from_a_state_that_is_gone"),
    *("publish", "publish", "publish", "publish", "publish_while_others_write_and_publish"),
    *("roll_back", "roll_back", "roll_back", "take_both_elsewhere", "take_both_elsewhere"),
    *("add", "edit", "retract", "pin", "unpin", "read_a_version_again", "compare", "read_as_of", "erase"),
]

T = TypeVar("T")


@dataclass
class ModelLine:
    """What a line should be: ``alive`` stands in its next version, unless that changes it."""

    pk: UUID
    recipe: str
    branch: str
    alive: set[UUID]
    cursor: int = 0
    head: int | None = None


@dataclass(frozen=True)
class ModelVersion:
    """What a version should be, for ever."""

    row: Representation
    alive: frozenset[UUID]
    shown: tuple[Any, ...] = field(repr=False)

    @property
    def published(self) -> bool:
        return self.row.status == Representation.Status.PUBLISHED

    @property
    def erased(self) -> bool:
        return self.row.status == Representation.Status.ERASED


def shown(row: Representation) -> tuple[Any, ...]:
    """All that a version shows: its text, its parts, its statements and what these rest on."""
    told = {(item.conclusion.pk, item.since, item.sources) for item in history.statements(row)}
    return (row.text, row.line_tokens, *(getattr(row, name) for name in PARTS), row.as_of, row.covers_to, told)


@dataclass
class Life:
    """One subject, and what should be true of it."""

    app: str
    name: str
    live: str = ""
    serving: UUID | None = None
    lines: dict[UUID, ModelLine] = field(default_factory=dict)
    versions: list[ModelVersion] = field(default_factory=list)
    pinned: set[UUID] = field(default_factory=set)
    retracted: set[UUID] = field(default_factory=set)
    corrected: list[int] = field(default_factory=list)
    served: list[int] = field(default_factory=list)
    moments: list[tuple[datetime, int | None]] = field(default_factory=list)
    stale: list[tuple[UUID, Draft]] = field(default_factory=list)
    erased_words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        subject = person(self.name, app=self.app)
        self.pk, self.user = subject.pk, subject.user_id
        self.live = assignment.recipes([subject])[subject.pk]

    # What the database says.

    def subject(self) -> Subject:
        return Subject.objects.select_related("line", "current").get(pk=self.pk)

    def line(self, model: ModelLine) -> Line:
        return Line.objects.get(pk=model.pk)

    def known(self) -> list[Conclusion]:
        return list(Conclusion.objects.filter(subject=self.pk).order_by("pk"))

    def events(self, up_to: int) -> list[UUID]:
        read = FeedEntry.objects.filter(subject=self.pk, position__lte=up_to)
        return list(read.order_by("position").values_list("event", flat=True))

    def words(self, up_to: int) -> str:
        """All that has been said up to a place of the feed."""
        read = FeedEntry.objects.filter(subject=self.pk, position__lte=up_to, event__kind="message")
        return " ".join(read.order_by("position").values_list("event__content", flat=True))

    def recorded_before(self, moment: datetime | None) -> int:
        return FeedEntry.objects.filter(subject=self.pk, event__recorded_at__lt=moment).count() if moment else 0

    def saying(self, content: str) -> UUID | None:
        """The statement that says this: in the same words, or else the same."""
        rows = {row.fingerprint: row.pk for row in self.known()}
        words = rows.get(publishing.fingerprint_of_words(content, self.user))
        return words or rows.get(publishing.fingerprint(content, self.user))

    # What the model says.

    def recipe(self, name: str) -> str:
        return self.live if name == "live" else name

    @property
    def serves(self) -> ModelLine:
        assert self.serving is not None
        return self.lines[self.serving]

    def ruled(self, alive: Iterable[UUID]) -> set[UUID]:
        return (set(alive) - self.retracted) | self.pinned

    def corrected_since(self, version: ModelVersion) -> bool:
        return any(number > version.row.number for number in self.corrected)

    def readable(self) -> list[ModelVersion]:
        return [version for version in self.versions if version.published]

    def heads(self) -> list[ModelVersion]:
        """Versions that are the last of their own lines, and that their lines stand at."""
        found = [(line, self.versions[line.head - 1]) for line in self.lines.values() if line.head]
        return [version for line, version in found if version.row.line_id == line.pk]

    def adopt(self, line: Line, **state: Any) -> ModelLine:
        self.lines[line.pk] = ModelLine(line.pk, line.recipe, line.branch, **state)
        return self.lines[line.pk]

    def begun(self, line: Line) -> None:
        """A line of a recipe is there; the first one serves."""
        if line.pk not in self.lines:
            self.adopt(line, alive=set(self.pinned))
        self.serving = self.serving or line.pk

    def made(self, row: Representation, line: ModelLine) -> None:
        """A line has made a version."""
        assert row.line_id == line.pk
        assert self.pinned <= line.alive
        assert not self.retracted & line.alive
        self.number(row, frozenset(line.alive))
        line.head, line.cursor = row.number, row.covers_to
        if line.pk == self.serving:
            self.served.append(row.number)
        said_in = row.text.partition("## Known of ")[2].splitlines()[1:]
        assert sorted(said_in) == sorted(one.content.rstrip(".") for one in self.known() if one.pk in line.alive)

    def number(self, row: Representation, alive: frozenset[UUID] = frozenset()) -> None:
        assert row.number == len(self.versions) + 1, "numbers have no gaps"
        self.versions.append(ModelVersion(row, alive, shown(row)))

    def forked(self, recipe: str) -> None:
        """The line that serves has handed over to one of another recipe."""
        before, line = self.serves, self.subject().line
        assert line is not None
        first = next((own for own in self.lines.values() if (own.recipe, own.branch) == (recipe, "")), None)
        assert line.recipe == recipe
        assert (line.branch != "") == (first is not None and first.cursor > before.cursor)
        self.adopt(line, alive=set(before.alive), cursor=before.cursor, head=before.head)
        self.serving = line.pk

    def restored(self, row: Representation, target: ModelVersion | None, then: Onward) -> None:
        """Readers were taken to a version (None: to nothing)."""
        own = self.lines[target.row.line_id] if target else self.serves
        cursor = own.cursor if then is Onward.GO_ON else max(own.cursor, self.serves.cursor)
        if then is Onward.REASON_AGAIN:
            line = Line.objects.get(pk=row.line_id)
            assert line.pk not in self.lines
            assert line.recipe == self.serves.recipe
            own, cursor = self.adopt(line, alive=set()), target.row.covers_to if target else 0
        if then is not Onward.GO_ON:
            own.alive = self.ruled(target.alive if target else ())
        assert (row.covers_from, row.covers_to, row.restores_id) == (cursor, cursor, target.row.pk if target else None)
        if target and not self.corrected_since(target):
            assert row.text == target.row.text
            assert row.line_tokens == target.row.line_tokens
        self.serving = own.pk
        self.made(row, own)
        if then is Onward.REASON_AGAIN and own.recipe != self.live:
            self.forked(self.live)

    def lost(self, since: int | None) -> None:
        """Versions from number ``since`` on were erased: lines are back at their last one before, readers too."""
        known = {row.pk for row in self.known()}
        rows = {row.number: row for row in Representation.objects.filter(subject=self.pk)}
        for line in self.lines.values():
            line.alive &= known
        if since is None:
            return
        for number, version in enumerate(self.versions, start=1):
            if number >= since:
                self.versions[number - 1] = ModelVersion(rows[number], frozenset(), shown(rows[number]))
            else:
                assert version.alive <= known, "what stood before anybody knew is there"
        self.corrected = list(
            Correction.objects.filter(subject=self.pk).values_list("representation__number", flat=True)
        )
        ruled = Conclusion.objects.filter(subject=self.pk)
        self.pinned = set(ruled.filter(pinned=True).values_list("pk", flat=True))
        self.retracted = set(ruled.filter(retracted=True).values_list("pk", flat=True))
        current = self.served[-1] if self.served else 0
        for line in self.lines.values():
            line.alive = self.ruled(line.alive)
            if line.head is not None and line.head >= since:
                own = [each for each in self.versions[: since - 1] if each.published and each.row.line_id == line.pk]
                keep = own[-1] if own else None
                line.head, line.cursor = (keep.row.number, keep.row.covers_to) if keep else (None, 0)
                line.alive = self.ruled(keep.alive if keep else ())
        if current >= since:
            row = self.subject().current
            before = [number for number in self.served if number < since and self.versions[number - 1].published]
            assert row is not None
            self.restored(row, self.versions[before[-1] - 1] if before else None, Onward.REASON_AGAIN)

    def said(self, stands: UUID | None = None, gone: UUID | None = None) -> None:
        """A human has said so, which made a version unless it was so."""
        feeds.number()
        subject = self.subject()
        assert subject.line is not None
        self.begun(subject.line)
        if gone:
            self.pinned -= {gone}
            self.retracted |= {gone}
        if stands:
            self.retracted -= {stands}
            self.pinned |= {stands}
        for line in self.lines.values():
            line.alive = self.ruled(line.alive)
        if subject.versions > len(self.versions):
            assert subject.current is not None
            self.corrected.append(subject.versions)
            self.made(subject.current, self.serves)


class Versions(RuleBasedStateMachine):
    """Do anything to two subjects."""

    def __init__(self) -> None:
        super().__init__()
        app = uuid4().hex
        self.lives = [Life(app, name) for name in NAMES]
        self.touched = set(NAMES)
        self.before = reconcile.account()
        for life in self.lives:
            said(*words(3), user=life.name, app=life.app)

    # One rule: hypothesis leaves some rules out of each example, and here it takes many together to find anything.
    @rule(who=st.sampled_from(range(len(NAMES))), act=st.sampled_from(ACTS), data=st.data())
    def do(self, who: int, act: str, data: st.DataObject) -> None:
        self.touched.add(NAMES[who])
        getattr(self, act)(self.lives[who], data)

    def append(self, life: Life, data: st.DataObject) -> None:
        said(*words(data.draw(st.integers(1, 3))), user=life.name, app=life.app)

    def begin(self, life: Life, data: st.DataObject) -> None:
        life.begun(publishing.open_line(life.subject(), life.recipe(data.draw(recipes))))

    def draft(self, life: Life, line: ModelLine, data: st.DataObject) -> Draft:
        """Anything that may come after what a line says."""
        covers_to = data.draw(st.integers(line.cursor, life.subject().head), label="covers_to")
        events, known = life.events(covers_to), life.known()
        add = data.draw(st.lists(st.sampled_from(STATEMENTS), max_size=3), label="add") if events else []
        gone = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True), label="retire") if known else []
        replacing = st.none() | st.integers(0, len(add) - 1) if add else st.none()
        return draft_on(
            life.line(line),
            up_to=covers_to,
            added=[
                NewConclusion(content=text, evidence=[data.draw(st.sampled_from(events))], about_id=life.user)
                for text in add
            ],
            retired=[Retired(conclusion_id=row.pk, reason="over", replaced_by=data.draw(replacing)) for row in gone],
            now=f"Version {len(life.versions) + 1}. {life.words(covers_to)}",
        )

    def published(self, life: Life, line: ModelLine, draft: Draft, row: Representation) -> None:
        says = [life.saying(item.content) for item in draft.added]
        added = {pk for pk in says if pk and pk not in life.retracted}
        gone = {
            item.conclusion_id
            for item in draft.retired
            if item.replaced_by is None or says[item.replaced_by] not in life.retracted
        }
        line.alive = life.ruled((line.alive - gone) | added)
        assert row.covers_to == draft.covers_to
        life.made(row, line)

    def publish(self, life: Life, data: st.DataObject) -> None:
        if not life.serving:
            self.begin(life, data)
        line = data.draw(st.just(life.serves) | st.sampled_from(list(life.lines.values())), label="line")
        draft = self.draft(life, line, data)
        life.stale.append((line.pk, draft))
        self.published(life, line, draft, publishing.publish(line.pk, draft))

    def publish_while_others_write_and_publish(self, life: Life, data: st.DataObject) -> None:
        if not life.serving:
            return
        line = life.serves
        draft = self.draft(life, line, data)

        def publish() -> Representation | None:
            try:
                return publishing.publish(line.pk, draft)
            except Conflict:
                return None

        write = [lambda: say(*words(2), user=life.name, app=life.app)] * data.draw(st.integers(1, 3))
        rows = together(publish, *write, publish, feeds.number)
        [row] = [found for found in (rows[0], rows[-2]) if found]
        feeds.number()
        self.published(life, line, draft, row)

    def publish_from_a_state_that_is_gone(self, life: Life, data: st.DataObject) -> None:
        for pk, draft in life.stale[-1:]:
            line = Line.objects.get(pk=pk)
            if (line.head_id, line.cursor) != (draft.parent_id, draft.covers_from):
                with pytest.raises(Conflict):
                    publishing.publish(pk, draft)

    def quarantine(self, life: Life, data: st.DataObject) -> None:
        if life.lines:
            line = data.draw(st.sampled_from(list(life.lines.values())), label="line")
            life.number(publishing.quarantine(line.pk, draft_on(life.line(line)), "bad"))

    def fork(self, life: Life, data: st.DataObject) -> None:
        recipe = life.recipe(data.draw(recipes))
        if life.serving and recipe != life.serves.recipe:
            publishing.fork_line(life.line(life.serves), recipe)
            life.forked(recipe)

    def shadow(self, life: Life, data: st.DataObject) -> None:
        if not life.serving:
            return
        recipe = life.recipe(data.draw(recipes))
        with transaction.atomic():
            feeds.lock_subject(life.pk)
            line = publishing.go_on_beside([life.line(life.serves)], recipe, "shadow")[life.pk]
        there = life.lines.get(line.pk)
        if line.pk != life.serving and (there is None or there.cursor <= life.serves.cursor):
            life.adopt(line, alive=set(life.serves.alive), cursor=life.serves.cursor, head=life.serves.head)

    def reprocess(self, life: Life, data: st.DataObject) -> None:
        if not life.serving:
            return
        since, number = data.draw(st.sampled_from([(None, None), *life.moments]), label="since")
        base = life.versions[number - 1] if number and not life.versions[number - 1].erased else None
        number = base.row.number if base else None
        [line] = branching.open_branches(
            [life.pk], recipe=life.recipe("live"), branch=f"run-{len(life.lines)}", since=since, made_by={}
        )
        line = Line.objects.select_related("head").get(pk=line.pk)
        assert line.cursor == (base.row.covers_to if base else life.recorded_before(since))
        own = life.adopt(line, alive=life.ruled(base.alive if base else ()), cursor=line.cursor, head=number)
        begins_anew = line.cursor > 0 and (base is None or life.corrected_since(base))
        assert begins_anew == (line.head is not None and line.head.line_id == line.pk)
        if begins_anew and line.head:
            life.made(line.head, own)

    def roll_back(self, life: Life, data: st.DataObject) -> None:
        if not life.versions:
            return
        target = data.draw(st.sampled_from(life.versions), label="to")
        then = data.draw(st.sampled_from([Onward.STAY, Onward.REASON_AGAIN]))
        if target.published:
            row = restoring.roll_back(life.subject(), target.row.number, reason="why", then=then)
            life.restored(row, target, then)
        else:
            with pytest.raises(Erased if target.erased else Invalid):
                restoring.roll_back(life.subject(), target.row.number, reason="why", then=then)

    def take_both_elsewhere(self, life: Life, data: st.DataObject) -> None:
        then = data.draw(st.sampled_from(Onward))
        if not all(life.heads() for life in self.lives):
            return
        self.touched |= set(NAMES)
        targets: dict[UUID, ModelVersion | None] = {}
        for life in self.lives:
            there = life.heads() if then is Onward.GO_ON else [None, *life.readable()]
            targets[life.pk] = data.draw(st.sampled_from(there), label=life.name)
        wanted = {pk: target and target.row.pk for pk, target in targets.items()}
        found = {item.subject_id: item for item in restoring.restore(wanted, onward=then, reason="why", by="olga")}
        assert found.keys() == targets.keys()
        for life in self.lives:
            row = Representation.objects.get(pk=found[life.pk].made_id)
            life.restored(row, targets[life.pk], then)

    def add(self, life: Life, data: st.DataObject) -> None:
        life.said(stands=corrections.add(life.subject(), data.draw(st.sampled_from(STATEMENTS)), by="olga").pk)

    def edit(self, life: Life, data: st.DataObject) -> None:
        for old in self.one_of(life.known(), data):
            content = data.draw(st.none() | st.sampled_from(STATEMENTS))
            if old.pk in life.serves.alive:
                made = corrections.edit(life.subject(), old.pk, content, by="olga", importance=2)
                life.said(stands=made.pk, gone=None if made == old else old.pk)
            else:
                with pytest.raises(Conflict):
                    corrections.edit(life.subject(), old.pk, content, by="olga")

    def retract(self, life: Life, data: st.DataObject) -> None:
        for row in self.one_of(life.known(), data):
            corrections.retract(life.subject(), row.pk, by="olga")
            life.said(gone=row.pk)

    def pin(self, life: Life, data: st.DataObject) -> None:
        for row in self.one_of(life.known(), data):
            corrections.pin(life.subject(), row.pk, by="olga")
            life.said(stands=row.pk)

    def unpin(self, life: Life, data: st.DataObject) -> None:
        for pk in self.one_of(sorted(life.pinned), data):
            corrections.unpin(life.subject(), pk, by="olga")
            life.pinned -= {pk}
            life.said()

    def read_a_version_again(self, life: Life, data: st.DataObject) -> None:
        for version in self.one_of(life.readable(), data):
            row = history.find_version(life.subject(), version.row.number)
            assert shown(row) == version.shown
            view = reading.representation(life.app, user=life.name, version=row.number)
            assert (view.text, view.card, view.now) == (row.text, row.card, row.now)

    def compare(self, life: Life, data: st.DataObject) -> None:
        for one in self.one_of(life.readable(), data):
            other = data.draw(st.sampled_from(life.readable()))
            first, last = sorted((one, other), key=lambda version: version.row.number)
            diff = diffs.compare(life.subject(), first.row.number, last.row.number, with_kept=True)
            assert applied(diff, first.alive) == last.alive
            assert {item.conclusion.pk for item in diff.kept} == first.alive & last.alive
            assert (diff.now is None) == (first.row.now == last.row.now)
            assert applied(diffs.between(life.subject(), last.row, first.row), last.alive) == first.alive

    def read_as_of(self, life: Life, data: st.DataObject) -> None:
        for moment, number in self.one_of(life.moments, data):
            if number and life.versions[number - 1].erased:
                with pytest.raises(Erased):
                    reading.representation(life.app, user=life.name, at=moment)
                with pytest.raises(Erased):
                    diffs.compare(life.subject(), moment)
                continue
            view = reading.representation(life.app, user=life.name, at=moment)
            row = life.versions[number - 1].row if number else Representation()
            assert (view.number, view.text, view.now) == (number, row.text, row.now)
            if number:
                diff = diffs.compare(life.subject(), moment)
                assert applied(diff, life.versions[number - 1].alive) == life.versions[life.served[-1] - 1].alive

    def erase(self, life: Life, data: st.DataObject) -> None:
        for entry in self.one_of(list(FeedEntry.objects.filter(subject=life.pk).order_by("event")), data):
            before = {pk: (pk, place) for pk, place in self.feed(life)}
            corrected = dict(Correction.objects.filter(subject=life.pk).values_list("pk", "representation__number"))
            found = dict(
                Evidence.objects.filter(conclusion__subject=life.pk).values_list("event", Min("representation__number"))
            )
            word = Event.objects.get(pk=entry.event_id)
            act.erase(word)
            if word.kind == "message":
                life.erased_words.append(word.content)
            gone = before.keys() - dict(self.feed(life)).keys()
            left = set(Correction.objects.filter(subject=life.pk).values_list("pk", flat=True))
            knew = [number for pk, number in corrected.items() if pk not in left]
            knew += [number for pk, number in found.items() if pk in gone]
            places = [place for pk, place in before.values() if pk in gone and place is not None]
            knew += [
                version.row.number
                for version in life.versions
                if places and not version.erased and version.row.covers_to >= min(places)
            ]
            assert entry.event_id in gone
            life.lost(min(knew, default=None))
            feeds.number()

    def feed(self, life: Life) -> list[tuple[UUID, int | None]]:
        return list(FeedEntry.objects.filter(subject=life.pk).values_list("event", "position"))

    def one_of(self, things: list[T], data: st.DataObject) -> list[T]:
        """One of these, as a list; none where there is none."""
        return [data.draw(st.sampled_from(things))] if things else []

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        for life in self.lives:
            if life.name not in self.touched:
                continue
            subject = life.subject()
            life.moments.append((clock.now(), life.served[-1] if life.served else None))
            self.what_is_served(life, subject)
            self.lines_stand_where_they_should(life)
            self.versions_read_as_they_always_did(life)
            self.humans_are_heard(life)
            self.what_is_erased_is_in_no_version(life)
        self.touched.clear()
        found = reconcile.account()  # but for what is stateless: no drainer takes in what is written here
        for fault in ("uncovered", "doubled", "misplaced"):
            assert getattr(found, fault) == getattr(self.before, fault), fault

    def what_is_served(self, life: Life, subject: Subject) -> None:
        assert subject.versions == len(life.versions)
        assert subject.line_id == life.serving
        servings = Serving.objects.filter(subject=subject).order_by("since")
        assert list(servings.values_list("representation__number", flat=True)) == life.served
        assert (subject.current.number if subject.current else None) == (life.served[-1] if life.served else None)
        assert subject.line is None or subject.line.head_id == subject.current_id, "the line that serves made it"

    def lines_stand_where_they_should(self, life: Life) -> None:
        rows = {row.pk: row for row in Line.objects.filter(subject=life.pk).select_related("head")}
        assert rows.keys() == life.lines.keys()
        standing: dict[UUID, set[UUID]] = {pk: set() for pk in rows}
        for line, conclusion in Span.objects.filter(line__in=rows, until=None).values_list("line", "conclusion"):
            standing[line].add(conclusion)
        for pk, model in life.lines.items():
            head = rows[pk].head
            assert standing[pk] == model.alive
            assert (rows[pk].cursor, head.number if head else None) == (model.cursor, model.head)
            covered = [
                position
                for version in life.readable()
                if version.row.line_id == pk
                for position in range(version.row.covers_from + 1, version.row.covers_to + 1)
            ]
            assert len(covered) == len(set(covered)), "no line covers a position twice"

    def versions_read_as_they_always_did(self, life: Life) -> None:
        spans = list(Span.objects.filter(line__in=life.lines))
        rows = Representation.objects.filter(subject=life.pk).order_by("number")
        for row, version in zip(rows, life.versions, strict=True):
            assert (row.pk, row.text, row.status) == (version.row.pk, version.row.text, version.row.status)
            if version.published:
                assert sorted(span.conclusion_id for span in spans if history.holds(span, row)) == sorted(version.alive)

    def what_is_erased_is_in_no_version(self, life: Life) -> None:
        if life.erased_words:
            holds = Representation.objects.filter(now__regex="|".join(life.erased_words))
            assert not holds.exists()
        for row in Representation.objects.filter(subject=life.pk, status="erased"):
            assert (row.text, row.now, row.card, row.made_by) == ("", "", [], {})

    def humans_are_heard(self, life: Life) -> None:
        rows = life.known()
        assert {row.pk for row in rows if row.pinned} == life.pinned
        assert {row.pk for row in rows if row.retracted} == life.retracted
        pinned: set[UUID] = set()
        retracted: set[UUID] = set()
        for made in Correction.objects.filter(subject=life.pk).order_by("representation__number"):
            stands = made.replaced_by_id or made.conclusion_id
            if made.act == "retract" or made.replaced_by_id:
                pinned -= {made.conclusion_id}
                retracted |= {made.conclusion_id}
            if made.act in ("add", "edit", "pin"):
                retracted -= {stands}
                pinned |= {stands}
            if made.act == "unpin":
                pinned -= {stands}
        assert (pinned, retracted) == (life.pinned, life.retracted), "it can be told from what is kept"


def words(count: int) -> list[str]:
    """Words that nobody has said before."""
    return [f"w{uuid4().hex}" for _ in range(count)]


def applied(diff: diffs.Diff, alive: Iterable[UUID]) -> set[UUID]:
    """What stands once a diff's changes are made to what stood."""
    gone = {item.conclusion.pk for item in diff.retired} | {item.before.conclusion.pk for item in diff.reworded}
    new = {item.conclusion.pk for item in diff.added} | {item.after.conclusion.pk for item in diff.reworded}
    assert gone <= set(alive)
    assert not new & set(alive)
    return (set(alive) - gone) | new


@pytest.mark.django_db(transaction=True)
def test_versions_behave_as_a_model_of_sets_does():
    run_state_machine_as_test(
        Versions,
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
