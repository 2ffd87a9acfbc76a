"""Messages, in the shape of the apps era."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from memory.models import App, Event, FeedEntry
from tests.api.conftest import Agent, path_of, refused
from tests.factories import EventFactory, SessionFactory

TALK = "/v1/apps/my-app/users/user-123/sessions/session-456/messages"


def test_a_message_makes_the_place_that_it_names(operator: Agent) -> None:
    made = operator.post(TALK, {"content": "I want to automate my invoicing workflow", "is_user": True})
    event: Any = Event.objects.select_related("app", "user", "session").get()
    assert (event.app.name, event.user.name, event.session.name) == ("my-app", "user-123", "session-456")
    assert (event.content, event.origin, event.author_id) == (made["content"], "user", event.user_id)
    assert made == {
        "id": event.public_id,
        "client_id": None,
        "content": "I want to automate my invoicing workflow",
        "is_user": True,
        "session_id": event.session.public_id,
        "metadata": {},
        "created_at": event.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "app_id": event.app.public_id,
        "user_id": event.user.public_id,
        "token_count": event.tokens,
    }


def test_what_is_not_the_users_is_the_agents(operator: Agent) -> None:
    made = operator.post(TALK, {"content": "", "is_user": False, "metadata": {"model": "m"}})
    event = Event.objects.get()
    assert (made["is_user"], event.origin, event.author_id) == (False, "agent", None)
    assert made["metadata"] == event.metadata == {"model": "m"}


def test_a_message_says_when_it_was(operator: Agent) -> None:
    message = {"content": "x", "is_user": True}
    assert operator.post(TALK, {**message, "occurred_at": "2026-01-02T03:04:05+01:00"})["created_at"] == (
        "2026-01-02T02:04:05.000000Z"
    )
    assert operator.post(TALK, {**message, "created_at": "2026-01-02T03:04:05Z"})["created_at"] == (
        "2026-01-02T03:04:05.000000Z"
    )
    later = (timezone.now() + timedelta(days=2)).isoformat()
    detail = refused(operator.send("POST", TALK, {**message, "occurred_at": later}), 422, "invalid")
    assert (detail[0]["type"], detail[0]["loc"]) == ("datetime_future", ["body", "occurred_at"])


def test_the_same_id_again_is_the_same_message(operator: Agent) -> None:
    first = operator.post(TALK, {"content": "x", "is_user": True, "id": "mine"})
    assert operator.post(TALK, {"content": "x", "is_user": True, "id": "mine"}) == first
    response = operator.send("POST", TALK, {"content": "y", "is_user": True, "id": "mine"})
    assert refused(response, 409, "conflict") == "The id 'mine' was used before with another body."
    assert response["x-should-retry"] == "false"
    assert Event.objects.count() == 1


def test_a_batch_keeps_its_order(operator: Agent) -> None:
    batch = [{"content": f"{n}", "is_user": n % 2 == 0} for n in range(100)]
    made = operator.post(f"{TALK}/batch", {"messages": batch})
    assert [(item["content"], item["is_user"]) for item in made] == [(f"{n}", n % 2 == 0) for n in range(100)]
    listed = operator.post(f"{TALK}/list?size=100", {})
    assert listed["items"] == made
    assert operator.post(f"{TALK}/batch", {"messages": []}) == []


def test_a_batch_is_all_or_nothing(operator: Agent) -> None:
    batch = [{"content": "good", "is_user": True}, {"content": 5, "is_user": True}]
    detail = refused(operator.send("POST", f"{TALK}/batch", {"messages": batch}), 422, "invalid")
    assert detail == [
        {"type": "string_type", "loc": ["body", "messages", 1, "content"], "msg": "Give a string.", "input": 5}
    ]
    refused(operator.send("POST", f"{TALK}/batch", {"messages": batch[:1] * 101}), 422, "invalid")
    assert not Event.objects.exists()
    assert not App.objects.exists()


def test_list_shows_messages_alone(operator: Agent) -> None:
    first = EventFactory(metadata={"n": 1})
    EventFactory(session=first.session, kind="tool_call")
    last = EventFactory(session=first.session, metadata={"n": 2})
    EventFactory()
    messages = f"{path_of(first.session)}/messages/list"
    page = operator.post(messages, {})
    assert [item["id"] for item in page.pop("items")] == [first.public_id, last.public_id]
    assert page == {"total": 2, "page": 1, "size": 50, "pages": 1}
    assert [item["id"] for item in operator.post(f"{messages}?reverse=true&size=1")["items"]] == [last.public_id]
    assert [item["id"] for item in operator.post(messages, {"filter": {"n": 1}})["items"]] == [first.public_id]


def test_get_message(operator: Agent) -> None:
    event = EventFactory()
    answered = operator.get(f"{path_of(event.session)}/messages/{event.public_id}")
    assert (answered["id"], answered["content"]) == (event.public_id, event.content)
    elsewhere = SessionFactory(owner=event.user)
    response = operator.send("GET", f"{path_of(elsewhere)}/messages/{event.public_id}")
    assert refused(response, 404, "not_found") == "Message not found"


def test_of_a_message_only_the_metadata_changes(operator: Agent) -> None:
    event = EventFactory(metadata={"a": 1})
    message = f"{path_of(event.session)}/messages/{event.public_id}"
    assert operator.put(message, {"metadata": {"b": 2}, "content": "changed"})["metadata"] == {"b": 2}
    assert operator.put(message, {"metadata": None})["metadata"] == {"b": 2}
    stored = Event.objects.get(pk=event.pk)
    assert (stored.content, stored.metadata) == (event.content, {"b": 2})


def test_a_misspelt_field_is_named_and_others_pass(operator: Agent) -> None:
    detail = refused(
        operator.send("POST", TALK, {"content": "x", "is_user": True, "ocurred_at": "2026-01-01T00:00:00Z"}),
        422,
        "invalid",
    )
    assert detail[0]["loc"] == ["body", "ocurred_at"]
    assert detail[0]["msg"] == "There is no such field. Did you mean 'occurred_at'?"
    assert operator.post(TALK, {"content": "x", "is_user": True, "temperature": 1})["content"] == "x"


def test_text_that_looks_like_a_special_token_is_text(operator: Agent) -> None:
    text = "<|endoftext|> \u202e \U0001f600 ' \" \\ \\u0000 %s {x}"
    made = operator.post(TALK, {"content": text, "is_user": True})
    assert made["content"] == Event.objects.get().content == text


@pytest.mark.parametrize(("value", "read"), [(True, False), ("yes", False), (1, False), (False, True), (None, True)])
def test_nothing_is_concluded_from_a_session_that_asks_for_it(operator: Agent, value: Any, read: bool) -> None:
    session = SessionFactory(metadata={"deriver_disabled": value})
    path = f"{path_of(session)}/messages"
    message = operator.post(path, {"content": "Keep this to yourself.", "is_user": True})
    assert operator.get(f"{path}/{message['id']}")["content"] == "Keep this to yourself."
    assert FeedEntry.objects.exists() == read
    operator.put(path_of(session), {"metadata": {}})
    operator.post(path, {"content": "Not this.", "is_user": True})
    assert FeedEntry.objects.filter(event__content="Not this.").exists()
