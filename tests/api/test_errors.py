"""How the API says no where no route is to blame."""

import json
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import DataError, OperationalError
from django.http import UnreadablePostError
from django.test import Client
from rest_framework.test import APIRequestFactory

from memory import log, reading
from memory.api import errors, shapes
from tests.api.conftest import Agent, path_of, refused
from tests.factories import EventFactory, SessionFactory

MESSAGE = {"content": "x", "is_user": True}


def test_an_unknown_address_is_json(operator: Agent) -> None:
    for path in ("/v1/nothing", "/v1/apps/a/b/c/d", "/v3/workspaces", "/nothing"):
        assert refused(operator.send("GET", path), 404, "not_found") == "Not Found"


def test_a_browser_gets_a_page(db: None) -> None:
    response = Client().get("/nothing", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_every_answer_says_under_which_id_it_is_logged(operator: Agent) -> None:
    session = SessionFactory()
    first = operator.send("GET", f"{path_of(session)}/context")
    second = operator.send("GET", f"{path_of(session)}/context")
    assert len(first["X-Request-ID"]) == 36
    assert first["X-Request-ID"] != second["X-Request-ID"]
    nothing = operator.send("GET", "/v1/nothing", X_Request_ID="an id that a stranger chose")
    assert len(nothing["X-Request-ID"]) == 36


def test_our_own_fault_is_500_without_details(operator: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    session = SessionFactory()

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(reading, "context", fail)
    operator.client.raise_request_exception = False
    response = operator.send("GET", f"{path_of(session)}/context")
    assert refused(response, 500, "server_error") == "An unexpected error occurred"
    operator.client.raise_request_exception = True
    with pytest.raises(RuntimeError):  # what watches Django's signal (an error tracker) hears of it
        operator.send("GET", f"{path_of(session)}/context")


def test_a_database_that_is_away_is_503(operator: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError('connection to server at "10.0.0.7" failed')

    monkeypatch.setattr(log, "append", fail)
    response = operator.send("POST", "/v1/apps/a/users/u/sessions/s/messages", MESSAGE)
    assert "10.0.0.7" not in refused(response, 503, "unavailable")
    assert response["Retry-After"] == "1"


def test_what_the_database_alone_refuses_is_422(operator: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise DataError("value out of range: 'private'")

    monkeypatch.setattr(log, "append", fail)
    response = operator.send("POST", "/v1/apps/a/users/u/sessions/s/messages", MESSAGE)
    assert refused(response, 422, "invalid") == "A value cannot be stored."


def test_a_failed_write_leaves_nothing(operator: Agent) -> None:
    event = EventFactory(client_id="mine")
    path = path_of(event.session)
    operator.client.raise_request_exception = False
    body = [{"content": "new", "author": "bob"}, {"content": "other than before", "id": "mine"}]
    refused(operator.send("POST", f"{path}/events", body), 409, "conflict")
    assert [item["id"] for item in operator.get(f"{path}/events")["items"]] == [event.public_id]
    refused(operator.send("GET", f"/v1/apps/{event.app.name}/users/bob"), 404, "not_found")


def test_too_many_fields_in_a_query(operator: Agent) -> None:
    session = SessionFactory()
    response = operator.send("GET", f"{path_of(session)}/context?" + "&".join(f"a{n}=1" for n in range(2_000)))
    refused(response, 400, "bad_request")


def test_what_was_given_is_shown_cut_short(operator: Agent) -> None:
    path = "/v1/apps/a/users/u/sessions/s/messages"
    detail = refused(operator.send("POST", path, {**MESSAGE, "content": "x" * 50_001}), 422, "invalid")
    assert detail[0]["input"] == "x" * 100
    detail = refused(operator.send("POST", path, {**MESSAGE, "metadata": [{"password": "p"}]}), 422, "invalid")
    assert "input" not in detail[0]


@pytest.mark.parametrize(
    ("handler", "status"), [("bad_request", 400), ("forbidden", 403), ("not_found", 404), ("server_error", 500)]
)
def test_the_handlers_of_the_urlconf(db: None, handler: str, status: int) -> None:
    api = APIRequestFactory().get("/v1/apps")
    admin = APIRequestFactory().get("/admin/")
    call = getattr(errors, handler)
    arguments = [] if handler == "server_error" else [ValueError("a secret")]
    response = call(api, *arguments)
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    assert b"secret" not in response.content
    assert call(admin, *arguments)["Content-Type"].startswith("text/html")


def test_half_a_surrogate_can_be_shown() -> None:
    assert json.loads(shapes.json_response({"a": "\ud800"}, ascii_only=True).content) == {"a": "\ud800"}


def test_a_body_that_breaks_off(operator: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*args: Any) -> Any:
        raise UnreadablePostError("the client is gone")

    monkeypatch.setattr(WSGIRequest, "read", break_off)
    refused(operator.send("POST", "/v1/apps", {"name": "a"}), 400, "bad_request")
