"""The TypeScript client: it builds, passes its own tests, and does all it can against a running server, keys on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memory import tenants
from memory.models import Event
from reasoning import labels, prompt_versions
from tests.clients import bad_day
from tests.clients.conftest import run
from tests.factories import ApiKeyFactory
from tests.loop.helpers import AT_ONCE, drain
from tests.store.helpers import person, say


def node(typescript: Path, script: str, url: str) -> None:
    """Run a script of the tests against a server, with an operator's key."""
    key = ApiKeyFactory().key
    run(typescript, "node", "--test", f"build/{script}.js", HONCHO_BASE_URL=url, HONCHO_API_KEY=key)


def test_it_passes_its_own_tests(typescript: Path) -> None:
    run(typescript, "sh", "-c", "node --test build/*.test.js")


@pytest.fixture
def harbour(settings: Any) -> None:
    """Ana of the app harbour, whose second version is by the second prompt, which is live."""
    settings.HONCHO = AT_ONCE
    person()
    app = tenants.find_app("harbour")
    for number in (1, 2):
        version = prompt_versions.create("user", f"Know {{subject}}, {number}.", message="Next", app=app)
        labels.move("live", version, reason="Next")
        say(f"line {number}")
        drain()
    settings.HONCHO = {"PROVIDER": "local"}


@pytest.mark.django_db(transaction=True)
def test_everything_that_it_can_ask_is_answered(typescript: Path, harbour: None, server: str) -> None:
    node(typescript, "live", server)


@pytest.mark.django_db(transaction=True)
def test_where_replies_are_lost_no_event_is_missing_and_none_is_there_twice(typescript: Path, server: str) -> None:
    with bad_day.dropping(server) as dropping:
        node(typescript, "dropped", dropping.url)
    assert set(dropping.met) == set(bad_day.BAD_DAY)
    said = Event.objects.order_by("pk").values_list("session__name", "content")
    for session, count in (("created", 20), ("first", 60), ("second", 60)):
        assert [content for name, content in said if name == session] == [f"{session} {n}" for n in range(count)]
    assert len(said) == 140
