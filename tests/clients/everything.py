"""Calls everything that an installed ``honcho-ai`` exposes and prints what it was answered, as JSON.

Run in a process of its own with that release on the path: ``everything.py NAME [async]``. What a release does not
expose is left out of what is printed, and so is not asked for; the test knows what that may be.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any

package: Any = importlib.import_module("honcho")
NAME = sys.argv[1]
ASYNCHRONOUS = "async" in sys.argv[2:]
HINT = {"of": NAME}
"""Metadata by which this run finds its own things."""

loop = asyncio.new_event_loop()
called: set[str] = set()


def a_client(**given: Any) -> Any:
    """Return the release's client, which reads key and address from the environment."""
    return (package.AsyncHoncho if ASYNCHRONOUS else package.Honcho)(**given)


def whole(answer: Any) -> Any:
    """Return an answer, waited for where the client is asynchronous."""
    return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer


client = a_client(base_url=os.environ["HONCHO_BASE_URL"])


def resources(thing: Any, path: str = "") -> Iterator[str]:
    """Walk what the client exposes: ``apps.users.create`` and so on."""
    for name in dir(thing):
        if name.startswith(("_", "with_")):
            continue
        part = getattr(thing, name, None)
        if "Resource" in type(part).__name__:
            yield from resources(part, f"{path}{name}.")
        elif path and inspect.ismethod(part):
            yield f"{path}{name}"


EXPOSED = frozenset(resources(client))


def has(path: str) -> bool:
    """Say whether the release exposes a call."""
    return path in EXPOSED


def call(path: str, **given: Any) -> Any:
    """Make a call with those of the arguments that it takes in this release."""
    called.add(path)
    method = attrgetter(path)(client)
    known = inspect.signature(method).parameters
    taken = {name: value for name, value in given.items() if name in known}
    if "filter" in taken and "str" in known["filter"].annotation.split("[")[1]:  # where it goes into the query
        taken["filter"] = json.dumps(taken["filter"])
    return whole(method(**taken))


def refused(do: Callable[[], Any]) -> Any:
    """Return the status and the words of the refusal that a call must meet."""
    try:
        do()
    except package.APIStatusError as error:
        detail = error.body["detail"]
        return [error.status_code, detail if isinstance(detail, str) else detail[0]["loc"]]
    return "not refused"


def listed_apps(own: Any) -> Any:
    """Ask for all apps, which only an operator's key opens."""
    return whole(own.apps.list())


def contents(items: Any) -> list[str]:
    return [item.content for item in items]


def names(items: Any) -> list[str]:
    return [item.name for item in items]


async def streamed(session_id: str, query: str, **given: Any) -> str:
    """Return the answer of a chat, read piece by piece as it comes."""
    answer = client.apps.users.sessions.with_streaming_response.chat(session_id, stream=True, **given)
    if ASYNCHRONOUS:
        async with answer as response:
            return "".join([piece async for piece in response.iter_text()])
    with answer as response:
        return "".join(response.iter_text())


said: dict[str, Any] = {}

# Apps
app = call("apps.get_or_create", name=f"{NAME} & co")
there = {"app_id": app.id}
said["app"] = [
    app.metadata,
    call("apps.get", **there).id == app.id,
    call("apps.get_by_name", name=app.name).id == app.id,
]
second = call("apps.create", name=f"{NAME} second", metadata=HINT)
said["app that is there"] = refused(lambda: call("apps.create", name=f"{NAME} second"))[0]
said["app renamed"] = call("apps.update", app_id=second.id, name=f"{NAME} other", metadata=HINT | {"a": 1}).metadata[
    "a"
]
said["app that is not there"] = refused(lambda: call("apps.get", app_id="missing"))
if has("apps.list"):
    found = call("apps.list", page=1, size=10, reverse=True, filter=HINT)
    said["apps"] = [names(found.items) == [f"{NAME} other"], found.total, found.page, found.size]

# Users
ann = call("apps.users.create", **there, name="ann", metadata={"b": 2})
bob = call("apps.users.get_or_create", **there, name="bob")
said["user"] = [
    ann.metadata,
    call("apps.users.get", **there, user_id=ann.id).name,
    call("apps.users.get_by_name", **there, name="ann").id == ann.id,
    call("apps.users.get_or_create", **there, name="ann").id == ann.id,
]
said["user that is there"] = refused(lambda: call("apps.users.create", **there, name="ann"))[0]
said["user changed"] = call("apps.users.update", **there, user_id=bob.id, name="rob", metadata={"c": 3}).name
said["users"] = names(call("apps.users.list", **there, reverse=True).items)
said["users found"] = names(call("apps.users.list", **there, filter={"b": 2}).items)
there["user_id"] = ann.id

# Sessions
session = call("apps.users.sessions.create", **there, metadata={"d": 4}, location_id="here")
ended = call("apps.users.sessions.create", **there, location_id="here")
said["session"] = [session.is_active, call("apps.users.sessions.get", **there, session_id=session.id).metadata]
said["session changed"] = call("apps.users.sessions.update", **there, session_id=session.id, metadata={"e": 5}).metadata
said["session ended"] = call("apps.users.sessions.delete", **there, session_id=ended.id)["message"]
said["sessions"] = [
    call("apps.users.sessions.list", **there).total,
    [each.id == session.id for each in call("apps.users.sessions.list", **there, is_active=True).items],
    call("apps.users.sessions.list", **there, filter={"e": 6}).total,
]
talk = there | {"session_id": session.id}

# Messages
MESSAGES = [{"content": f"message {n}", "is_user": n % 2 == 0, "metadata": {"n": n}} for n in range(3)]
if has("apps.users.sessions.messages.batch"):
    written = call("apps.users.sessions.messages.batch", **talk, messages=MESSAGES)
    said["batch"] = contents(written)
else:
    written = [call("apps.users.sessions.messages.create", **talk, **message) for message in MESSAGES]
last = call("apps.users.sessions.messages.create", **talk, content="I take the train.", is_user=True)
said["message"] = [last.content, last.is_user, last.session_id == session.id, last.created_at.year > 2000]
listed = call("apps.users.sessions.messages.list", **talk)
said["messages"] = [contents(listed.items), [each.is_user for each in listed.items], listed.total]
page = call("apps.users.sessions.messages.list", **talk, page=2, size=3, reverse=True)
said["page"] = [contents(page.items), page.page, page.size]
said["messages found"] = contents(call("apps.users.sessions.messages.list", **talk, filter={"n": 2}).items)
changed = call("apps.users.sessions.messages.update", **talk, message_id=last.id, metadata={"f": 6})
said["message changed"] = [
    changed.metadata, call("apps.users.sessions.messages.get", **talk, message_id=last.id).metadata,
]  # fmt: skip
said["message that is not there"] = refused(
    lambda: call("apps.users.sessions.messages.get", **talk, message_id="missing")
)
said["message too long"] = refused(
    lambda: call("apps.users.sessions.messages.create", **talk, content="x" * 50_001, is_user=True)
)

# Metamessages, of a user or, in older releases, of a session
NOTES = "apps.users.metamessages" if has("apps.users.metamessages.create") else "apps.users.sessions.metamessages"
about = talk | {"message_id": last.id}
note = call(f"{NOTES}.create", **about, content="calm", metamessage_type="mood", metadata={"g": 7})
said["metamessage"] = [
    note.content, note.metamessage_type, note.message_id == last.id,
    call(f"{NOTES}.get", **about, metamessage_id=note.id).id == note.id,
]  # fmt: skip
moved = call(f"{NOTES}.update", **about, metamessage_id=note.id, metamessage_type="tone", metadata={"h": 8})
said["metamessage changed"] = [moved.metamessage_type, moved.metadata]
said["metamessages"] = [
    contents(call(f"{NOTES}.list", **asked).items)
    for asked in (about, talk | {"metamessage_type": "tone"}, talk | {"metamessage_type": "mood"},
                  talk | {"filter": {"h": 8}})
]  # fmt: skip
if has("apps.users.metamessages.list"):
    said["metamessages of the user"] = contents(
        call("apps.users.metamessages.list", **there, metamessage_type="tone").items
    )
if has("apps.users.metamessages.create"):
    said["message without a session"] = refused(
        lambda: call(f"{NOTES}.create", **there, content="x", metamessage_type="m", message_id=last.id)
    )

# Collections and documents
SHELF = "apps.users.collections"
collection = call(f"{SHELF}.create", **there, name="notes", metadata={"i": 9})
books = there | {"collection_id": collection.id}
said["collection"] = [
    collection.metadata,
    call(f"{SHELF}.get", **books).name,
    call(f"{SHELF}.get_by_name", **there, name="notes").id == collection.id,
]
said["collection that is there"] = refused(lambda: call(f"{SHELF}.create", **there, name="notes"))[0]
said["reserved collection"] = refused(lambda: call(f"{SHELF}.create", **there, name="honcho"))
said["collection changed"] = call(f"{SHELF}.update", **books, name="ideas", metadata={"j": 10}).name
call(f"{SHELF}.create", **there, name="empty")
said["collections"] = [
    names(call(f"{SHELF}.list", **there, reverse=True).items),
    names(call(f"{SHELF}.list", **there, filter={"j": 10}).items),
]
TEXTS = ["Invoices are due within 30 days.", "Trains leave at noon.", "Cats sleep."]
documents = [
    call(f"{SHELF}.documents.create", **books, content=text, metadata={"n": n}) for n, text in enumerate(TEXTS)
]
paper = books | {"document_id": documents[2].id}
said["document"] = [
    call(f"{SHELF}.documents.get", **paper).content,
    # The server of that time failed here.
    call(f"{SHELF}.documents.update", **paper, content="Cats sleep a lot.", metadata={"n": 3}).content,
]
said["documents"] = [
    contents(call(f"{SHELF}.documents.list", **books).items),
    contents(call(f"{SHELF}.documents.list", **books, filter={"n": 1}).items),
]
QUERY = f"{SHELF}.documents.query" if has(f"{SHELF}.documents.query") else f"{SHELF}.query"
asked = {"query": "when are invoices due?"}
said["query"] = [
    contents(call(QUERY, **books, **asked, top_k=1)),
    sorted(contents(call(QUERY, **books, **asked))),
]
said["query filtered"] = contents(call(QUERY, **books, **asked, filter={"n": 1}))
said["document gone"] = [
    call(f"{SHELF}.documents.delete", **paper)["message"],
    refused(lambda: call(f"{SHELF}.documents.get", **paper))[0],
]
facts = call(f"{SHELF}.get_by_name", **there, name="honcho")
known = there | {"collection_id": facts.id}
fact = call(f"{SHELF}.documents.create", **known, content="Ann takes the train.")
CHAT, QUESTION = "apps.users.sessions.chat", "Does Ann take the train?"
ask = {"queries": QUESTION, "query": QUESTION}
said["chat"] = call(CHAT, **talk, **ask).content
if has("apps.users.sessions.stream"):
    said["streamed chat"] = call("apps.users.sessions.stream", **talk, **ask)
else:
    said["streamed chat"] = call(CHAT, **talk, **ask, stream=True)
    said["chat as it is written"] = whole(streamed(**talk, **ask))
if "queries" in inspect.signature(attrgetter(CHAT)(client)).parameters:
    said["chat of several questions"] = call(CHAT, **talk, queries=[QUESTION, "Where does Ann live?"]).content
# The server of that time answered this.
said["chat in a session that is not there"] = refused(lambda: call(CHAT, **there, session_id="missing", **ask))
said["facts"] = [
    contents(call(f"{SHELF}.documents.list", **known).items),
    contents(call(QUERY, **known, query="train")),
    call(f"{SHELF}.documents.update", **known, document_id=fact.id, content="Ann takes the ferry.").content,
]
[fact] = call(f"{SHELF}.documents.list", **known).items
call(f"{SHELF}.documents.delete", **known, document_id=fact.id)
said["facts after"] = contents(call(f"{SHELF}.documents.list", **known).items)

# Clones
CLONE = "apps.users.sessions.clone"
if has(CLONE):
    said["clone"] = []
    for given in ({}, {"message_id": written[1].id}, {"deep_copy": True}):
        copy = call(CLONE, **talk, **given)
        of_it = there | {"session_id": copy.id}
        notes = call(f"{NOTES}.list", **of_it).items
        said["clone"].append(
            [
                copy.metadata, copy.id != session.id,
                contents(call("apps.users.sessions.messages.list", **of_it).items), contents(notes),
            ]
        )  # fmt: skip
    said["clone up to what is not there"] = refused(lambda: call(CLONE, **talk, message_id="missing"))

# Keys
if has("keys.create"):
    said["keys"] = []
    for scope, path in (
        ({"app_id": app.id}, "apps.get"),
        (there, "apps.users.get"),
        (talk, "apps.users.sessions.get"),
        (books, "apps.users.collections.get"),
    ):
        key = call("keys.create", **scope, expires_at="2099-01-01T00:00:00Z")["key"]
        own = a_client(base_url=os.environ["HONCHO_BASE_URL"], api_key=key)
        *parents, thing = scope.values()
        named = dict(list(scope.items())[:-1])
        opened = whole(attrgetter(path)(own)(**named))
        said["keys"].append([opened.id == thing, refused(partial(listed_apps, own))[0]])
    said["key for nothing"] = refused(lambda: call("keys.create"))[0]

# The end
said["collection gone"] = [
    call(f"{SHELF}.delete", **books)["message"],
    refused(lambda: call(f"{SHELF}.get", **books))[0],
]
wrong = a_client(base_url=os.environ["HONCHO_BASE_URL"], api_key="wrong")
said["wrong key"] = refused(lambda: whole(wrong.apps.get_by_name(app.name)))
sys.stdout.write(json.dumps({"said": said, "not called": sorted(EXPOSED - called)}) + "\n")
