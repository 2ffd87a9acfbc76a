"""An agent at the API: a client with a key, and what it finds there."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from memory import feeds, keys, publishing, tenants
from memory.models import Event, Project, Representation, Session, User
from tests.factories import ApiKeyFactory


@pytest.fixture(autouse=True)
def _no_remembered_keys() -> Iterator[None]:
    keys.forget()
    yield
    keys.forget()


@dataclass
class Agent:
    """Speaks to the API with a key."""

    key: str | None
    client: Client = field(default_factory=Client)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; a body that is not bytes goes as JSON."""
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        content_type = headers.pop("Content_Type", "application/json")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, path, data, content_type=content_type, headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        """Return what a GET answers; it must succeed."""
        return succeeded(self.send("GET", path, **headers))

    def post(self, path: str, body: Any = None) -> Any:
        """Return what a POST answers; it must succeed."""
        return succeeded(self.send("POST", path, body))

    def put(self, path: str, body: Any = None) -> Any:
        """Return what a PUT answers; it must succeed."""
        return succeeded(self.send("PUT", path, body))


def succeeded(response: HttpResponse) -> Any:
    """Return the body of a response that must be 200."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content)


def refused(response: HttpResponse, status: int, code: str) -> Any:
    """Return the ``detail`` of a response that must be this error, in the form that all errors have."""
    assert response.status_code == status, response.content
    body = json.loads(response.content)
    assert set(body) == {"detail", "code", "request_id"}
    assert body["code"] == code
    assert body["request_id"] == response["X-Request-ID"]
    return body["detail"]


@pytest.fixture
def operator(db: None) -> Agent:
    """An agent that may do everything."""
    return Agent(ApiKeyFactory().key)


def path_of(row: Any) -> str:
    """Return the API's path of a user, session or project, by name."""
    match row:
        case User():
            return f"/v1/apps/{quote(row.app.name)}/users/{quote(row.name)}"
        case Session():
            return f"{path_of(row.owner)}/sessions/{quote(row.name or row.public_id)}"
        case Project():
            return f"/v1/apps/{quote(row.app.name)}/projects/{quote(row.name)}"
    raise TypeError(row)


def publish(
    thing: User | Session | Project,
    statements: Sequence[str] = (),
    evidence: Sequence[Event] = (),
    observer: User | None = None,
    **draft: Any,
) -> Representation:
    """Publish the next version of a subject, which has read its whole feed and rests on ``evidence``."""
    feeds.number()
    subject = tenants.subject_of(thing, observer)
    line = publishing.open_line(subject, "recipe")
    sources = [event.pk for event in evidence]
    return publishing.publish(
        line.pk,
        publishing.Draft(
            parent_id=line.head_id,
            covers_from=line.cursor,
            covers_to=subject.head,
            added=[publishing.NewConclusion(content=text, evidence=sources) for text in statements],
            **draft,
        ),
    )


RowCounts = Callable[[], dict[str, int]]


@pytest.fixture
def row_counts(db: None) -> RowCounts:
    """A function that counts the rows of every table of ours, in one statement."""
    tables = [
        model._meta.db_table for label in ("memory", "reasoning") for model in apps.get_app_config(label).get_models()
    ]
    statement = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)

    def count() -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return dict(cursor.fetchall())

    return count
