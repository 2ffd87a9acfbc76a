"""To have what is known gone over, and to be told what a statement rests on, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from memory import publishing, tenants
from memory.models import Conclusion, Line, Representation
from reasoning.models import Work
from tests.api.conftest import Agent, path_of, publish, refused
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, EventFactory, ProjectFactory, UserFactory

TEMPLATES = {
    "user": "/v1/apps/{app}/users/{user}",
    "session": "/v1/apps/{app}/users/{user}/sessions/{session}",
    "project": "/v1/apps/{app}/projects/{project}",
}


def reasoned(thing: Any, **state: Any) -> Work:
    """The work of a thing of which something is known."""
    line = publish(thing, ["Sails on Sundays."]).line
    return Work.objects.create(line=line, app=thing.app, kind=line.subject.kind, **state)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_what_is_known_of_a_user_a_session_or_a_project_is_gone_over_next(operator: Agent, kind: str) -> None:
    event = EventFactory()
    things = {"user": event.user, "session": event.session, "project": ProjectFactory(app=event.app)}
    work = reasoned(things[kind])
    path = path_of(things[kind])
    answered = operator.post(f"{path}/representation/consolidate")
    assert answered == {
        "subject": {"kind": kind, "id": things[kind].public_id, "name": things[kind].name},
        "state": "waiting",
        "events": 0,
    }
    check(f"{TEMPLATES[kind]}/representation/consolidate", "post", answered)
    work.refresh_from_db()
    assert (work.state, work.task, work.bulk) == ("waiting", "consolidate", True)
    assert operator.post(f"{path}/representation/consolidate", {}) == answered


def test_as_another_sees_a_user(operator: Agent) -> None:
    event = EventFactory()
    other = UserFactory(app=event.app)
    tenants.join(event.session, other, observes_others=True)
    line = publish(event.user, ["Sails."], observer=other).line
    work = Work.objects.create(line=line, app=event.app, kind="observed")
    path = f"{path_of(event.user)}/representation/consolidate?observer={quote(other.name)}"
    assert operator.post(path)["subject"]["observer"]["name"] == other.name
    work.refresh_from_db()
    assert work.task == "consolidate"


def test_it_takes_an_apps_key_that_may_write(operator: Agent) -> None:
    event = EventFactory()
    work = reasoned(event.user)
    path = f"{path_of(event.user)}/representation/consolidate"
    for key in (ApiKeyFactory(user=event.user), ApiKeyFactory(session=event.session), ApiKeyFactory()):
        agent = Agent(key.key)
        if key.scope != "operator":
            refused(agent.send("POST", path), 401, "out_of_scope")
    refused(Agent(ApiKeyFactory(app=event.app, read_only=True).key).send("POST", path), 403, "read_only")
    work.refresh_from_db()
    assert work.task == "read"
    assert Agent(ApiKeyFactory(app=event.app).key).post(path)["state"] == "waiting"


def test_it_says_what_is_wrong(operator: Agent) -> None:
    event = EventFactory()
    path = f"{path_of(event.user)}/representation/consolidate"
    assert "nothing to consolidate" in refused(operator.send("POST", path), 404, "not_found")
    reasoned(event.user, state="parked")
    assert "parked" in refused(operator.send("POST", path), 409, "conflict")
    [problem] = refused(operator.send("POST", path, {"reason": "x"}), 422, "invalid")
    assert problem["loc"] == ["body", "reason"]
    assert set(Work.objects.values_list("task", flat=True)) == {"read"}


def test_a_statement_is_shown_with_what_it_rests_on_and_what_rests_on_it(operator: Agent) -> None:
    event = EventFactory()
    version = publish(event.user, ["Sailed on Sunday.", "Sailed last Sunday."], [event])
    made = generalised(version)
    path = f"{path_of(event.user)}/representation/explain"
    answered = operator.get(f"{path}?conclusion=Tends")
    check("/v1/apps/{app}/users/{user}/representation/explain", "get", answered)
    assert [(item["content"], item["version"]) for item in answered["premises"]] == [
        ("Sailed on Sunday.", made.number),
        ("Sailed last Sunday.", made.number),
    ]
    assert answered["premise_of"] == []
    assert [item["id"] for item in answered["sources"]] == [event.public_id]
    assert answered["conclusion"]["level"] == "inductive"
    back = operator.get(f"{path}?conclusion=Sailed%20on")
    assert [item["id"] for item in back["premise_of"]] == [answered["conclusion"]["id"]]
    assert back["premises"] == []


def generalised(version: Representation) -> Representation:
    """The next version: it says what all statements of this one show together."""
    line = Line.objects.get(pk=version.line_id)
    premises = tuple(Conclusion.objects.order_by("pk").values_list("pk", flat=True))
    added = publishing.NewConclusion(content="Tends to sail.", evidence=(), premises=premises, level="inductive")
    draft = publishing.Draft(parent_id=line.head_id, covers_from=line.cursor, covers_to=line.cursor, added=[added])
    return publishing.publish(line.pk, draft)
