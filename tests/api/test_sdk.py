"""The unmodified ``honcho-ai`` 0.2.0 from PyPI, in a process of its own, against a live server with keys on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory.models import App, Event
from tests.factories import ApiKeyFactory

RELEASE = "honcho-ai==0.2.0"

SNIPPET = """
import json
from honcho import Honcho

honcho = Honcho()
message = honcho.apps.users.sessions.messages.create(
    app_id="my-app", user_id="user-123", session_id="session-456",
    content="I want to automate my invoicing workflow", is_user=True)
context = honcho.get("/v1/apps/my-app/users/user-123/sessions/session-456/context", cast_to=object)
print(json.dumps({"message": message.to_dict(mode="json"), "context": context}))
"""

EVERY_CALL = """
import json
import honcho as package
from honcho import Honcho

honcho = Honcho()
said = {}
app = honcho.apps.get_or_create("my app & co")
said["app"] = [app.name, honcho.apps.get(app_id=app.id).id == app.id, honcho.apps.get_by_name(app.name).id == app.id]
said["apps"] = honcho.apps.list(page=1, size=10, reverse=True, filter={}).total
said["renamed"] = honcho.apps.update(app.id, name="renamed", metadata={"a": 1}).metadata
user = honcho.apps.users.create(app.id, name="ann", metadata={"b": 2})
try:
    honcho.apps.users.create(app.id, name="ann")
except package.ConflictError as error:
    said["conflict"] = error.status_code
users = honcho.apps.users
said["user"] = [users.get(app.id, user_id=user.id).name, users.get_by_name("ann", app_id=app.id).id == user.id,
                users.get_or_create("ann", app_id=app.id).id == user.id]
session = users.sessions.create(user.id, app_id=app.id)
place = {"app_id": app.id, "user_id": user.id}
said["session"] = [session.is_active, users.sessions.update(session.id, **place, metadata={"c": 3}).metadata]
batch = users.sessions.messages.batch(session.id, **place, messages=[
    {"content": f"message {n}", "is_user": n % 2 == 0, "metadata": {"n": n}} for n in range(3)])
said["batch"] = [message.content for message in batch]
said["listed"] = [message.id for message in users.sessions.messages.list(session.id, **place)] == [m.id for m in batch]
one = users.sessions.messages.get(batch[1].id, **place, session_id=session.id)
said["one"] = [one.is_user, one.created_at.year > 2000]
said["filtered"] = [m.content for m in users.sessions.messages.list(session.id, **place, filter={"n": 2}).items]
changed = users.sessions.messages.update(batch[0].id, **place, session_id=session.id, metadata={"d": 4})
said["changed"] = changed.metadata
said["deleted"] = users.sessions.delete(session.id, **place)
said["active"] = users.sessions.list(user.id, app_id=app.id, is_active=True).total
try:
    users.sessions.messages.get("missing", **place, session_id=session.id)
except package.NotFoundError as error:
    said["missing"] = error.body["detail"]
try:
    Honcho(api_key="wrong").apps.get(app_id=app.id)
except package.AuthenticationError as error:
    said["wrong key"] = error.body["detail"]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def sdk() -> Path:
    """The directory with the SDK and what it needs, downloaded once a data directory."""
    directory = Path(os.environ["HONCHO_DATA_DIR"]) / "sdk" / RELEASE
    if not (directory / "honcho").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*install, "--target", str(directory), RELEASE], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{RELEASE} cannot be downloaded here: {done.stderr[-500:]}")
    return directory


def run(sdk: Path, code: str, url: str) -> Any:
    """Run code with the SDK alone on its path and return the JSON that it prints last."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(sdk), "HONCHO_BASE_URL": url}
    environment["HONCHO_API_KEY"] = ApiKeyFactory().key
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.django_db(transaction=True)
def test_the_snippet_of_the_readme_on_an_empty_server(sdk: Path, live_server: Any) -> None:
    said = run(sdk, SNIPPET, live_server.url)
    event: Any = Event.objects.select_related("app", "user", "session").get()
    assert (event.app.name, event.user.name, event.session.name) == ("my-app", "user-123", "session-456")
    assert event.content == said["message"]["content"] == "I want to automate my invoicing workflow"
    assert said["message"]["id"] == event.public_id
    assert said["context"]["session_id"] == event.session.public_id
    assert said["context"]["behind"]["events"] == 1


@pytest.mark.django_db(transaction=True)
def test_every_call_that_the_loop_needs(sdk: Path, live_server: Any) -> None:
    assert run(sdk, EVERY_CALL, live_server.url) == {
        "app": ["my app & co", True, True],
        "apps": 1,
        "renamed": {"a": 1},
        "conflict": 409,
        "user": ["ann", True, True],
        "session": [True, {"c": 3}],
        "batch": ["message 0", "message 1", "message 2"],
        "listed": True,
        "one": [False, True],
        "filtered": ["message 2"],
        "changed": {"d": 4},
        "deleted": {"message": "Session deleted successfully"},
        "active": 0,
        "missing": "Message not found",
        "wrong key": "Invalid access token",
    }
    assert App.objects.get().name == "renamed"
