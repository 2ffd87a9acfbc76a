"""Experiments over HTTP: for operators' keys, within one app, and nothing of a refused write is kept."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from memory import publishing
from memory.models import Feedback, Subject
from reasoning import labels
from reasoning.models import Comparison, Experiment, PromptVersion
from tests.api.conftest import Agent, RowCounts, publish, refused
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory, AppFactory, UserFactory
from tests.loop.experiments import arm, live, prompt, someone, tell
from tests.loop.helpers import AT_ONCE
from tests.store.helpers import draft_on, person

E = "/v1/apps/harbour/experiments"
SCHEMA = "/v1/apps/{app}/experiments"
ONE = f"{SCHEMA}/{{experiment}}"


@pytest.fixture(autouse=True)
def at_once(settings: Any) -> None:
    settings.HONCHO = AT_ONCE


@pytest.fixture
def prompts(db: None) -> tuple[PromptVersion, PromptVersion]:
    """The control, which is live, and a candidate."""
    return live("Control"), prompt("Candidate")


def new(operator: Agent, **changed: Any) -> Any:
    """Make an experiment over HTTP and start it."""
    asked = {"name": "tone", "candidates": [{"version": "user-2", "share": 1}]} | changed
    operator.post(E, asked)
    return operator.post(f"{E}/{asked['name']}/start", {"reason": "Let us see"})


def test_an_experiment_from_its_beginning_to_its_end(operator: Agent, prompts: Any) -> None:
    rails = [{"measure": "cost", "limit": 1.5, "relative": True}]
    asked = {
        "name": "Shorter", "kind": "user", "mode": "serve", "sample": 0.05, "guardrails": rails, "reason": "Why not",
        "candidates": [{"version": prompts[1].public_id, "share": 0.1}],
    }  # fmt: skip
    made = operator.post(E, asked)
    check(SCHEMA, "post", made)
    assert (made["state"], made["sample"], made["started_at"]) == ("draft", 0.05, None)
    assert made["control"] == {"id": prompts[0].public_id, "name": "user-1"}
    assert made["guardrails"] == [rails[0] | {"least_passes": 50}]
    [candidate] = made["arms"]
    assert (candidate["version"]["name"], candidate["share"]) == ("user-2", 0.1)
    acts: list[tuple[str, dict[str, Any], str]] = [
        ("start", {"reason": "Go"}, "running"),
        ("ramp", {"arm": "user-2", "share": 0.2}, "running"),
        ("pause", {"arm": candidate["id"], "reason": "Rude"}, "running"),
        ("resume", {"arm": prompts[1].public_id}, "running"),
        ("pause", {}, "paused"),
        ("resume", {}, "running"),
        ("promote", {"arm": "user-2", "reason": "It won"}, "promoted"),
    ]
    for act, body, state in acts:
        done = operator.post(f"{E}/{made['id']}/{act}", body)
        check(f"{ONE}/{act}", "post", done)
        assert (done["state"], done["acts"][-1]["act"]) == (state, act)
        assert done["acts"][-1]["reason"] == body.get("reason", "")
    assert all(item["by"].startswith("key ") for item in done["acts"])
    assert done["acts"][2]["shares_before"] == {candidate["id"]: 0.1}
    assert done["acts"][2]["shares_after"] == {candidate["id"]: 0.2}
    assert labels.live(prompts[1].app_id, "user") == prompts[1]
    found = operator.get(f"{E}/Shorter")
    check(ONE, "get", found)
    assert found == done
    second = new(operator, name="again", candidates=[{"version": "user-1"}])
    assert operator.post(f"{E}/again/stop", {"reason": "Enough"})["state"] == "stopped"
    page = operator.get(f"{E}?limit=1")
    check(SCHEMA, "get", page)
    assert [item["id"] for item in page["items"]] == [second["id"]]
    rest = operator.get(f"{E}?cursor={page['next_cursor']}")
    assert [item["name"] for item in rest["items"]] == ["Shorter"]


def test_a_paused_arm_says_why(operator: Agent, prompts: Any) -> None:
    new(operator)
    [candidate] = operator.post(f"{E}/tone/pause", {"arm": "user-2", "reason": "Rude"})["arms"]
    assert (candidate["paused"], candidate["paused_because"]) == (True, "Rude")


def test_measures_have_units_intervals_and_differences(operator: Agent, prompts: Any) -> None:
    new(operator, candidates=[{"version": "user-2", "share": 0.5}])
    row = Experiment.objects.get()
    for falls_to in (None, arm(row)) * 3:
        tell(someone(row, falls_to), "One.", "Two.")
    found = operator.get(f"{E}/tone/measures")
    check(f"{ONE}/measures", "get", found)
    control, [candidate] = found["control"], found["arms"]
    assert (found["subjects"], control["passes"], candidate["passes"]) == (6, 3, 3)
    assert (control["arm"], control["version"]["name"], control["target"]) == (None, "user-1", 0.5)
    assert control["measures"]["input_tokens"]["value"] == candidate["measures"]["input_tokens"]["value"] == 50
    assert candidate["differences"]["input_tokens"] | {"n": 0} == {"value": 0, "low": 0, "high": 0, "n": 0}
    assert found["units"]["input_tokens"]["unit"] == "tokens per event"
    assert "win_rate" not in control["measures"]
    assert candidate["measures"]["failure_rate"]["value"] == 0 < candidate["measures"]["failure_rate"]["high"]


def test_of_a_draft_there_is_nothing_to_measure(operator: Agent, prompts: Any) -> None:
    operator.post(E, {"name": "tone", "candidates": [{"version": "user-2"}]})
    found = operator.get(f"{E}/tone/measures")
    check(f"{ONE}/measures", "get", found)
    assert (found["since"], found["subjects"], found["control"]["passes"]) == (None, 0, 0)


def test_the_questions_do_not_grow_with_what_was_done(
    operator: Agent, prompts: Any, django_assert_max_num_queries: Any
) -> None:
    new(operator, candidates=[{"version": "user-2", "share": 0.5}])
    operator.get(f"{E}/tone/measures")
    for count in (1, 4):
        for number in range(count):
            tell(person(f"user-{number}"), "One.")
        with django_assert_max_num_queries(13):  # one is a key's, now and then
            operator.get(f"{E}/tone/measures")
        with django_assert_max_num_queries(6):
            operator.get(f"{E}/tone")


def test_two_versions_are_compared_blindly(operator: Agent, prompts: Any) -> None:
    new(operator, mode="shadow")
    for number in range(4):
        tell(person(f"user-{number}"), "One.")
    chosen: list[Any] = []
    while pair := (found := operator.get(f"{E}/tone/pairs?arm=user-2"))["pair"]:
        check(f"{ONE}/pairs", "get", found)
        assert {pair[side]["now"] for side in ("first", "second")} == {"Control", "Candidate"}
        assert "user-1" not in str(pair) or pair["subject"]["name"] == "user-1"
        better = "first" if pair["first"]["now"] == "Candidate" else "second"
        choice = better if len(chosen) < 3 else "tie"
        body = {"arm": "user-2", "subject_id": pair["subject_id"], "covers_to": pair["covers_to"], "choice": choice}
        kept = operator.post(f"{E}/tone/pairs", body)
        check(f"{ONE}/pairs", "post", kept)
        refused(operator.send("POST", f"{E}/tone/pairs", body), 409, "conflict")
        chosen.append(better)
    assert len(chosen) == 4
    assert sorted(Comparison.objects.values_list("choice", flat=True)) == ["candidate"] * 3 + ["tie"]
    [candidate] = operator.get(f"{E}/tone/measures")["arms"]
    assert candidate["measures"]["win_rate"]["value"] == 3.5 / 4
    another = Agent(ApiKeyFactory().key)
    assert another.get(f"{E}/tone/pairs?arm=user-2")["pair"] is not None, "each reviewer judges for themselves"


def test_where_somebody_falls(operator: Agent, prompts: Any) -> None:
    made = new(operator, candidates=[{"version": "user-2", "share": 0.5}])
    row = Experiment.objects.get()
    people = [someone(row, falls_to).user.name for falls_to in (None, arm(row))]
    falling = [operator.get(f"{E}/tone/assignment?user={name}") for name in people]
    for name, found in zip(people, falling, strict=True):
        check(f"{ONE}/assignment", "get", found)
        assert found["subject"]["name"] == name
        assert found["arm"] == (made["arms"][0]["id"] if found["bucket"] < 5_000 else None)
        assert found["version"] == found["serves_next"]
    assert [found["version"]["name"] for found in falling] == ["user-1", "user-2"]
    operator.post(f"{E}/tone/pause")
    assert {operator.get(f"{E}/tone/assignment?user={name}")["serves_next"]["name"] for name in people} == {"user-1"}


def test_whoever_is_no_such_subject_falls_nowhere(operator: Agent, prompts: Any) -> None:
    new(operator)
    person("ana")
    for query, where in [("", "user"), ("?user=ana&project=x", "user"), ("?session=x", "user"), ("?user=a%00", "user")]:
        detail = refused(operator.send("GET", f"{E}/tone/assignment{query}"), 422, "invalid")
        assert detail[0]["loc"] == ["query", where]
    refused(operator.send("GET", f"{E}/tone/assignment?user=nobody"), 404, "not_found")


@pytest.mark.parametrize("scope", ["app", "user"])
def test_only_an_operators_key_opens_experiments(prompts: Any, row_counts: RowCounts, scope: str) -> None:
    user = person("ana").user
    agent = Agent(ApiKeyFactory(**({"app": user.app} if scope == "app" else {"user": user})).key)
    before = row_counts()
    refused(agent.send("GET", E), 401, "out_of_scope")
    refused(agent.send("POST", E, {"name": "x", "candidates": [{"version": "user-2"}]}), 401, "out_of_scope")
    assert row_counts() == before


def test_an_apps_experiments_are_its_own(operator: Agent, prompts: Any) -> None:
    made = new(operator)
    AppFactory(name="elsewhere")
    for ref in ("tone", made["id"]):
        refused(operator.send("GET", f"/v1/apps/elsewhere/experiments/{ref}"), 404, "not_found")
        refused(operator.send("POST", f"/v1/apps/elsewhere/experiments/{ref}/stop"), 404, "not_found")
    assert Experiment.objects.get().state == "running"


@pytest.mark.parametrize(
    ("act", "body", "where"),
    [
        ("", {"candidates": []}, "name"),
        ("", {"name": "x"}, "candidates"),
        ("", {"name": "x", "candidates": {}}, "candidates"),
        ("", {"name": "x", "candidates": [{"version": "user-9"}]}, "candidates"),
        ("", {"name": "x", "candidates": [{"version": "user-1"}]}, "candidates"),
        ("", {"name": "x", "candidates": [{"version": "user-2", "share": 2}]}, "candidates"),
        ("", {"name": "x", "candidates": [{"version": "user-2", "shares": 1}]}, "candidates"),
        ("", {"name": "x", "candidates": [5]}, "candidates"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "kind": "pet"}, "kind"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "kind": ["user"]}, "kind"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "mode": {}}, "mode"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "sample": "all"}, "sample"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "guardrails": [{"measure": "cost"}]}, "guardrails"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "reason": 5}, "reason"),
        ("", {"name": "x", "candidates": [{"version": "user-2"}], "salt": "mine"}, "salt"),
        ("/tone/ramp", {"share": 0.1}, "arm"),
        ("/tone/ramp", {"arm": "user-2"}, "share"),
        ("/tone/ramp", {"arm": "user-2", "share": "0.1"}, "share"),
        ("/tone/ramp", {"arm": "user-2", "share": 1.01}, "share"),
        ("/tone/ramp", {"arm": "user-1", "share": 0.1}, "arm"),
        ("/tone/pause", {"arm": 5}, "arm"),
        ("/tone/pause", {"arm": "nobody"}, "arm"),
        ("/tone/promote", {"arm": "user-2"}, "reason"),
        ("/tone/promote", {"arm": "user-2", "reason": ""}, "reason"),
        ("/tone/promote", {"reason": "It won"}, "arm"),
        ("/tone/stop", {"why": "x"}, "why"),
        ("/tone/pairs", {"arm": "user-2", "subject_id": "x", "covers_to": 1, "choice": "first"}, "subject_id"),
        ("/tone/pairs", {"arm": "user-2", "subject_id": "x" * 22, "covers_to": -1, "choice": "first"}, "covers_to"),
        ("/tone/pairs", {"arm": "user-2", "subject_id": "2" * 22, "covers_to": 1, "choice": "both"}, "choice"),
        ("/tone/pairs", {"arm": "user-2", "subject_id": "2" * 22, "covers_to": 1, "choice": []}, "choice"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_and_changes_nothing(
    operator: Agent, prompts: Any, row_counts: RowCounts, act: str, body: dict[str, Any], where: str
) -> None:
    new(operator)
    before = row_counts()
    detail = refused(operator.send("POST", f"{E}{act}", body), 422, "invalid")
    assert detail[0]["loc"][:2] == ["body", where], detail
    assert row_counts() == before


def test_what_contradicts_what_stands_is_said(operator: Agent, prompts: Any, row_counts: RowCounts) -> None:
    new(operator)
    operator.post(E, {"name": "second", "candidates": [{"version": "user-2"}]})
    before = row_counts()
    for act, body in [
        ("", {"name": "tone", "candidates": [{"version": "user-2"}]}),
        ("/second/start", {}),
        ("/tone/start", {}),
        ("/tone/resume", {}),
        ("/tone/resume", {"arm": "user-2"}),
    ]:
        refused(operator.send("POST", f"{E}{act}", body), 409, "conflict")
    refused(operator.send("POST", f"{E}/tone/pairs", {"arm": "user-2", "subject_id": "2" * 22, "covers_to": 1,
                                                      "choice": "tie"}), 404, "not_found")  # fmt: skip
    assert row_counts() == before


def test_an_act_is_done_once_for_one_idempotency_key(operator: Agent, prompts: Any, row_counts: RowCounts) -> None:
    operator.post(E, {"name": "tone", "candidates": [{"version": "user-2", "share": 1}]})
    headers = {"Idempotency-Key": str(uuid4())}
    first = operator.send("POST", f"{E}/tone/start", {}, **headers)
    before = row_counts()
    again = operator.send("POST", f"{E}/tone/start", {}, **headers)
    assert (first.content, first.status_code) == (again.content, 200)
    assert row_counts() == before


class TestFeedback:
    """How well a version served."""

    def test_it_is_kept_with_the_version_and_counts_for_the_arm_that_made_it(
        self, operator: Agent, prompts: Any
    ) -> None:
        new(operator)
        subject = person("ana")
        tell(subject, "One.")
        agent = Agent(ApiKeyFactory(user=subject.user).key)
        path = "/v1/apps/harbour/users/ana/representation/feedback"
        kept = agent.post(path, {"version": 1, "score": 0.5, "comment": "It knew me"})
        check("/v1/apps/{app}/users/{user}/representation/feedback", "post", kept)
        assert (kept["version"], kept["score"], kept["comment"]) == (1, 0.5, "It knew me")
        assert kept["by"].startswith("key ")
        row = Feedback.objects.get()
        assert (row.subject_id, row.representation.number) == (subject.pk, 1)
        [candidate] = operator.get(f"{E}/tone/measures")["arms"]
        assert candidate["measures"]["feedback"] == {"value": 0.5, "low": None, "high": None, "n": 1}

    def test_sessions_and_projects_have_it_too(self, operator: Agent, prompts: Any) -> None:
        user = person("ana").user
        for place in ("users/ana/sessions/talk", "projects/work"):
            operator.post(f"/v1/apps/harbour/{place}/events", {"content": "One.", "author": user.name})
            tell(person("ana"), "x")
            found = operator.post(f"/v1/apps/harbour/{place}/representation/feedback", {"version": 1, "score": -1})
            assert found["score"] == -1.0
        kinds = Subject.objects.filter(feedback__isnull=False).values_list("kind", flat=True)
        assert sorted(kinds) == ["project", "session"]

    def test_a_key_that_only_reads_or_is_anothers_may_not(self, operator: Agent, row_counts: RowCounts) -> None:
        subject = person("ana")
        publish(subject.user)
        path = "/v1/apps/harbour/users/ana/representation/feedback"
        reader = Agent(ApiKeyFactory(user=subject.user, read_only=True).key)
        other = Agent(ApiKeyFactory(user=UserFactory(app=subject.app)).key)
        before = row_counts()
        refused(reader.send("POST", path, {"version": 1, "score": 1}), 403, "read_only")
        refused(other.send("POST", path, {"version": 1, "score": 1}), 401, "out_of_scope")
        assert row_counts() == before

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"score": 1}, "version"),
            ({"version": 1}, "score"),
            ({"version": 0, "score": 1}, "version"),
            ({"version": "1", "score": 1}, "version"),
            ({"version": 1, "score": 1.01}, "score"),
            ({"version": 1, "score": "good"}, "score"),
            ({"version": 1, "score": True}, "score"),
            ({"version": 1, "score": None}, "score"),
            ({"version": 1, "score": 1, "comment": 5}, "comment"),
            ({"version": 1, "score": 1, "comment": "x" * 2_001}, "comment"),
            ({"version": 1, "score": 1, "mood": "x"}, "mood"),
        ],
    )
    def test_what_cannot_be_taken_is_named(
        self, operator: Agent, row_counts: RowCounts, body: dict[str, Any], where: str
    ) -> None:
        publish(person("ana").user)
        before = row_counts()
        response = operator.send("POST", "/v1/apps/harbour/users/ana/representation/feedback", body)
        assert refused(response, 422, "invalid")[0]["loc"] == ["body", where]
        assert row_counts() == before

    def test_a_version_that_nobody_was_served_takes_none(self, operator: Agent, db: None) -> None:
        subject = person("ana")
        tell(subject, "One.")
        subject.refresh_from_db()
        publishing.quarantine(subject.line_id, draft_on(subject.line), "It shouts")
        path = "/v1/apps/harbour/users/ana/representation/feedback"
        refused(operator.send("POST", path, {"version": 2, "score": 1}), 422, "invalid")
        refused(operator.send("POST", path, {"version": 3, "score": 1}), 404, "not_found")
        assert not Feedback.objects.exists()
