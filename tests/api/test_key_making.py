"""Keys over the API: who makes which, what is shown of them, and that the key itself is kept nowhere."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from memory import keys, tenants
from memory.api.urls import urlpatterns
from memory.models import ApiKey, Collection, User
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused, succeeded
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory

SHAPE = {
    "id", "name", "scope", "app_id", "user_id", "session_id", "project_id", "collection_id", "access", "prefix",
    "expires_at", "last_used_at", "revoked_at", "rate_per_minute", "created_by", "created_at",
}  # fmt: skip


@pytest.fixture
def world(db: None) -> dict[str, Any]:
    """Things of ``tenant``, by what names them."""
    session = SessionFactory(name="talk", owner=UserFactory(name="ann"))
    tenants.change(session.app, name="tenant")
    project = ProjectFactory(app=session.app, name="work")
    collection = Collection.objects.create(app=session.app, user=session.owner, name="notes")
    return {
        "app": session.app, "user": session.owner, "session": session, "project": project, "collection": collection,
    }  # fmt: skip


ASKED = {
    "app": {"app": "tenant"},
    "user": {"app": "tenant", "user": "ann"},
    "session": {"app": "tenant", "user": "ann", "session": "talk"},
    "project": {"app": "tenant", "project": "work"},
    "collection": {"app": "tenant", "user": "ann", "collection": "notes"},
}


def agent_of(scope: str, world: dict[str, Any], **more: Any) -> Agent:
    named = {part: world[part] for part in keys.NAMED[scope]}
    return Agent(keys.create("bot", scope, **named, **more)[1])


@pytest.mark.parametrize("scope", ["operator", *ASKED])
def test_an_operator_makes_keys_of_every_scope(operator: Agent, world: dict[str, Any], scope: str) -> None:
    asked = {"name": "bot", "scope": scope, **ASKED.get(scope, {})}
    made = operator.post("/v1/keys", asked)
    assert set(made) == {*SHAPE, "key"}
    check("/v1/keys", "post", made)
    assert (made["scope"], made["access"], made["name"]) == (scope, "write", "bot")
    for part in ASKED:
        expected = world[part].public_id if part in keys.NAMED[scope] else None
        assert made[f"{part}_id"] == expected
    own = Agent(made["key"]).get("/v1/keys/self")
    assert own["id"] == made["id"]
    assert "key" not in own
    assert own["last_used_at"] is not None


@pytest.mark.parametrize("scope", ["operator", *ASKED])
def test_an_apps_key_makes_those_of_its_app_and_no_other_key_makes_any(
    world: dict[str, Any], row_counts: RowCounts, scope: str, subtests: pytest.Subtests
) -> None:
    for maker in ASKED:
        with subtests.test(maker):
            agent = agent_of(maker, world)
            agent.get("/v1/keys/self")
            before = row_counts()
            answer = agent.send("POST", "/v1/keys", {"scope": scope, **ASKED.get(scope, {})})
            if maker == "app" and scope != "operator":
                assert succeeded(answer)["app_id"] == world["app"].public_id
            else:
                refused(answer, 401, "out_of_scope")
                assert row_counts() == before
    before = row_counts()
    read_only = agent_of("app", world, read_only=True)
    refused(read_only.send("POST", "/v1/keys", {"scope": scope, **ASKED.get(scope, {})}), 403, "read_only")
    assert row_counts()["memory_apikey"] == before["memory_apikey"] + 1, "the reader's own"


def test_an_apps_key_makes_none_in_another_app(world: dict[str, Any], row_counts: RowCounts) -> None:
    foreign = SessionFactory()
    agent = agent_of("app", world)
    before = row_counts()
    for app in (foreign.app.name, foreign.app.public_id, "new"):
        refused(agent.send("POST", "/v1/keys", {"scope": "app", "app": app}), 401, "out_of_scope")
        refused(agent.send("POST", f"/v1/keys?app_id={app}"), 401, "out_of_scope")
    assert row_counts() == before


def test_an_apps_key_need_not_name_its_app_and_makes_whom_it_names(world: dict[str, Any]) -> None:
    made = agent_of("app", world).post("/v1/keys", {"scope": "user", "user": "bob"})
    assert made["user_id"] == User.objects.get(name="bob", app=world["app"]).public_id
    assert Agent(made["key"]).get("/v1/apps/tenant/users")["name"] == "bob"


def test_a_key_holds_no_longer_and_may_do_no_more_than_its_maker(world: dict[str, Any]) -> None:
    until = timezone.now() + timedelta(hours=1)
    agent = agent_of("app", world, expires_at=until, rate_per_minute=50)
    made = agent.post("/v1/keys", {"scope": "user", "user": "ann"})
    row = ApiKey.objects.get(prefix=made["prefix"], scope="user")
    assert (row.expires_at, row.rate_per_minute) == (until, 50)
    maker = ApiKey.objects.get(scope="app", app=world["app"])
    assert row.created_by == f"key {maker.public_id}"
    later = (until + timedelta(seconds=1)).isoformat()
    for wrong in ({"expires_at": later}, {"rate_per_minute": 51}):
        [problem] = refused(agent.send("POST", "/v1/keys", {"scope": "user", "user": "ann", **wrong}), 422, "invalid")
        assert problem["loc"] == ["body", *wrong]


def test_the_apps_era_makes_keys_by_the_query(operator: Agent, world: dict[str, Any]) -> None:
    made = operator.post("/v1/keys?app_id=tenant&user_id=ann&expires_at=2099-01-01T00:00:00Z")
    assert (made["scope"], made["user_id"]) == ("user", world["user"].public_id)
    assert made["expires_at"] == "2099-01-01T00:00:00.000000Z"
    assert Agent(made["key"]).get("/v1/apps/tenant/users")["name"] == "ann"
    ids = {part: thing.public_id for part, thing in world.items()}
    for query, scope in [
        (f"app_id={ids['app']}", "app"),
        (f"app_id={ids['app']}&user_id={ids['user']}&session_id={ids['session']}", "session"),
        (f"app_id={ids['app']}&user_id={ids['user']}&collection_id={ids['collection']}", "collection"),
    ]:
        made = operator.post(f"/v1/keys?{query}")
        assert made["key"].startswith("hk_")
        assert made["scope"] == scope


def test_a_key_of_nothing_is_refused(operator: Agent, row_counts: RowCounts) -> None:
    before = row_counts()
    refused(operator.send("POST", "/v1/keys"), 422, "invalid")
    assert row_counts() == before


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({}, "scope"),
        ({"scope": "everything"}, "scope"),
        ({"scope": "app"}, "app"),
        ({"scope": "app", "app": "tenant", "user": "ann"}, "user"),
        ({"scope": "user", "app": "tenant"}, "user"),
        ({"scope": "session", "app": "tenant", "session": "talk"}, "user"),
        ({"scope": "operator", "app": "tenant"}, "app"),
        ({"scope": "app", "app": 7}, "app"),
        ({"scope": "app", "app": "a/b"}, "app"),
        ({"scope": "app", "app": "tenant", "name": "x" * 201}, "name"),
        ({"scope": "app", "app": "tenant", "name": 7}, "name"),
        ({"scope": "app", "app": "tenant", "access": "operator"}, "access"),
        ({"scope": "app", "app": "tenant", "expires_at": "soon"}, "expires_at"),
        ({"scope": "app", "app": "tenant", "rate_per_minute": 0}, "rate_per_minute"),
        ({"scope": "app", "app": "tenant", "rate_per_minute": "many"}, "rate_per_minute"),
        ({"scope": "app", "app": "tenant", "expires": None}, "expires"),
        ({"scope": ["app"], "app": "tenant"}, "scope"),
        ({"scope": "app", "app": "tenant", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_what_cannot_be_a_key_is_refused(
    operator: Agent, world: dict[str, Any], row_counts: RowCounts, asked: Any, where: str
) -> None:
    before = row_counts()
    [problem] = refused(operator.send("POST", "/v1/keys", asked), 422, "invalid")
    assert problem["loc"] == ["body", where]
    assert row_counts() == before


def test_keys_are_listed_page_by_page_without_what_opens_anything(operator: Agent, world: dict[str, Any]) -> None:
    agents = [agent_of(scope, world) for scope in ("app", "user", "project")]
    foreign = ApiKeyFactory(app=SessionFactory().app)
    everything = operator.get("/v1/keys")
    check("/v1/keys", "get", everything)
    assert len(everything["items"]) == 5
    assert all(agent.key not in json.dumps(everything) for agent in agents)
    own = agents[0].get("/v1/keys?limit=2")
    assert [item["scope"] for item in own["items"]] == ["project", "user"]
    rest = agents[0].get(f"/v1/keys?limit=2&cursor={own['next_cursor']}")
    assert [item["scope"] for item in rest["items"]] == ["app"]
    assert rest["next_cursor"] is None
    assert operator.get("/v1/keys?app=tenant")["items"] == agents[0].get("/v1/keys")["items"]
    refused(agents[0].send("GET", f"/v1/keys?app={foreign.app.name}"), 401, "out_of_scope")
    for agent in agents[1:]:
        refused(agent.send("GET", "/v1/keys"), 401, "out_of_scope")


def test_another_apps_key_answers_like_one_that_does_not_exist(world: dict[str, Any]) -> None:
    foreign = ApiKeyFactory(app=SessionFactory().app)
    operators = ApiKeyFactory()
    agent = agent_of("app", world)
    for method in ("GET", "DELETE"):
        details = {
            refused(agent.send(method, f"/v1/keys/{key}"), 404, "not_found")
            for key in (foreign.public_id, operators.public_id, "2" * 22, "nothing")
        }
        assert len(details) == 1
    assert keys.verify(foreign.key) is not None


def test_a_key_is_revoked_at_once(operator: Agent, world: dict[str, Any]) -> None:
    made = agent_of("app", world).post("/v1/keys", {"scope": "user", "user": "ann"})
    agent = Agent(made["key"])
    agent.get("/v1/apps/tenant/users/ann")
    reader = agent_of("app", world, read_only=True)
    refused(reader.send("DELETE", f"/v1/keys/{made['id']}"), 403, "read_only")
    revoked = succeeded(operator.send("DELETE", f"/v1/keys/{made['id']}"))
    check("/v1/keys/{key}", "delete", revoked)
    refused(agent.send("GET", "/v1/apps/tenant/users/ann"), 401, "invalid_token")
    assert succeeded(operator.send("DELETE", f"/v1/keys/{made['id']}")) == revoked
    assert operator.get(f"/v1/keys/{made['id']}")["revoked_at"] == revoked["revoked_at"] is not None


def everything_stored() -> str:
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT convert_to(t::text, 'UTF8') FROM \"{table}\" t")
            found += [bytes(row).decode(errors="replace") for (row,) in cursor.fetchall()]
        cursor.execute("SELECT convert_from(body, 'UTF8') FROM memory_keptanswer")
        return "\n".join([*found, *(body for (body,) in cursor.fetchall())])


def test_the_key_is_in_its_answer_and_nowhere_else(
    operator: Agent, world: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = operator.send("POST", "/v1/keys", {"scope": "app", "app": "tenant"}, **{"Idempotency-Key": "k-1"})
    key = succeeded(answer)["key"]
    assert answer["Cache-Control"] == "no-store"
    Agent(key).get("/v1/apps/tenant")
    secret = key[12:]
    stored = everything_stored()
    assert succeeded(answer)["id"] in stored, "the kept answer is looked at"
    assert secret not in stored
    assert secret not in caplog.text
    assert secret not in json.dumps(operator.get("/v1/keys"))


def test_a_key_that_is_made_again_with_its_idempotency_key_is_not_made_twice(
    operator: Agent, world: dict[str, Any]
) -> None:
    def make(**more: str) -> Any:
        return operator.send(
            "POST", "/v1/keys", {"scope": "app", "app": "tenant", **more}, **{"Idempotency-Key": "k-1"}
        )

    made = succeeded(make())
    count = ApiKey.objects.count()
    for _ in range(2):
        told = refused(make(), 409, "conflict")
        assert made["id"] in told
        assert made["key"] not in told
    refused(make(access="read"), 409, "idempotency_conflict")
    assert ApiKey.objects.count() == count


def test_a_projects_key_opens_the_project_and_nothing_else(world: dict[str, Any], row_counts: RowCounts) -> None:
    session = world["session"]
    event = EventFactory(session=session, project="work")
    for thing in (world["project"], world["user"], session):
        publish(thing, ["Sails."], [event] if thing is not world["user"] else [])
    other = ProjectFactory(app=world["app"], name="other")
    agent = agent_of("project", world)
    agent.get("/v1/keys/self")
    path = path_of(world["project"])
    for opened in ("representation", "events", "representation/versions", "representation/diff?from=7d", "conclusions"):
        agent.get(f"{path}/{opened}")
    agent.post(f"{path}/events", {"content": "Launched."})
    agent.post(f"{path}/conclusions", {"content": "Launched in May."})
    about = agent.get(f"{path}/events/{event.public_id}/statements")
    assert {item["subject"]["kind"] for item in about["items"]} == {"project"}
    before = row_counts()
    for method, closed, body in [
        ("GET", "/v1/apps/tenant", None),
        ("GET", path_of(other) + "/representation", None),
        ("GET", path_of(world["user"]), None),
        ("GET", path_of(session) + "/context", None),
        ("POST", path_of(session) + "/events", {"content": "x", "project": "work"}),
        ("POST", path + "/events", {"content": "x", "project": "other"}),
        ("POST", path + "/representation/rollback", {"to": 1, "reason": "x"}),
        ("GET", "/v1/keys", None),
        ("POST", "/v1/keys", {"scope": "project", "app": "tenant", "project": "work"}),
        ("POST", "/v1/apps/list", {}),
        ("GET", "/v1/apps/tenant/queue", None),
    ]:
        refused(agent.send(method, closed, body), 401, "out_of_scope")
    assert row_counts() == before


@pytest.mark.parametrize("scope", ["operator", "app", "user"])
def test_no_two_answers_to_what_is_no_key_differ(world: dict[str, Any], scope: str) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    named = {part: world[part] for part in keys.NAMED[scope]}
    revoked, gone = keys.create("a", scope, **named)
    keys.revoke(revoked)
    expired = keys.create("b", scope, **named, expires_at=past)[1]
    answers = set()
    for key in (gone, expired, "hk_" + "x" * 43, "nonsense"):
        response = Agent(key).send("GET", "/v1/apps/tenant")
        answers.add((refused(response, 401, "invalid_token"), response["WWW-Authenticate"]))
        assert "RateLimit-Limit" not in response
    assert len(answers) == 1


def test_a_collections_key_opens_its_documents_and_nothing_else(world: dict[str, Any], row_counts: RowCounts) -> None:
    other = Collection.objects.create(app=world["app"], user=world["user"], name="other")
    agent = agent_of("collection", world)
    path = path_of(world["user"])
    own = f"{path}/collections/notes"
    made = agent.post(f"{own}/documents", {"content": "Sails on Sundays."})
    assert agent.get(f"{own}/documents/{made['id']}")["content"] == "Sails on Sundays."
    assert agent.get(f"{path}/collections/{world['collection'].public_id}")["name"] == "notes"
    before = row_counts()
    for method, closed, body in [
        ("POST", f"{path}/collections/{other.public_id}/documents", {"content": "x"}),
        ("POST", f"{path}/collections/honcho/documents/list", {}),
        ("POST", f"{path}/collections/list", {}),
        ("POST", f"{path}/collections", {"name": "new"}),
        ("GET", path, None),
        ("GET", f"{path}/representation", None),
        ("GET", path_of(world["session"]), None),
        ("GET", "/v1/apps/tenant", None),
        ("POST", f"{path}/search", {"query": "x"}),
        ("GET", "/v1/keys", None),
    ]:
        refused(agent.send(method, closed, body), 401, "out_of_scope")
    assert row_counts() == before


def test_requests_are_counted_outside_of_what_a_site_wraps_them_in() -> None:
    views = [pattern.callback for pattern in urlpatterns]
    assert len(views) > 60
    assert all("default" in getattr(view, "_non_atomic_requests", ()) for view in views)
