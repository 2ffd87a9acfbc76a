"""Erasing over HTTP: who may, what it answers, and that a refusal changes nothing."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from memory import log, tenants
from memory.models import ApiKey, App, Erasure, Event, Session, User
from tests.api.conftest import Agent, RowCounts, operator, path_of, publish, refused, row_counts  # noqa: F401
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

EVENT = "/v1/apps/{app}/users/{user}/sessions/{session}/events/{event}"


def erased(agent: Agent, path: str) -> dict[str, object]:
    response = agent.send("DELETE", path)
    assert response.status_code == 200, response.content
    answer: dict[str, object] = json.loads(response.content)
    return answer


def test_an_event_is_erased_with_a_dry_run_and_a_receipt(operator: Agent, row_counts: RowCounts) -> None:  # noqa: F811
    event = EventFactory()
    publish(event.user, ["Prefers Python."], [event])
    path = f"{path_of(event.session)}/events/{event.public_id}"
    before = row_counts()
    plan = erased(operator, f"{path}?dry_run=true&reason=Asked")
    assert row_counts() == before
    receipt = erased(operator, f"{path}?reason=Asked")
    for answer in (plan, receipt):
        check(EVENT, "delete", answer)
    assert (plan["id"], plan["dry_run"], plan["created_at"]) == (None, True, None)
    assert receipt["erased"] == plan["erased"]
    assert receipt["subjects"] == plan["subjects"]
    assert (receipt["what"], receipt["target"], receipt["reason"]) == ("event", event.public_id, "Asked")
    app = f"/v1/apps/{event.app.name}"
    page = operator.get(f"{app}/erasures")
    check("/v1/apps/{app}/erasures", "get", page)
    assert page == {"items": [receipt], "next_cursor": None}
    assert operator.get(f"{app}/erasures/{receipt['id']}") == receipt
    refused(operator.send("DELETE", path), 404, "not_found")
    refused(operator.send("GET", f"{path_of(event.user)}/context?version=1"), 410, "erased")
    refused(operator.send("GET", f"{path_of(event.user)}/representation?version=1"), 410, "erased")
    assert [row["status"] for row in operator.get(f"{path_of(event.user)}/representation/versions")["items"]] == [
        "published",
        "erased",
    ]
    assert operator.get(f"{path_of(event.user)}/representation/versions/1")["text"] == ""


def test_a_session_ends_unless_its_erasure_is_asked_for(operator: Agent) -> None:  # noqa: F811
    event = EventFactory()
    path = path_of(event.session)
    session = "/v1/apps/{app}/users/{user}/sessions/{session}"
    ended = erased(operator, path)
    check(session, "delete", ended)
    assert ended == {"message": "Session deleted successfully"}
    assert Event.objects.count() == 1
    check(session, "delete", erased(operator, f"{path}?erase=true&dry_run=true"))
    assert Event.objects.count() == 1
    receipt = erased(operator, f"{path}?erase=true")
    check(session, "delete", receipt)
    assert receipt["what"] == "session"
    assert not Event.objects.exists()
    assert not Session.objects.exists()
    assert User.objects.count() == 1


def test_users_projects_and_apps_are_erased(operator: Agent) -> None:  # noqa: F811
    event = EventFactory(project="work")
    app = f"/v1/apps/{event.app.name}"
    check("/v1/apps/{app}/users/{user}", "delete", erased(operator, f"{path_of(event.user)}?dry_run=true"))
    check("/v1/apps/{app}", "delete", erased(operator, f"{app}?dry_run=true"))
    project = erased(operator, f"{app}/projects/work")
    check("/v1/apps/{app}/projects/{project}", "delete", project)
    assert project["erased"]["events"] == 1  # type: ignore[index]
    assert erased(operator, path_of(event.user))["what"] == "user"
    receipt = erased(operator, app)
    assert not App.objects.exists()
    # Of an app that is gone an operator still gets the receipts, by its id.
    listed = operator.get(f"/v1/apps/{receipt['target']}/erasures")["items"]
    assert [row["what"] for row in listed] == ["app", "user", "project"]
    refused(operator.send("GET", f"{app}/erasures"), 404, "not_found")


@pytest.mark.django_db(transaction=True)
def test_keys_erase_what_is_wholly_theirs_and_nothing_else(row_counts: RowCounts) -> None:  # noqa: F811
    mine = EventFactory()
    app, user, session = mine.app, mine.user, mine.session
    beside = EventFactory(session=SessionFactory(owner=user))
    other = UserFactory(app=app)
    theirs = SessionFactory(owner=other)
    tenants.join(theirs, user)
    at_theirs, said_at_theirs = (
        Event.objects.get(pk=row.id)
        for row in log.append(
            app, [log.NewEvent(content="x"), log.NewEvent(content="y", author=user.name)], user=other, session=theirs
        )
    )
    project = ProjectFactory(app=app)
    elsewhere = EventFactory()
    a, u, s = f"/v1/apps/{app.public_id}", path_of(user), path_of(session)
    shared = f"{u}/sessions/{theirs.public_id}"
    agents = {
        "app": Agent(ApiKeyFactory(app=app).key),
        "user": Agent(ApiKeyFactory(user=user).key),
        "session": Agent(ApiKeyFactory(session=session).key),
        "reader": Agent(ApiKeyFactory(app=app, read_only=True).key),
        "stranger": Agent(ApiKeyFactory(app=elsewhere.app).key),
        "nobody": Agent(None),
    }
    targets = {
        f"{s}/events/{mine.public_id}": {"app", "user", "session"},
        f"{path_of(beside.session)}/events/{beside.public_id}": {"app", "user"},
        f"{shared}/events/{said_at_theirs.public_id}": {"app", "user"},
        f"{shared}/events/{at_theirs.public_id}": {"app"},
        f"{s}?erase=true": {"app", "user", "session"},
        f"{shared}?erase=true": {"app"},
        f"{path_of(theirs)}?erase=true": {"app"},
        u: {"app", "user"},
        path_of(other): {"app"},
        f"{a}/projects/{project.name}": {"app"},
        a: set(),
    }
    before = row_counts()
    for path, may in targets.items():
        for name, agent in agents.items():
            dry = f"{path}{'&' if '?' in path else '?'}dry_run=true"
            status = agent.send("DELETE", dry).status_code
            assert (status == 200) == (name in may), (path, name, status)
            if name not in may:
                assert agent.send("DELETE", path).status_code in (401, 403), (path, name)
    for name, status in {"app": 200, "user": 401, "session": 401, "reader": 200, "stranger": 401}.items():
        assert agents[name].send("GET", f"{a}/erasures").status_code == status, name
    assert row_counts() == before
    assert erased(agents["user"], u)["by"].startswith("key ")  # type: ignore[attr-defined]
    assert agents["user"].send("GET", f"{u}/context").status_code == 401, "its key went with it"
    assert not ApiKey.objects.filter(user=user).exists()


def test_a_receipt_is_found_in_its_own_app_alone(operator: Agent) -> None:  # noqa: F811
    event, other = EventFactory(), EventFactory()
    receipt = erased(operator, f"{path_of(event.session)}/events/{event.public_id}")
    refused(operator.send("GET", f"/v1/apps/{other.app.name}/erasures/{receipt['id']}"), 404, "not_found")
    refused(operator.send("GET", f"/v1/apps/{event.app.name}/erasures/x"), 404, "not_found")
    assert operator.get(f"/v1/apps/{other.app.name}/erasures") == {"items": [], "next_cursor": None}


def test_a_reason_with_the_name_in_it_is_refused(operator: Agent) -> None:  # noqa: F811
    event = EventFactory()
    detail = refused(operator.send("DELETE", f"{path_of(event.user)}?reason={event.user.name} asked"), 422, "invalid")
    assert detail[0]["loc"] == ["query", "reason"]
    assert User.objects.filter(pk=event.user_id).exists()


def test_the_command_counts_first_erases_then_and_looks_what_is_left() -> None:
    event = EventFactory(content="A word of Zuleika.")

    def erase(*args: str) -> str:
        out = StringIO()
        call_command("erase", *args, stdout=out)
        return out.getvalue()

    where = ["--app", event.app.name, "--user", event.user.name, "--session", event.session.name]
    assert "Nothing was changed" in erase(*where, "--event", event.public_id)
    assert Event.objects.exists()
    with pytest.raises(CommandError, match="still stands"):
        erase("--find", "Zuleika")
    told = erase(*where, "--event", event.public_id, "--yes", "--reason", "Asked")
    receipt = Erasure.objects.get()
    assert receipt.public_id in told
    assert "in no table" in erase("--find", "Zuleika")
    assert "in no table" in erase("--verify", receipt.public_id)
    assert receipt.public_id in erase("--receipts", "--app", event.app.name)
    for args in ([], ["--app", "nowhere"], [*where[:2], "--session", "x"], [*where[:2], "--event", "x"]):
        with pytest.raises(CommandError):
            erase(*args)
    for more in (where, where[:4], where[:2]):
        erase(*more, "--yes")
    assert [row.what for row in Erasure.objects.order_by("pk")] == ["event", "session", "user", "app"]
