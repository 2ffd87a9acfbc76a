"""A dry run: what a prompt version would make, and that nothing comes of it but the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from memory import clock, corrections, restoring
from memory.errors import Conflict, Invalid
from memory.models import Conclusion, Representation, Subject
from reasoning import dry_runs, following, labels, prompt_versions
from reasoning.chain import ProviderFailed
from reasoning.models import Budget, Price, PromptVersion, ProviderState, Spend
from reasoning.providers.base import Answer, Failure, ProviderError, Request, Retirement, Statement, Step
from reasoning.providers.openai import forget_manners
from tests.loop.helpers import AT_ONCE, FakeProvider, drain, one_pass, others_connected, truthful
from tests.loopback.server import LoopbackModel
from tests.store.helpers import person, said, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def candidate(**more: Any) -> PromptVersion:
    return prompt_versions.create("user", "Know {subject} better.", message="Better", **more)


def tried(
    subject: Subject,
    answer: Callable[[Request], Answer] = truthful,
    version: PromptVersion | None = None,
    **options: Any,
) -> tuple[dry_runs.DryRun, Request]:
    """What a dry run with a candidate finds, and what the provider was asked."""
    provider = FakeProvider(answer)
    found = dry_runs.run(version or candidate(), subject, chain=[Step(provider)], **options)
    [request] = provider.requests
    return found, request


def everything() -> dict[str, list[Any]]:
    """Every row of every table of ours but the bill, in every column."""
    rows = {}
    with connection.cursor() as cursor:
        for label in ("memory", "reasoning"):
            for model in apps.get_app_config(label).get_models():
                if model is not Spend:
                    table = model._meta.db_table
                    cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t ORDER BY 1")
                    rows[table] = [row[0] for row in cursor.fetchall()]
    return rows


def words(items: Any) -> list[str]:
    return sorted(item.conclusion.content for item in items)


def test_what_is_not_read_yet_is_read_on_top_of_what_stands():
    subject = person()
    say("I moved to Lisbon.")
    one_pass()
    say("I have a dog.", "I have a cat.")
    following.take_in()
    found, request = tried(subject)
    assert [event.content for event in request.events] == ["I have a dog.", "I have a cat."]
    assert [known.content for known in request.known] == ["It was said: I moved to Lisbon."]
    assert (request.card, request.now, request.instructions) == (("Name: ana",), "1 new.", "Know {subject} better.")
    assert (found.window.unread, found.window.start, found.window.end) == (True, 1, 3)
    diff, would_be = found.would_be.diff, found.would_be.version
    assert words(diff.added) == ["It was said: I have a cat.", "It was said: I have a dog."]
    assert words(diff.kept) == ["It was said: I moved to Lisbon."]
    assert (list(diff.retired), list(diff.reworded)) == ([], [])
    assert (diff.now.before, diff.now.after) == ("1 new.", "2 new.")
    assert "I have a dog" in would_be.text
    assert "I moved to Lisbon" in would_be.text
    assert not found.verdict.refused
    assert list(found.warnings) == []


def test_it_is_what_a_pass_would_have_made():
    subject = person()
    say("I moved to Lisbon.")
    one_pass()
    say("I moved to Porto.")
    following.take_in()

    def moved(request: Request) -> Answer:
        return Answer(
            add=(Statement("Ana lives in Porto.", (1,), importance=5),),
            retire=(Retirement(1, "She moved on", 0),),
            card=("Home: Porto",),
            now="She moved.",
        )

    found, _ = tried(subject, moved, labels.live(subject.app_id, "user"))
    [item] = found.would_be.diff.reworded
    assert (item.before.reason, item.replaced, item.after.conclusion.content) == (
        "She moved on", True, "Ana lives in Porto.",
    )  # fmt: skip
    made = one_pass(moved)
    assert (made.text, made.card, made.now) == (
        found.would_be.version.text, found.would_be.version.card, found.would_be.version.now,
    )  # fmt: skip


def test_nothing_comes_of_it_but_the_bill():
    subject = person()
    Budget.objects.create(period="day", money=Decimal(10))
    Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1_000, output_price=1_000)
    say("I moved to Lisbon.")
    one_pass()
    for window in ("again", "unread"):
        if window == "unread":
            say("I have a dog.")
            following.take_in()
        version = candidate()
        before = everything()
        provider = FakeProvider(
            lambda request: Answer((Statement("New.", (1,)),), (Retirement(1, "Old"),)[: len(request.known)])
        )
        dry_runs.run(version, subject, chain=[Step(provider)])
        assert everything() == before, window
        row = Spend.objects.get(prompt_version=version)
        assert (row.calls, row.tokens, row.cost, row.app_id) == (1, 120, Decimal("0.12"), subject.app_id)


def test_what_is_read_already_is_read_again_from_what_stood_before():
    subject = person()
    for text in ("I moved to Lisbon.", "I have a dog.", "I have a cat."):
        say(text)
        one_pass()
    found, request = tried(
        subject, lambda r: Answer(tuple(Statement(f"Has: {e.content}", (e.number,)) for e in r.events)), events=2
    )
    assert [event.content for event in request.events] == ["I have a dog.", "I have a cat."]
    assert [known.content for known in request.known] == ["It was said: I moved to Lisbon."]
    assert request.now == "1 new."
    assert (found.window.unread, found.window.basis.version.number) == (False, 1)
    diff = found.would_be.diff
    assert diff.start.version.number == 3
    assert words(diff.kept) == ["It was said: I moved to Lisbon."]
    assert len(diff.added) + len(diff.reworded) == 2
    assert len(diff.retired) + len(diff.reworded) == 2


def test_all_that_fits_is_read_again_from_the_beginning():
    subject = person()
    for text in ("I moved to Lisbon.", "I have a dog."):
        say(text)
        one_pass()
    found, request = tried(subject)
    assert len(request.events) == 2
    assert (request.known, request.card, found.window.basis.version) == ((), (), None)
    assert words(found.would_be.diff.kept) == ["It was said: I have a dog.", "It was said: I moved to Lisbon."]


def test_what_one_pass_read_is_not_torn_apart():
    subject = person()
    say("one", "two", "three")
    one_pass()
    found, request = tried(subject, events=1)
    assert len(request.events) == 3
    assert list(found.warnings) == ["The last 3 events were read at once, so that all of them were shown, not 1."]


def test_the_window_keeps_to_the_room_of_a_pass(settings):
    subject = person()
    for text in ("I moved to Lisbon.", "I have a dog.", "I have a cat."):
        say(text)
        one_pass()
    settings.HONCHO = AT_ONCE | {"PASS_TOKENS": 12}
    _, request = tried(subject)
    assert [event.content for event in request.events] == ["I have a dog.", "I have a cat."]


def test_more_than_one_pass_can_show_is_said():
    subject = person()
    said("one", "two", "three")
    say("four")
    found, request = tried(subject, events=2)
    assert len(request.events) == 2
    assert list(found.warnings) == [
        "Later events that were not shown, having no room in one pass: 1.",
        "Events that were not shown, since no worker has taken them in yet: 1.",
    ]


def test_what_humans_said_holds_in_it():
    subject = person()
    say("I moved to Lisbon.", "I have a dog.")
    one_pass(
        lambda request: Answer(
            (Statement("Lives in Lisbon.", (1,)), Statement("Has a dog.", (2,))), now="Lives in Lisbon."
        )
    )
    say("I have a cat.")
    one_pass()
    wrong = Conclusion.objects.get(content="Lives in Lisbon.")
    corrections.retract(subject, wrong.pk, by="ops", origin="operator")
    corrections.add(subject, "Is allergic to nuts.", by="ops", origin="operator")
    drain()
    subject.refresh_from_db()
    found, request = tried(
        subject, lambda r: Answer((Statement("Lives in Lisbon.", (1,)), Statement("Has a cat.", (1,)))), events=3
    )
    assert found.window.basis.version.number == 1
    assert [known.content for known in request.known] == ["Has a dog.", "Is allergic to nuts."]
    assert request.now == ""
    standing = words([*found.would_be.diff.kept, *found.would_be.diff.added])
    assert standing == ["Has a cat.", "Has a dog.", "Is allergic to nuts."]


def test_a_rolled_back_line_is_read_again_from_before():
    subject = person()
    for text in ("I moved to Lisbon.", "I have a dog."):
        say(text)
        one_pass()
    subject.refresh_from_db()
    restoring.roll_back(subject, 1, reason="Wrong")
    found, request = tried(Subject.objects.get(pk=subject.pk), events=1)
    assert [event.content for event in request.events] == ["I have a dog."]
    assert found.would_be.diff.start.version.number == 3
    assert words(found.would_be.diff.added) == ["It was said: I have a dog."]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(add=(Statement("It is so.", (7,)),)),
        Answer(add=(Statement("It is so.", ()), Statement("  ", (1,)))),
        Answer(add=(Statement("It is so.", (1,)),), retire=(Retirement(9, "over"), Retirement(1, "over", 5))),
    ],
)
def test_an_answer_that_a_gate_refuses_is_shown_as_far_as_it_can_be(answer):
    subject = person()
    say("one")
    one_pass()
    say("two")
    following.take_in()
    found, _ = tried(subject, lambda request: answer)
    assert found.verdict.refused
    assert not Representation.objects.filter(status="quarantined").exists()


def test_no_connection_is_held_and_no_row_locked_while_the_model_answers():
    subject = person()
    said("one")
    seen = []

    class Watching(FakeProvider):
        async def answer(self, request):
            seen.append(await asyncio.to_thread(look))
            return await super().answer(request)

    def look():
        try:
            return others_connected()
        finally:
            connection.close()

    dry_runs.run(candidate(), subject, chain=[Step(Watching())])
    assert seen == [[]]


def test_it_is_not_begun_inside_a_transaction():
    subject = person()
    said("one")
    version = candidate()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        dry_runs.run(version, subject, chain=[Step(FakeProvider())])


def test_a_budget_without_room_is_a_refusal_and_nothing_is_asked():
    subject = person()
    said("one")
    version = candidate()
    Budget.objects.create(prompt_version=version, period="day", tokens=119)
    provider = FakeProvider()
    with pytest.raises(Conflict, match="The budget of user prompt 2, a day is 119 tokens"):
        dry_runs.run(version, subject, chain=[Step(provider)])
    assert provider.requests == []
    assert not Spend.objects.exists()


def test_without_a_price_a_budget_in_money_is_a_refusal():
    subject = person()
    said("one")
    Budget.objects.create(app=subject.app, period="day", money=Decimal(1))
    with pytest.raises(Conflict, match="Nobody knows what the model gpt-4o-mini"):
        dry_runs.run(candidate(), subject, chain=[Step(FakeProvider())])


def test_a_price_that_nobody_knows_is_unknown():
    subject = person()
    said("one")
    found, _ = tried(subject)
    assert (found.cost, found.usage.input_tokens, found.model, found.provider) == (None, 100, "fake-1", "fake")
    assert Spend.objects.get().unpriced_tokens == 120


@pytest.mark.parametrize(
    ("failure", "wait"), [(Failure.TRANSIENT, 5.0), (Failure.RATE_LIMITED, 7.0), (Failure.NONSENSE, None)]
)
def test_a_provider_that_fails_is_said_and_everybody_knows(failure, wait):
    subject = person()
    said("one")

    def fail(request: Request) -> Answer:
        raise ProviderError(failure, "No.", retry_after=7.0 if failure is Failure.RATE_LIMITED else None)

    with pytest.raises(ProviderFailed, match="fake: No") as caught:
        dry_runs.run(candidate(), subject, chain=[Step(FakeProvider(fail))])
    assert caught.value.retry_after == wait
    assert Spend.objects.get().calls == 1
    assert ProviderState.objects.filter(name="fake").exists() == (failure is not Failure.NONSENSE)


def test_a_fallback_stands_in_for_a_provider_that_is_paused():
    subject = person()
    said("one")
    ProviderState.objects.create(name="fake", paused_until=clock.now() + timedelta(minutes=5), slots=1)
    first, second = FakeProvider(), FakeProvider(name="second")
    found = dry_runs.run(candidate(), subject, chain=[Step(first), Step(second, "other-model")])
    assert (first.requests, second.requests[0].model, found.provider) == ([], "other-model", "second")
    assert list(found.warnings) == ["second answered in place of the first provider, which is paused."]


def test_nobody_is_asked_where_all_are_paused():
    subject = person()
    said("one")
    ProviderState.objects.create(name="fake", needs_operator=True)
    with pytest.raises(ProviderFailed, match="fake is paused") as caught:
        dry_runs.run(candidate(), subject, chain=[Step(FakeProvider())])
    assert caught.value.retry_after is None


def test_what_does_not_fit_is_refused():
    subject, other = person(), person(app="elsewhere")
    said("one")
    with pytest.raises(Invalid, match="another app's"):
        dry_runs.run(candidate(app=other.app), subject, chain=[Step(FakeProvider())])
    session = prompt_versions.find("session-1")
    with pytest.raises(Invalid, match="of kind user"):
        dry_runs.run(session, subject, chain=[Step(FakeProvider())])
    for count in (0, 101):
        with pytest.raises(Invalid, match="1 to 100 events"):
            dry_runs.run(candidate(), subject, events=count, chain=[Step(FakeProvider())])
    with pytest.raises(Conflict, match="nothing to read"):
        dry_runs.run(candidate(), other, chain=[Step(FakeProvider())])


def test_with_a_real_server_it_costs_what_the_server_says(settings):
    forget_manners()
    with LoopbackModel() as model:
        settings.HONCHO = AT_ONCE | {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": model.url}
        Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1, output_price=2)
        subject = person()
        said("I moved to Lisbon.")
        found = dry_runs.run(candidate(), subject)
        assert model.count == 1
        assert 'Know "ana" better.' in str(model.calls[0].body["messages"])
        usage = found.usage
        assert usage.input_tokens > 0
        assert found.cost * 1_000_000 == usage.input_tokens + 2 * usage.output_tokens
        assert Spend.objects.get().tokens == usage.input_tokens + usage.output_tokens
        model.always("status", status=500)
        with pytest.raises(ProviderFailed, match="may be back soon"):
            dry_runs.run(candidate(), subject)


def test_the_built_in_reasoner_costs_nothing_and_says_that_it_takes_no_notice(settings):
    settings.HONCHO = {}
    subject = person()
    said("I moved to Lisbon.")
    found = dry_runs.run(candidate(), subject)
    assert (found.provider, found.cost) == ("local", Decimal(0))
    assert not Spend.objects.exists()
    assert list(found.warnings) == ["The built-in reasoner answered: it takes no notice of a prompt's text."]
