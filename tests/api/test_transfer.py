"""Export and import over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from memory import log, tenants
from memory.api import parameters
from memory.log import NewEvent
from memory.models import App, Event
from memory.transfer import importing
from tests.api.conftest import Agent, publish, refused
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, ProjectFactory, UserFactory

NDJSON = "application/x-ndjson"


def export(agent: Agent, path: str) -> list[bytes]:
    """The lines that an address streams."""
    response = agent.send("GET", f"{path}/export")
    assert (response.status_code, response["Content-Type"]) == (200, NDJSON)
    assert response.streaming
    lines = b"".join(response.streaming_content).splitlines()
    response.close()
    return lines


def load(agent: Agent, path: str, lines: list[bytes], query: str = "") -> Any:
    return agent.send("POST", f"{path}/import{query}", b"\n".join(lines), Content_Type=NDJSON)


@pytest.mark.django_db(transaction=True)
def test_an_app_goes_out_and_comes_back() -> None:
    operator = Agent(ApiKeyFactory().key)
    event = EventFactory(project="work")
    publish(event.user, ["Prefers Python."], [event])
    path = f"/v1/apps/{event.app.name}"
    lines = export(operator, path)
    assert json.loads(lines[0])["what"] == "app"
    again = load(operator, path, lines).json()
    assert again == {"app_id": event.app.public_id, "imported": {}, "skipped": json.loads(lines[-1])["counts"]}
    refused(load(operator, "/v1/apps/copy", lines), 409, "conflict")
    assert not App.objects.filter(name="copy").exists()
    done = load(operator, "/v1/apps/copy", lines, "?ids=new").json()
    assert done["imported"] == json.loads(lines[-1])["counts"]
    assert done["skipped"] == {}
    copy = operator.get(f"/v1/apps/copy/users/{event.user.name}/context")
    assert copy["context"] == operator.get(f"{path}/users/{event.user.name}/context")["context"] != ""


@pytest.mark.django_db(transaction=True)
def test_each_key_exports_what_it_opens() -> None:
    event = EventFactory(project="work")
    observer = UserFactory(app=event.app, name="bob")
    tenants.join(event.session, observer, observes_others=True)
    log.append(event.app, [NewEvent(content="More.")], user=event.user, session=event.session)
    publish(event.user, ["She is seen."], [Event.objects.get(content="More.")], observer)
    app = f"/v1/apps/{event.app.name}"
    user, project = f"{app}/users/{event.user.name}", f"{app}/projects/work"
    operator, app_key = Agent(ApiKeyFactory().key), Agent(ApiKeyFactory(app=event.app, read_only=True).key)
    user_key = Agent(ApiKeyFactory(user=event.user).key)
    assert json.loads(export(operator, app)[0])["left_out"] == []
    assert json.loads(export(app_key, app)[0])["left_out"] == ["what quarantined versions say"]
    assert b"She is seen." in b"".join(export(app_key, user))
    assert b"She is seen" not in b"".join(export(user_key, user))
    assert json.loads(export(app_key, project)[0])["what"] == "project"
    for path in (app, project, f"{app}/users/bob"):
        refused(user_key.send("GET", f"{path}/export"), 401, "out_of_scope")
    refused(operator.send("GET", f"{app}/users/nobody/export"), 404, "not_found")
    refused(load(app_key, app, []), 403, "read_only")
    refused(load(user_key, app, []), 401, "out_of_scope")


def test_what_an_import_refuses(operator: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppFactory()
    path = f"/v1/apps/{app.name}"
    header = {"type": "header", "format": "honcho", "version": 1, "app": {"id": app.public_id, "name": app.name}}
    user = {"type": "user", "id": "short", "name": "ann"}
    lines = [json.dumps(line).encode() for line in (header, user)]
    [problem] = refused(load(operator, path, lines), 422, "invalid")
    assert problem["loc"] == ["body", 2, "id"]
    assert problem["msg"] == "Line 2, id: Give an id of 22 characters."
    refused(load(operator, path, lines, "?ids=some"), 422, "invalid")
    refused(operator.send("POST", f"{path}/import", b"{}"), 415, "unsupported_media_type")
    monkeypatch.setattr(importing, "LINE_BYTES", 100)
    assert refused(load(operator, path, lines), 413, "too_large") == "Line 1 has more than 100 bytes."
    key = Agent(ApiKeyFactory(app=app).key)
    refused(load(key, "/v1/apps/another", lines), 401, "out_of_scope")


@pytest.mark.django_db(transaction=True)
def test_an_import_may_be_larger_than_any_other_body(settings: Any) -> None:
    settings.HONCHO = {**settings.HONCHO, "BATCH_BYTES": 1_000}
    project = ProjectFactory(name="work")
    log.append(project.app, [NewEvent(content="x" * 900), NewEvent(content="y" * 900)], project="work")
    operator = Agent(ApiKeyFactory().key)
    lines = export(operator, f"/v1/apps/{project.app.name}")
    assert sum(map(len, lines)) > 2_000
    assert load(operator, "/v1/apps/copy", lines, "?ids=new").json()["imported"]["event"] == 2


@pytest.mark.django_db(transaction=True)
def test_who_sends_an_import_slowly_keeps_no_transaction_open(monkeypatch: pytest.MonkeyPatch) -> None:
    project = ProjectFactory(name="work")
    log.append(project.app, [NewEvent(content=f"{place} " * 500) for place in range(100)], project="work")
    operator = Agent(ApiKeyFactory().key)
    lines = export(operator, f"/v1/apps/{project.app.name}")
    whole, open_ones = parameters.body_chunks, []

    def slowly(request: Any) -> Iterator[bytes]:
        for chunk in whole(request):
            open_ones.append(connection.in_atomic_block)
            yield chunk

    monkeypatch.setattr(parameters, "body_chunks", slowly)
    assert load(operator, "/v1/apps/copy", lines, "?ids=new").json()["imported"]["event"] == 100
    assert len(open_ones) > 1
    assert not any(open_ones)
