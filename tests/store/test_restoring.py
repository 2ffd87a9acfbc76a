"""Taking readers to other versions, one subject or many at once: what is made, what becomes of the events since."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from memory import corrections, log, publishing, reading, restoring
from memory.errors import Conflict, NotFound
from memory.models import Conclusion, Event, Line, Representation, Serving, Span, Subject
from memory.publishing import NewConclusion
from memory.restoring import Onward, restore
from memory.signals import lines_moved, representation_published
from tests.store.helpers import concluded, contents, draft_on, person, said, together, until

STAY, AGAIN, GO_ON = Onward

pytestmark = pytest.mark.django_db


def history(name: str, *statements: str) -> list[Representation]:
    """A version for each statement, which retires the one before and has read one event more."""
    line = publishing.open_line(person(name), "recipe")
    return [told(line, statement) for statement in statements]


def told(line: Line, statement: str) -> Representation:
    """The next version of a line, in which nothing but one statement stands."""
    line = Line.objects.select_related("subject__user").get(pk=line.pk)
    assert line.subject.user is not None
    [event] = said("x", user=line.subject.user.name)
    standing = Span.objects.filter(line=line, until=None).values_list("conclusion", flat=True)
    retired = [publishing.Retired(conclusion_id=pk, reason="over") for pk in standing]
    return concluded(line, statement, evidence=[event], retired=retired, now=f"Hello. {statement}")


def of(name: str) -> Subject:
    return Subject.objects.select_related("line", "current").get(user__name=name)


def restored(
    targets: dict[UUID, UUID | None], onward: Onward = STAY, **options: Any
) -> dict[UUID, tuple[restoring.Restored, Representation]]:
    found = restore(targets, onward=onward, reason="why", **options)
    made = Representation.objects.select_related("line").in_bulk([item.made_id for item in found])
    return {item.subject_id: (item, made[item.made_id]) for item in found}


def only(
    target: Representation | None, onward: Onward = STAY, subject: Subject | None = None, **options: Any
) -> Representation:
    """The version that one subject was taken to."""
    pk = target.subject_id if target else subject and subject.pk
    assert pk
    [(_, made)] = restored({pk: target.pk if target else None}, onward, **options).values()
    return made


def state() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Subject, Line, Representation, Span, Conclusion, Serving, Event)
    ]


@contextmanager
def listening(signal: Any, receiver: Callable[..., Any]) -> Iterator[None]:
    signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver)


class TestManyAtOnce:
    def test_each_is_taken_to_the_version_that_is_named_for_it(self):
        ana, ben, cleo = history("ana", "A1.", "A2."), history("ben", "B1.", "B2.", "B3."), history("cleo", "C1.")
        found = restored({ana[0].subject_id: ana[0].pk, ben[0].subject_id: ben[1].pk})
        for target, before in ((ana[0], ana[1]), (ben[1], ben[2])):
            item, made = found[target.subject_id]
            assert (item.before_id, item.target_id) == (before.pk, target.pk)
            assert (made.restores, made.parent, made.number) == (target, before, before.number + 1)
            assert contents(made) == contents(target)
            for name in ("text", "line_tokens", "card", "now", "short_summary", "long_summary", "as_of"):
                assert getattr(made, name) == getattr(target, name), name
        assert [of(name).current.number for name in ("ana", "ben", "cleo")] == [3, 4, 1]
        assert of("cleo").current == cleo[0]
        assert contents(ben[2]) == ["B3."], "what was made reads as it always did"

    def test_it_takes_as_many_statements_for_many_as_for_two(self):
        first = [history(f"user-{number}", "One.", "Two.")[0] for number in range(7)]

        def statements(targets: list[Representation]) -> int:
            with CaptureQueriesContext(connection) as queries:
                restore({target.subject_id: target.pk for target in targets}, onward=STAY, reason="why")
            return len(queries)

        assert statements(first[:2]) == statements(first[2:])

    def test_who_asked_and_why_and_what_else_is_known_is_noted_in_the_version(self):
        first, _ = history("ana", "One.", "Two.")
        made = only(first, by="olga", made_by={"rollback": "7"}, key="undone_to")
        assert (made.made_by, made.reason) == ({"rollback": "7", "by": "olga", "undone_to": 1}, "why")

    def test_the_moves_of_what_is_served_are_noted_with_the_reason(self):
        ana, ben = history("ana", "One.", "Two."), history("ben", "One.", "Two.")
        found = restored({ana[0].subject_id: ana[0].pk, ben[0].subject_id: ben[0].pk}, by="olga")
        for pk, (item, made) in found.items():
            last = Serving.objects.filter(subject=pk).order_by("since").last()
            assert last is not None
            assert (last.representation_id, last.reason, last.by) == (item.made_id, "why", "olga")
            assert last.since == made.created_at
        told(of("ana").line, "Three.")
        assert Serving.objects.order_by("since").last().reason == "", "it is no reason for what comes after"

    def test_what_listens_hears_of_all_of_them_at_once_and_of_each_version(self):
        ana, ben = history("ana", "One.", "Two."), history("ben", "One.", "Two.")
        moved: list[tuple[list[UUID], bool]] = []
        published: list[UUID] = []
        with (
            listening(lines_moved, lambda subject_ids, again, **_: moved.append((subject_ids, again))),
            listening(representation_published, lambda representation, **_: published.append(representation.pk)),
        ):
            found = restored({ana[0].subject_id: ana[0].pk, ben[0].subject_id: ben[0].pk}, AGAIN)
        assert moved == [(sorted(found), True)]
        assert sorted(published) == sorted(made.pk for _, made in found.values())

    def test_those_that_are_not_there_and_those_that_no_line_serves_are_left_out(self):
        first, _ = history("ana", "One.", "Two.")
        empty = person("ben")
        found = restored({uuid4(): None, empty.pk: None, first.subject_id: first.pk})
        assert found.keys() == {first.subject_id}
        assert Subject.objects.get(pk=empty.pk).versions == 0

    def test_nobody_is_nothing_to_do(self):
        moved: list[Any] = []
        with listening(lines_moved, lambda **said: moved.append(said)):
            assert restore({}, onward=STAY, reason="why") == []
            assert restore({uuid4(): None}, onward=AGAIN, reason="why") == []
        assert moved == []

    def test_it_can_be_done_twice_in_one_transaction(self):
        first, second = history("ana", "One.", "Two.")
        with transaction.atomic():
            assert only(first).number == 3
            assert only(second, AGAIN).number == 4
        assert contents(of("ana").current) == ["Two."]

    @pytest.mark.parametrize("wrong", ["of somebody else", "quarantined", "not there"])
    def test_a_target_that_cannot_be_read_changes_nothing_for_anybody(self, wrong):
        ana, ben = history("ana", "One.", "Two."), history("ben", "One.")
        target = {
            "of somebody else": ana[0].pk,
            "quarantined": publishing.quarantine(ben[0].line_id, draft_on(ben[0].line), "bad").pk,
            "not there": uuid4(),
        }[wrong]
        before = state()
        with pytest.raises(NotFound):
            restore({ana[0].subject_id: ana[0].pk, ben[0].subject_id: target}, onward=STAY, reason="why")
        assert state() == before

    def test_an_error_on_the_way_leaves_everything_as_it_was(self):
        ana, ben = history("ana", "One.", "Two."), history("ben", "One.", "Two.")

        def fail(**_: Any) -> None:
            raise RuntimeError("no")

        before = state()
        with listening(lines_moved, fail), pytest.raises(RuntimeError):
            restore({ana[0].subject_id: ana[0].pk, ben[0].subject_id: ben[0].pk}, onward=AGAIN, reason="why")
        assert state() == before


class TestTheEventsSince:
    def test_they_stay_read(self):
        first, second = history("ana", "One.", "Two.")
        made = only(first, STAY)
        line = of("ana").line
        assert (line, line.head, line.cursor) == (first.line, made, 2)
        assert (made.covers_from, made.covers_to, made.parent) == (2, 2, second)
        assert told(line, "Three.").covers_from == 2

    def test_they_are_read_again_on_a_branch_that_begins_with_the_version(self):
        first, second = history("ana", "One.", "Two.")
        made = only(first, AGAIN, recipes={first.subject_id: "better"})
        line = Line.objects.get(pk=made.line_id)
        assert line != first.line
        assert (line.recipe, line.head, line.cursor) == ("better", made, 1)
        assert (made.covers_from, made.covers_to, made.parent) == (1, 1, first)
        assert contents(made) == ["One."]
        event = second.evidence_added.get().event_id
        again = publishing.publish(
            line.pk, draft_on(line, up_to=2, added=[NewConclusion(content="Two, better.", evidence=[event])])
        )
        assert (again.covers_from, again.covers_to) == (1, 2)
        first.line.refresh_from_db()
        assert (first.line.cursor, first.line.head) == (2, second), "the line that it left stands where it stood"

    def test_by_default_by_the_recipe_of_the_line_that_serves(self):
        first, _ = history("ana", "One.", "Two.")
        other = publishing.fork_line(first.line, "other")
        assert only(first, AGAIN).line.recipe == other.recipe

    def test_they_can_be_read_again_and_again(self):
        first, _ = history("ana", "One.", "Two.")
        made = [only(first, AGAIN) for _ in range(3)]
        assert len({row.line_id for row in made}) == 3
        assert [contents(row) for row in made] == [["One."]] * 3

    def test_they_are_read_again_after_a_fork_had_to_begin_a_branch(self):
        [first] = history("ana", "One.")
        other = publishing.open_line(first.subject, "other")
        told(other, "Beside.")
        fork = publishing.fork_line(first.line, "other")
        assert fork != other, "it has read further"
        made = only(first, AGAIN, recipes={first.subject_id: "other"})
        assert made.line not in (fork, other)

    def test_a_line_beside_goes_on_where_it_stands(self):
        first, second = history("ana", "One.", "Two.")
        beside = Line.objects.create(subject=first.subject, recipe="better", branch="run")
        event = first.evidence_added.get().event_id
        better = concluded(beside, "One, better.", evidence=[event], up_to=1)
        made = only(better, GO_ON, key="promotes")
        subject = of("ana")
        assert (subject.line, subject.current) == (beside, made)
        assert (made.text, made.parent, made.covers_to) == (better.text, better, 1), "what it has not read waits"
        assert subject.line.cursor == 1
        assert (contents(made), contents(second)) == (["One, better."], ["Two."])
        next_one = told(beside, "Three.")
        assert (next_one.covers_from, next_one.covers_to) == (1, 3)

    def test_a_line_that_has_moved_on_since_does_not_go_on_from_an_older_version(self):
        first, _ = history("ana", "One.", "Two.")
        before = state()
        for target in (first.pk, None):
            with pytest.raises(Conflict):
                restore({first.subject_id: target}, onward=GO_ON, reason="why")
        assert state() == before

    def test_what_a_line_beside_has_read_further_stays_read_too(self):
        [first] = history("ana", "One.")
        beside = Line.objects.create(subject=first.subject, recipe="beside")
        [one] = said("y")
        early = concluded(beside, "Early.", evidence=[one])
        late = told(beside, "Late.")
        made = only(early)
        assert (made.line, made.parent, made.covers_from, made.covers_to) == (beside, late, 3, 3)

    def test_what_no_version_of_a_line_had_shown_yet_leaves_no_trace(self):
        [first] = history("ana", "One.")
        beside = Line.objects.create(subject=first.subject, recipe="beside", branch="shadow")
        event = first.evidence_added.get().event_id
        target = concluded(beside, "Beside.", evidence=[event])
        publishing.go_on_beside([first.line], "beside", "shadow")
        standing = Span.objects.filter(line=beside, until=None)
        assert standing.get().conclusion.content == "One.", "its next version would have shown it"
        assert contents(only(target)) == ["Beside."]
        assert not Span.objects.filter(line=beside, conclusion__content="One.").exists()

    def test_back_and_forth_between_lines_each_reads_on_from_where_readers_were(self):
        first, second = history("ana", "One.", "Two.")
        other = publishing.fork_line(first.line, "other")
        third = told(other, "Three.")
        assert only(second).line == first.line
        assert told(first.line, "Four.").covers_from == 3
        made = only(third)
        assert (made.line, made.covers_from, made.covers_to) == (other, 4, 4)
        assert contents(told(other, "Five.")) == ["Five."]
        assert contents(third) == ["Three."]


class TestWhatHumansSaid:
    def test_to_before_anything_was_known_only_what_humans_said_is_left(self):
        history("ana", "One.", "Two.")
        history("ben", "One.")
        subject = of("ana")
        kept = corrections.add(subject, "Ana sings.", by="olga")
        found = restored({subject.pk: None, of("ben").pk: None})
        _, made = found[subject.pk]
        assert (contents(made), made.restores, made.made_by["rolled_back_to"]) == (["Ana sings."], None, None)
        assert made.text == "## Known of ana\nAna sings"
        assert (made.now, made.as_of) == ("", None)
        _, empty = found[of("ben").pk]
        assert (contents(empty), empty.text, empty.line_tokens) == ([], "", [])
        span = Span.objects.get(conclusion__content="Two.")
        assert span.reason == "Rolled back to before anything was known"
        assert Span.objects.get(conclusion=kept).until is None

    def test_to_before_anything_was_known_everything_can_be_read_again(self):
        first, _ = history("ana", "One.", "Two.")
        made = only(None, AGAIN, first.subject)
        assert (made.line.cursor, made.parent, made.covers_to) == (0, None, 0)
        assert made.line != first.line

    @pytest.mark.parametrize("onward", [STAY, AGAIN])
    def test_it_holds_in_the_text_that_is_made_anew_and_others_are_repeated(self, onward):
        ana, ben = history("ana", "One.", "Two."), history("ben", "One.", "Two.")
        subject = of("ana")
        corrections.retract(subject, Conclusion.objects.get(subject=subject, content="One.").pk, by="olga")
        corrections.add(subject, "Ana sings.", by="olga")
        found = restored({subject.pk: ana[0].pk, ben[0].subject_id: ben[0].pk}, onward, made_by={"rollback": "7"})
        _, made = found[subject.pk]
        assert contents(made) == ["Ana sings."]
        assert (made.text, made.now) == ("Hello.\n## Known of ana\nAna sings", "Hello."), "nor do the parts say it"
        assert (made.restores, made.as_of, made.line.head) == (ana[0], ana[0].as_of, made)
        assert made.made_by == {"rollback": "7", "by": "", "rolled_back_to": 1}
        assert found[ben[0].subject_id][1].text == ben[0].text

    def test_it_holds_in_a_line_that_goes_on(self):
        first, _ = history("ana", "One.", "Two.")
        beside = Line.objects.create(subject=first.subject, recipe="better", branch="run")
        event = first.evidence_added.get().event_id
        better = concluded(beside, "Better.", "Best.", evidence=[event])
        corrections.retract(of("ana"), Conclusion.objects.get(content="Best.").pk, by="olga")
        corrections.add(of("ana"), "Ana sings.", by="olga")
        made = only(better, GO_ON)
        assert contents(made) == ["Ana sings.", "Better."]
        assert made.text == "## Known of ana\nAna sings\nBetter"

    def test_what_was_said_before_the_version_is_in_it_already(self):
        history("ana", "One.")
        corrections.add(of("ana"), "Ana sings.", by="olga")
        target = told(of("ana").line, "Two.")
        told(of("ana").line, "Three.")
        made = only(target)
        assert (made.text, contents(made)) == (target.text, ["Ana sings.", "Two."])


@pytest.mark.django_db(transaction=True)
class TestMeanwhile:
    """Other connections, while the restoring transaction is open."""

    @contextmanager
    def open_transaction(self, target: Representation, onward: Onward = STAY) -> Iterator[threading.Event]:
        """Somebody restores and does not commit until the event is set, or this ends."""
        done, commit = threading.Event(), threading.Event()

        def hold() -> bool:
            try:
                with transaction.atomic():
                    restore({target.subject_id: target.pk}, onward=onward, reason="why")
                    done.set()
                    return commit.wait(20)
            finally:
                done.set()

        told_to: list[Any] = []
        thread = threading.Thread(target=lambda: told_to.extend(together(hold)), daemon=True)
        thread.start()
        assert done.wait(20)
        try:
            yield commit
        finally:
            commit.set()
            thread.join(30)
        assert told_to == [True], "nobody waited for the transaction to give up"

    @pytest.mark.parametrize("onward", [STAY, AGAIN])
    def test_readers_and_writers_of_events_wait_for_nothing(self, onward):
        first, second = history("ana", "One.", "Two.")
        with self.open_transaction(first, onward):
            view = reading.representation("harbour", user="ana")
            assert (view.number, view.text) == (2, second.text)
            assert reading.context("harbour", "ana").version == 2
            log.append("harbour", [log.NewEvent(content="y")], user="ana")
        view = reading.representation("harbour", user="ana")
        assert (view.number, view.text, view.behind_events) == (3, first.text, 1 if onward is STAY else 2)

    def waits(self) -> bool:
        """Whether some connection waits for a lock."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return cursor.fetchone()[0] > 0

    def published_meanwhile(self, target: Representation, onward: Onward, line: Line) -> Representation | str:
        """What comes of a version that was begun before, and is published while somebody restores."""
        [event] = said("y")
        draft = draft_on(line, added=[NewConclusion(content="Late.", evidence=[event])])

        def publish() -> Representation | str:
            try:
                return publishing.publish(line.pk, draft)
            except Conflict as error:
                return str(error)

        with self.open_transaction(target, onward) as commit:

            def let_go() -> None:
                until(self.waits, "a publisher that waits")
                commit.set()

            found, _ = together(publish, let_go)
        return found

    def test_a_version_of_the_same_line_waits_and_is_refused(self):
        first, _ = history("ana", "One.", "Two.")
        found = self.published_meanwhile(first, STAY, first.line)
        assert found == "The line has moved on since this version was begun."
        assert contents(of("ana").current) == ["One."]

    def test_a_version_of_the_line_that_was_left_is_made_and_not_served(self):
        first, _ = history("ana", "One.", "Two.")
        found = self.published_meanwhile(first, AGAIN, first.line)
        assert isinstance(found, Representation)
        assert (found.number, contents(found)) == (4, ["Late.", "Two."])
        assert of("ana").current.number == 3

    def test_a_version_of_a_line_beside_waits_and_gets_the_next_number(self):
        first, _ = history("ana", "One.", "Two.")
        beside = Line.objects.create(subject=first.subject, recipe="beside")
        found = self.published_meanwhile(first, STAY, beside)
        assert isinstance(found, Representation)
        assert (found.number, contents(found)) == (4, ["Late."])
        assert of("ana").current.number == 3

    def test_two_who_restore_the_same_subjects_in_other_orders_do_so_one_after_the_other(self):
        firsts = [history(name, "One.", "Two.")[0] for name in ("ana", "ben", "cleo")]
        ready = threading.Barrier(2)

        def go(targets: list[Representation]) -> None:
            for _ in range(5):
                ready.wait(20)
                restore({target.subject_id: target.pk for target in targets}, onward=STAY, reason="why")

        together(lambda: go(firsts), lambda: go(firsts[::-1]))
        assert {subject.versions for subject in Subject.objects.all()} == {12}
