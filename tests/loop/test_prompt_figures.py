"""Cost and quality of prompt versions from their newest passes, and where each is at work."""

from __future__ import annotations

from decimal import Decimal

import pytest

from memory import clock, feedback, tenants
from reasoning import labels, prompt_figures, prompt_places, prompt_versions
from reasoning.experiments import lifecycle
from reasoning.models import Pass, PromptVersion, Spend
from reasoning.providers.base import Answer, Failure, ProviderError, Statement
from tests.admin.data import one_statement, reason, say

pytestmark = pytest.mark.django_db


def live() -> PromptVersion:
    return PromptVersion.objects.get(kind="user", app=None, number=1)


def made(text: str = "Know {subject}.", **more) -> PromptVersion:
    return prompt_versions.create("user", text, message="New", **more)


@pytest.fixture
def read():
    """Two people of whom a version stands, of one of whom an answer was stopped since, and passes failed."""
    for name in ("ana", "ben"):
        say("harbour", name, name, (name, "I like tea."), (name, "I like trains."))
    reason(lambda prepared: one_statement(prepared, "likes much"))
    say("harbour", "ana", "ana", ("ana", "I like boats."))
    reason(lambda prepared: Answer(add=(Statement("It rests on nothing that was shown.", (99,)),)))
    say("harbour", "ben", "ben", ("ben", "I like bees."))
    reason(lambda prepared: Answer(), ProviderError(Failure.REFUSED, "No."))


def test_figures_are_of_the_newest_passes_of_each_version(read, django_assert_num_queries):
    first, other = live(), made()
    with django_assert_num_queries(1):
        found = prompt_figures.of([first, other])
    figures = found[first.pk]
    assert figures.subjects == 2
    assert (figures.sums.passes, figures.sums.failed, figures.sums.answers, figures.sums.stopped) == (5, 2, 3, 1)
    assert figures.sums.estimate("failure_rate").value == 2 / 5
    assert figures.sums.estimate("gate_rejection_rate").value == pytest.approx(1 / 3)
    assert figures.sums.estimate("added").value == 1 / 2
    assert figures.first < figures.last
    assert (found[other.pk].subjects, found[other.pk].sums.estimate("cost").value) == (0, None)


def test_feedback_counts_for_the_version_that_was_judged(read):
    version = Pass.objects.filter(outcome="published", line__subject__user__name="ana").get().representation
    feedback.add(version.subject, version.number, 0.5)
    figures = prompt_figures.of([live()])[live().pk]
    assert figures.sums.estimate("feedback").value == 0.5


def test_only_so_many_passes_are_looked_at(read, monkeypatch):
    monkeypatch.setattr(prompt_figures, "NEWEST", 1)
    assert prompt_figures.of([live()])[live().pk].sums.passes == 1


def test_each_day_says_what_it_took_and_a_version_without_spending_has_no_days(db):
    app, version = tenants.make_app("harbour")[0], made()
    assert prompt_figures.by_day(version) == []
    Spend.objects.create(
        app=app, day=clock.now().date(), prompt_version=version, provider="openai", model="m", calls=2, tokens=90,
        cost=Decimal("0.5"),
    )  # fmt: skip
    days = prompt_figures.by_day(version, 7)
    assert len(days) == 7
    assert (days[-1].calls, days[-1].tokens, days[-1].cost) == (2, 90, Decimal("0.5"))
    assert not any(day.calls for day in days[:-1])


def test_it_is_known_where_a_version_is_at_work(db, django_assert_num_queries):
    app = tenants.make_app("harbour")[0]
    first, second, third = (made(app=app) for _ in range(3))
    labels.move("live", first, reason="Ours")
    labels.move("live", second, reason="Better")
    labels.move("candidate", second, reason="It was one")
    experiment = lifecycle.create("user", "short", [lifecycle.Candidate(third, 0.2)], app=app)
    prompt_places.look_up([third])
    assert prompt_places.of(third) == [], "a draft changes nothing yet"
    lifecycle.start(experiment)
    with django_assert_num_queries(5):
        one, two, three = prompt_places.with_places(PromptVersion.objects.filter(app=app)).order_by("number")
    assert [place.how for place in prompt_places.of(one)] == ["previous"]
    assert [place.how for place in prompt_places.of(two)] == ["live", "candidate", "control"]
    [tried] = prompt_places.of(three)
    assert (tried.how, str(tried.where), tried.share) == ("tried", "short", 0.2)
