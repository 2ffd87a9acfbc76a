"""Reprocessing as operators do it from outside: over HTTP, and by command."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from memory import keys
from memory.models import App, Subject
from reasoning.models import Reprocess
from tests.api.conftest import Agent, refused
from tests.api.test_openapi import check
from tests.factories import ApiKeyFactory
from tests.loop.helpers import drain, draining, people
from tests.loop.test_reprocessing import BRISK, TwoPrompts, refusing, second_prompt
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = "/v1/apps/harbour/reprocesses"
PATTERN = "/v1/apps/{app}/reprocesses"


@pytest.fixture(autouse=True)
def brisk(settings):
    settings.HONCHO = BRISK


@pytest.fixture
def operator(brisk):
    keys.forget()
    yield Agent(ApiKeyFactory().key)
    keys.forget()


@pytest.fixture
def read(brisk):
    """Two subjects that the first prompt has read, and a second prompt."""
    for subject in people(2):
        say("one", user=subject.user.name)
    drain()
    return second_prompt()


def new(**fields: Any) -> dict[str, Any]:
    return {"prompt": "site-user-2", "reason": "It reads better"} | fields


def test_a_run_over_http_from_its_draft_to_its_promotion(operator, read):
    run = operator.post(RUNS, new(since="30d", token_budget=100_000, money_budget="12.50", passes_per_minute=600))
    check(PATTERN, "post", run)
    assert (run["state"], run["prompt"], run["estimate"]["passes"]) == ("draft", "site-user-2", 2)
    assert (run["token_budget"], run["money_budget"]) == (100_000, "12.5")
    assert run["by"].startswith("key ")
    one, path = f"{PATTERN}/{{reprocess}}", f"{RUNS}/{run['id']}"
    changed = operator.put(path, {"money_budget": None, "passes_per_minute": None})
    check(one, "put", changed)
    assert (changed["money_budget"], changed["token_budget"], changed["passes_per_minute"]) == (None, 100_000, None)
    for step, state in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        took = operator.post(f"{path}/{step}", {"reason": "because"})
        check(f"{one}/{step}", "post", took)
        assert took["state"] == state
        assert took["state_reason"].endswith("because")
    assert refused(operator.send("POST", f"{path}/discard", {}), 409, "conflict").startswith("Only a run that is done")
    drain(TwoPrompts())
    done = operator.get(path)
    check(one, "get", done)
    assert (done["state"], done["progress"]["items"], done["progress"]["events_left"]) == ("done", {"ready": 2}, 0)
    first = operator.get(f"{path}/items?limit=1&state=ready")
    check(f"{one}/items", "get", first)
    [item] = first["items"]
    assert (item["state"], item["regressions"], item["read_to"], item["subject"]["kind"]) == ("ready", [], 1, "user")
    second = operator.get(f"{path}/items?limit=1&cursor={first['next_cursor']}")
    assert {first["items"][0]["subject"]["name"], second["items"][0]["subject"]["name"]} == {"user-0", "user-1"}
    assert second["next_cursor"] is None
    sample = operator.get(f"{path}/sample?limit=1")
    check(f"{one}/sample", "get", sample)
    assert [each["content"] for each in sample["items"][0]["diff"]["added"]] == ["Now read as: one"]
    promoted = operator.post(f"{path}/promote", {"only": "without_regressions", "reason": "It is better"})
    check(f"{one}/promote", "post", promoted)
    assert (promoted["promoted"], promoted["left"], promoted["state"]) == (2, 0, "promoted")
    assert "Now read as: one" in operator.get("/v1/apps/harbour/users/user-0/context")["context"]
    undone = operator.post(f"{path}/undo", {"reason": "Worse"})
    check(f"{one}/undo", "post", undone)
    assert (undone["undone"], undone["state"]) == (2, "discarded")
    assert "Now read as" not in operator.get("/v1/apps/harbour/users/user-0/context")["context"]
    runs = operator.get(RUNS)
    check(PATTERN, "get", runs)
    assert [each["id"] for each in runs["items"]] == [run["id"]]


def test_a_run_by_batch_is_drafted_and_refused_where_nobody_can_carry_it(operator, read, settings):
    run = operator.post(RUNS, new(carrier="batch"))
    assert (run["carrier"], run["estimate"]["seconds"]) == ("batch", 86_400)
    settings.HONCHO = BRISK | {"PROVIDER": "local"}
    said = refused(operator.send("POST", f"{RUNS}/{run['id']}/start", {}), 409, "conflict")
    assert said.startswith("The site's provider is the built-in local reasoner, which takes no batches")
    assert operator.get(f"{RUNS}/{run['id']}")["state"] == "draft"


def test_a_part_of_a_run_is_promoted_and_the_rest_later(operator, read):
    run = operator.post(RUNS, new())["id"]
    operator.post(f"{RUNS}/{run}/start")
    drain(TwoPrompts())
    sent = {"only": "all", "subjects": ["user-1"], "end": False}
    told = operator.post(f"{RUNS}/{run}/promote", sent)
    assert (told["promoted"], told["left"], told["state"]) == (1, 1, "done")
    told = operator.post(f"{RUNS}/{run}/promote", {"only": "all", "percent": 100})
    assert (told["promoted"], told["left"], told["state"]) == (1, 0, "promoted")


def test_a_run_can_be_cancelled_and_discarded(operator, read):
    first, second = (operator.post(RUNS, new())["id"] for _ in range(2))
    for run, steps in ((first, ("cancel",)), (second, ("start", "drain", "discard"))):
        for step in steps:
            if step == "drain":
                drain(TwoPrompts())
            else:
                check(f"{PATTERN}/{{reprocess}}/{step}", "post", operator.post(f"{RUNS}/{run}/{step}"))
    states = [operator.get(f"{RUNS}/{run}")["state"] for run in (first, second)]
    assert states == ["cancelled", "discarded"]
    page = operator.get(f"{RUNS}?limit=1")
    assert [each["id"] for each in page["items"]] == [second]
    assert [each["id"] for each in operator.get(f"{RUNS}?cursor={page['next_cursor']}")["items"]] == [first]


def test_only_operators_reprocess_and_only_in_the_app_of_the_path(operator, read):
    run = operator.post(RUNS, new())["id"]
    app_key = Agent(ApiKeyFactory(app=App.objects.get(name="harbour")).key)
    refused(app_key.send("GET", RUNS), 401, "out_of_scope")
    refused(app_key.send("POST", f"{RUNS}/{run}/start", {}), 401, "out_of_scope")
    person(app="elsewhere")
    refused(operator.send("GET", f"/v1/apps/elsewhere/reprocesses/{run}"), 404, "not_found")
    assert Reprocess.objects.get().state == "draft"


CANNOT_BE = [
    ("reason", ""), ("reason", None), ("reason", 5), ("since", "yesterday"), ("since", 5),
    ("since", "2999-01-01T00:00:00Z"), ("subjects", "user-0"), ("subjects", ["nobody"]), ("subjects", [5]),
    ("subjects", [["user-0"]]), ("carrier", "pigeon"), ("carrier", []), ("passes_per_minute", 0),
    ("passes_per_minute", True), ("token_budget", -1), ("token_budget", "5"), ("money_budget", "much"),
    ("money_budget", "NaN"), ("money_budget", -1), ("money_budget", "1e30"), ("money_budget", []), ("prompt", 5),
    ("budget", 5),
]  # fmt: skip


def test_a_draft_that_cannot_be_is_refused_with_the_field_named(operator, read, subtests):
    for field, value in CANNOT_BE:
        with subtests.test(f"{field}={value}"):
            [problem] = refused(operator.send("POST", RUNS, new(**{field: value})), 422, "invalid")
            assert problem["loc"][:2] == ["body", field]
            assert Reprocess.objects.count() == 0


def test_another_apps_prompt_and_one_that_is_not_there_are_not_found(operator, read):
    foreign = second_prompt(app=person(app="elsewhere").app)
    for prompt in (foreign.public_id, "user-9", "nonsense"):
        refused(operator.send("POST", RUNS, new(prompt=prompt)), 404, "not_found")


def test_a_draft_for_listed_subjects_reads_those_alone(operator, read):
    run = operator.post(RUNS, new(subjects=["user-1", "user-1"]))
    assert run["subjects"] == [Subject.objects.get(user__name="user-1").public_id]
    assert run["estimate"]["subjects"] == 1


def test_queries_that_cannot_be_are_refused(operator, read):
    run = operator.post(RUNS, new())["id"]
    for query in ("items?state=odd", "items?cursor=x", "items?limit=0", "sample?limit=21"):
        refused(operator.send("GET", f"{RUNS}/{run}/{query}"), 422, "invalid")
    refused(operator.send("POST", f"{RUNS}/{run}/promote", {"only": "some"}), 422, "invalid")
    refused(operator.send("POST", f"{RUNS}/{run}/promote", {}), 422, "invalid")
    for field, value in (("percent", 0), ("percent", "10"), ("subjects", "user-0"), ("subjects", ["x"]), ("end", 1)):
        sent = {"only": "all", field: value}
        [problem] = refused(operator.send("POST", f"{RUNS}/{run}/promote", sent), 422, "invalid")
        assert problem["loc"][:2] == ["body", field]
    refused(operator.send("POST", f"{RUNS}/{run}/undo", {}), 422, "invalid")
    refused(operator.send("POST", f"{RUNS}/{run}/start", {"why": "x"}), 422, "invalid")
    refused(operator.send("PUT", f"{RUNS}/{run}", {"state": "done"}), 422, "invalid")


# By command


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("reprocess", *arguments, stdout=out)
    return out.getvalue()


def test_a_run_by_command_over_the_whole_site_with_a_bar(read):
    person(app="elsewhere", name="bo")
    say("one", app="elsewhere", user="bo")
    drain()
    told = manage("create", "--site", "--prompt", "user-2", "--since", "7d", "--reason", "It reads better")
    assert "3 subjects with 3 events" in told
    assert "this rests on 3 passes of user prompts" in told
    run = told.split()[-1]
    with draining(TwoPrompts()):
        told = manage("start", run, "--follow")
    assert "[##############################] 100% 3 of 3 events" in told
    assert told.rstrip().endswith("done. Everything is read.")
    assert run in manage("show")
    assert "3 ready" in manage("show", run)
    assert "Now read as: one" in manage("sample", run, "--limit", "1")
    assert manage("promote", run, "--only", "all", "--reason", "Better") == "3 promoted, 0 left as they are.\n"
    assert Reprocess.objects.get().state == "promoted"
    told = manage("undo", run, "--reason", "Worse")
    assert told == "Readers of 3 subjects get what they were given before.\n"


def test_a_run_is_steered_by_command(read):
    whose = ("--app", "harbour", "--prompt", "site-user-2", "--subject", "user-0")
    run = manage("create", *whose, "--reason", "x").split()[-1]
    manage("start", run)
    assert manage("pause", run, "--reason", "noon") == f"{run} is paused.\n"
    assert Reprocess.objects.get().state_reason == "By manage.py: noon"
    told = manage("throttle", run, "--per-minute", "5", "--tokens", "1000", "--money", "2.5")
    assert told == "passes a minute: 5; tokens: 1,000; money: 2.5\n"
    assert manage("throttle", run, "--money", "none") == "passes a minute: 5; tokens: 1,000; money: no limit\n"
    assert manage("resume", run) == f"{run} is running.\n"
    assert manage("cancel", run) == f"{run} is cancelled.\n"
    with pytest.raises(CommandError, match="Only a run that is done"):
        manage("discard", run)


def test_the_command_shows_what_failed(read):
    run = manage("create", "--app", "harbour", "--prompt", "site-user-2", "--reason", "x").split()[-1]
    manage("start", run)
    drain(TwoPrompts(refusing("user-1")))
    told = manage("show", run)
    assert "done. Everything is read, but 1 of 2 failed." in told
    assert "failed   user-1: It will not" in told


REFUSED = [
    (("create", "--app", "nowhere", "--prompt", "user-2", "--reason", "x"), "App not found"),
    (("create", "--app", "harbour", "--prompt", "user-9", "--reason", "x"), "Prompt version not found"),
    (("create", "--app", "harbour", "--prompt", "site-user-2", "--reason", " "), "reason: Say why."),
    (("create", "--app", "harbour", "--prompt", "site-user-2", "--since", "5y", "--reason", "x"), "since: "),
    (("create", "--site", "--prompt", "user-2", "--tokens", "many", "--reason", "x"), "--tokens takes a number"),
    (("create", "--site", "--prompt", "user-2", "--money", "NaN", "--reason", "x"), "money_budget: Give a number"),
    (("start", "nothing"), "Reprocess not found"),
]


def test_what_cannot_be_is_refused_by_the_command_in_words(read, subtests):
    for arguments, told in REFUSED:
        with subtests.test(told):
            with pytest.raises(CommandError, match=told):
                manage(*arguments)
            assert Reprocess.objects.count() == 0
