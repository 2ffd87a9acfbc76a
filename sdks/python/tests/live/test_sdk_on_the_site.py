"""The client against the site itself."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from memory.models import Event
from tests.api.conftest import publish

import honcho as package
from honcho import AsyncHoncho, Honcho

APP = {"app_id": "my-app"}
USER = {**APP, "user_id": "ann"}
SESSION = {**USER, "session_id": "s1"}
README = Path(__file__).resolve().parents[2] / "README.md"

SNIPPET = """
honcho.apps.users.sessions.messages.create(app_id="my-app", user_id="user-123", session_id="session-456",
                                           content="I want to automate my invoicing workflow", is_user=True)
honcho.apps.users.sessions.get_context(app_id="my-app", user_id="user-123", session_id="session-456")
"""


def test_the_two_calls_that_every_agent_makes_run_as_they_stand_on_an_empty_server(honcho: Honcho) -> None:
    before, after = SNIPPET.strip().split("\nhoncho.apps.users.sessions.get_context")
    exec(before)
    context = eval("honcho.apps.users.sessions.get_context" + after)
    event: Any = Event.objects.select_related("app", "user", "session").get()
    assert (event.app.name, event.user.name, event.session.name) == ("my-app", "user-123", "session-456")
    assert event.content == "I want to automate my invoicing workflow"
    assert (str(context), context.version, context.as_of, context.behind.events) == ("", 0, None, 1)


def test_the_readme_says_the_same_and_runs(url: str, key: str) -> None:
    text = README.read_text()
    assert SNIPPET.splitlines()[1].split("(")[0] in text
    for code in re.findall(r"```python\n# complete\n(.*?)```", text, re.DOTALL):
        environment = {"HONCHO_BASE_URL": url, "HONCHO_API_KEY": key, "PYTHONPATH": str(README.parent / "src")}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr


def test_context_is_the_text_with_what_is_known_about_it(honcho: Honcho) -> None:
    honcho.apps.users.sessions.messages.create(**SESSION, content="I drink tea", is_user=True)
    event = Event.objects.get()
    publish(event.user, ["Drinks tea."], [event])
    context = honcho.apps.users.sessions.get_context(**SESSION, include=["conclusions", "card", "summary", "pending"])
    assert "Drinks tea" in str(context)
    assert (context.version, context.conclusions[0].content) == (1, "Drinks tea.")
    assert context.conclusions[0].sources == [event.public_id]
    found = honcho.apps.users.representation.get(**USER)
    assert [item.content for item in found.conclusions] == ["Drinks tea."]
    assert honcho.apps.users.representation.explain(**USER, conclusion="Drinks tea.").sources[0].id == event.public_id


def test_apps_users_and_sessions(honcho: Honcho) -> None:
    app = honcho.apps.create("a & b", metadata={"a": 1})
    assert honcho.apps.get(app.id) == honcho.apps.get_by_name("a & b") == honcho.apps.get_or_create("a & b") == app
    assert honcho.apps.update(app.id, name="c", metadata={"b": 2}).metadata == {"b": 2}
    user = honcho.apps.users.create(app_id="c", name="ann")
    assert honcho.apps.users.get(app_id="c", user_id=user.id) == honcho.apps.users.get_by_name("ann", app_id="c")
    assert honcho.apps.users.get_or_create("bo", app_id="c").name == "bo"
    assert honcho.apps.users.update(app_id="c", user_id="bo", metadata={"x": 1}).metadata == {"x": 1}
    place = {"app_id": "c", "user_id": "ann"}
    session = honcho.apps.users.sessions.create(**place, name="s")
    assert honcho.apps.users.sessions.get(**place, session_id="s") == session
    assert honcho.apps.users.sessions.get_by_name("s", **place).created_at == session.created_at
    assert honcho.apps.users.sessions.get_or_create("t", **place).name == "t"
    assert honcho.apps.users.sessions.update(**place, session_id="t", metadata={"y": 1}).metadata == {"y": 1}
    assert honcho.apps.users.sessions.delete(**place, session_id="t").message
    active = honcho.apps.users.sessions.list(**place, is_active=True)
    assert ([each.name for each in active], active.total) == (["s"], 1)


def test_messages_and_events(honcho: Honcho) -> None:
    batch = [{"content": f"m{n}", "is_user": n % 2 == 0, "id": f"id{n}"} for n in range(5)]
    messages = honcho.apps.users.sessions.messages
    made = messages.batch(**SESSION, messages=batch)
    assert messages.batch(**SESSION, messages=batch) == made
    assert messages.update(**SESSION, message_id=made[0].id, metadata={"a": 1}).metadata == {"a": 1}
    assert messages.get(**SESSION, message_id=made[1].id).is_user is False
    assert [message.content for message in messages.list(**SESSION, size=2)] == ["m0", "m1", "m2", "m3", "m4"]
    events = honcho.apps.users.sessions.events
    call = events.create(**SESSION, kind="tool_call", content="f", data={"x": 1}, id="call")
    assert (call.created, call.data, call.kind) == (True, {"x": 1}, "tool_call")
    again = events.create_many(
        **SESSION, events=[{"kind": "tool_call", "content": "f", "data": {"x": 1}, "id": "call"}]
    )
    assert [(event.id, event.created) for event in again] == [(call.id, False)]
    assert [event.content for event in events.list(**SESSION, limit=2)] == ["m0", "m1", "m2", "m3", "m4", "f"]
    assert [event.content for event in honcho.apps.users.events.list(**USER, kind="tool_call")] == ["f"]
    honcho.apps.projects.events.create(**APP, project_id="p", content="begun", kind="project.begun")
    assert len(honcho.apps.projects.events.list(**APP, project_id="p")) == 1


def test_what_a_human_says(honcho: Honcho) -> None:
    conclusions = honcho.apps.users.conclusions
    made = conclusions.create(**USER, content="Ann is allergic to nuts.", importance=5)
    changed = conclusions.update(**USER, conclusion_id=made.id, content="Ann is allergic to peanuts.", reason="precise")
    assert changed.correction is not None
    assert changed.correction.reason == "precise"
    assert conclusions.delete(**USER, conclusion_id=changed.id, reason="wrong").retracted is True
    assert [item.content for item in conclusions.list(**USER, standing=True)] == []
    versions = honcho.apps.users.representation
    assert [version.version for version in versions.versions(**USER, limit=2)] == [3, 2, 1]
    assert versions.version(**USER, number=1).added[0].content == "Ann is allergic to nuts."
    assert versions.diff(**USER, from_=1, to=2).reworded[0].from_.content == "Ann is allergic to nuts."
    assert versions.keep(**USER, number=1, reason="evidence").version == 1
    assert versions.feedback(**USER, version=3, score=-1, comment="no").score == -1
    back = versions.rollback(**USER, to=2, reason="it was right")
    assert (back.version, back.made_by is not None and back.made_by["rolled_back_to"]) == (4, 2)


def test_refusals_are_the_sites_own(honcho: Honcho, url: str, key: str) -> None:
    honcho.apps.create("taken")
    with pytest.raises(package.ConflictError):
        honcho.apps.create("taken")
    with pytest.raises(package.NotFoundError) as missing:
        honcho.apps.users.get(app_id="taken", user_id="nobody")
    assert missing.value.request_id
    with pytest.raises(package.UnprocessableEntityError) as wrong:
        honcho.apps.users.sessions.messages.create(**SESSION, content="\x00", is_user=True)
    assert wrong.value.detail[0]["loc"] == ["body", "content"]
    with Honcho(url, "hk_wrong") as stranger, pytest.raises(package.AuthenticationError) as refused:
        stranger.apps.get("taken")
    assert (refused.value.code, "hk_wrong" in str(refused.value)) == ("invalid_token", False)


def test_names_at_their_worst_arrive_as_they_are(honcho: Honcho) -> None:
    for name in ("é ü", "a+b&c=d?e#f", "...", "%2F", "日本", "a;b", "👩‍👩‍👧"):
        honcho.apps.users.sessions.messages.create(
            app_id="my-app", user_id=name, session_id=name, content=name, is_user=True
        )
        event: Any = Event.objects.select_related("user", "session").latest("id")
        assert (event.user.name, event.session.name, event.content) == (name, name, name)
        assert honcho.apps.users.get_or_create(name, app_id="my-app").id == event.user.public_id


def test_the_asynchronous_client_does_the_same(url: str, key: str) -> None:
    async def work() -> list[str]:
        async with AsyncHoncho(url, key) as client:
            sessions = client.apps.users.sessions
            for n in range(5):
                await sessions.messages.create(**SESSION, content=f"m{n}", is_user=True)
            context = await sessions.get_context(**SESSION)
            assert context.behind.events == 5
            async with client.buffer(**SESSION) as events:
                await events.add("buffered", is_user=True)
            return [message.content async for message in sessions.messages.list(**SESSION, size=2)]

    assert asyncio.run(work()) == ["m0", "m1", "m2", "m3", "m4", "buffered"]
