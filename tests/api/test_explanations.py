"""What changed, why a sentence is there, what rests on an event, and what was served when, over HTTP."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from memory import clock, feeds, ids, publishing, tenants, tokens
from memory.models import Conclusion, Representation, Subject
from tests.api.conftest import Agent, path_of, publish, refused
from tests.api.test_openapi import check
from tests.api.test_representations import history, stopped
from tests.factories import ApiKeyFactory, EventFactory, ProjectFactory, SessionFactory, UserFactory
from tests.store.helpers import served_ago

_PLACES = {
    "user": "/v1/apps/{app}/users/{user}",
    "session": "/v1/apps/{app}/users/{user}/sessions/{session}",
    "project": "/v1/apps/{app}/projects/{project}",
}


@pytest.fixture
def moved(operator: Agent) -> Any:
    """An event of a user of whom there are two versions: nine days old, and two."""
    event = EventFactory()
    first, second = history(event)
    served_ago(tenants.subject_of(event.user), (first, timedelta(days=9)), (second, timedelta(days=2)))
    return event


def test_what_changed(operator: Agent, moved: Any) -> None:
    path = f"{path_of(moved.user)}/representation/diff"
    answered = operator.get(path)
    check(f"{_PLACES['user']}/representation/diff", "get", answered)
    rome, oslo = (Conclusion.objects.get(content=f"Lives in {city}.") for city in ("Rome", "Oslo"))
    assert [(answered[side]["version"], answered[side]["made_by"]) for side in ("from", "to")] == [
        (1, {"pass": "1"}),
        (2, {}),
    ]
    assert answered["subject"]["name"] == moved.user.name
    assert answered["covers"] == {"from": 1, "to": 1, "events": 0}
    assert (answered["added"], answered["retired"], answered["kept_count"]) == ([], [], 1)
    assert "kept" not in answered
    [pair] = answered["reworded"]
    assert pair["from"] == {
        "id": rome.public_id, "content": "Lives in Rome.", "about": None, "reason": "Moved",
        "replaced_by": oslo.public_id, "until_version": 2,
    }  # fmt: skip
    assert (pair["to"]["id"], pair["to"]["since_version"]) == (oslo.public_id, 2)
    assert pair["to"]["sources"] == [moved.public_id]
    assert (pair["replaced"], pair["similarity"]) == (True, 0.667)
    assert (answered["now"], answered["summary"]) == (None, {"short": None, "long": None})
    assert answered["card"] == {"added": [], "removed": []}
    assert answered["text"].endswith(f"1 statement in what is known of {moved.user.name} is reworded:"
                                     " “Lives in Rome” is now “Lives in Oslo”.")  # fmt: skip
    kept = operator.get(f"{path}?include=kept&tokens=20")
    assert [item["content"] for item in kept["kept"]] == ["Is a nurse."]
    assert tokens.count(kept["text"]) <= 20
    assert operator.get(f"{path}?tokens=3")["text"] == ""


def test_by_numbers_moments_and_ages(operator: Agent, moved: Any) -> None:
    path = f"{path_of(moved.user)}/representation/diff"
    week = (clock.now() - timedelta(days=7)).isoformat().replace("+00:00", "Z")
    for query, versions in [
        ("", (1, 2)), ("from=1", (1, 2)), ("from=1&to=2", (1, 2)), ("from=7d", (1, 2)), (f"from={week}", (1, 2)),
        ("from=2w", (None, 2)), ("from=2w&to=7d", (None, 1)), ("from=3w&to=2w", (None, None)), ("to=1", (None, 1)),
        ("from=1h", (2, 2)), ("from=2&to=2", (2, 2)), ("from=0s", (2, 2)),
    ]:  # fmt: skip
        answered = operator.get(f"{path}?{query}")
        assert (answered["from"]["version"], answered["to"]["version"]) == versions, query
        check(f"{_PLACES['user']}/representation/diff", "get", answered)
    a_week = operator.get(f"{path}?from=7d")
    day = clock.now() - timedelta(days=7)
    assert a_week["text"].startswith(f"Since {day.day} {day:%B %Y} 1 statement in what is known of")


def test_a_projects_scope_over_the_last_week_is_one_get(operator: Agent) -> None:
    project = ProjectFactory(name="harbour site")
    first = publish(project, ["The site shows the tides."])
    second = publish(project, ["Customers can book a berth.", "Berths are paid by card."])
    served_ago(tenants.subject_of(project), (first, timedelta(days=20)), (second, timedelta(days=3)))
    answered = operator.get(f"{path_of(project)}/representation/diff?from=7d")
    check(f"{_PLACES['project']}/representation/diff", "get", answered)
    day = clock.now() - timedelta(days=7)
    assert answered["text"] == (
        f"Since {day.day} {day:%B %Y} the scope of project harbour site has grown by 2 statements:"
        " “Berths are paid by card”; “Customers can book a berth”."
    )


def test_a_diff_of_a_session_and_as_another_sees(operator: Agent) -> None:
    session = SessionFactory()
    bob = UserFactory(app=session.app, name="bob")
    tenants.join(session, bob, observes_others=True)
    publish(session, ["Said this."])
    publish(session.owner, ["Is kind."], observer=bob)
    answered = operator.get(f"{path_of(session)}/representation/diff")
    assert answered["text"].startswith("Since the beginning what was said and decided in session ")
    seen = operator.get(f"{path_of(session.owner)}/representation/diff?observer=bob")
    assert seen["text"].startswith(
        f"Since the beginning what bob knows of {session.owner.name} has grown by 1 statement"
    )
    explained = operator.get(f"{path_of(session.owner)}/representation/explain?observer=bob&conclusion=Is")
    assert explained["subject"]["observer"]["name"] == "bob"
    own = Agent(ApiKeyFactory(user=session.owner).key)
    for query in ("diff?observer=bob", "explain?observer=bob&conclusion=Is"):
        refused(own.send("GET", f"{path_of(session.owner)}/representation/{query}"), 401, "out_of_scope")
        refused(operator.send("GET", f"{path_of(session)}/representation/{query}"), 422, "invalid")


def test_what_cannot_be_compared(operator: Agent, moved: Any) -> None:
    path = f"{path_of(moved.user)}/representation/diff"
    line = Subject.objects.get(user=moved.user, kind="user").line
    draft = publishing.Draft(parent_id=line.head_id, covers_from=line.cursor, covers_to=line.cursor, now="HORSE")
    publishing.quarantine(line.pk, draft, "bad")
    assert refused(operator.send("GET", f"{path}?from=9"), 404, "not_found") == "There is no version 9"
    said = refused(operator.send("GET", f"{path}?to=3"), 404, "not_found")
    assert said == "Version 3 was quarantined: nobody was given it"
    for query, where in [
        ("from=2&to=1", "from"), ("from=1d&to=7d", "from"), ("from=0", "from"),
        ("from=-1", "from"), ("to=99999999999", "to"), ("to=yesterday", "to"), ("from=2026-01-01T00:00:00", "from"),
        ("from=40000d", "from"), ("from=7y", "from"), ("from=", "from"), ("tokens=0", "tokens"),
        ("include=all", "include"),
    ]:  # fmt: skip
        assert refused(operator.send("GET", f"{path}?{query}"), 422, "invalid")[0]["loc"] == ["query", where], query


def test_what_a_quarantined_version_says_is_in_no_diff_and_no_explanation(operator: Agent) -> None:
    event = EventFactory()
    stopped(event)
    path = f"{path_of(event.user)}/representation"
    agent = Agent(ApiKeyFactory(app=event.user.app).key)
    shown = str([agent.get(f"{path}/diff"), agent.get(f"{path}/diff?from=1d&include=kept")])
    shown += str(agent.get(f"{path_of(event.user)}/events/{event.public_id}/statements"))
    assert "HORSE" not in shown
    refused(agent.send("GET", f"{path}/explain?conclusion=The%20HORSE"), 404, "not_found")


def test_why_a_sentence_is_there(operator: Agent, moved: Any) -> None:
    path = f"{path_of(moved.user)}/representation/explain"
    rome, oslo = (Conclusion.objects.get(content=f"Lives in {city}.") for city in ("Rome", "Oslo"))
    line = Subject.objects.get(user=moved.user, kind="user").line
    answered = operator.get(f"{path}?conclusion={rome.public_id}")
    check(f"{_PLACES['user']}/representation/explain", "get", answered)
    assert answered["conclusion"]["content"] == "Lives in Rome."
    assert answered["stands"] is False
    assert (answered["introduced"]["version"], answered["introduced"]["made_by"]) == (1, {"pass": "1"})
    [source] = answered["sources"]
    assert source["content"] == moved.content
    assert (source["id"], source["version"], source["session"]) == (moved.public_id, 1, moved.session.name)
    assert answered["sources_count"] == 1
    assert answered["spans"] == [
        {
            "line": line.public_id, "recipe": "recipe", "serving": True, "since": 1, "until": 2, "reason": "Moved",
            "replaced_by": {"id": oslo.public_id, "content": "Lives in Oslo."},
        }
    ]  # fmt: skip
    for words, how in (("Lives in Oslo", "line"), ("- lives in oslo.", "line"), ("Lives", "beginning"),
                       ("City: lives in Oslo", "likeness")):  # fmt: skip
        again = operator.get(f"{path}?conclusion={quote(words)}")
        assert (again["conclusion"]["id"], again["stands"], again["found_by"]) == (oslo.public_id, True, how)


def test_a_sentence_that_cannot_be_explained(operator: Agent, moved: Any) -> None:
    path = f"{path_of(moved.user)}/representation/explain"
    assert "No conclusion says so" in refused(operator.send("GET", f"{path}?conclusion=Sails"), 404, "not_found")
    publish(moved.user, ["Is a sailor."])
    said = refused(operator.send("GET", f"{path}?conclusion=is%20a"), 422, "invalid")
    assert "“Is a nurse.”" in said[0]["msg"]
    for query in ("", "conclusion=", "conclusion=%00", f"conclusion={'x' * 2001}", "conclusion=-"):
        detail = refused(operator.send("GET", f"{path}?{query}"), 422, "invalid")
        assert detail[0]["loc"] == ["query", "conclusion"], query


def test_what_rests_on_an_event(operator: Agent) -> None:
    event = EventFactory(project="work")
    bob = UserFactory(app=event.session.app, name="bob")
    tenants.join(event.session, bob, observes_others=True)
    later = EventFactory(session=event.session)
    project = tenants.find_project(event.session.app_id, "work")
    publish(event.user, ["Of the user."], [later])
    publish(event.session, ["Of the session."], [later])
    publish(event.user, ["As Bob sees."], [later], observer=bob)
    publish(bob, ["Of Bob."], [later])
    publish(project, ["Of the project."], [event])
    publish(event.user, ["Of the user, by the first."], [event])
    for place in ("user", "session"):
        row = event.user if place == "user" else event.session
        path = f"{path_of(row)}/events/{later.public_id}/statements"
        answered = operator.get(path)
        check(f"{_PLACES[place]}/events/{{event}}/statements", "get", answered)
        assert answered["event"]["content"] == later.content
        everything = ["As Bob sees.", "Of Bob.", "Of the session.", "Of the user."]
        assert sorted(item["content"] for item in answered["items"]) == everything
        assert all(item["stands"] and item["version"] == 1 for item in answered["items"])
        assert Agent(ApiKeyFactory(app=event.session.app).key).get(path) == answered
        mine = Agent(ApiKeyFactory(user=event.user).key).get(path)
        assert sorted(item["content"] for item in mine["items"]) == ["Of the session.", "Of the user."]
    of_project = operator.get(f"{path_of(project)}/events/{event.public_id}/statements")
    check(f"{_PLACES['project']}/events/{{event}}/statements", "get", of_project)
    assert [item["content"] for item in of_project["items"]] == ["Of the project.", "Of the user, by the first."]
    path = f"{path_of(event.session)}/events/{later.public_id}/statements"
    of_session = Agent(ApiKeyFactory(session=event.session).key).get(path)
    assert sorted(item["content"] for item in of_session["items"]) == ["Of the session.", "Of the user."]
    for wrong in ("x", project.public_id, EventFactory().public_id):
        said = refused(operator.send("GET", f"{path_of(event.user)}/events/{wrong}/statements"), 404, "not_found")
        assert said == "Event not found"


def test_at_reads_all_of_what_was_served_then(operator: Agent) -> None:
    event = EventFactory()
    user, session = event.user, event.session
    parts = {"card": ["Name: Ann"], "now": "Busy.", "short_summary": "S", "long_summary": "L"}
    first = publish(user, ["Is a nurse."], [event], **parts)
    publish(session, ["Said so."], [event])
    EventFactory(session=session, content="Not read then.")
    later = EventFactory(session=session, content="Read later.")
    second = publish(user, ["Is a pilot."], [later], now="Free.")
    served_ago(tenants.subject_of(user), (first, timedelta(days=9)), (second, timedelta(days=2)))
    path = f"{path_of(user)}/representation"
    then, now = operator.get(f"{path}?at=7d"), operator.get(path)
    check(f"{_PLACES['user']}/representation", "get", then)
    assert then.pop("at") < (timezone.now() - timedelta(days=6)).isoformat()
    assert {**then, "behind": 0} == {**operator.get(f"{path}?version=1"), "behind": 0}
    assert (then["card"], then["now"], then["summary"]) == (["Name: Ann"], "Busy.", {"short": "S", "long": "L"})
    assert [(item["content"], item["sources"]) for item in then["conclusions"]] == [("Is a nurse.", [event.public_id])]
    assert "at" not in now
    assert operator.get(f"{path}?at=7d&tokens=6")["text"] == "Busy.\nS"
    assert operator.get(f"{path}?at=20d")["version"] is None
    query = "at=7d&include=conclusions,summary,card&tokens=30"
    context = operator.get(f"{path_of(user)}/context?{query}")
    check(f"{_PLACES['user']}/context", "get", context)
    assert (context["version"], context["card"]) == (1, ["Name: Ann"])
    assert [item["content"] for item in context["conclusions"]] == ["Is a nurse."]
    assert tokens.count(context["context"]) <= 30
    both = operator.get(f"{path_of(session)}/context?at=7d")
    assert (both["version"], both["session_version"]) == (1, 0), "of the session nothing was served yet"


def test_at_shows_what_was_pending_then(operator: Agent) -> None:
    event = EventFactory(content="one")
    publish(event.session, ["Said so."], [event])
    EventFactory(session=event.session, content="two")
    feeds.number()
    EventFactory(session=event.session, content="three")
    moment = clock.now().isoformat().replace("+00:00", "Z")
    EventFactory(session=event.session, content="four")
    feeds.number()
    path = f"{path_of(event.session)}/context?include=pending"
    assert [item["content"] for item in operator.get(path)["pending"]] == ["two", "three", "four"]
    then = operator.get(f"{path}&at={moment}")
    assert [item["content"] for item in then["pending"]] == ["two", "three"]
    assert then["at"] == moment


def test_after_a_rollback_at_reads_what_was_served_in_between(transactional_db: None) -> None:
    operator = Agent(ApiKeyFactory().key)
    event = EventFactory()
    history(event)
    path = f"{path_of(event.user)}/representation"
    before = operator.get(path)
    operator.post(f"{path}/rollback", {"to": 1, "reason": "Oslo was a joke"})
    versions = {item["version"]: item["created_at"] for item in operator.get(f"{path}/versions")["items"]}
    for number, moment in versions.items():
        assert operator.get(f"{path}?at={moment}")["version"] == number
    assert operator.get(f"{path}?at={versions[2]}")["text"] == before["text"]


def test_the_questions_are_as_many_however_much_there_is(operator: Agent, django_assert_num_queries: Any) -> None:
    event = EventFactory()
    publish(event.user, ["Is a nurse."], [event])
    operator.get(f"{path_of(event.user)}/representation")  # the key is known from here on
    for _ in range(2):
        path = path_of(event.user)
        with django_assert_num_queries(8):
            operator.get(f"{path}/representation/diff?from=7d&include=kept")
        with django_assert_num_queries(11):
            operator.get(f"{path}/representation/explain?conclusion=Is%20a%20nurse.")
        with django_assert_num_queries(4):
            operator.get(f"{path}/events/{event.public_id}/statements")
        with django_assert_num_queries(1):
            operator.get(f"{path}/context?at=7d")
        publish(event.user, [f"Fact {number}." for number in range(60)], [event])


def test_the_ways_there_stay_within_the_subject(operator: Agent) -> None:
    event = EventFactory()
    publish(event.user, ["Is a nurse."], [event])
    foreign = UserFactory(app=event.user.app)
    conclusion = Conclusion.objects.get()
    for ref in (conclusion.public_id, "Is a nurse."):
        path = f"{path_of(foreign)}/representation/explain?conclusion={quote(ref)}"
        refused(operator.send("GET", path), 404, "not_found")
    other = EventFactory()
    path = f"{path_of(other.user)}/events/{ids.encode(event.pk)}/statements"
    refused(operator.send("GET", path), 404, "not_found")
    assert Representation.objects.count() == 1
