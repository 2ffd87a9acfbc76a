"""The routes of search: what they take, answer and refuse, and whose key opens which."""

from __future__ import annotations

import pytest

from memory import tenants
from tests.api.conftest import Agent, path_of, publish, refused
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, EventFactory

PLACES = {
    "app": "/v1/apps/{app}/search",
    "user": "/v1/apps/{app}/users/{user}/search",
    "session": "/v1/apps/{app}/users/{user}/sessions/{session}/search",
    "project": "/v1/apps/{app}/projects/{project}/search",
}


@pytest.fixture
def event(db):
    """A user who likes tea, says so in a session about a project, and of whom as much is known."""
    made = EventFactory(content="I drink green tea.", project="work", metadata={"room": {"floor": 2}})
    publish(made.user, ["Drinks tea."], [made])
    publish(made.session, ["They spoke of tea."], [made])
    return made


def address(event, place):
    of = {"app": f"/v1/apps/{event.app.name}", "user": path_of(event.user), "session": path_of(event.session)}
    return f"{of[place] if place in of else path_of(event.project)}/search"


@pytest.mark.parametrize(
    ("place", "statements"),
    [("app", {"Drinks tea.", "They spoke of tea."}), ("user", {"Drinks tea.", "They spoke of tea."}),
     ("session", {"They spoke of tea."}), ("project", set())],
)  # fmt: skip
def test_each_place_has_what_belongs_to_it(operator: Agent, event, place, statements):
    answered = operator.post(address(event, place), {"query": "tea"})
    check(PLACES[place], "post", answered)
    found = [item[item["type"]]["content"] for item in answered["items"]]
    assert set(found) == {"I drink green tea."} | statements
    assert answered["mode"] == "lexical"
    assert answered["embedding"] is None
    assert answered["note"] == "No embeddings are configured."


def test_a_hit_says_what_where_and_why(operator: Agent, event):
    [item] = operator.post(address(event, "user"), {"query": "green", "in": ["events"]})["items"]
    assert item["event"]["id"] == event.public_id
    assert item["ranks"] == {"lexical": 1, "semantic": None}
    assert item["score"] > 0
    assert item["highlights"] == [{"text": "I drink green tea.", "marks": [[8, 13]]}]


@pytest.mark.parametrize(
    ("filters", "hits"),
    [
        ({"kind": "message"}, 1), ({"kind": ["tool_call", "message"]}, 1), ({"kind": "tool_call"}, 0),
        ({"kind": "it's \\ 'quoted'"}, 0), ({"kind": []}, 3),
        ({"origin": "user"}, 1), ({"origin": ["agent"]}, 0),
        ({"author": "nobody"}, 0), ({"project": "work"}, 1), ({"project": "none"}, 0), ({"session": "none"}, 0),
        ({"since": "1h"}, 3), ({"until": "1h"}, 0), ({"since": "2000-01-01T00:00:00Z"}, 3),
        ({"metadata": {"room": {"floor": 2}}}, 1), ({"metadata": {"room": {}}}, 1), ({"metadata": {"room": 2}}, 0),
        ({"metadata": {}}, 3), ({"kind": None, "since": None}, 3),
    ],
)  # fmt: skip
def test_filters_narrow_and_what_names_nothing_finds_nothing(operator: Agent, event, filters, hits):
    found = operator.post(address(event, "user"), {"query": "tea", "filters": filters})["items"]
    assert len(found) == hits


def test_filters_take_names_and_ids(operator: Agent, event):
    for thing in ("author", "session", "project"):
        row = getattr(event, thing)
        for ref in (row.name, row.public_id):
            body = {"query": "tea", "in": ["events"], "filters": {thing: ref}}
            assert len(operator.post(address(event, "app"), body)["items"]) == 1, thing


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "query"), ({"query": ""}, "query"), ({"query": 5}, "query"), ({"query": "x" * 10_001}, "query"),
        ({"query": "a\x00b"}, "query"), ({"query": "x", "limit": 0}, "limit"), ({"query": "x", "limit": 101}, "limit"),
        ({"query": "x", "in": ["facts"]}, "in"), ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "mod": "lexical"}, "mod"), ({"query": "x", "filters": []}, "filters"),
        ({"query": "x", "filters": {"colour": "red"}}, "colour"), ({"query": "x", "filters": {"kind": 5}}, "kind"),
        ({"query": "x", "filters": {"origin": "moon"}}, "origin"), ({"query": "x", "filters": {"since": "x"}}, "since"),
        ({"query": "x", "filters": {"metadata": []}}, "metadata"), ({"query": "x", "filters": {"author": 5}}, "author"),
        ({"query": "x", "filters": {"kind": ["x"] * 21}}, "kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_its_place(operator: Agent, event, body, where):
    [problem] = refused(operator.send("POST", address(event, "user"), body), 422, "invalid")
    assert where in problem["loc"]


def test_a_place_that_is_not_there_is_404(operator: Agent, event):
    for path in ("/v1/apps/none", f"{path_of(event.user)}x", f"/v1/apps/{event.app.name}/projects/none"):
        refused(operator.send("POST", f"{path}/search", {"query": "tea"}), 404, "not_found")


def test_keys_search_their_own_alone(event):
    other = EventFactory(content="I drink tea too.", session__owner__app=event.app)
    own = {"app": {"app": event.app}, "user": {"user": event.user}, "session": {"session": event.session}}
    opened = {}
    for scope, named in own.items():
        agent = Agent(ApiKeyFactory(**named).key)
        answers = {place: agent.send("POST", address(event, place), {"query": "tea"}) for place in PLACES}
        opened[scope] = {place for place, answer in answers.items() if answer.status_code == 200}
    assert opened == {"app": set(PLACES), "user": {"user"} | {"session"}, "session": {"session"}}
    strangers = [ApiKeyFactory(app=tenants.make_app("stranger")[0]), ApiKeyFactory(user=other.user)]
    for key in strangers:
        for place in PLACES:
            refused(Agent(key.key).send("POST", address(event, place), {"query": "tea"}), 401, "out_of_scope")
    reads = Agent(ApiKeyFactory(app=event.app, read_only=True).key)
    assert len(reads.post(address(event, "app"), {"query": "tea"})["items"]) == 4


def test_a_filter_opens_nothing_that_the_place_does_not(event):
    EventFactory(content="I drink tea too.", session__owner__app=event.app, session__name="theirs")
    key = Agent(ApiKeyFactory(user=event.user).key)
    body = {"query": "tea", "filters": {"session": "theirs"}}
    assert key.post(address(event, "user"), body)["items"] == []
