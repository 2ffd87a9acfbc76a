"""What humans say of statements over HTTP: added, corrected, pinned, retracted, listed; and who may."""

from __future__ import annotations

from typing import Any

import pytest

from memory import ids, tenants
from memory.models import ApiKey, Correction, Event, Representation, User
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused, succeeded
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory

ANN = "/v1/apps/tenant/users/ann"
NUTS = "Ann is allergic to nuts."


@pytest.fixture
def session(db: None) -> Any:
    """A session ``talk`` of ``ann`` in ``tenant``, with a project ``work``."""
    app = AppFactory(name="tenant")
    made = SessionFactory(owner=UserFactory(app=app, name="ann"), name="talk")
    ProjectFactory(app=app, name="work")
    return made


def change(agent: Agent, path: str, body: Any) -> Any:
    return succeeded(agent.send("PATCH", path, body))


def delete(agent: Agent, path: str, body: Any = None) -> Any:
    return succeeded(agent.send("DELETE", path, body))


def contents(agent: Agent, place: str) -> list[str]:
    return sorted(item["content"] for item in agent.get(f"{place}/representation")["conclusions"])


def test_a_statement_is_added_and_read_at_once(session: Any, operator: Agent) -> None:
    body = {"content": NUTS, "importance": 5, "reason": "She said so on the phone", "about": "ann"}
    made = operator.post(f"{ANN}/conclusions", body)
    event = Event.objects.get(kind="correction")
    key = ApiKey.objects.get()
    assert made == {
        "id": made["id"],
        "content": NUTS,
        "level": "explicit",
        "about": "ann",
        "held_from": None,
        "held_until": None,
        "importance": 5,
        "pinned": True,
        "retracted": False,
        "standing": True,
        "since_version": 1,
        "sources": [event.public_id],
        "created_at": made["created_at"],
        "correction": {
            "act": "add",
            "by": f"key {key.public_id}",
            "reason": "She said so on the phone",
            "event_id": event.public_id,
            "version": 1,
            "conclusion_id": made["id"],
            "replaced_by": None,
            "created_at": made["correction"]["created_at"],
        },
    }
    assert NUTS.rstrip(".") in operator.get(f"{ANN}/context")["context"]
    assert operator.get(f"{ANN}/conclusions/{made['id']}") == made
    [told] = operator.get(f"{ANN}/events?kind=correction")["items"]
    assert (told["origin"], told["author"], told["data"]["act"]) == ("operator", None, "add")


def test_a_statement_is_corrected(session: Any, operator: Agent) -> None:
    event = EventFactory(session=session)
    publish(session.owner, ["Ann lives in Porto."], [event])
    [old] = operator.get(f"{ANN}/representation")["conclusions"]
    made = change(operator, f"{ANN}/conclusions/{old['id']}", {"content": "Ann lives in Lisbon.", "reason": "Moved"})
    assert (made["content"], made["pinned"], made["importance"]) == ("Ann lives in Lisbon.", True, 3)
    assert made["correction"]["conclusion_id"] == old["id"]
    assert made["correction"]["replaced_by"] == made["id"]
    assert contents(operator, ANN) == ["Ann lives in Lisbon."]
    gone = operator.get(f"{ANN}/conclusions/{old['id']}")
    assert (gone["standing"], gone["retracted"], gone["since_version"]) == (False, True, None)
    assert gone["correction"] == made["correction"]
    version = operator.get(f"{ANN}/representation/versions/2")
    assert [(item["content"], item["reason"], item["replaced_by"]) for item in version["retired"]] == [
        ("Ann lives in Porto.", "Moved", made["id"])
    ]
    detail = refused(
        operator.send("PATCH", f"{ANN}/conclusions/{old['id']}", {"content": "Ann lives in Rome."}), 409, "conflict"
    )
    assert "does not stand" in detail


def test_a_statement_is_pinned_weighed_and_let_go(session: Any, operator: Agent) -> None:
    event = EventFactory(session=session)
    publish(session.owner, ["Ann sews."], [event])
    [item] = operator.get(f"{ANN}/representation")["conclusions"]
    one = f"{ANN}/conclusions/{item['id']}"
    assert change(operator, one, {"pinned": True})["correction"]["act"] == "pin"
    assert change(operator, one, {"pinned": True, "importance": 1})["importance"] == 1
    let_go = change(operator, one, {"pinned": False, "reason": "Unsure"})
    assert (let_go["pinned"], let_go["standing"], let_go["correction"]["act"]) == (False, True, "unpin")


@pytest.mark.parametrize("place", [ANN, f"{ANN}/sessions/talk", "/v1/apps/tenant/projects/work"])
def test_a_statement_is_retracted_and_stays_out(session: Any, operator: Agent, place: str) -> None:
    EventFactory(session=session)
    made = operator.post(f"{place}/conclusions", {"content": NUTS})
    gone = delete(operator, f"{place}/conclusions/{made['id']}", {"reason": "Her sister is"})
    assert (gone["standing"], gone["retracted"], gone["pinned"]) == (False, True, False)
    assert gone["correction"]["reason"] == "Her sister is"
    assert contents(operator, place) == []
    rows = Representation.objects.count()
    assert delete(operator, f"{place}/conclusions/{made['id']}?reason=again") == gone, "it is out already"
    assert Representation.objects.count() == rows
    assert change(operator, f"{place}/conclusions/{made['id']}", {"pinned": True})["standing"]
    assert delete(operator, f"{place}/conclusions/{made['id']}?reason=no")["correction"]["reason"] == "no"


def test_what_a_path_names_is_made(session: Any, operator: Agent) -> None:
    for place in ("users/new", "users/new/sessions/first", "projects/spring"):
        path = f"/v1/apps/another/{place}/conclusions"
        assert operator.post(path, {"content": "The boat is red."})["standing"]
        assert len(operator.get(path)["items"]) == 1


def test_a_users_statement_as_another_sees_them(session: Any, operator: Agent) -> None:
    ben = UserFactory(app=session.app, name="ben")
    refused(operator.send("POST", f"{ANN}/conclusions?observer=ben", {"content": NUTS}), 404, "not_found")
    tenants.join(session, ben, observes_others=True)
    made = operator.post(f"{ANN}/conclusions?observer=ben", {"content": NUTS})
    assert contents(operator, ANN) == []
    assert operator.get(f"{ANN}/conclusions?observer=ben")["items"] == [made]
    refused(operator.send("GET", f"{ANN}/conclusions/{made['id']}"), 404, "not_found")
    assert not delete(operator, f"{ANN}/conclusions/{made['id']}?observer=ben")["standing"]


def test_the_list_has_filters_and_pages(session: Any, operator: Agent) -> None:
    event = EventFactory(session=session)
    publish(session.owner, ["Ann sews."], [event])
    [sews] = operator.get(f"{ANN}/conclusions")["items"]
    added = [operator.post(f"{ANN}/conclusions", {"content": f"Statement {number}."}) for number in range(4)]
    gone = delete(operator, f"{ANN}/conclusions/{added[0]['id']}")
    expected = [*reversed(added[1:]), gone, sews]

    def listed(query: str) -> list[Any]:
        items: list[Any] = operator.get(f"{ANN}/conclusions?{query}")["items"]
        return items

    assert listed("") == expected
    assert listed("standing=true") == [*reversed(added[1:]), sews]
    assert listed("standing=false") == listed("retracted=true") == [gone]
    assert listed("pinned=true") == list(reversed(added[1:]))
    assert listed("pinned=false") == [gone, sews]
    assert listed("standing=true&pinned=false") == [sews]
    pages, cursor = [], ""
    while True:
        page = operator.get(f"{ANN}/conclusions?limit=2{cursor}")
        pages.append(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item for page in pages for item in page] == expected
    for query in ("standing=perhaps", "limit=0", "cursor=!"):
        refused(operator.send("GET", f"{ANN}/conclusions?{query}"), 422, "invalid")


@pytest.mark.parametrize(
    ("scope", "origin", "author"),
    [("operator", "operator", None), ("app", "agent", None), ("user", "user", "ann"), ("session", "user", "ann")],
)
def test_who_says_so_is_kept(session: Any, scope: str, origin: str, author: str | None) -> None:
    things = {"app": session.app, "user": session.owner, "session": session}
    row = ApiKeyFactory(**({scope: things[scope]} if scope in things else {}))
    made = Agent(row.key).post(f"{ANN}/sessions/talk/conclusions", {"content": NUTS})
    event = Event.objects.select_related("author").get(kind="correction")
    assert (event.origin, event.author and event.author.name) == (origin, author)
    assert made["correction"]["by"] == f"key {row.public_id}"
    assert Correction.objects.get().by == f"key {row.public_id}"


def test_a_key_corrects_what_lies_beneath_its_scope(session: Any, row_counts: RowCounts) -> None:
    user, talk = Agent(ApiKeyFactory(user=session.owner).key), Agent(ApiKeyFactory(session=session).key)
    foreign = SessionFactory()
    others = [Agent(ApiKeyFactory(**{scope: thing}).key) for scope, thing in
              (("app", foreign.app), ("user", foreign.owner), ("session", foreign))]  # fmt: skip
    reader = Agent(ApiKeyFactory(app=session.app, read_only=True).key)
    made = user.post(f"{ANN}/conclusions", {"content": NUTS})
    one = f"{ANN}/conclusions/{made['id']}"
    UserFactory(app=session.app, name="ben")
    before = row_counts()
    for method, path, body in (
        ("POST", f"{ANN}/conclusions", {"content": "x"}),
        ("PATCH", one, {"pinned": False}),
        ("DELETE", one, None),
        ("GET", one, None),
        ("GET", f"{ANN}/conclusions", None),
    ):
        for agent in (*others, talk):
            refused(agent.send(method, path, body), 401, "out_of_scope")
        refused(Agent(None).send(method, path, body), 401, "not_authenticated")
        if method != "GET":
            refused(reader.send(method, path, body), 403, "read_only")
    refused(user.send("POST", "/v1/apps/tenant/projects/work/conclusions", {"content": "x"}), 401, "out_of_scope")
    refused(user.send("POST", f"{ANN}/conclusions?observer=ben", {"content": "x"}), 401, "out_of_scope")
    refused(user.send("POST", f"{ANN}/conclusions", {"content": "x", "about": "ben"}), 401, "out_of_scope")
    assert row_counts() == before
    assert reader.get(one) == made


def test_another_tenants_statement_is_none(session: Any, operator: Agent, row_counts: RowCounts) -> None:
    theirs = operator.post("/v1/apps/another/users/ann/conclusions", {"content": NUTS})
    agent = Agent(ApiKeyFactory(app=session.app).key)
    eve = User.objects.get(app__name="another")
    before = row_counts()
    for identifier in (theirs["id"], ids.encode(session.pk), "nothing"):
        for method, body in (
            ("GET", None),
            ("PATCH", {"content": "x"}),
            ("PATCH", {"pinned": False}),
            ("DELETE", None),
        ):
            refused(agent.send(method, f"{ANN}/conclusions/{identifier}", body), 404, "not_found")
    [problem] = refused(
        agent.send("POST", f"{ANN}/conclusions", {"content": "x", "about": eve.public_id}), 422, "invalid"
    )
    assert problem["loc"] == ["body", "about"]
    assert row_counts() == before


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["content"]),
        ({"content": ""}, ["content"]),
        ({"content": " "}, ["content"]),
        ({"content": 3}, ["content"]),
        ({"content": "x" * 1_001}, ["content"]),
        ({"content": "a\0b"}, ["content"]),
        ({"content": "x", "importance": 6}, ["importance"]),
        ({"content": "x", "importance": "5"}, ["importance"]),
        ({"content": "x", "importance": True}, ["importance"]),
        ({"content": "x", "about": 1}, ["about"]),
        ({"content": "x", "about": "nobody"}, ["about"]),
        ({"content": "x", "reason": 1}, ["reason"]),
        ({"content": "x", "reason": "x" * 2_001}, ["reason"]),
        ({"content": "x", "id": ""}, ["id"]),
        ({"content": "x", "id": 7}, ["id"]),
        ({"content": "x", "pinned": True}, ["pinned"]),
    ],
)
def test_what_cannot_be_added_is_named(
    session: Any, operator: Agent, row_counts: RowCounts, body: Any, where: Any
) -> None:
    before = row_counts()
    [problem] = refused(operator.send("POST", f"{ANN}/conclusions", body), 422, "invalid")
    assert problem["loc"] == ["body", *where]
    assert row_counts() == before


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, []),
        ({"reason": "why"}, []),
        ({"content": None}, []),
        ({"content": ""}, ["content"]),
        ({"pinned": "yes"}, ["pinned"]),
        ({"pinned": False, "content": "x"}, ["pinned"]),
        ({"pinned": False, "importance": 1}, ["pinned"]),
        ({"importance": 0}, ["importance"]),
        ({"about": "ann"}, ["about"]),
    ],
)
def test_what_cannot_be_changed_is_named(
    session: Any, operator: Agent, row_counts: RowCounts, body: Any, where: Any
) -> None:
    made = operator.post(f"{ANN}/conclusions", {"content": NUTS})
    before = row_counts()
    [problem] = refused(operator.send("PATCH", f"{ANN}/conclusions/{made['id']}", body), 422, "invalid")
    assert problem["loc"] == ["body", *where]
    assert row_counts() == before


def test_a_write_that_is_sent_again_is_not_done_again(session: Any, operator: Agent, row_counts: RowCounts) -> None:
    made = operator.post(f"{ANN}/conclusions", {"content": NUTS, "id": "n1"})
    before = row_counts()
    assert operator.post(f"{ANN}/conclusions", {"content": NUTS, "id": "n1"}) == made
    refused(operator.send("POST", f"{ANN}/conclusions", {"content": "Other.", "id": "n1"}), 409, "conflict")
    assert row_counts() == before
    one = f"{ANN}/conclusions/{made['id']}"
    for method, path, body in (
        ("POST", f"{ANN}/conclusions", {"content": "Ann sails."}),
        ("PATCH", one, {"content": "Ann is allergic to peanuts."}),
        ("DELETE", one, None),
    ):
        first = operator.send(method, path, body, **{"Idempotency-Key": method})
        succeeded(first)
        before = row_counts()
        again = operator.send(method, path, body, **{"Idempotency-Key": method})
        assert (again.content, again["Idempotent-Replay"]) == (first.content, "true")
        refused(
            operator.send(method, path, {"reason": "x"}, **{"Idempotency-Key": method}), 409, "idempotency_conflict"
        )
        assert row_counts() == before


def test_who_may_make_no_app_makes_none(session: Any, row_counts: RowCounts) -> None:
    agent = Agent(ApiKeyFactory(app=session.app).key)
    before = row_counts()
    refused(agent.send("POST", "/v1/apps/new/users/ann/conclusions", {"content": NUTS}), 401, "out_of_scope")
    assert row_counts() == before
    assert path_of(session.owner) == ANN
