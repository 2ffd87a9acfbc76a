"""Collections and documents, as the clients of the apps era ask for them; and what was concluded, seen as one."""

from typing import Any
from urllib.parse import urlencode

import pytest

from memory.models import Collection, Conclusion, Document, Event, User
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused
from tests.factories import (
    ApiKeyFactory,
    CollectionFactory,
    DocumentFactory,
    EventFactory,
    SessionFactory,
    UserFactory,
)
from tests.store import helpers


def shelf(row: Collection) -> str:
    return f"{path_of(row.user)}/collections/{row.name}"


def contents(documents: list[dict[str, Any]]) -> list[str]:
    return [document["content"] for document in documents]


def test_a_collection_is_made_found_changed_and_deleted(operator: Agent) -> None:
    user = UserFactory()
    path = f"{path_of(user)}/collections"
    made = operator.post(path, {"name": "notes", "metadata": {"a": 1}})
    assert (made["name"], made["metadata"], made["user_id"], made["app_id"]) == (
        "notes", {"a": 1}, user.public_id, user.app.public_id,
    )  # fmt: skip
    for way in (f"?collection_id={made['id']}", "?collection_id=notes", "/name/notes", f"/{made['id']}", "/notes"):
        assert operator.get(f"{path}{way}") == made
    assert operator.put(f"{path}/notes", {"metadata": {"b": 2}}) == made | {"metadata": {"b": 2}}
    assert operator.put(f"{path}/{made['id']}", {"name": "ideas"})["name"] == "ideas"
    DocumentFactory(collection=Collection.objects.get())
    gone = operator.send("DELETE", f"{path}/ideas")
    assert gone.json() == {"message": "Collection deleted successfully"}
    assert not Collection.objects.exists()
    assert not Document.objects.exists()
    refused(operator.send("GET", f"{path}/ideas"), 404, "not_found")


def test_names_are_unique_for_a_user(operator: Agent, row_counts: RowCounts) -> None:
    first = CollectionFactory()
    CollectionFactory(name=first.name)  # another user's
    second = CollectionFactory(user=first.user)
    stood = row_counts()
    response = operator.send("POST", f"{path_of(first.user)}/collections", {"name": first.name})
    refused(response, 409, "conflict")
    assert response["x-should-retry"] == "false"
    refused(operator.send("PUT", shelf(second), {"name": first.name}), 409, "conflict")
    assert row_counts() == stood


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 1}, {"name": "a/b"}, {"name": "a", "metadata": []}])
def test_a_collection_that_cannot_be_is_refused(operator: Agent, row_counts: RowCounts, body: Any) -> None:
    user = UserFactory()
    stood = row_counts()
    refused(operator.send("POST", f"{path_of(user)}/collections", body), 422, "invalid")
    assert row_counts() == stood


def test_making_a_collection_makes_the_user_that_it_names(operator: Agent) -> None:
    operator.post("/v1/apps/new/users/ann/collections", {"name": "notes"})
    assert User.objects.get().name == "ann"


def test_collections_are_listed_by_page_and_metadata(operator: Agent) -> None:
    user = UserFactory()
    for n in range(3):
        CollectionFactory(user=user, name=f"c{n}", metadata={"even": n % 2 == 0})
    CollectionFactory()
    path = f"{path_of(user)}/collections/list"
    page = operator.post(f"{path}?size=2&page=2&reverse=true")
    assert ([row["name"] for row in page["items"]], page["total"], page["pages"]) == (["c0"], 3, 2)
    assert [row["name"] for row in operator.post(path, {"filter": {"even": True}})["items"]] == ["c0", "c2"]


def test_a_document_is_made_found_changed_and_deleted(operator: Agent) -> None:
    collection = CollectionFactory()
    path = f"{shelf(collection)}/documents"
    made = operator.post(path, {"content": "Invoices are due.", "metadata": {"a": 1}})
    assert {key: made[key] for key in ("content", "metadata", "collection_id", "user_id", "app_id")} == {
        "content": "Invoices are due.",
        "metadata": {"a": 1},
        "collection_id": collection.public_id,
        "user_id": collection.user.public_id,
        "app_id": collection.app.public_id,
    }
    one = f"{path}/{made['id']}"
    assert operator.get(one) == made
    assert operator.put(one, {"content": "They are paid."}) == made | {"content": "They are paid."}
    changed = operator.put(one, {"metadata": {"b": 2}})
    assert changed == made | {"content": "They are paid.", "metadata": {"b": 2}}
    assert operator.put(one, {}) == changed
    assert operator.send("DELETE", one).json() == {"message": "Document deleted successfully"}
    for method in ("GET", "DELETE"):
        refused(operator.send(method, one), 404, "not_found")
    refused(operator.send("PUT", one, {"content": "x"}), 404, "not_found")


@pytest.mark.parametrize(
    "body", [{}, {"content": ""}, {"content": "x" * 100_001}, {"content": None}, {"content": "a\x00"}]
)
def test_a_document_that_cannot_be_is_refused(operator: Agent, row_counts: RowCounts, body: Any) -> None:
    document = DocumentFactory()
    stood = row_counts()
    path = f"{shelf(document.collection)}/documents"
    refused(operator.send("POST", path, body), 422, "invalid")
    if body.get("content") is not None:
        refused(operator.send("PUT", f"{path}/{document.public_id}", body), 422, "invalid")
    assert row_counts() == stood


def test_a_document_of_another_collection_is_not_found(operator: Agent) -> None:
    document = DocumentFactory()
    other = CollectionFactory(user=document.collection.user)
    refused(operator.send("GET", f"{shelf(other)}/documents/{document.public_id}"), 404, "not_found")


def test_documents_are_listed_by_page_and_metadata(operator: Agent) -> None:
    collection = CollectionFactory()
    for n in range(3):
        DocumentFactory(collection=collection, content=f"d{n}", metadata={"n": n})
    path = f"{shelf(collection)}/documents/list"
    assert contents(operator.post(f"{path}?size=2")["items"]) == ["d0", "d1"]
    assert contents(operator.post(f"{path}?reverse=true", {"filter": {"n": 1}})["items"]) == ["d1"]


@pytest.fixture
def library(db: None) -> Collection:
    """A collection of documents that differ."""
    collection = CollectionFactory()
    for number, content in enumerate(
        ["Invoices are due within 30 days.", "Die Rechnung kommt per Post.", "Trains leave at noon.",
         "An invoice names the train.", "Cats sleep."]
    ):  # fmt: skip
        DocumentFactory(collection=collection, content=content, metadata={"n": number})
    return collection


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("when are invoices due?", "Invoices are due within 30 days."),
        ("wann kommt die rechnung", "Die Rechnung kommt per Post."),
        ("train or invoice", "An invoice names the train."),
        ("sleeping cat", "Cats sleep."),
        ("!!", None),
        ("or", None),
    ],
)
def test_a_query_ranks_and_always_answers_with_as_many_as_are_wanted(
    operator: Agent, library: Collection, query: str, first: str | None
) -> None:
    path = f"{shelf(library)}/documents/query"
    found = operator.post(path, {"query": query})
    assert len({document["id"] for document in found}) == 5
    assert first in (None, found[0]["content"])
    assert operator.post(path, {"query": query, "top_k": 2}) == found[:2]
    assert operator.post(path, {"query": query, "filter": {"n": 3}})[0]["content"] == "An invoice names the train."
    assert operator.post(path, {"query": query, "filter": {"n": 9}}) == []


def test_the_oldest_clients_ask_in_the_query(operator: Agent, library: Collection) -> None:
    path = f"{shelf(library)}/documents/query"
    asked = urlencode({"query": "invoices due", "top_k": "1", "filter": '{"n": 0}'})
    assert contents(operator.get(f"{path}?{asked}")) == ["Invoices are due within 30 days."]
    for wrong in ("query=x&filter={", "query=x&filter=1", "query=x&top_k=51", "query=x&top_k=two", "top_k=1"):
        refused(operator.send("GET", f"{path}?{wrong}"), 422, "invalid")


@pytest.mark.parametrize(
    "body",
    [{}, {"query": ""}, {"query": "x" * 1_001}, {"query": "x", "top_k": 0}, {"query": "x", "top_k": 51},
     {"query": "x", "top_k": "5"}, {"query": "x", "filter": []}],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused(operator: Agent, library: Collection, body: Any) -> None:
    refused(operator.send("POST", f"{shelf(library)}/documents/query", body), 422, "invalid")


@pytest.fixture
def known(db: None) -> Event:
    """An event, and two statements about its user that rest on it."""
    event = EventFactory(session=SessionFactory(owner=UserFactory(name="ann")))
    publish(event.user, ["Prefers trains.", "Lives in Porto."], [event])
    return event


def facts(event: Event) -> str:
    return f"{path_of(event.user)}/collections/honcho"


def test_what_was_concluded_is_read_as_a_collection(operator: Agent, known: Event) -> None:
    CollectionFactory(user=known.user, name="notes")
    collection = operator.get(f"{path_of(known.user)}/collections/name/honcho")
    listed = operator.post(f"{path_of(known.user)}/collections/list")
    assert ([row["name"] for row in listed["items"]], listed["total"]) == (["honcho", "notes"], 2)
    assert listed["items"][0] == collection
    reverse = operator.post(f"{path_of(known.user)}/collections/list?reverse=true&size=1&page=2")
    assert [row["name"] for row in reverse["items"]] == ["honcho"]
    by_id = f"{path_of(known.user)}/collections/{collection['id']}"
    assert operator.get(by_id) == collection
    documents = operator.post(f"{by_id}/documents/list")["items"]
    assert contents(documents) == ["Prefers trains.", "Lives in Porto."]
    assert documents[0]["metadata"] == {"level": "explicit", "importance": 3, "pinned": False}
    assert documents[0]["collection_id"] == collection["id"]
    assert operator.get(f"{by_id}/documents/{documents[0]['id']}") == documents[0]
    assert contents(operator.post(f"{by_id}/documents/query", {"query": "porto", "top_k": 1})) == ["Lives in Porto."]
    assert operator.post(f"{by_id}/documents/list", {"filter": {"pinned": True}})["items"] == []
    assert not Document.objects.exists()


def test_before_anything_was_concluded_the_collection_is_empty_and_not_listed(operator: Agent) -> None:
    user = UserFactory()
    assert operator.post(f"{path_of(user)}/collections/list")["items"] == []
    assert operator.post(f"{path_of(user)}/collections/honcho/documents/list")["items"] == []


def test_a_document_that_is_deleted_there_is_retracted(operator: Agent, known: Event) -> None:
    [first, second] = operator.post(f"{facts(known)}/documents/list")["items"]
    operator.send("DELETE", f"{facts(known)}/documents/{first['id']}")
    assert operator.post(f"{facts(known)}/documents/list")["items"] == [second]
    assert Conclusion.objects.get(content="Prefers trains.").retracted
    refused(operator.send("GET", f"{facts(known)}/documents/{first['id']}"), 404, "not_found")
    refused(operator.send("DELETE", f"{facts(known)}/documents/{first['id']}"), 404, "not_found")


def test_other_words_for_a_document_there_correct_the_statement(operator: Agent, known: Event) -> None:
    [first, _] = operator.post(f"{facts(known)}/documents/list")["items"]
    changed = operator.put(f"{facts(known)}/documents/{first['id']}", {"content": "Prefers ferries."})
    assert changed["id"] != first["id"]
    assert changed["metadata"]["pinned"] is True
    context = operator.get(f"{path_of(known.user)}/context")["context"]
    assert "Prefers ferries" in context
    assert "Prefers trains" not in context


def test_a_document_that_is_added_there_is_a_statement_that_stands(operator: Agent, known: Event) -> None:
    added = operator.post(f"{facts(known)}/documents", {"content": "Sails on Sundays.", "metadata": {}})
    assert operator.get(f"{facts(known)}/documents/{added['id']}") == added
    assert Conclusion.objects.get(content="Sails on Sundays.").pinned


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/collections", {"name": "honcho"}),
        ("PUT", "/collections/notes", {"name": "honcho"}),
        ("PUT", "/collections/honcho", {"name": "other"}),
        ("PUT", "/collections/honcho", {"metadata": {"a": 1}}),
        ("DELETE", "/collections/honcho", None),
        ("POST", "/collections/honcho/documents", {"content": "Sails.", "metadata": {"a": 1}}),
        ("POST", "/collections/honcho/documents", {"content": "x" * 1_001}),
    ],
)
def test_what_the_reserved_collection_does_not_allow(
    operator: Agent, known: Event, row_counts: RowCounts, method: str, path: str, body: Any
) -> None:
    CollectionFactory(user=known.user, name="notes")
    stood = row_counts()
    refused(operator.send(method, f"{path_of(known.user)}{path}", body), 422, "invalid")
    assert row_counts() == stood


@pytest.mark.django_db
def test_the_database_keeps_the_reserved_name_and_the_tenants_apart() -> None:
    here, there = CollectionFactory(), CollectionFactory()
    refusals = [
        helpers.refused("UPDATE memory_collection SET name = 'honcho' WHERE id = %s", [here.pk]),
        helpers.refused("UPDATE memory_collection SET user_id = %s WHERE id = %s", [there.user_id, here.pk]),
        helpers.refused(
            "INSERT INTO memory_document (id, app_id, collection_id, content) VALUES (%s, %s, %s, 'x')",
            [here.pk, here.app_id, there.pk],
        ),
    ]
    names = ("collection_name_not_reserved", "collection_user_id_same_app", "document_collection_id_same_app")
    for name, refusal in zip(names, refusals, strict=True):
        assert name in refusal


@pytest.mark.django_db
def test_a_key_that_only_reads_changes_nothing(row_counts: RowCounts) -> None:
    document = DocumentFactory()
    agent = Agent(ApiKeyFactory(user=document.collection.user, read_only=True).key)
    stood, path = row_counts(), shelf(document.collection)
    assert agent.get(path)["id"] == document.collection.public_id
    assert len(agent.post(f"{path}/documents/query", {"query": "x"})) == 1
    for method, where, body in [
        ("POST", f"{path_of(document.collection.user)}/collections", {"name": "x"}),
        ("PUT", path, {"name": "x"}),
        ("DELETE", path, None),
        ("POST", f"{path}/documents", {"content": "x"}),
        ("PUT", f"{path}/documents/{document.public_id}", {"content": "x"}),
        ("DELETE", f"{path}/documents/{document.public_id}", None),
    ]:
        refused(agent.send(method, where, body), 403, "read_only")
    assert row_counts() == stood


@pytest.mark.django_db
def test_another_users_key_and_another_tenants_see_nothing() -> None:
    document = DocumentFactory()
    path = shelf(document.collection)
    here = UserFactory(app=document.app)
    for agent in (Agent(ApiKeyFactory(user=here).key), Agent(ApiKeyFactory(app=UserFactory().app).key)):
        for method, where in [("GET", path), ("POST", f"{path}/documents/list"), ("DELETE", path)]:
            refused(agent.send(method, where), 401, "out_of_scope")
    own = Agent(ApiKeyFactory(app=here.app).key)
    refused(own.send("GET", f"{path_of(here)}/collections/{document.collection.public_id}"), 404, "not_found")


@pytest.mark.django_db
def test_a_collections_key_opens_its_documents_and_nothing_else() -> None:
    document = DocumentFactory()
    collection = document.collection
    other = CollectionFactory(user=collection.user)
    agent = Agent(ApiKeyFactory(app=collection.app, collection=collection).key)
    path = f"{path_of(collection.user)}/collections"
    assert agent.get(path)["id"] == collection.public_id
    assert len(agent.post(f"{shelf(collection)}/documents/list")["items"]) == 1
    assert agent.post(f"{path}/{collection.public_id}/documents", {"content": "More."})["content"] == "More."
    for method, where in [
        ("POST", f"{path}/list"),
        ("POST", path),
        ("GET", shelf(other)),
        ("POST", f"{shelf(other)}/documents/list"),
        ("GET", f"{path}/honcho"),
        ("POST", f"{path_of(collection.user)}/metamessages/list"),
    ]:
        refused(agent.send(method, where, {"name": "x"}), 401, "out_of_scope")
