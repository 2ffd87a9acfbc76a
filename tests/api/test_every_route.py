"""Every route with every key that does not open it: nothing is seen, and nothing changes."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from memory import keys
from memory.models import Collection, Project, Session, User
from tests.api.conftest import Agent, refused
from tests.api.routes import ROUTES, Route, named, names, parts_of, path
from tests.factories import ApiKeyFactory, ProjectFactory, SessionFactory, UserFactory

__all__ = ["names"]

SESSION, USER, PROJECT, COLLECTION, APP, OPERATOR = "session", "user", "project", "collection", "app", "operator"

# Who opens what names no more than an app: each such route must stand here, so that a new one cannot be forgotten.
OF_APP = {
    APP: [
        "GET /v1/apps", "GET /v1/apps/{app}", "PUT /v1/apps/{app}", "GET /v1/apps/name/{app}",
        "GET /v1/apps/get_or_create/{app}", "POST /v1/apps/{app}/users", "GET /v1/apps/{app}/users",
        "POST /v1/apps/{app}/users/list", "GET /v1/apps/{app}/queue", "POST /v1/apps/{app}/search",
        "GET /v1/apps/{app}/export", "POST /v1/apps/{app}/import", "GET /v1/apps/{app}/erasures",
        "GET /v1/apps/{app}/erasures/{erasure}", "GET /v1/apps/{app}/webhooks", "POST /v1/apps/{app}/webhooks",
        "GET /v1/apps/{app}/webhooks/{webhook}", "PUT /v1/apps/{app}/webhooks/{webhook}",
        "DELETE /v1/apps/{app}/webhooks/{webhook}", "POST /v1/apps/{app}/webhooks/{webhook}/rotate",
        "POST /v1/apps/{app}/webhooks/{webhook}/test", "GET /v1/apps/{app}/webhooks/{webhook}/deliveries",
        "POST /v1/apps/{app}/webhooks/{webhook}/deliveries/{delivery}/replay",
    ],
    OPERATOR: [
        "POST /v1/apps", "POST /v1/apps/list", "DELETE /v1/apps/{app}",
        *(named(route) for route in ROUTES
          if route[1].startswith(tuple(f"/v1/apps/{{app}}/{what}"
                                       for what in ("prompts", "rollbacks", "experiments", "reprocesses")))),
    ],
}  # fmt: skip

OF_KEYS = {"POST /v1/keys", "GET /v1/keys", "GET /v1/keys/self", "GET /v1/keys/{key}", "DELETE /v1/keys/{key}"}
"""What asks of a key what it names in its body, or is answered by what the key is: ``test_key_making`` holds these."""

READING = (
    "/list", "/search", "/query", "/chat", "/chat/stream", "/diff", "/measures", "/items", "/assignment", "/sample",
)  # fmt: skip
"""The ends of addresses at which a POST only reads."""

WALKED = [route for route in ROUTES if named(route) not in OF_KEYS]


def contents() -> dict[str, str]:
    """What every table of ours holds, but for when a key was used last and how often."""
    tables = [
        model._meta.db_table for label in ("memory", "reasoning") for model in apps.get_app_config(label).get_models()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}', md5(coalesce(string_agg(row::text, ' ' ORDER BY row::text), '')) FROM {table} row"
                for table in tables
                if table not in ("memory_apikey", "memory_ratewindow")
            )
        )
        return dict(cursor.fetchall())


def strangers() -> dict[str, Agent]:
    """Keys of another tenant."""
    theirs = SessionFactory()
    project = ProjectFactory(app=theirs.app)
    papers = Collection.objects.create(app=theirs.app, user=theirs.owner, name="papers")
    return {
        kind: Agent(ApiKeyFactory(**{kind: thing}).key)
        for kind, thing in {
            APP: theirs.app, USER: theirs.owner, SESSION: theirs, PROJECT: project, COLLECTION: papers,
        }.items()
    }  # fmt: skip


def test_every_route_of_an_app_is_listed() -> None:
    listed = {route for routes in OF_APP.values() for route in routes}
    of_app = {named(route) for route in WALKED if not {USER, PROJECT} & set(parts_of(route))}
    assert of_app == listed
    assert len(ROUTES) >= 120


def test_another_tenants_key_sees_and_changes_nothing(names: dict[str, str], subtests: pytest.Subtests) -> None:
    agents = strangers()
    before = contents()
    for route in WALKED:
        with subtests.test(named(route)):
            if named(route) == "GET /v1/apps/get_or_create/{app}" or not parts_of(route):
                continue  # it names no app, or one by a name that the path below has
            answers = set()
            for agent in agents.values():
                for app in (names["app"], "nowhere"):
                    answers.add(refused(agent.send(route[0], path(route, names, app=app), {}), 401, "out_of_scope"))
            assert len(answers) == 1, "it answers alike whether there is such an app or not"
    assert contents() == before


@pytest.mark.parametrize("key", ["none", "unknown", "revoked"])
def test_no_key_and_a_revoked_one_see_and_change_nothing(
    names: dict[str, str], key: str, subtests: pytest.Subtests
) -> None:
    row = ApiKeyFactory()
    keys.revoke(row)
    agent = Agent({"none": None, "unknown": "hk_wrong", "revoked": row.key}[key])
    before = contents()
    for route in ROUTES:
        with subtests.test(named(route)):
            for body in (None, b"\xff{"):
                code = "not_authenticated" if key == "none" else "invalid_token"
                refused(agent.send(route[0], path(route, names), body), 401, code)
    assert contents() == before


def test_a_read_only_key_changes_nothing(names: dict[str, str], subtests: pytest.Subtests) -> None:
    agent = Agent(ApiKeyFactory(read_only=True).key)
    before = contents()
    for route in ROUTES:
        with subtests.test(named(route)):
            response = agent.send(route[0], path(route, names), {})
            if response.streaming:
                list(response.streaming_content)
            reads = route[0] == "GET" and "get_or_create" not in route[1] and not route[1].endswith("/clone")
            if reads or (route[0] == "POST" and route[1].endswith(READING)):
                assert response.status_code in (200, 401, 404, 422)
            else:
                refused(response, 403, "read_only")
    assert contents() == before


def narrow(kind: str) -> tuple[Agent, str]:
    """A key within the tenant of the routes that is of something else there, and what it is."""
    app = Session.objects.get(name="talk").app
    things: dict[str, Any] = {
        "another user": UserFactory(app=app),
        "another session": SessionFactory(owner=User.objects.get(name="ann")),
        "another project": ProjectFactory(app=app),
        "session": Session.objects.get(name="talk"),
        "project": Project.objects.get(name="work"),
        "collection": Collection.objects.get(name="papers"),
        "user": User.objects.get(name="ann"),
    }
    scope = kind.split()[-1]
    return Agent(ApiKeyFactory(**{scope: things[kind]}).key), scope


def beneath(route: Route, scope: str) -> bool:
    """Say whether a route names what a key of this scope is of."""
    return scope in parts_of(route)


@pytest.mark.parametrize(
    "kind", ["another user", "another session", "another project", "user", "session", "project", "collection"]
)
def test_a_narrow_key_opens_nothing_beside_its_own(names: dict[str, str], kind: str, subtests: pytest.Subtests) -> None:
    agent, scope = narrow(kind)
    before = contents()
    for route in WALKED:
        own = not kind.startswith("another") and beneath(route, scope)
        asks = path(route, names)
        if own or (not kind.startswith("another") and f"{scope}_id=" in asks):
            continue
        with subtests.test(named(route)):
            refused(agent.send(route[0], asks, {}), 401, "out_of_scope")
    assert contents() == before


def test_an_apps_key_does_nothing_that_is_an_operators(names: dict[str, str], subtests: pytest.Subtests) -> None:
    agent = Agent(ApiKeyFactory(app=Session.objects.get(name="talk").app).key)
    before = contents()
    for route in WALKED:
        if named(route) in OF_APP[OPERATOR]:
            with subtests.test(named(route)):
                refused(agent.send(route[0], path(route, names), {}), 401, "out_of_scope")
    assert contents() == before
