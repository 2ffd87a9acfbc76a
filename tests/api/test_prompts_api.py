"""Prompt versions over HTTP: for operators' keys, within one app, and nothing of a refused write is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from memory import tenants
from memory.models import ApiKey, Representation
from reasoning import labels, prompt_versions
from reasoning.models import Budget, LabelMove, Price, PromptVersion, ProviderState, Spend
from reasoning.providers.openai import forget_manners
from tests.api.conftest import Agent, RowCounts, refused
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, AppFactory, SessionFactory, UserFactory
from tests.loop.helpers import AT_ONCE, drain
from tests.loopback.server import LoopbackModel
from tests.store.helpers import person, said, say

P = "/v1/apps/harbour/prompts"
SCHEMA = "/v1/apps/{app}/prompts"


@pytest.fixture
def harbour(db: None) -> Any:
    return tenants.make_app("harbour")[0]


def own(app: Any, text: str = "Know {subject}.", kind: str = "user", **more: Any) -> PromptVersion:
    return prompt_versions.create(kind, text, message="Our own", app=app, **more)


def test_the_apps_and_the_sites_versions_are_listed_newest_first(operator: Agent, harbour: Any) -> None:
    first, second = own(harbour), own(harbour, model="large", parameters={"temperature": 0})
    own(AppFactory(name="elsewhere"))
    labels.move("live", second, reason="Better")
    page = operator.get(f"{P}?kind=user")
    check(SCHEMA, "get", page)
    assert [item["name"] for item in page["items"]] == ["user-2", "user-1", "site-user-1"]
    assert [item["labels"] for item in page["items"]] == [["live"], [], ["live"]]
    assert [item["of"] for item in page["items"]] == ["app", "app", "site"]
    assert page["items"][0]["model"] == "large"
    assert page["items"][1]["id"] == first.public_id
    assert "instructions" not in page["items"][0]
    assert len(operator.get(P)["items"]) == 6
    start = operator.get(f"{P}?limit=4")
    rest = operator.get(f"{P}?limit=4&cursor={start['next_cursor']}")
    assert (len(start["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 2, None)
    refused(operator.send("GET", f"{P}?kind=nobody"), 422, "invalid")


def test_a_list_asks_a_fixed_number_of_questions(
    operator: Agent, harbour: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        labels.move("live", own(harbour), reason="x")
    operator.get(P)
    with django_assert_max_num_queries(6):
        operator.get(P)
    with django_assert_max_num_queries(6):
        operator.get(f"{P}/labels")


def test_the_next_version_is_made_and_read_whole(operator: Agent, harbour: Any) -> None:
    made = operator.post(P, {"kind": "user", "instructions": "Know {subject}.", "message": "Short"})
    check(SCHEMA, "post", made)
    assert (made["name"], made["labels"], made["passes"]) == ("user-1", [], 0)
    for ref in ("user-1", made["id"]):
        found = operator.get(f"{P}/{ref}")
        check(f"{SCHEMA}/{{prompt}}", "get", found)
        assert (found, found["instructions"]) == (made, "Know {subject}.")
    assert labels.live(harbour.pk, "user").app is None, "it is not in use by itself"


def test_a_version_names_the_key_that_it_was_made_with(operator: Agent, harbour: Any) -> None:
    made = operator.post(P, {"kind": "user", "instructions": "Know {subject}.", "message": "Short"})
    kept = ApiKey.objects.get()
    assert made["author"] == f"key {kept.public_id}"
    assert PromptVersion.objects.get(app=harbour).by == made["author"]
    assert operator.get(f"{P}?kind=user")["items"][0]["author"] == made["author"]
    assert operator.get(f"{P}/site-user-1")["author"] is None, "nobody is known to have made it"


def test_a_version_can_begin_with_another(operator: Agent, harbour: Any) -> None:
    site = operator.get(f"{P}/site-session-1")
    made = operator.post(P, {"from": "site-session-1", "model": "large", "message": "A larger model"})
    assert (made["name"], made["model"], made["instructions"]) == ("session-1", "large", site["instructions"])
    again = operator.post(P, {"from": "session-1", "parameters": {"temperature": 0}, "message": "Colder"})
    assert (again["model"], again["parameters"]) == ("large", {"temperature": 0})


NEW = {"kind": "user", "instructions": "Know {subject}.", "message": "Short"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"kind": "nobody"}, ["body", "kind"]),
        ({"kind": ["user"]}, ["body", "kind"]),
        ({"kind": None}, ["body", "kind"]),
        ({"instructions": "Know {everything}."}, ["body", "instructions"]),
        ({"instructions": " "}, ["body", "instructions"]),
        ({"instructions": 7}, ["body", "instructions"]),
        ({"instructions": "x" * 20_001}, ["body", "instructions"]),
        ({"message": " "}, ["body", "message"]),
        ({"message": "x" * 501}, ["body", "message"]),
        ({"model": "x" * 201}, ["body", "model"]),
        ({"parameters": {"model": "x"}}, ["body", "parameters"]),
        ({"parameters": [1]}, ["body", "parameters"]),
        ({"from": "user-99"}, ["body", "from"]),
        ({"from": "site-session-1"}, ["body", "kind"]),
        ({"author": "me"}, ["body", "author"]),
    ],
)
def test_what_cannot_be_taken_is_named_and_nothing_is_kept(
    operator: Agent, harbour: Any, row_counts: RowCounts, change: dict[str, Any], where: list[str]
) -> None:
    before = row_counts()
    [problem] = refused(operator.send("POST", P, NEW | change), 422, "invalid")
    assert problem["loc"] == where
    assert row_counts() == before


def test_two_versions_are_compared(operator: Agent, harbour: Any) -> None:
    own(harbour, "Know {subject} well.")
    own(harbour, "Know {subject} better.", model="large")
    found = operator.get(f"{P}/user-1/diff?to=user-2")
    check(f"{SCHEMA}/{{prompt}}/diff", "get", found)
    assert [(piece["act"], piece["text"]) for piece in found["words"]][-3:] == [
        ("removed", "well"), ("added", "better"), ("same", "."),
    ]  # fmt: skip
    assert found["settings"] == [{"name": "model", "from": "", "to": "large"}]
    assert "-Know {subject} well." in found["unified"]
    assert (found["from"]["name"], found["to"]["name"]) == ("user-1", "user-2")
    for query in ("", "?to=", "?to=site-session-1"):
        [problem] = refused(operator.send("GET", f"{P}/user-1/diff{query}"), 422, "invalid")
        assert problem["loc"] == ["query", "to"]
    refused(operator.send("GET", f"{P}/user-1/diff?to=user-9"), 404, "not_found")


def test_a_label_is_moved_and_taken_off_and_the_history_says_by_whom(operator: Agent, harbour: Any) -> None:
    own(harbour), own(harbour)
    live = f"{P}/labels/user/live"
    moved = operator.put(live, {"version": "user-1", "reason": "Ours"})
    check(f"{SCHEMA}/labels/{{kind}}/{{label}}", "put", moved)
    assert (moved["move"]["from"], moved["move"]["to"]["name"]) == (None, "user-1")
    again = operator.put(live, {"version": "user-1", "reason": "Ours"})
    check(f"{SCHEMA}/labels/{{kind}}/{{label}}", "put", again)
    assert again == {"move": None}
    operator.put(live, {"version": "user-2", "reason": "Better"})
    off = operator.send("DELETE", f"{live}?reason=Worse").json()
    check(f"{SCHEMA}/labels/{{kind}}/{{label}}", "delete", off)
    assert (off["move"]["from"]["name"], off["move"]["to"]) == ("user-2", None)
    found = operator.get(f"{P}/labels?kind=user")
    check(f"{SCHEMA}/labels", "get", found)
    assert [(item["name"], item["of"], item["version"]["name"]) for item in found["labels"]] == [
        ("live", "site", "site-user-1"), ("previous", "app", "user-2"),
    ]  # fmt: skip
    own_moves = [item for item in found["moves"] if item["of"] == "app"]
    assert [(item["name"], item["reason"]) for item in own_moves] == [
        ("live", "Worse"), ("previous", "Worse"), ("live", "Better"), ("previous", "Better"), ("live", "Ours"),
    ]  # fmt: skip
    assert {item["by"][:4] for item in own_moves} == {"key "}
    page = operator.get(f"{P}/labels?kind=user&limit=2")
    rest = operator.get(f"{P}/labels?kind=user&cursor={page['next_cursor']}")
    assert page["moves"] + rest["moves"] == found["moves"]


def test_an_app_can_move_its_own_labels_alone(operator: Agent, harbour: Any, row_counts: RowCounts) -> None:
    other = own(AppFactory(name="elsewhere"))
    own(harbour)
    before = row_counts()
    live = f"{P}/labels/user/live"
    detail = refused(operator.send("PUT", live, {"version": "site-user-1", "reason": "x"}), 409, "conflict")
    assert 'make it the app\'s next version (POST …/prompts with {"from": "site-user-1"' in detail
    for path, body, where in [
        (live, {"version": other.public_id, "reason": "x"}, ["body", "version"]),
        (live, {"version": "user-1"}, ["body", "reason"]),
        (live, {"version": "user-1", "reason": " "}, ["body", "reason"]),
        (f"{P}/labels/session/live", {"version": "user-1", "reason": "x"}, ["body", "version"]),
        (f"{P}/labels/nobody/live", {"version": "user-1", "reason": "x"}, ["path", "kind"]),
        (f"{P}/labels/user/previous", {"version": "user-1", "reason": "x"}, ["path", "label"]),
    ]:
        [problem] = refused(operator.send("PUT", path, body), 422, "invalid")
        assert problem["loc"] == where
    refused(operator.send("DELETE", f"{live}?reason=x"), 404, "not_found")
    [problem] = refused(operator.send("DELETE", live), 422, "invalid")
    assert problem["loc"] == ["body", "reason"]
    assert row_counts() == before


ROUTES = [
    ("GET", P, None),
    ("POST", P, NEW),
    ("GET", f"{P}/user-1", None),
    ("GET", f"{P}/user-1/diff?to=site-user-1", None),
    ("GET", f"{P}/labels", None),
    ("PUT", f"{P}/labels/user/live", {"version": "user-1", "reason": "x"}),
    ("DELETE", f"{P}/labels/user/candidate?reason=x", None),
    ("POST", f"{P}/user-1/dry_run", {"user": "ann"}),
]


@pytest.mark.parametrize("scope", ["app", "user", "session"])
def test_every_route_is_for_operators_keys_alone(harbour: Any, row_counts: RowCounts, scope: str) -> None:
    own(harbour)
    session = SessionFactory(owner=UserFactory(app=harbour, name="ann"))
    things = {"app": {"app": harbour}, "user": {"user": session.owner}, "session": {"session": session}}
    agent = Agent(ApiKeyFactory(**things[scope]).key)
    before = row_counts()
    for method, path, body in ROUTES:
        refused(agent.send(method, path, body), 401, "out_of_scope")
        refused(Agent(None).send(method, path, body), 401, "not_authenticated")
    assert row_counts() == before


def test_a_read_only_operators_key_changes_and_spends_nothing(harbour: Any, row_counts: RowCounts) -> None:
    own(harbour)
    agent = Agent(ApiKeyFactory(read_only=True).key)
    before = row_counts()
    for method, path, body in ROUTES:
        response = agent.send(method, path, body)
        if method == "GET":
            assert response.status_code == 200
        else:
            refused(response, 403, "read_only")
    assert row_counts() == before


def test_another_apps_version_is_not_found(operator: Agent, harbour: Any) -> None:
    other = own(AppFactory(name="elsewhere"))
    for ref in (other.public_id, "user-1", "user-x", quote("é" * 22)):
        for path in (f"{P}/{ref}", f"{P}/{ref}/diff?to=site-user-1", f"{P}/site-user-1/diff?to={ref}"):
            refused(operator.send("GET", path), 404, "not_found")
        refused(operator.send("POST", f"{P}/{ref}/dry_run", {"user": "ann"}), 404, "not_found")
    refused(operator.send("GET", "/v1/apps/nowhere/prompts"), 404, "not_found")


class TestDryRun:
    """Over HTTP, with a real server behind it."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def model(self, settings: Any) -> Iterator[LoopbackModel]:
        forget_manners()
        with LoopbackModel() as running:
            settings.HONCHO = AT_ONCE | {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": running.url}
            yield running

    @pytest.fixture
    def agent(self, transactional_db: None) -> Agent:
        person()
        return Agent(ApiKeyFactory().key)

    def test_it_shows_what_would_be_beside_what_stands(self, agent: Agent, model: LoopbackModel) -> None:
        say("I moved to Lisbon.")
        drain()
        say("I have a dog.")
        drain()
        own(tenants.make_app("harbour")[0])
        Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1, output_price=1)
        found = agent.post(f"{P}/user-1/dry_run", {"user": "ana", "events": 1})
        check(f"{SCHEMA}/{{prompt}}/dry_run", "post", found)
        assert found["window"] == {"unread": False, "covers": {"from": 1, "to": 2, "events": 1}, "basis": 1}
        assert (found["stands"], found["prompt"]["name"], found["provider"]) == (2, "user-1", "openai")
        assert found["verdict"] == {"publishable": True, "refused": [], "withheld": []}
        assert [item["content"] for item in found["kept"]] == ["It was said: I moved to Lisbon."]
        new = (found["added"] + [item["to"] for item in found["reworded"]])[0]
        assert "said on" in new["content"]
        assert "I have a dog" in found["would_be"]["text"]
        assert float(found["cost"]) * 1_000_000 == found["input_tokens"] + found["output_tokens"]
        assert Representation.objects.count() == 2
        assert Spend.objects.filter(provider="openai").get().calls == 1

    def test_a_subject_must_be_named_and_of_the_prompts_kind(self, agent: Agent, model: LoopbackModel) -> None:
        said("one")
        own(tenants.make_app("harbour")[0])
        for body, where in [
            ({}, ["body"]),
            ({"session": "x"}, ["body"]),
            ({"user": "ana", "project": "x"}, ["body"]),
            ({"project": "x", "observer": "ana"}, ["body", "observer"]),
            ({"user": 7}, ["body", "user"]),
            ({"user": "ana", "events": 0}, ["body", "events"]),
            ({"user": "ana", "events": 101}, ["body", "events"]),
            ({"user": "ana", "app": "x"}, ["body", "app"]),
        ]:
            [problem] = refused(agent.send("POST", f"{P}/user-1/dry_run", body), 422, "invalid")
            assert problem["loc"] == where, body
        refused(agent.send("POST", f"{P}/site-session-1/dry_run", {"user": "ana"}), 422, "invalid")
        refused(agent.send("POST", f"{P}/user-1/dry_run", {"user": "nobody"}), 404, "not_found")
        assert model.count == 0

    def test_what_stands_in_the_way_is_said(self, agent: Agent, model: LoopbackModel) -> None:
        path = f"{P}/site-user-1/dry_run"
        assert "nothing to read" in refused(agent.send("POST", path, {"user": "ana"}), 409, "conflict")
        said("one")
        budget = Budget.objects.create(period="day", tokens=1)
        assert "The budget of the site" in refused(agent.send("POST", path, {"user": "ana"}), 409, "conflict")
        budget.delete()
        model.then("status", status=429, headers={"Retry-After": "7"})
        response = agent.send("POST", path, {"user": "ana"})
        assert "fewer calls" in refused(response, 503, "provider_failed")
        assert response["Retry-After"] == "7"
        response = agent.send("POST", path, {"user": "ana"})
        assert "openai is paused" in refused(response, 503, "provider_failed")
        assert model.count == 1, "a pause holds for dry runs too"
        ProviderState.objects.all().delete()
        model.then("not_json", times=3)
        refused(agent.send("POST", path, {"user": "ana"}), 502, "provider_failed")
        assert not LabelMove.objects.exclude(app=None).exists()

    def test_it_is_made_again_whatever_its_idempotency_key(self, agent: Agent, model: LoopbackModel) -> None:
        said("one")
        path = f"{P}/site-user-1/dry_run"
        for _ in range(2):
            response = agent.send("POST", path, {"user": "ana"}, **{"Idempotency-Key": "once"})
            assert response.status_code == 200, response.content
        assert model.count == 2
