"""One pass: what the model is shown, what may become memory, and what a switch or a rollback in between does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from memory import feeds, ids, log, restoring, tenants
from memory.errors import Conflict
from memory.log import NewEvent
from memory.models import App, Conclusion, Evidence, Line, Representation, Span, Subject, User
from reasoning import following, labels, passes, prompt_versions, queue
from reasoning.models import Pass, PromptVersion, Work
from reasoning.providers.base import Answer, Failure, Kind, ProviderError, Request, Retirement, Statement
from tests.loop.helpers import (
    AT_ONCE,
    STEP,
    claimed,
    completion,
    evidence_ids,
    make_due,
    one_pass,
    outcomes,
    prepared,
    truthful,
    work_of,
)
from tests.store.helpers import assert_covered_once, contents, person, say

pytestmark = pytest.mark.django_db(transaction=True)  # inside one transaction, the database's now() stands still


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def text_of_current() -> str:
    subject = Subject.objects.select_related("current").get(kind="user", user__name="ana")
    return subject.current.text if subject.current else ""


def test_a_pass_publishes_what_it_concluded_and_says_what_made_it():
    subject = person()
    events = say("I moved to Lisbon.", "I have a dog.")
    version = one_pass()
    claim_id = Pass.objects.get().pk
    live = labels.live(subject.app_id, "user")
    assert (version.number, version.covers_from, version.covers_to) == (1, 0, 2)
    assert contents(version) == ["It was said: I have a dog.", "It was said: I moved to Lisbon."]
    assert evidence_ids(version) == set(events)
    assert (version.card, version.now) == (["Name: ana"], "2 new.")
    made_by = version.made_by
    assert made_by["pass"] == ids.encode(claim_id)
    assert made_by["prompt_version"] == live.public_id
    assert (made_by["prompt_number"], made_by["provider"], made_by["model"]) == (1, "fake", "fake-1")
    assert (made_by["input_tokens"], made_by["output_tokens"], made_by["cached_tokens"]) == (100, 20, 50)
    row = Pass.objects.get()
    assert (row.outcome, row.representation, row.prompt_version) == ("published", version, live)
    assert (row.covers_from, row.covers_to, row.input_tokens, row.output_tokens) == (0, 2, 100, 20)
    assert (row.provider, row.model, row.raw, row.failure) == ("fake", "fake-1", "", "")
    assert text_of_current() == version.text
    assert work_of().state == "idle"


def test_the_model_is_shown_the_known_and_the_new():
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    session, _ = tenants.make_session(app, ana, "s1")
    tenants.join(session, tenants.make_user(app, "ben")[0], observed=False)
    person_work = [NewEvent(content="I moved to Lisbon.", occurred_at="2026-03-04T05:06:07Z")]
    log.append(app, person_work, user=ana, session=session)
    following.take_in()
    for claim in queue.claim(10, "d1"):
        ready = prepared(claim)
        passes.complete(ready, completion(truthful(ready.request)))
    log.append(
        app,
        [
            NewEvent(content="Nice.", author="ben"),
            NewEvent(content="How is it?", origin="agent", data={"mood": 1}),
        ],
        user=ana,
        session=session,
    )
    following.take_in()
    requests = {ready.request.kind: ready.request for ready in map(prepared, queue.claim(10, "d1"))}
    of_user, of_session = requests[Kind.USER], requests[Kind.SESSION]
    assert (of_user.subject, of_session.subject) == ("ana", "s1")
    assert of_user.participants == of_session.participants == ("ana", "ben")
    assert [(e.number, e.author, e.origin, e.content, e.data, e.session) for e in of_user.events] == [
        (1, "ben", "user", "Nice.", None, "s1"),
        (2, None, "agent", "How is it?", {"mood": 1}, "s1"),
    ]
    [known] = of_user.known
    assert (known.number, known.content, known.about) == (1, "It was said: I moved to Lisbon.", "ana")
    assert known.since.isoformat() == "2026-03-04T05:06:07+00:00"
    assert (of_user.card, of_user.now) == (("Name: ana",), "1 new.")
    assert of_session.short_summary == "They talk."
    assert of_user.instructions == labels.live(app.pk, "user").instructions


def about(name: str | None) -> object:
    return lambda request: Answer(add=(Statement("It is so.", (1,), about=name),))


@pytest.mark.parametrize(("name", "whose"), [("ben", "ben"), (None, "ana"), ("a stranger", None)])
def test_statements_are_about_whom_they_name(name, whose):
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    tenants.make_user(app, "a stranger")  # is in the app and not in the session
    session, _ = tenants.make_session(app, ana, "s1")
    tenants.join(session, tenants.make_user(app, "ben")[0], observed=False)
    log.append(app, [NewEvent(content="Ben sings.")], user=ana, session=session)
    following.take_in()
    for claim in queue.claim(10, "d1"):
        if claim.kind == "user":
            ready = prepared(claim)
            passes.complete(ready, completion(about(name)(ready.request)))  # type: ignore[operator]
    found = Conclusion.objects.get().about
    assert (found.name if found else None) == whose


def test_the_whole_of_a_statement_is_kept():
    person()
    say("I lived in Porto from 2019 to 2024.")
    version = one_pass(
        lambda request: Answer(
            add=(Statement("Ana lived in Porto.", (1, 1), "deductive", None, date(2019, 1, 1), date(2024, 1, 1), 5),)
        )
    )
    kept = Conclusion.objects.get()
    assert (kept.level, kept.held_from, kept.held_until, kept.importance) == (
        "deductive", date(2019, 1, 1), date(2024, 1, 1), 5,
    )  # fmt: skip
    assert version.text == "## Known of ana\nAna lived in Porto (2019-01-01 to 2024-01-01)"


BAD = {
    "no evidence": Answer(add=(Statement("It is so.", ()),)),
    "foreign evidence": Answer(add=(Statement("It is so.", (1, 7)),)),
    "an empty statement": Answer(add=(Statement("  ", (1,)),)),
    "what it was not shown retired": Answer(retire=(Retirement(9, "over"),), now="x"),
    "replaced by nothing": Answer(retire=(Retirement(1, "over", 3),), now="x"),
    "nothing left": Answer(),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_quarantined_and_the_live_version_stays(case):
    person()
    say("one")
    one = one_pass()
    before = text_of_current()
    say("two")
    kept = one_pass(lambda request: BAD[case])
    assert (kept.status, kept.number, kept.parent, kept.covers_to) == ("quarantined", 2, one, 2)
    assert text_of_current() == before
    assert Conclusion.objects.count() == 1
    line = Line.objects.get()
    assert (line.head, line.cursor) == (one, 1)
    row = Pass.objects.get(outcome="quarantined")
    assert (row.failure, row.raw, row.error, row.representation) == ("gated", "the raw answer", kept.reason, kept)
    work = work_of()
    assert (work.state, work.attempts, work.last_failure, work.last_error) == ("waiting", 1, "gated", kept.reason)
    make_due()
    three = one_pass()
    assert (three.number, three.covers_from, three.covers_to) == (3, 1, 2)
    assert_covered_once(Subject.objects.get(), feeds_events())


def feeds_events() -> list[object]:
    subject = Subject.objects.get()
    return [event.pk for _, event in feeds.read(subject.pk, 0, 1_000)]


def test_the_same_bad_answer_again_and_again_is_parked_and_never_published(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 3}
    person()
    say("one")
    for _ in range(3):
        make_due()
        one_pass(lambda request: BAD["no evidence"])
    assert work_of().state == "parked"
    assert Subject.objects.get().current is None
    assert outcomes() == ["quarantined"] * 3


def test_what_was_recalled_from_memory_is_no_evidence():
    person()
    log.append("harbour", [NewEvent(content="Ana sails.", origin="recalled")], user="ana")
    [said] = say("I swim.")
    version = one_pass(
        lambda request: Answer(add=(Statement("Ana sails.", (1,)), Statement("Ana swims.", (1, 2))), now="x")
    )
    assert version.status == "published"
    assert contents(version) == ["Ana swims."]
    assert evidence_ids(version) == {said}
    assert version.covers_to == 2, "it was read all the same"


def test_what_a_human_pinned_is_not_retired():
    person()
    say("one")
    one_pass()
    Conclusion.objects.update(pinned=True)
    say("two")
    version = one_pass(lambda request: Answer(retire=(Retirement(1, "over"),), now="x"))
    assert contents(version) == ["It was said: one"]


def test_a_statement_is_retired_and_replaced():
    person()
    say("I live in Porto.")
    one_pass()
    say("I live in Lisbon.")
    version = one_pass(
        lambda request: Answer(add=(Statement("Ana lives in Lisbon.", (1,)),), retire=(Retirement(1, "moved", 0),))
    )
    assert contents(version) == ["Ana lives in Lisbon."]
    gone = Span.objects.get(until=2)
    assert (gone.reason, gone.replaced_by.content) == ("moved", "Ana lives in Lisbon.")


def test_a_pass_shows_so_many_events_and_tokens_and_the_next_goes_on(settings):
    settings.HONCHO = AT_ONCE | {"PASS_EVENTS": 3, "PASS_TOKENS": 20}
    subject = person()
    events = say("a", "b", "c", "d", "word " * 15, "word " * 15, "word " * 100, "e")
    shown: list[int] = []
    while Work.objects.filter(state="waiting").exists() or not shown:
        ready = prepared(claimed())
        shown.append(len(ready.events))
        passes.complete(ready, completion(truthful(ready.request)))
    assert shown == [3, 2, 1, 1, 1]
    assert_covered_once(subject, events)


def test_what_is_known_is_shown_in_a_budget_the_most_important_first_in_the_order_it_was_made(settings):
    settings.HONCHO = AT_ONCE | {"KNOWN_TOKENS": 30}
    person()
    say("one")
    statements = [
        Statement(f"Ana knows the harbour of number {number}.", (1,), importance=1 + number % 5) for number in range(20)
    ]
    one_pass(lambda request: Answer(add=tuple(statements)))
    say("two")
    known = prepared(claimed()).request.known
    assert 1 < len(known) < 6
    assert all(item.importance == 5 for item in known)
    assert [item.number for item in known] == list(range(1, len(known) + 1))
    made = list(Conclusion.objects.order_by("pk").values_list("content", flat=True))
    assert [item.content for item in known] == sorted((item.content for item in known), key=made.index)


def test_a_row_with_nothing_to_read_is_let_go_without_a_pass():
    person()
    say("one")
    one_pass()
    Work.objects.update(state="waiting", due_at="2026-01-01T00:00:00Z")
    assert passes.prepare(claimed(), STEP) is None
    assert work_of().state == "idle"
    assert outcomes() == ["published"]


def test_a_rollback_during_a_pass_stands_and_nothing_of_the_pass_is_kept():
    person()
    say("one")
    one_pass()
    say("two")
    one_pass()
    say("three")
    ready = prepared(claimed())
    rolled = restoring.roll_back(Subject.objects.get(), 1, reason="wrong")
    counts = [model.objects.count() for model in (Representation, Conclusion, Evidence, Span)]
    with pytest.raises(Conflict):
        passes.complete(ready, completion(truthful(ready.request)))
    assert [model.objects.count() for model in (Representation, Conclusion, Evidence, Span)] == counts
    assert Subject.objects.get().current == rolled
    assert work_of().lease_token == ready.claim.token, "still leased: whoever ran it says how it ended"
    passes.fail(ready.claim, ProviderError(Failure.TRANSIENT, "The line has moved on"))
    make_due()
    version = one_pass()
    assert (version.parent, version.covers_from, version.covers_to) == (rolled, 2, 3)
    assert contents(version) == ["It was said: one", "It was said: three"], "what was rolled back stays away"


def better(kind: str = "user", app: App | None = None) -> PromptVersion:
    live = PromptVersion.objects.get(app=None, kind=kind, number=1)
    return prompt_versions.create(kind, live.instructions + "\nBe brief.", message="Briefer.", app=app)


def test_a_new_live_prompt_goes_on_where_the_old_one_stood():
    subject = person()
    events = say("one")
    one = one_pass()
    second = better()
    labels.move("live", second, reason="Better")
    events += say("two")
    two = one_pass()
    assert (two.parent, two.covers_from, two.covers_to) == (one, 1, 2)
    assert two.made_by["prompt_number"] == second.number
    assert contents(two) == ["It was said: one", "It was said: two"]
    subject.refresh_from_db()
    assert subject.line.recipe == second.recipe
    assert Pass.objects.get(representation=two).prompt_version == second
    assert sorted(Work.objects.values_list("state", flat=True)) == ["idle", "idle"]
    labels.move("live", PromptVersion.objects.get(app=None, kind="user", number=1), reason="Better")
    events += say("three")
    three = one_pass()
    assert (three.parent, three.covers_from, three.covers_to) == (two, 2, 3)
    assert contents(three) == ["It was said: one", "It was said: three", "It was said: two"]
    assert three.line == one.line


def test_an_app_can_have_a_prompt_of_its_own():
    person()
    other = person(app="market")
    own = better(app=App.objects.get(name="market"))
    labels.move("live", own, reason="Better")
    say("one")
    say("one", app="market")
    following.take_in()
    assert Line.objects.get(subject=other).recipe == own.recipe
    assert Line.objects.exclude(subject=other).get().recipe != own.recipe


def test_a_pass_under_way_when_the_prompt_is_switched_keeps_nothing_and_its_events_are_read_by_the_new_one():
    subject = person()
    events = say("one")
    one_pass()
    events += say("two")
    ready = prepared(claimed())
    first = labels.live(subject.app_id, "user")
    labels.move("live", better(), reason="Better")
    events += say("three")
    following.take_in()
    with pytest.raises(queue.LostLease):
        passes.complete(ready, completion(truthful(ready.request)))
    assert Pass.objects.get(pk=ready.claim.token).outcome == "abandoned"
    labels.move("live", first, reason="Better")
    events += say("four")
    version = one_pass()
    assert (version.covers_from, version.covers_to) == (1, 4), "back on the first line, and on from where it stood"
    assert_covered_once(subject, events)
    assert not Pass.objects.filter(outcome="running").exists()


def test_parked_work_of_a_prompt_that_is_no_longer_live_is_over(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    subject = person()
    say("one")
    one_pass(lambda request: BAD["no evidence"])
    assert work_of().state == "parked"
    labels.move("live", better(), reason="Better")
    say("two")
    assert one_pass().covers_to == 2
    assert sorted(Work.objects.values_list("state", "attempts")) == [("idle", 0), ("idle", 0)]
    assert_covered_once(subject, feeds_events())


def test_a_prompt_version_is_never_changed():
    from tests.store.helpers import refused

    person()
    for change in (
        "instructions = 'other'",
        "model = 'other'",
        "parameters = '{\"a\": 1}'",
        "number = 9",
        "kind = 'x'",
    ):
        assert "a prompt version is refused to change" in refused(f"UPDATE reasoning_promptversion SET {change}")


def test_nothing_of_the_loop_runs_in_the_request_that_writes(django_assert_num_queries):
    person()
    say("one")
    assert not Work.objects.exists()
    assert not Pass.objects.exists()
    assert User.objects.count() == 1


def test_a_request_is_the_same_however_often_it_is_prepared():
    person()
    say("one", "two")
    claim = claimed()
    first, again = prepared(claim), prepared(claim)
    assert isinstance(first.request, Request)
    assert first == again
    assert replace(first, own=None) != first
