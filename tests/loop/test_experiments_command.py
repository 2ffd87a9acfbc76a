"""``manage.py experiments``: the same acts as over HTTP, in plain text."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from reasoning import labels
from reasoning.models import Experiment, ExperimentAct
from tests.loop.experiments import arm, live, prompt, someone, tell
from tests.loop.helpers import AT_ONCE
from tests.store.helpers import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def prompts(db, settings):
    """The control, which is live, and a candidate."""
    settings.HONCHO = AT_ONCE
    return live("Control"), prompt("Candidate")


def experiments(*words: str) -> list[str]:
    out = io.StringIO()
    act, *rest = words
    call_command("experiments", act, "--app", "harbour", *rest, stdout=out)
    return out.getvalue().splitlines()


def test_an_experiment_from_its_beginning_to_its_end(prompts):
    [made] = experiments("create", "tone", "user-2=0.1", "--guardrail", "cost=1.5x", "--guardrail", "failure_rate=0.05",
                         "--sample", "0.05", "--reason", "Why not")  # fmt: skip
    assert made.endswith("draft     serve   tone: user-2 10.00% against user-1")
    found = Experiment.objects.get()
    assert [(rail["measure"], rail["limit"], rail["relative"]) for rail in found.guardrails] == [
        ("cost", 1.5, True), ("failure_rate", 0.05, False)
    ]  # fmt: skip
    assert found.sample == 500
    for words, shows in [
        (("start", "tone"), "running   serve   tone: user-2 10.00%"),
        (("ramp", "tone", "user-2", "0.25"), "user-2 25.00%"),
        (("pause", "tone", "user-2", "--reason", "Rude"), "user-2 25.00% (paused: Rude)"),
        (("resume", "tone", "user-2"), "user-2 25.00% against"),
        (("pause", "tone"), "paused    serve"),
        (("resume", found.public_id), "running   serve"),
        (("promote", "tone", "user-2", "--reason", "It won"), "promoted  serve"),
    ]:
        [told] = experiments(*words)
        assert shows in told
    assert labels.live(found.app_id, "user") == prompts[1]
    assert ExperimentAct.objects.latest("pk").reason == "It won"
    assert set(ExperimentAct.objects.values_list("by", flat=True)) == {"manage.py"}
    experiments("create", "again", "user-1", "--mode", "shadow")
    experiments("start", "again")
    assert "stopped   shadow" in experiments("stop", "again")[0]
    assert [line.split()[3] for line in experiments("list")] == ["again:", "tone:"]


def test_what_each_arm_did_is_a_table(prompts):
    experiments("create", "tone", "user-2=0.5")
    experiments("start", "tone")
    found = Experiment.objects.get()
    for falls_to in (None, None, arm(found)):
        tell(someone(found, falls_to), "One.", "Two.")
    shown = experiments("show", "tone")
    rows = {line.split()[0]: line.split()[1:] for line in shown[3:]}
    assert shown[2].split() == ["user-1", "user-2", "difference"]
    assert rows["target"] == ["50.00%", "50.00%"]
    assert rows["passes"] == ["2", "1"]
    assert rows["events"] == ["4", "2"]
    assert rows["input_tokens"] == ["50", "[50,", "50]", "50", "0", "(tokens", "per", "event)"]
    assert rows["win_rate"][0] == "-"


def test_the_sites_experiments_are_those_without_an_app(prompts):
    prompt("Theirs", app=None)
    out = io.StringIO()
    call_command("experiments", "create", "everywhere", "user-2=0.1", stdout=out)
    assert Experiment.objects.get().app is None
    assert experiments("list") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "tone", "user-9"), "Prompt version not found"),
        (("create", "tone", "user-1"), "candidates.0.version: This is the control"),
        (("create", "tone", "user-2=much"), "user-2=much: 'much' is no number"),
        (("create", "tone", "user-2", "--guardrail", "beauty=1"), "guardrails.0.measure: Use failure_rate"),
        (("create", "tone", "user-2", "--guardrail", "cost"), "cost: '' is no number"),
        (("show", "nothing"), "Experiment not found"),
        (("start", "nothing"), "Experiment not found"),
    ],
)
def test_what_is_refused_is_said_and_changes_nothing(words, says):
    person()
    with pytest.raises(CommandError, match=says):
        experiments(*words)
    assert not Experiment.objects.exists()
