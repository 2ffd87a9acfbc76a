"""The clients of the apps era, unmodified, each in a process of its own, against a live server with keys on."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from memory.models import Collection, Event
from tests.clients import releases
from tests.clients.proxy import losing_answers
from tests.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).resolve().parent
MESSAGES = ["message 0", "message 1", "message 2", "I take the train."]
FACTS = ["Ann takes the train."]

EXPECTED: dict[str, Any] = {
    "app": [{}, True, True],
    "app that is there": 409,
    "app renamed": 1,
    "app that is not there": [404, "App not found"],
    "apps": [True, 1, 1, 10],
    "user": [{"b": 2}, "ann", True, True],
    "user that is there": 409,
    "user changed": "rob",
    "users": ["rob", "ann"],
    "users found": ["ann"],
    "session": [True, {"d": 4}],
    "session changed": {"e": 5},
    "session ended": "Session deleted successfully",
    "sessions": [2, [True], 0],
    "batch": MESSAGES[:3],
    "message": ["I take the train.", True, True, True],
    "messages": [MESSAGES, [True, False, True, True], 4],
    "page": [["message 0"], 2, 3],
    "messages found": ["message 2"],
    "message changed": [{"f": 6}, {"f": 6}],
    "message that is not there": [404, "Message not found"],
    "message too long": [422, ["body", "content"]],
    "metamessage": ["calm", "mood", True, True],
    "metamessage changed": ["tone", {"h": 8}],
    "metamessages": [["calm"], ["calm"], [], ["calm"]],
    "metamessages of the user": ["calm"],
    "message without a session": [422, ["body", "message_id"]],
    "collection": [{"i": 9}, "notes", True],
    "collection that is there": 409,
    "reserved collection": [422, ["body", "name"]],
    "collection changed": "ideas",
    "collections": [["empty", "ideas"], ["ideas"]],
    "document": ["Cats sleep.", "Cats sleep a lot."],
    "documents": [
        ["Invoices are due within 30 days.", "Trains leave at noon.", "Cats sleep a lot."],
        ["Trains leave at noon."],
    ],
    "query": [
        ["Invoices are due within 30 days."],
        ["Cats sleep a lot.", "Invoices are due within 30 days.", "Trains leave at noon."],
    ],
    "query filtered": ["Trains leave at noon."],
    "document gone": ["Document deleted successfully", 404],
    "chat": MESSAGES[3],
    "streamed chat": MESSAGES[3],
    "chat as it is written": MESSAGES[3],
    "chat of several questions": MESSAGES[3],
    "chat in a session that is not there": [404, "Session not found or does not belong to user"],
    "facts": [FACTS, FACTS, "Ann takes the ferry."],
    "facts after": [],
    "clone": [
        [{"e": 5}, True, MESSAGES, []],
        [{"e": 5}, True, MESSAGES[:2], []],
        [{"e": 5}, True, MESSAGES, ["calm"]],
    ],
    "clone up to what is not there": [404, "Message 'missing' not found in this session"],
    "keys": [[True, 401]] * 4,
    "key for nothing": 422,
    "collection gone": ["Collection deleted successfully", 404],
    "wrong key": [401, "Invalid access token"],
}

_LATER = {"apps", "message without a session", "keys", "key for nothing", "chat as it is written"}
_CLONES = {"clone", "clone up to what is not there"}
LACKS = {
    "0.0.8": _LATER | _CLONES | {"batch", "metamessages of the user", "chat of several questions"},
    "0.0.14": _LATER | _CLONES | {"batch", "metamessages of the user", "chat of several questions"},
    "0.0.15": _LATER | _CLONES | {"batch"},
    "0.0.16": _LATER | {"batch"},
    "0.0.17": _LATER | {"batch"},
    "0.0.18": _LATER | {"batch"},
    "0.0.19": _LATER,
    "0.1.0": set(),
    "0.2.0": set(),
}
"""What a release does not expose."""


CLIENTS = [*(f"python {number}" for number in releases.PYTHON), "python 0.2.0 async", "npm 0.2.0"]


def command(client: str) -> tuple[list[str], dict[str, str]]:
    """Return how a client's script is run, and what it must find in its environment to find the client."""
    kind, number, *more = client.split()
    if kind == "npm":
        return [releases.node(), str(HERE / "everything.cjs"), client], {"NODE_PATH": str(releases.node_modules())}
    return [sys.executable, "-S", str(HERE / "everything.py"), client, *more], {
        "PYTHONPATH": releases.python_path(number)
    }


def run(script: list[str], environment: dict[str, str]) -> Any:
    """Run a client with nothing of ours on its path, and return the JSON that it prints last."""
    environment = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def access(url: str) -> dict[str, str]:
    """The environment in which a client finds the server and its key, by all the names that clients look for."""
    key = ApiKeyFactory().key
    return {"HONCHO_BASE_URL": url, "HONCHO_API_KEY": key, "HONCHO_AUTH_TOKEN": key}


def test_everything_that_a_client_exposes_works(live_server: Any, subtests: Any) -> None:
    """All at once, each in apps of its own: one after the other they would take minutes."""
    server = access(live_server.url)
    with ThreadPoolExecutor(4) as pool:
        scripts = {client: command(client) for client in CLIENTS}
        runs = {client: pool.submit(run, script, by | server) for client, (script, by) in scripts.items()}
    for client, done in runs.items():
        number = client.split()[1]
        expected = {what: said for what, said in EXPECTED.items() if what not in LACKS[number]}
        if client.startswith("npm"):
            expected |= {"all pages": MESSAGES}
        with subtests.test(client):
            found = done.result()
            assert found["said"] == expected
            assert found["not called"] == []


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


def test_the_snippet_of_the_readme_works_on_an_empty_server(live_server: Any) -> None:
    environment = {"PYTHONPATH": releases.python_path("0.2.0")}
    said = run([sys.executable, "-S", "-c", SNIPPET], environment | access(live_server.url))
    event: Any = Event.objects.select_related("app", "user", "session").get()
    assert (event.app.name, event.user.name, event.session.name) == ("my-app", "user-123", "session-456")
    assert event.content == said["message"]["content"] == "I want to automate my invoicing workflow"
    assert said["message"]["id"] == event.public_id
    assert said["context"]["session_id"] == event.session.public_id
    assert said["context"]["behind"]["events"] == 1


WRITES = {
    "python": """
import json
from honcho import Honcho

honcho = Honcho()
place = {"app_id": "a", "user_id": "u"}
made = [honcho.apps.users.sessions.messages.create("s", **place, content="Twice.", is_user=True).id for _ in range(2)]
shelf = honcho.apps.users.collections.create("u", app_id="a", name="notes")
honcho.apps.users.collections.delete(shelf.id, **place)
print(json.dumps(made))
""",
    "npm": """
const Honcho = require("honcho-ai");
const honcho = new Honcho({ baseURL: process.env.HONCHO_BASE_URL });
(async () => {
  const made = [];
  for (let n = 0; n < 2; n += 1) {
    const message = { content: "Twice.", is_user: true };
    made.push((await honcho.apps.users.sessions.messages.create("a", "u", "s", message)).id);
  }
  const shelf = await honcho.apps.users.collections.create("a", "u", { name: "notes" });
  await honcho.apps.users.collections.delete("a", "u", shelf.id);
  console.log(JSON.stringify(made));
})();
""",
}


@pytest.mark.parametrize("client", ["python 0.0.15", "python 0.2.0", "npm 0.2.0"])
def test_a_write_whose_answer_is_lost_is_done_once(client: str, live_server: Any) -> None:
    """The first answer to each write never arrives; the client sends it again by itself."""
    kind = client.split()[0]
    [program, *_], found_by = command(client)
    script = [program, "-S", "-c", WRITES[kind]] if kind == "python" else [program, "-e", WRITES[kind]]
    with losing_answers(live_server.url) as (url, lost):
        made = run(script, found_by | access(url))
    assert len(lost) == 4
    assert made == [event.public_id for event in Event.objects.order_by("pk")]
    assert len(made) == 2
    assert not Collection.objects.exists()
