"""The calls beside writing and reading context, each against the site."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from memory.models import Event
from reasoning.api import answering
from tests.api.conftest import publish

import honcho as package
from honcho import AsyncHoncho, Honcho, streams

APP = {"app_id": "my-app"}
USER = {**APP, "user_id": "ann"}
SESSION = {**USER, "session_id": "s1"}


@pytest.fixture
def known(honcho: Honcho) -> None:
    """Someone of whom something is known."""
    honcho.apps.users.sessions.messages.create(**SESSION, content="I drink green tea every morning", is_user=True)
    event = Event.objects.get()
    publish(event.user, ["Drinks green tea every morning."], [event])


@pytest.mark.usefixtures("known")
def test_search(honcho: Honcho) -> None:
    for found in (
        honcho.apps.search(**APP, query="tea"),
        honcho.apps.users.search(**USER, query="tea", limit=5, mode="lexical"),
    ):
        assert {item.type for item in found.items} == {"event", "conclusion"}
        assert all("tea" in item.highlights[0].text for item in found.items)
    only = honcho.apps.users.sessions.search(**SESSION, query="tea", in_=["events"], filters={"kind": "message"})
    assert only.items[0].event is not None
    assert "tea" in only.items[0].event.content


@pytest.mark.usefixtures("known")
def test_questions(honcho: Honcho, url: str, key: str) -> None:
    recalled = honcho.apps.users.query(
        **USER, query="What does Ann drink?", tokens=200, asked_at="2026-03-01T08:00:00Z"
    )
    assert "tea" in str(recalled)
    assert [item.type for item in recalled.items] == ["event"]  # which says what the statement says, and more
    assert all(item.sources and item.line in str(recalled) for item in recalled.items)
    reasoned = honcho.apps.users.sessions.query(**SESSION, query="What does Ann drink?", mode="reason")
    assert (reasoned.known, "tea" in str(reasoned), bool(reasoned.citations)) == (True, True, True)
    unknown = honcho.apps.users.query(**USER, query="submarines", mode="reason")
    assert (unknown.known, str(unknown), unknown.citations) == (False, "Not known.", [])
    with honcho.apps.users.query_stream(**USER, query="What does Ann drink?") as stream:
        texts = list(stream)
    assert "".join(texts) == stream.result().answer
    assert "tea" in honcho.apps.users.sessions.chat(**SESSION, queries="What does Ann drink?").content
    with honcho.apps.users.sessions.chat_stream(**SESSION, queries=["What does Ann drink?"]) as chat:
        assert "tea" in "".join(chat)

    async def ask() -> str:
        async with (
            AsyncHoncho(url, key) as client,
            client.apps.users.query_stream(**USER, query="What does Ann drink?") as answer,
        ):
            return "".join([text async for text in answer])

    assert asyncio.run(ask()) == "".join(texts)


def test_the_client_knows_how_the_site_ends_a_text_that_breaks_off() -> None:
    assert streams._BROKE_OFF == answering.BROKE_OFF


@pytest.mark.usefixtures("known")
def test_waiting_ends(honcho: Honcho) -> None:
    honcho.apps.users.sessions.messages.create(**SESSION, content="And coffee", is_user=True)
    context = honcho.apps.users.sessions.get_context(**SESSION, wait=0.05)
    assert context.behind.events > 0
    assert honcho.apps.users.query(**USER, query="tea", wait=0.05).mode == "recall"
    assert honcho.apps.users.representation.get(**USER, wait=0.05).version == 1


def test_collections_and_metamessages(honcho: Honcho) -> None:
    users = honcho.apps.users
    users.get_or_create("ann", app_id="my-app")
    shelf = users.collections.create(**USER, name="shelf", metadata={"a": 1})
    assert users.collections.get(**USER, collection_id=shelf.id) == users.collections.get_by_name("shelf", **USER)
    assert users.collections.update(**USER, collection_id=shelf.id, name="board").name == "board"
    assert [each.name for each in users.collections.list(**USER)] == ["board"]
    place = {**USER, "collection_id": shelf.id}
    document = users.collections.documents.create(**place, content="Tea is best at 80 degrees.", metadata={"k": 1})
    assert users.collections.documents.get(**place, document_id=document.id) == document
    assert [each.id for each in users.collections.documents.list(**place, filter={"k": 1})] == [document.id]
    assert users.collections.documents.query(**place, query="tea", top_k=1)[0].id == document.id
    assert users.collections.documents.update(**place, document_id=document.id, content="No tea.").content == "No tea."
    assert users.collections.documents.delete(**place, document_id=document.id).message
    assert users.collections.delete(**USER, collection_id=shelf.id).message
    note = users.metamessages.create(**USER, metamessage_type="mood", content="cheerful")
    assert users.metamessages.get(**USER, metamessage_id=note.id) == note
    assert users.metamessages.update(**USER, metamessage_id=note.id, metadata={"x": 1}).metadata == {"x": 1}
    assert [each.content for each in users.metamessages.list(**USER, metamessage_type="mood")] == ["cheerful"]


@pytest.mark.usefixtures("known")
def test_a_clone_has_the_same_messages(honcho: Honcho) -> None:
    copy = honcho.apps.users.sessions.clone(**SESSION)
    messages = honcho.apps.users.sessions.messages.list(**USER, session_id=copy.id)
    assert [message.content for message in messages] == ["I drink green tea every morning"]


def test_keys(honcho: Honcho, url: str) -> None:
    honcho.apps.users.get_or_create("ann", app_id="my-app")
    made = honcho.keys.create(name="reader", **USER, access="read", rate_per_minute=100)
    assert (made.scope, made.access) == ("user", "read")
    assert honcho.keys.get(made.id).key is None
    assert made.id in {each.id for each in honcho.keys.list(app_id="my-app")}
    with Honcho(url, made.key) as reader:
        assert reader.keys.current().id == made.id
        with pytest.raises(package.PermissionDeniedError):
            reader.apps.users.events.create(**USER, content="x")
        assert honcho.keys.revoke(made.id).revoked_at is not None
        with pytest.raises(package.AuthenticationError):
            reader.keys.current()


def test_webhooks(honcho: Honcho) -> None:
    honcho.apps.get_or_create("my-app")
    hooks = honcho.apps.webhooks
    made = hooks.create(**APP, url="https://93.184.216.34/hook", events=["representation.published"], description="d")
    place = {**APP, "webhook_id": made.id}
    assert (made.secret or "").startswith("whsec_")
    assert hooks.get(**place).secret is None
    assert [each.id for each in hooks.list(**APP)] == [made.id]
    assert hooks.update(**place, enabled=False).enabled is False
    assert hooks.rotate(**place).secret != made.secret
    hooks.update(**place, enabled=True)
    sent = hooks.test(**place)
    assert [each.id for each in hooks.deliveries(**place)] == [sent.id]
    assert hooks.replay(**place, delivery_id=sent.id).type == "webhook.test"
    assert hooks.delete(**place).message


@pytest.mark.usefixtures("known")
def test_export_import_and_erasure(honcho: Honcho, tmp_path: Path) -> None:
    file = tmp_path / "ann.jsonl"
    with honcho.apps.users.export(**USER) as export, file.open("wb") as out:
        out.writelines(export)
    assert export.result().counts["event"] == 1
    with file.open("rb") as lines:
        assert set(honcho.apps.import_(**APP, content=lines).imported.values()) <= {0}
    copied = honcho.apps.import_(app_id="copy", content=file.read_bytes(), ids="new")
    assert copied.imported["event"] == 1
    counted = honcho.apps.users.erase(**USER, dry_run=True)
    assert (counted.dry_run, counted.erased["events"]) == (True, 1)
    event = Event.objects.get(app__name="my-app")
    assert honcho.apps.users.sessions.events.erase(**SESSION, event_id=event.public_id).what == "event"
    assert honcho.apps.users.sessions.erase(**SESSION).what == "session"
    receipt = honcho.apps.users.erase(**USER, reason="asked for")
    assert (receipt.what, receipt.reason) == ("user", "asked for")
    assert len(list(honcho.apps.erasures.list(**APP))) == 3
    assert honcho.apps.erasures.get(**APP, erasure_id=str(receipt.id)).id == receipt.id
    assert not Event.objects.filter(app__name="my-app").exists()
    assert honcho.apps.erase(**APP).what == "app"


@pytest.mark.usefixtures("known")
def test_what_operators_do(honcho: Honcho) -> None:
    apps = honcho.apps
    assert apps.queue("my-app").not_taken_in >= 0
    prompt = next(iter(apps.prompts.list(**APP, kind="user")))
    made = apps.prompts.create(**APP, from_=prompt.name, message="the same, to compare")
    assert apps.prompts.get(**APP, prompt_id=made.name).instructions == made.instructions
    assert apps.prompts.diff(**APP, prompt_id=prompt.name, to=made.name)["unified"] == ""
    assert apps.prompts.move_label(**APP, kind="user", label="candidate", version=made.name, reason="r")["move"]
    assert apps.prompts.labels(**APP, kind="user")["labels"]
    assert apps.prompts.take_label_off(**APP, kind="user", label="candidate", reason="r")["move"]
    experiment = apps.experiments.create(**APP, name="e", candidates=[{"version": made.name, "share": 0.1}])
    which = {**APP, "experiment_id": experiment.id}
    assert apps.experiments.start(**which).state != experiment.state
    assert apps.experiments.ramp(**which, arm=made.name, share=0.2).arms[0].share == 0.2
    assert apps.experiments.measures(**which)["control"]
    assert apps.experiments.stop(**which, reason="enough").ended_at is not None
    assert [each.id for each in apps.experiments.list(**APP)] == [experiment.id]
    run = apps.reprocesses.create(**APP, prompt=made.name, reason="to see")
    assert apps.reprocesses.update(**APP, reprocess_id=run.id, limits={"token_budget": 5}).token_budget == 5
    assert list(apps.reprocesses.items(**APP, reprocess_id=run.id)) == []
    assert apps.reprocesses.cancel(**APP, reprocess_id=run.id).ended_at is not None
    assert [each.id for each in apps.reprocesses.list(**APP)] == [run.id]
    assert apps.rollbacks.create(**APP, prompt=made.name, dry_run=True).plan is not None
    assert list(apps.rollbacks.list(**APP)) == []
