"""What a key opens, and what it does not."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memory import ids, keys, tenants
from memory.models import ApiKey, App, Collection, Event, Project, User
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory

MESSAGE = {"content": "x", "is_user": True}


@pytest.fixture
def session(db: None) -> Any:
    """A session ``talk`` of ``ann`` in ``tenant``, with a project ``work``."""
    app = AppFactory(name="tenant")
    made = SessionFactory(owner=UserFactory(app=app, name="ann"), name="talk")
    project = ProjectFactory(app=app, name="work")
    for thing in (made.owner, made, project):
        publish(thing, ["Likes the sea."], now="About Ann.")
    return made


def key_of(scope: str, session: Any, **more: Any) -> Agent:
    """Return an agent with a key of this scope around a session."""
    things = {
        "operator": {},
        "app": {"app": session.app},
        "user": {"user": session.owner},
        "session": {"session": session},
    }
    return Agent(ApiKeyFactory(**things[scope], **more).key)


# What each route asks for, narrowest first: a key of this scope or a wider one opens it.
ROUTES: list[tuple[str, str, str, Any]] = [
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/name/talk", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/get_or_create/talk", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions?session_id=talk", None),
    ("session", "PUT", "/v1/apps/tenant/users/ann/sessions/talk", {"metadata": {}}),
    ("session", "POST", "/v1/apps/tenant/users/ann/sessions/talk/messages", MESSAGE),
    ("session", "POST", "/v1/apps/tenant/users/ann/sessions/talk/messages/batch", {"messages": [MESSAGE]}),
    ("session", "POST", "/v1/apps/tenant/users/ann/sessions/talk/messages/list", {}),
    ("session", "POST", "/v1/apps/tenant/users/ann/sessions/talk/events", {"content": "x", "author": "ann"}),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/events", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/context", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/representation", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/representation/versions", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/representation/diff", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/representation/explain?conclusion=Likes", None),
    ("session", "GET", "/v1/apps/tenant/users/ann/sessions/talk/context?at=7d", None),
    ("session", "DELETE", "/v1/apps/tenant/users/ann/sessions/talk", None),
    ("user", "GET", "/v1/apps/tenant/users/ann", None),
    ("user", "GET", "/v1/apps/tenant/users?user_id=ann", None),
    ("user", "GET", "/v1/apps/tenant/users/name/ann", None),
    ("user", "GET", "/v1/apps/tenant/users/get_or_create/ann", None),
    ("user", "PUT", "/v1/apps/tenant/users/ann", {"metadata": {}}),
    ("user", "POST", "/v1/apps/tenant/users/ann/sessions", {}),
    ("user", "GET", "/v1/apps/tenant/users/ann/sessions/get_or_create/new", None),
    ("user", "POST", "/v1/apps/tenant/users/ann/sessions/list", {}),
    ("user", "POST", "/v1/apps/tenant/users/ann/sessions/brand-new/messages", MESSAGE),
    ("user", "POST", "/v1/apps/tenant/users/ann/events", {"content": "x"}),
    ("user", "GET", "/v1/apps/tenant/users/ann/events", None),
    ("user", "GET", "/v1/apps/tenant/users/ann/context", None),
    ("user", "GET", "/v1/apps/tenant/users/ann/representation", None),
    ("user", "GET", "/v1/apps/tenant/users/ann/representation/versions/1", None),
    ("user", "GET", "/v1/apps/tenant/users/ann/representation/diff?from=7d", None),
    ("user", "GET", "/v1/apps/tenant/users/ann/representation/explain?conclusion=Likes", None),
    ("app", "GET", "/v1/apps/tenant", None),
    ("app", "GET", "/v1/apps?app_id=tenant", None),
    ("app", "GET", "/v1/apps/name/tenant", None),
    ("app", "GET", "/v1/apps/get_or_create/tenant", None),
    ("app", "PUT", "/v1/apps/tenant", {"metadata": {}}),
    ("app", "GET", "/v1/apps/tenant/queue", None),
    ("app", "POST", "/v1/apps/tenant/users", {"name": "new"}),
    ("app", "POST", "/v1/apps/tenant/users/list", {}),
    ("app", "GET", "/v1/apps/tenant/users/get_or_create/bob", None),
    ("app", "POST", "/v1/apps/tenant/users/bob/sessions/talk/messages", MESSAGE),
    ("app", "POST", "/v1/apps/tenant/users/ann/sessions/talk/events", {"content": "x", "author": "bob"}),
    ("app", "POST", "/v1/apps/tenant/users/ann/sessions/talk/events", {"content": "x", "project": "work"}),
    ("app", "POST", "/v1/apps/tenant/projects/work/events", {"content": "x"}),
    ("app", "GET", "/v1/apps/tenant/projects/work/events", None),
    ("app", "GET", "/v1/apps/tenant/projects/work/representation", None),
    ("app", "GET", "/v1/apps/tenant/projects/work/representation/diff?from=7d", None),
    ("app", "GET", "/v1/apps/tenant/projects/work/representation/explain?conclusion=Likes", None),
    ("app", "POST", "/v1/apps/tenant/users/ann/representation/rollback", {"to": 1, "reason": "x"}),
    ("operator", "POST", "/v1/apps", {"name": "another"}),
    ("operator", "POST", "/v1/apps/list", {}),
    ("operator", "GET", "/v1/apps/get_or_create/another", None),
    ("operator", "POST", "/v1/apps/another/users/ann/sessions/talk/messages", MESSAGE),
]
SCOPES = ["session", "user", "app", "operator"]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_what_lies_beneath_its_scope(
    session: Any, row_counts: RowCounts, scope: str, subtests: pytest.Subtests
) -> None:
    agent = key_of(scope, session)
    for needed, method, path, body in ROUTES:
        with subtests.test(f"{method} {path}"), undone():
            before = row_counts()
            response = agent.send(method, path, body)
            if SCOPES.index(scope) >= SCOPES.index(needed):
                assert response.status_code == 200, response.content
            else:
                refused(response, 401, "out_of_scope")
                assert response["WWW-Authenticate"] == "Bearer"
                assert response["x-should-retry"] == "false"
                assert row_counts() == before


def test_a_read_only_key_reads(session: Any, row_counts: RowCounts, subtests: pytest.Subtests) -> None:
    agent = key_of("operator", session, read_only=True)
    before = row_counts()
    for _, method, path, body in ROUTES:
        with subtests.test(f"{method} {path}"):
            response = agent.send(method, path, body)
            if method in ("PUT", "DELETE") or "get_or_create" in path or (method == "POST" and "/list" not in path):
                assert refused(response, 403, "read_only") == "This key can only read"
            else:
                assert response.status_code == 200, response.content
            assert row_counts() == before


@pytest.mark.parametrize("scope", SCOPES)
def test_what_rests_on_an_event_is_as_far_as_the_key_opens(session: Any, scope: str) -> None:
    event = EventFactory(session=session)
    agent = key_of(scope, session)
    for needed, path in [
        ("session", path_of(session)),
        ("user", path_of(session.owner)),
    ]:
        response = agent.send("GET", f"{path}/events/{event.public_id}/statements")
        if SCOPES.index(scope) >= SCOPES.index(needed):
            assert response.json()["items"] == []
        else:
            refused(response, 401, "out_of_scope")
    foreign = EventFactory()
    response = agent.send("GET", f"{path_of(foreign.session)}/events/{foreign.public_id}/statements")
    if scope != "operator":
        refused(response, 401, "out_of_scope")
    refused(agent.send("GET", f"{path_of(session)}/events/{foreign.public_id}/statements"), 404, "not_found")


@contextmanager
def undone() -> Iterator[None]:
    """Undo in the database what is done within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("scope", ["app", "user", "session"])
def test_ids_open_what_names_open(session: Any, scope: str) -> None:
    agent = key_of(scope, session)
    by_id = f"/v1/apps/{session.app.public_id}/users/{session.owner.public_id}/sessions/{session.public_id}/context"
    assert agent.get(by_id) == agent.get(f"{path_of(session)}/context")


def test_another_tenants_things_answer_like_what_does_not_exist(session: Any) -> None:
    foreign = EventFactory()
    agent = key_of("app", session)
    theirs = agent.send("GET", f"{path_of(foreign.session)}/messages/{foreign.public_id}")
    by_id = agent.send("GET", f"/v1/apps/{foreign.app.public_id}/users/{foreign.user.public_id}")
    nobodys = agent.send("GET", "/v1/apps/nobody/users/nobody")
    details = {refused(response, 401, "out_of_scope") for response in (theirs, by_id, nobodys)}
    assert len(details) == 1


def test_a_refusal_asks_nothing_of_the_tenants_tables(session: Any) -> None:
    agent = key_of("app", session)
    agent.get("/v1/apps/tenant")
    with CaptureQueriesContext(connection) as asked:
        refused(agent.send("GET", "/v1/apps/other/users/ann"), 401, "out_of_scope")
    assert len(asked) == 0


def test_a_name_that_looks_like_another_tenants_id_leads_nowhere(session: Any) -> None:
    foreign = EventFactory(content="secret").session
    tenants.change(session.app, name=foreign.app.public_id)
    tenants.change(session.owner, name=foreign.owner.public_id)
    agent = key_of("app", session)
    answered = agent.get(f"/v1/apps/{foreign.app.public_id}")
    assert answered["id"] == session.app.public_id
    page = agent.get(f"/v1/apps/{foreign.app.public_id}/users/{foreign.owner.public_id}/events")
    assert page["items"] == []


def test_a_user_whose_name_is_anothers_id_stays_within_itself(session: Any) -> None:
    bob = UserFactory(app=session.app)
    EventFactory(session=SessionFactory(owner=bob), content="secret")
    tenants.change(session.owner, name=bob.public_id)
    agent = key_of("user", session)
    assert agent.get(f"/v1/apps/tenant/users/{bob.public_id}")["id"] == session.owner.public_id
    assert agent.get(f"/v1/apps/tenant/users/{bob.public_id}/events")["items"] == []


def test_a_session_key_of_a_session_that_nobody_owns_opens_no_users_path(session: Any) -> None:
    shared, _ = tenants.make_session(session.app, None, "shared")
    tenants.join(shared, session.owner)
    agent = Agent(ApiKeyFactory(session=shared).key)
    path = f"/v1/apps/tenant/users/ann/sessions/{shared.public_id}/context"
    refused(agent.send("GET", path), 401, "out_of_scope")


def test_a_user_key_names_itself_alone_as_author(session: Any) -> None:
    agent = key_of("user", session)
    events = f"{path_of(session)}/events"
    for name in ("ann", session.owner.public_id):
        assert agent.post(events, {"content": "x", "author": name})["author"] == "ann"
    refused(agent.send("POST", events, {"content": "x", "author": "bob"}), 401, "out_of_scope")
    refused(agent.send("POST", events, {"content": "x", "project": "secret"}), 401, "out_of_scope")
    assert Event.objects.count() == 2
    assert not User.objects.filter(name="bob").exists()
    assert not Project.objects.filter(name="secret").exists()


def test_no_key(session: Any) -> None:
    response = Agent(None).send("GET", "/v1/apps/tenant")
    assert refused(response, 401, "not_authenticated") == "No access token provided"
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "Bearer ", "Bearer", "Basic {key}", "{key}", "Bearer {key}x", "Bearer \udcff\udcfe", "Bearer é"],
)
def test_a_key_that_is_none(session: Any, header: str) -> None:
    key = ApiKeyFactory().key
    response = Agent(None).send("GET", "/v1/apps/tenant", Authorization=header.format(key=key))
    assert refused(response, 401, "invalid_token") == "Invalid access token"


def test_the_schemes_name_has_no_case(session: Any) -> None:
    key = ApiKeyFactory().key
    assert Agent(None).get("/v1/apps/tenant", Authorization=f"bearer  {key}")["name"] == "tenant"


def test_a_revoked_key_is_refused(session: Any) -> None:
    row = ApiKeyFactory()
    agent = Agent(row.key)
    agent.get("/v1/apps/tenant")
    keys.revoke(row)
    assert refused(agent.send("GET", "/v1/apps/tenant"), 401, "invalid_token") == "Invalid access token"


def test_a_key_expires_even_while_it_is_remembered(session: Any) -> None:
    agent = Agent(ApiKeyFactory(expires_at=timezone.now() + timedelta(seconds=60)).key)
    agent.get("/v1/apps/tenant")
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        refused(agent.send("GET", "/v1/apps/tenant"), 401, "invalid_token")


def test_without_auth_everything_is_open(session: Any, settings: Any) -> None:
    settings.HONCHO = {**settings.HONCHO, "AUTH": False}
    assert Agent(None).post("/v1/apps/list", {})["total"] == 1
    assert Agent("anything").get("/v1/apps/tenant")["name"] == "tenant"
    refused(Agent(None).send("GET", "/v1/apps"), 401, "out_of_scope")


def made_by_command(*arguments: str) -> tuple[str, str]:
    """Run ``create_api_key``; return the last line of its output, and what it said beside."""
    out, err = io.StringIO(), io.StringIO()
    call_command("create_api_key", *arguments, stdout=out, stderr=err)
    return out.getvalue().splitlines()[-1], err.getvalue()


def test_the_command_makes_what_the_key_is_for(db: None) -> None:
    key, said = made_by_command("demo", "--scope", "app", "--app", "my-app")
    assert "Making what was missing of my-app" in said
    assert Agent(key).get("/v1/apps")["name"] == "my-app"
    row = ApiKey.objects.get()
    assert (row.name, row.scope, row.read_only, row.expires_at) == ("demo", "app", False, None)
    assert key not in (row.digest, row.prefix)
    assert made_by_command("again", "--scope", "app", "--app", "my-app")[1] == ""


def test_the_command_makes_keys_of_every_scope(db: None) -> None:
    operator, _ = made_by_command("o", "--scope", "operator", "--read-only", "--expires-days", "2")
    user, _ = made_by_command("u", "--scope", "user", "--app", "a", "--user", "ann")
    session, _ = made_by_command("s", "--scope", "session", "--app", "a", "--user", "ann", "--session", "talk")
    project, _ = made_by_command("p", "--scope", "project", "--app", "a", "--project", "pier", "--rate-per-minute", "9")
    collection = Collection.objects.create(app=App.objects.get(), user=User.objects.get(), name="notes")
    document, _ = made_by_command("c", "--scope", "collection", "--app", "a", "--user", "ann", "--collection", "notes")
    assert Agent(project).get("/v1/keys/self")["rate_per_minute"] == 9
    assert Agent(document).get("/v1/keys/self")["collection_id"] == collection.public_id
    assert Agent(operator).post("/v1/apps/list", {})["total"] == 1
    assert Agent(user).get("/v1/apps/a/users")["name"] == "ann"
    assert Agent(session).get("/v1/apps/a/users/ann/sessions")["name"] == "talk"
    row = ApiKey.objects.get(name="o")
    assert row.read_only
    assert row.expires_at is not None
    assert timedelta(days=1.99) < row.expires_at - timezone.now() < timedelta(days=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scope", "app"], "needs --app"),
        (["--scope", "user", "--app", "a"], "needs --user"),
        (["--scope", "session", "--app", "a", "--user", "u"], "needs --session"),
        (["--scope", "operator", "--app", "a"], "takes no --app"),
        (["--scope", "app", "--app", "a/b"], "A name holds no '/'"),
        (["--scope", "app", "--app", "a", "--expires-days", "-1"], "above 0"),
        (["--scope", "app", "--app", "a", "--expires-days", "nan"], "above 0"),
        (["--scope", "everything"], "invalid choice"),
    ],
)
def test_the_command_says_what_is_wrong(db: None, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        made_by_command("demo", *arguments)
    assert not ApiKey.objects.exists()
    assert not App.objects.exists()


def test_no_key_and_no_secret_is_in_an_answer(session: Any, row_counts: Callable[[], Any]) -> None:
    row = ApiKeyFactory(app=session.app)
    response = Agent(row.key).send("GET", "/v1/apps/other")
    assert row.key.encode() not in response.content
    assert ids.encode(session.app_id).encode() not in response.content


@pytest.mark.parametrize("scope", ["app", "user", "collection"])
def test_a_key_gives_what_it_is_for_no_other_name(session: Any, scope: str) -> None:
    """Else it could take a name before its owner does, and read what is written by it; or ask which names are taken."""
    other = {
        "app": lambda name: AppFactory(name=name),
        "user": lambda name: UserFactory(app=session.app, name=name),
        "collection": lambda name: Collection.objects.create(app=session.app, user=session.owner, name=name),
    }[scope]
    thing = {"app": session.app, "user": session.owner, "collection": other("papers")}[scope]
    other("taken")
    path = {
        "app": "/v1/apps/tenant",
        "user": "/v1/apps/tenant/users/ann",
        "collection": "/v1/apps/tenant/users/ann/collections/papers",
    }[scope]
    agent = Agent(ApiKeyFactory(**{scope: thing}).key)
    answers = [refused(agent.send("PUT", path, {"name": name}), 403, "own_name") for name in ("taken", "free")]
    assert answers[0] == answers[1]
    assert agent.put(path, {"name": thing.name, "metadata": {"a": 1}})["metadata"] == {"a": 1}
    wider = Agent(ApiKeyFactory(**({} if scope == "app" else {"app": session.app})).key)
    assert wider.put(path, {"name": "free"})["name"] == "free"


@pytest.mark.parametrize("scope", ["user", "session"])
def test_a_narrow_key_is_not_told_whether_the_app_has_an_author(session: Any, scope: str) -> None:
    UserFactory(app=session.app, name="bob")
    agent, events = key_of(scope, session), f"{path_of(session)}/events"
    assert (
        agent.get(f"{events}?author=bob") == agent.get(f"{events}?author=nobody") == {"items": [], "next_cursor": None}
    )
