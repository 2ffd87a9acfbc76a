"""Rollbacks of what a prompt version made, over HTTP and from the command line."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from memory import clock, reading, retention, tenants
from memory.models import Representation
from reasoning import labels, prompt_versions
from reasoning.models import PromptVersion, Rollback
from tests.api.conftest import Agent, RowCounts, refused
from tests.api.test_openapi import check
from tests.loop.helpers import AT_ONCE, drain
from tests.store.helpers import person, say

pytestmark = pytest.mark.django_db(transaction=True)
R = "/v1/apps/harbour/rollbacks"
SCHEMA = "/v1/apps/{app}/rollbacks"


@pytest.fixture
def second(settings: Any) -> PromptVersion:
    """Ana's first version is by the app's first prompt, her second by its second, which is live."""
    settings.HONCHO = AT_ONCE
    person()
    app = tenants.find_app("harbour")
    for number in (1, 2):
        version = prompt_versions.create("user", f"Know {{subject}}, {number}.", message="Next", app=app)
        labels.move("live", version, reason="Next")
        say(f"line {number}")
        drain()
    return version


def text() -> str:
    return reading.context("harbour", "ana").text


def test_a_dry_run_says_what_it_would_do_and_keeps_nothing(
    operator: Agent, second: PromptVersion, row_counts: RowCounts
) -> None:
    before = row_counts()
    answer = operator.post(R, {"prompt": "user-2", "dry_run": True})
    check(SCHEMA, "post", answer)
    assert row_counts() == before
    assert (answer["id"], answer["subjects"], answer["plan"]["versions"]) == (None, 1, 1)
    assert (answer["plan"]["live"], answer["plan"]["events"]) == ("user-1", 1)
    [sample] = answer["plan"]["sample"]
    assert (sample["subject"], sample["from"], sample["to"]) == ("ana", 2, 1)
    assert "line 2" in sample["change"]


def test_it_is_done_listed_and_undone(operator: Agent, second: PromptVersion) -> None:
    served = text()
    made = operator.post(R, {"prompt": "user-2", "since": "7d", "reason": "It mixes up people"})
    check(SCHEMA, "post", made)
    assert (made["subjects"], made["live"], made["by"][:4]) == (1, "user-1", "key ")
    assert "line 2" not in text()
    assert labels.pointed("live", second.app, "user").number == 1
    undone = operator.post(f"{R}/{made['id']}/undo", {"reason": "It did not"})
    check(f"{SCHEMA}/{{rollback}}/undo", "post", undone)
    assert (undone["undoes"], text()) == (made["id"], served)
    assert operator.get(f"{R}/{made['id']}")["undone_by"] == undone["id"]
    page = operator.get(R)
    check(SCHEMA, "get", page)
    assert [item["id"] for item in page["items"]] == [undone["id"], made["id"]]
    refused(operator.send("POST", f"{R}/{made['id']}/undo", {"reason": "x"}), 409, "conflict")


NONSENSE: list[tuple[dict[str, Any], int]] = [
    ({"prompt": "user-2"}, 422),
    ({"prompt": "user-9", "reason": "x"}, 404),
    ({"prompt": "user-2", "reason": "x", "then": "forget"}, 422),
    ({"prompt": "user-2", "reason": "x", "since": "soon"}, 422),
    ({"prompt": "user-2", "reason": "x", "keep_live": "yes"}, 422),
    ({"prompt": "user-2", "reason": "x", "live": "user-2"}, 422),
    ({"prompt": "site-session-1", "reason": "x"}, 409),
]


def test_what_makes_no_sense_is_refused_and_changes_nothing(
    operator: Agent, second: PromptVersion, row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    before = row_counts()
    for body, status in NONSENSE:
        with subtests.test(str(body)):
            assert operator.send("POST", R, body).status_code == status
            assert row_counts() == before


def test_one_subject_is_rolled_back_with_its_events_read_again(operator: Agent, second: PromptVersion) -> None:
    path = "/v1/apps/harbour/users/ana/representation/rollback"
    operator.post(path, {"to": 1, "reason": "Wrong", "then": "reason_again"})
    assert Representation.objects.latest("number").covers_to == 1
    drain()
    assert Representation.objects.latest("number").covers_to == 2
    refused(operator.send("POST", path, {"to": 1, "reason": "Wrong", "then": "go_on"}), 422, "invalid")


def test_the_command_plans_makes_lists_and_undoes(second: PromptVersion) -> None:
    def command(*arguments: str) -> str:
        out = StringIO()
        call_command("rollback", *arguments, stdout=out)
        return out.getvalue()

    assert "1  subjects" in command("plan", "user-2", "--app", "harbour")
    assert not Rollback.objects.exists()
    assert "taken back in 1 subjects" in command("make", "user-2", "--app", "harbour", "--reason", "It lies")
    assert "line 2" not in text()
    made = Rollback.objects.get()
    assert made.public_id in command("list", "--app", "harbour")
    assert "undone in 1 subjects" in command("undo", made.public_id, "--reason", "It does not")
    assert "line 2" in text()
    with pytest.raises(CommandError, match="undone already"):
        command("undo", made.public_id, "--reason", "Once more")
    with pytest.raises(CommandError, match="no such rollback"):
        command("undo", "nonsense", "--reason", "x")


def test_a_version_is_kept_whole_and_released(operator: Agent, second: PromptVersion) -> None:
    path = "/v1/apps/harbour/users/ana/representation/versions/1/kept"
    kept = operator.send("PUT", path, {"reason": "Evidence"})
    check("/v1/apps/{app}/users/{user}/representation/versions/{number}/kept", "put", kept.json())
    assert retention.thin(clock.now()) == 0
    operator.send("DELETE", path)
    assert retention.thin(clock.now()) == 0, "it is the head of the first prompt's line"
    assert operator.send("PUT", path, {"reason": ""}).status_code == 422
    assert operator.send("PUT", path.replace("/1/", "/9/"), {"reason": "x"}).status_code == 404
