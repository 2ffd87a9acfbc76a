"""The read path over HTTP: what an agent should know now."""

import socket
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memory import tenants, tokens
from tests.api.conftest import Agent, path_of, publish, refused
from tests.factories import ApiKeyFactory, EventFactory, SessionFactory, UserFactory


@pytest.fixture
def talk(db: None) -> Any:
    """A session with one message, reasoned over for the user and for the session, and one message since."""
    event = EventFactory(content="I write Python.")
    publish(event.user, ["Prefers Python."], [event], now="Automates invoices.", card=["Name: Ann"])
    publish(event.session, ["Asked about Stripe."], [event], short_summary="About invoices.", long_summary="All of it.")
    EventFactory(session=event.session, content="Not read yet.")
    return event.session


def test_context_of_a_session(operator: Agent, talk: Any) -> None:
    answered = operator.get(f"{path_of(talk)}/context")
    seconds = answered["behind"].pop("seconds")
    assert 0 <= seconds < 60
    assert answered.pop("as_of").endswith("Z")
    assert answered == {
        "context": (
            f"Automates invoices.\n## Facts\nName: Ann\n## Known of {talk.owner.name}\nPrefers Python\n\n"
            "About invoices.\n## So far\nAll of it.\n## Said and decided\nAsked about Stripe"
        ),
        "version": 1,
        "session_version": 1,
        "behind": {"events": 1},
        "app_id": talk.app.public_id,
        "user_id": talk.owner.public_id,
        "session_id": talk.public_id,
    }


def test_context_of_a_user(operator: Agent, talk: Any) -> None:
    answered = operator.get(f"{path_of(talk.owner)}/context")
    known = f"## Known of {talk.owner.name}\nPrefers Python"
    assert answered["context"] == f"Automates invoices.\n## Facts\nName: Ann\n{known}"
    assert (answered["version"], answered["session_version"], answered["session_id"]) == (1, None, None)


def test_context_before_anything_is_concluded(operator: Agent) -> None:
    event = EventFactory()
    answered = operator.get(f"{path_of(event.session)}/context")
    assert (answered["context"], answered["version"], answered["session_version"], answered["as_of"]) == (
        "",
        0,
        0,
        None,
    )
    assert answered["behind"]["events"] == 1


@pytest.mark.parametrize("budget", [1, 5, 12, 25, 40, 1000])
def test_the_whole_context_fits_the_budget(operator: Agent, talk: Any, budget: int) -> None:
    text = operator.get(f"{path_of(talk)}/context?tokens={budget}")["context"]
    assert tokens.count(text) <= budget
    if budget == 1000:
        assert text == operator.get(f"{path_of(talk)}/context")["context"]


def test_context_asks_one_question_once_the_key_is_known(talk: Any) -> None:
    agent = Agent(ApiKeyFactory(user=talk.owner).key)
    agent.get(f"{path_of(talk)}/context")
    with CaptureQueriesContext(connection) as asked:
        agent.get(f"{path_of(talk)}/context?tokens=100")
    assert len(asked) == 1
    assert asked.captured_queries[0]["sql"].lstrip().startswith("SELECT")


def test_context_asks_one_question_more_for_the_key_at_first(talk: Any, django_assert_num_queries: Any) -> None:
    agent = Agent(ApiKeyFactory(user=talk.owner).key)
    with django_assert_num_queries(2):
        agent.get(f"{path_of(talk)}/context")


def test_context_speaks_to_nobody_but_the_database(operator: Agent, talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def refuse(_socket: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError(f"the read path connected to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)  # libpq's own connection does not pass here
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9))
    tried.clear()
    operator.get(f"{path_of(talk)}/context?include=conclusions,summary,card,pending")
    assert tried == []


def test_context_with_all_parts(operator: Agent, talk: Any) -> None:
    answered = operator.get(f"{path_of(talk)}/context?include=conclusions,summary,card,pending")
    read, pending = talk.events.order_by("pk")
    assert answered["card"] == ["Name: Ann"]
    assert answered["summary"] == {"short": "About invoices.", "long": "All of it."}
    assert [(item["subject"], item["content"], item["sources"]) for item in answered["conclusions"]] == [
        ("user", "Prefers Python.", [read.public_id]),
        ("session", "Asked about Stripe.", [read.public_id]),
    ]
    assert [(item["id"], item["author"], item["content"]) for item in answered["pending"]] == [
        (pending.public_id, talk.owner.name, "Not read yet.")
    ]


def test_the_questions_do_not_grow_with_what_is_known(operator: Agent, django_assert_num_queries: Any) -> None:
    event = EventFactory()
    publish(event.user, [f"Fact {n}." for n in range(50)], [event])
    publish(event.session, [f"Said {n}." for n in range(50)], [event])
    path = f"{path_of(event.session)}/context?include=conclusions,pending"
    operator.send("GET", "/v1/apps/nowhere")  # the key is known from here on
    with django_assert_num_queries(5):  # context, two for what is pending, one for each subject's conclusions
        assert len(operator.get(path)["conclusions"]) == 100


def test_what_has_not_changed_is_not_sent_again(operator: Agent, talk: Any) -> None:
    path = f"{path_of(talk)}/context"
    tag = operator.send("GET", path)["ETag"]
    again = operator.send("GET", path, If_None_Match=f'"other", {tag}')
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert operator.send("GET", f"{path}?tokens=10", If_None_Match=tag).status_code == 200
    publish(talk, short_summary="Newer.")
    newer = operator.send("GET", path, If_None_Match=tag)
    assert newer.status_code == 200
    assert newer["ETag"] != tag


def test_what_is_pending_changes_the_tag(operator: Agent, talk: Any) -> None:
    path = f"{path_of(talk)}/context?include=pending"
    tag = operator.send("GET", path)["ETag"]
    assert operator.send("GET", path, If_None_Match=tag).status_code == 304
    EventFactory(session=talk)
    assert operator.send("GET", path, If_None_Match=tag).status_code == 200


def test_context_as_of_a_moment_and_of_a_version(operator: Agent, talk: Any) -> None:
    publish(talk.owner, now="Writes Go now.")
    path = f"{path_of(talk.owner)}/context"
    assert operator.get(path)["context"].startswith("Writes Go now.")
    assert operator.get(f"{path}?version=1")["context"].startswith("Automates invoices.")
    before = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert operator.get(f"{path}?at={before}")["context"] == ""
    assert refused(operator.send("GET", f"{path}?version=9"), 404, "not_found") == "There is no version 9"
    refused(operator.send("GET", f"{path}?version=1&at={before}"), 422, "invalid")


def test_context_as_another_user_sees_it(operator: Agent, talk: Any) -> None:
    bob = UserFactory(app=talk.app, name="bob")
    path = f"{path_of(talk.owner)}/context?observer=bob"
    assert "does not observe" in refused(operator.send("GET", path), 404, "not_found")
    tenants.join(talk, bob, observes_others=True)
    publish(talk.owner, now="Bob thinks she is fast.", observer=bob)
    assert operator.get(path)["context"] == "Bob thinks she is fast."
    refused(Agent(ApiKeyFactory(user=talk.owner).key).send("GET", path), 401, "out_of_scope")


@pytest.mark.parametrize(
    "query",
    ["tokens=0", "tokens=100001", "tokens=x", "tokens=", "tokens=１",
     "version=0", "version=99999999999", "at=yesterday",
     "at=2026-01-01", "at=2026-01-01T00:00:00", "at=0001-01-01T00:00:00%2B14:00", "include=everything", "observer=",
     "observer=%00", f"observer={'x' * 10_000}"],
)  # fmt: skip
def test_a_parameter_that_cannot_be_taken_is_named(operator: Agent, query: str) -> None:
    session = SessionFactory()
    detail = refused(operator.send("GET", f"{path_of(session)}/context?{query}"), 422, "invalid")
    assert detail[0]["loc"] == ["query", query.partition("=")[0]]
