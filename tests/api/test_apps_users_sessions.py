"""Apps, users and sessions, as the clients of the apps era ask for them."""

import re
from typing import Any

import pytest

from memory.models import App, Participant, Session, Subject, User
from tests.api.conftest import Agent, path_of, refused
from tests.factories import ApiKeyFactory, AppFactory, EventFactory, SessionFactory, UserFactory

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def known(shape: dict[str, Any], *generated: str) -> dict[str, Any]:
    """Return a shape without what the server makes up, which must look as it should."""
    assert re.fullmatch(r"[2-9A-HJ-NP-Za-km-z]{22}", shape["id"])
    assert MOMENT.fullmatch(shape["created_at"])
    return {key: value for key, value in shape.items() if key not in ("id", "created_at", *generated)}


def test_create_app(operator: Agent) -> None:
    made = operator.post("/v1/apps", {"name": "my-app", "metadata": {"tier": 1}})
    assert known(made) == {"name": "my-app", "metadata": {"tier": 1}}
    assert App.objects.get(name="my-app").public_id == made["id"]


def test_an_apps_name_is_taken_once(operator: Agent) -> None:
    AppFactory(name="my-app")
    response = operator.send("POST", "/v1/apps", {"name": "my-app"})
    assert refused(response, 409, "conflict") == "App with name 'my-app' already exists"
    assert response["x-should-retry"] == "false"


@pytest.mark.parametrize("path", ["/v1/apps/name/{name}", "/v1/apps/{name}", "/v1/apps/{id}", "/v1/apps?app_id={id}"])
def test_get_app(operator: Agent, path: str) -> None:
    app = AppFactory(metadata={"a": "ä"})
    answered = operator.get(path.format(name=app.name, id=app.public_id))
    assert answered["id"] == app.public_id
    assert known(answered) == {"name": app.name, "metadata": {"a": "ä"}}


def test_an_app_key_needs_not_say_which_app(db: None) -> None:
    app = AppFactory()
    assert Agent(ApiKeyFactory(app=app).key).get("/v1/apps")["id"] == app.public_id


def test_get_app_that_is_missing(operator: Agent) -> None:
    assert refused(operator.send("GET", "/v1/apps/name/nobody"), 404, "not_found") == "App not found"


def test_get_or_create_app(operator: Agent) -> None:
    first = operator.get("/v1/apps/get_or_create/Caf%C3%A9%20%26%20co")
    assert known(first) == {"name": "Café & co", "metadata": {}}
    assert operator.get("/v1/apps/get_or_create/Caf%C3%A9%20%26%20co") == first
    assert App.objects.count() == 1


def test_list_apps_is_a_page_in_the_order_of_creation(operator: Agent) -> None:
    apps = AppFactory.create_batch(3)
    page = operator.post("/v1/apps/list?size=2", {})
    assert [item["name"] for item in page.pop("items")] == [apps[0].name, apps[1].name]
    assert page == {"total": 3, "page": 1, "size": 2, "pages": 2}
    last = operator.post("/v1/apps/list?size=2&page=2&reverse=true", {"filter": None})
    assert [item["name"] for item in last["items"]] == [apps[0].name]


def test_a_page_beyond_the_last_is_empty(operator: Agent) -> None:
    AppFactory()
    assert operator.post("/v1/apps/list?page=9", {}) == {"items": [], "total": 1, "page": 9, "size": 50, "pages": 1}


def test_list_filters_by_what_metadata_contains(operator: Agent) -> None:
    wanted = AppFactory(metadata={"team": {"name": "red", "size": 3}})
    AppFactory(metadata={"team": {"name": "blue"}})
    page = operator.post("/v1/apps/list", {"filter": {"team": {"name": "red"}}})
    assert [item["id"] for item in page["items"]] == [wanted.public_id]
    assert page["total"] == 1


def test_update_replaces_metadata_wholly_and_keeps_what_is_absent(operator: Agent) -> None:
    app = AppFactory(metadata={"a": 1, "b": 2})
    assert known(operator.put(f"/v1/apps/{app.name}", {"metadata": {"c": 3}})) == {
        "name": app.name,
        "metadata": {"c": 3},
    }
    assert known(operator.put(f"/v1/apps/{app.public_id}", {"name": "renamed", "metadata": None})) == {
        "name": "renamed",
        "metadata": {"c": 3},
    }
    app.refresh_from_db()
    assert (app.name, app.metadata) == ("renamed", {"c": 3})


def test_renaming_to_a_taken_name_is_refused(operator: Agent) -> None:
    first, second = AppFactory.create_batch(2)
    refused(operator.send("PUT", f"/v1/apps/{second.name}", {"name": first.name}), 409, "conflict")
    user, other = UserFactory(app=first), UserFactory(app=first)
    refused(operator.send("PUT", path_of(other), {"name": user.name}), 409, "conflict")
    other.refresh_from_db()
    assert other.name != user.name


def test_create_user_makes_the_app_too(operator: Agent) -> None:
    made = operator.post("/v1/apps/my-app/users", {"name": "user-123"})
    app = App.objects.get(name="my-app")
    assert known(made) == {"name": "user-123", "app_id": app.public_id, "metadata": {}}
    assert Subject.objects.filter(kind="user", user__name="user-123").count() == 1


def test_a_users_name_is_taken_once_in_an_app(operator: Agent) -> None:
    user = UserFactory()
    refused(operator.send("POST", f"/v1/apps/{user.app.name}/users", {"name": user.name}), 409, "conflict")
    assert operator.post("/v1/apps/other-app/users", {"name": user.name})["name"] == user.name


@pytest.mark.parametrize("rest", ["name/{name}", "{name}", "{id}", "get_or_create/{name}"])
def test_get_user(operator: Agent, rest: str) -> None:
    user = UserFactory(metadata={"a": 1})
    answered = operator.get(f"/v1/apps/{user.app.name}/users/{rest.format(name=user.name, id=user.public_id)}")
    assert answered["id"] == user.public_id
    assert known(answered) == {"name": user.name, "app_id": user.app.public_id, "metadata": {"a": 1}}


def test_get_user_by_query_or_by_the_key(operator: Agent) -> None:
    user = UserFactory()
    users = f"/v1/apps/{user.app.name}/users"
    assert operator.get(f"{users}?user_id={user.public_id}")["id"] == user.public_id
    assert Agent(ApiKeyFactory(user=user).key).get(users)["id"] == user.public_id
    refused(operator.send("GET", users), 401, "out_of_scope")


def test_list_users_of_one_app(operator: Agent) -> None:
    user = UserFactory()
    UserFactory()
    page = operator.post(f"/v1/apps/{user.app.name}/users/list", {})
    assert [item["id"] for item in page["items"]] == [user.public_id]
    assert page["total"] == 1


def test_update_user(operator: Agent) -> None:
    user = UserFactory(metadata={"a": 1})
    answered = operator.put(path_of(user), {"metadata": {}})
    assert answered["metadata"] == {}
    user.refresh_from_db()
    assert user.metadata == {}


def test_create_session(operator: Agent) -> None:
    made = operator.post("/v1/apps/my-app/users/ann/sessions", {"metadata": {"topic": "x"}})
    owner = User.objects.get(name="ann")
    assert known(made) == {
        "name": None,
        "is_active": True,
        "user_id": owner.public_id,
        "app_id": owner.app.public_id,
        "metadata": {"topic": "x"},
    }
    assert Participant.objects.get(session__owner=owner).user_id == owner.pk
    again = operator.post("/v1/apps/my-app/users/ann/sessions", {})
    assert again["id"] != made["id"]


def test_a_sessions_name_is_taken_once_by_its_owner(operator: Agent) -> None:
    session = SessionFactory()
    sessions = f"{path_of(session.owner)}/sessions"
    refused(operator.send("POST", sessions, {"name": session.name}), 409, "conflict")
    assert operator.get(f"{sessions}/get_or_create/{session.name}")["id"] == session.public_id
    assert operator.get(f"{sessions}/name/{session.name}")["id"] == session.public_id
    assert operator.get(f"{sessions}/get_or_create/new one")["name"] == "new one"
    assert Session.objects.count() == 2


def test_get_session_by_query_by_id_and_by_the_key(operator: Agent) -> None:
    session = SessionFactory()
    sessions = f"{path_of(session.owner)}/sessions"
    expected = operator.get(f"{sessions}/{session.public_id}")
    assert expected["name"] == session.name
    assert operator.get(f"{sessions}?session_id={session.public_id}") == expected
    assert Agent(ApiKeyFactory(session=session).key).get(sessions) == expected
    refused(operator.send("GET", sessions), 401, "out_of_scope")


def test_a_session_of_another_user_is_not_found(operator: Agent) -> None:
    session = SessionFactory()
    other = UserFactory(app=session.owner.app)
    response = operator.send("GET", f"{path_of(other)}/sessions/{session.public_id}")
    assert refused(response, 404, "not_found") == "Session not found or does not belong to user"


def test_delete_ends_a_session_and_erases_nothing(operator: Agent) -> None:
    event = EventFactory()
    ended, going_on = event.session, SessionFactory(owner=event.user)
    response = operator.send("DELETE", path_of(ended))
    assert (response.status_code, response.json()) == (200, {"message": "Session deleted successfully"})
    assert operator.get(path_of(ended))["is_active"] is False
    assert [item["id"] for item in operator.post(f"{path_of(ended)}/messages/list", {})["items"]] == [event.public_id]
    sessions = f"{path_of(event.user)}/sessions/list"
    assert operator.post(sessions, {"is_active": False})["total"] == 2
    active = operator.post(sessions, {"is_active": True})
    assert [item["id"] for item in active["items"]] == [going_on.public_id]


def test_update_session(operator: Agent) -> None:
    session = SessionFactory(metadata={"a": 1})
    assert operator.put(path_of(session), {"metadata": {"b": 2}})["metadata"] == {"b": 2}
    assert operator.put(path_of(session), {})["metadata"] == {"b": 2}


def test_nobody_is_made_by_reading(operator: Agent) -> None:
    for path in ("", "/users/ann", "/users/ann/sessions/talk", "/users/ann/context", "/users/ann/events"):
        refused(operator.send("GET", f"/v1/apps/nowhere{path}"), 404, "not_found")
    assert not App.objects.exists()


def test_no_path_redirects_to_another(operator: Agent) -> None:
    app = AppFactory()
    assert operator.send("GET", f"/v1/apps/{app.name}/").status_code == 404
