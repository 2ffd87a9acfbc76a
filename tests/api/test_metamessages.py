"""Metamessages, by user and, as older clients ask for them, by session."""

from typing import Any

import pytest

from memory.models import Event, Metamessage, Session
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused
from tests.factories import ApiKeyFactory, EventFactory, MetamessageFactory, SessionFactory, UserFactory
from tests.store import helpers


def about(event: Event) -> dict[str, Any]:
    """The body of a metamessage about a message."""
    return {"session_id": event.session.public_id, "message_id": event.public_id}


def contents(page: dict[str, Any]) -> list[str]:
    return [row["content"] for row in page["items"]]


def test_a_metamessage_is_made_found_and_changed(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.user)}/metamessages"
    made = operator.post(path, {"metamessage_type": "mood", "content": "calm", "metadata": {"a": 1}} | about(event))
    assert {key: value for key, value in made.items() if key not in ("id", "created_at")} == {
        "label": "mood",
        "metamessage_type": "mood",
        "content": "calm",
        "metadata": {"a": 1},
        "user_id": event.user.public_id,
        "app_id": event.app.public_id,
        **about(event),
    }
    assert operator.get(f"{path}/{made['id']}") == made
    changed = operator.put(f"{path}/{made['id']}", {"metamessage_type": "tone", "metadata": {"b": 2}})
    assert changed == made | {"label": "tone", "metamessage_type": "tone", "metadata": {"b": 2}}
    assert operator.put(f"{path}/{made['id']}", {}) == changed


def test_a_metamessage_may_be_about_the_user_alone_and_be_moved_later(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.user)}/metamessages"
    made = operator.post(path, {"label": "mood", "content": ""})
    assert (made["session_id"], made["message_id"]) == (None, None)
    assert operator.put(f"{path}/{made['id']}", {"session_id": event.session.name}) == made | {
        "session_id": event.session.public_id
    }
    assert operator.put(f"{path}/{made['id']}", {"message_id": event.public_id}) == made | about(event)
    other = EventFactory(session=SessionFactory(owner=event.user))
    refused(operator.send("PUT", f"{path}/{made['id']}", {"session_id": other.session.public_id}), 422, "invalid")
    assert operator.put(f"{path}/{made['id']}", about(other)) == made | about(other)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": "x"}, 422),
        ({"metamessage_type": "", "content": "x"}, 422),
        ({"metamessage_type": "x" * 51, "content": "x"}, 422),
        ({"metamessage_type": "m"}, 422),
        ({"metamessage_type": "m", "content": "x" * 50_001}, 422),
        ({"metamessage_type": "m", "content": "x", "message_id": "here"}, 422),
        ({"metamessage_type": "m", "content": "x", "session_id": "missing"}, 404),
        ({"metamessage_type": "m", "content": "x", "session_id": "here", "message_id": "missing"}, 404),
        ({"metamessage_type": "m", "content": "x", "session_id": "there"}, 404),
        ({"metamessage_type": "m", "content": "x", "session_id": "here", "message_id": "there"}, 404),
    ],
)
def test_a_metamessage_that_cannot_be_is_refused(
    operator: Agent, row_counts: RowCounts, body: dict[str, Any], status: int
) -> None:
    here, there = EventFactory(), EventFactory()
    named = {"here": here, "there": there}
    for field, value in body.items():
        if field == "session_id" and value in named:
            body = body | {field: named[value].session.public_id}
        if field == "message_id" and value in named:
            body = body | {field: named[value].public_id}
    stood = row_counts()
    code = {404: "not_found", 422: "invalid"}[status]
    refused(operator.send("POST", f"{path_of(here.user)}/metamessages", body), status, code)
    assert row_counts() == stood


def test_metamessages_are_listed_by_type_session_message_and_metadata(operator: Agent) -> None:
    event = EventFactory()
    user, session = event.user, event.session
    MetamessageFactory(user=user, content="user's", label="a", metadata={"n": 1})
    MetamessageFactory(user=user, content="session's", session=session, label="a")
    MetamessageFactory(user=user, content="message's", session=session, message=event.public_id, label="b")
    MetamessageFactory(content="another's", label="a")
    path = f"{path_of(user)}/metamessages/list"
    for body, expected in [
        ({}, ["user's", "session's", "message's"]),
        ({"metamessage_type": "a"}, ["user's", "session's"]),
        ({"session_id": session.public_id}, ["session's", "message's"]),
        ({"message_id": event.public_id}, ["message's"]),
        ({"message_id": "missing"}, []),
        ({"filter": {"n": 1}}, ["user's"]),
    ]:
        assert contents(operator.post(path, body)) == expected
    assert contents(operator.post(f"{path}?reverse=true&size=2")) == ["message's", "session's"]
    refused(operator.send("POST", path, {"session_id": "missing"}), 404, "not_found")


def test_older_clients_ask_by_session(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.session)}/metamessages"
    made = operator.post(path, {"metamessage_type": "m", "content": "x", "message_id": event.public_id})
    outside = MetamessageFactory(user=event.user)
    assert made["session_id"] == event.session.public_id
    assert operator.get(f"{path}/{made['id']}?message_id={event.public_id}") == made
    assert operator.put(f"{path}/{made['id']}", {"metadata": {"a": 1}})["metadata"] == {"a": 1}
    assert contents(operator.post(f"{path}/list", {"message_id": event.public_id})) == ["x"]
    refused(operator.send("GET", f"{path}/{outside.public_id}"), 404, "not_found")


def test_what_is_known_of_the_user_is_there_under_the_label_of_that_time(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.user)}/metamessages"
    asked = {"metamessage_type": "honcho_user_representation"}
    assert operator.post(f"{path}/list", asked)["items"] == []
    version = publish(event.user, ["Prefers trains."], [event])
    [told] = operator.post(f"{path}/list", asked | {"session_id": event.session.public_id})["items"]
    assert (told["content"], told["session_id"]) == (version.text, event.session.public_id)
    assert "Prefers trains" in told["content"]
    assert operator.get(f"{path}/{told['id']}")["content"] == told["content"]
    assert contents(operator.post(f"{path_of(event.session)}/metamessages/list", asked)) == [told["content"]]
    assert operator.post(f"{path}/list")["items"] == []
    refused(operator.send("PUT", f"{path}/{told['id']}", {"metadata": {"a": 1}}), 404, "not_found")
    other = UserFactory(app=event.app)
    refused(operator.send("GET", f"{path_of(other)}/metamessages/{told['id']}"), 404, "not_found")


@pytest.mark.django_db
def test_a_sessions_key_opens_its_metamessages_alone() -> None:
    event = EventFactory()
    session = Session.objects.get()
    agent = Agent(ApiKeyFactory(session=session).key)
    MetamessageFactory(user=event.user, session=session)
    assert len(agent.post(f"{path_of(session)}/metamessages/list")["items"]) == 1
    refused(agent.send("POST", f"{path_of(event.user)}/metamessages/list"), 401, "out_of_scope")


def test_another_users_metamessage_is_not_found(operator: Agent) -> None:
    note = MetamessageFactory()
    other = UserFactory(app=note.app)
    for method in ("GET", "PUT"):
        refused(operator.send(method, f"{path_of(other)}/metamessages/{note.public_id}", {}), 404, "not_found")


@pytest.mark.django_db
def test_the_database_keeps_a_message_with_its_session_and_the_tenants_apart() -> None:
    event, there = EventFactory(), SessionFactory()
    note = MetamessageFactory(user=event.user, session=event.session, message=event.public_id)
    change = "UPDATE memory_metamessage SET session_id = %s WHERE id = %s"
    assert "metamessage_of_a_message_in_a_session" in helpers.refused(change, [None, note.pk])
    assert "metamessage_session_id_same_app" in helpers.refused(change, [there.pk, note.pk])
    assert Metamessage.objects.get().session == event.session
