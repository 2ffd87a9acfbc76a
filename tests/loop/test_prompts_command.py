"""``manage.py prompts``: the same acts as over HTTP, in plain text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from memory import tenants
from reasoning import labels, prompt_versions
from reasoning.models import Label, LabelMove, PromptVersion
from tests.store.helpers import person, said

pytestmark = pytest.mark.django_db


def prompts(*words: str) -> str:
    out = io.StringIO()
    call_command("prompts", *words, stdout=out)
    return out.getvalue()


def own(text: str = "Know {subject}.", **more: Any) -> PromptVersion:
    return prompt_versions.create("user", text, message="Our own", app=tenants.make_app("harbour")[0], **more)


def test_versions_are_listed_with_their_labels_and_uses():
    labels.move("live", own(model="large"), reason="x")
    shown = prompts("list", "--app", "harbour", "--kind", "user").splitlines()
    assert [line.split()[:5] for line in shown] == [
        ["user-1", "live", "0", "passes", "large"], ["site-user-1", "live", "0", "passes", "-"],
    ]  # fmt: skip
    assert len(prompts("list").splitlines()) == 4


def test_a_version_is_made_from_a_file_shown_and_compared(tmp_path: Path):
    own("Know {subject} well.", model="small")
    file = tmp_path / "prompt.md"
    file.write_text("Know {subject} better.")
    made = prompts(
        "create", "user", str(file), "--app", "harbour", "--message", "Better", "--parameters", '{"temperature": 0}'
    )
    assert made.split()[0] == "user-2"
    shown = prompts("show", "user-2", "--app", "harbour")
    assert "Know {subject} better." in shown
    assert '{"temperature": 0}' in shown
    diff = prompts("diff", "user-1", "user-2", "--app", "harbour")
    assert diff.splitlines()[:2] == ['model: "small" -> ""', "parameters.temperature: null -> 0"]
    assert diff.splitlines()[-2:] == ["-Know {subject} well.", "+Know {subject} better."]
    words = prompts("diff", "user-1", "user-2", "--app", "harbour", "--words")
    assert words.splitlines()[-1] == "Know {subject} [-well-]{+better+}."


def test_a_label_is_moved_and_taken_off_with_a_reason():
    own(), own()
    prompts("label", "live", "user-1", "--app", "harbour", "--reason", "Ours")
    assert "user-1 -> user-2" in prompts("label", "live", "user-2", "--app", "harbour", "--reason", "Better")
    assert "already" in prompts("label", "live", "user-2", "--app", "harbour", "--reason", "Better")
    assert "user-2 -> nothing" in prompts(
        "label", "live", "--take-off", "user", "--app", "harbour", "--reason", "Worse"
    )
    history = prompts("label", "live", "--app", "harbour").splitlines()
    assert [line.rpartition(": ")[2] for line in history[:3]] == ["Worse", "Better", "Ours"]
    assert all(move.by.endswith("a shell") for move in LabelMove.objects.exclude(app=None))


def test_the_sites_label_is_moved_without_an_app():
    made = prompt_versions.create("user", "Know {subject}.", message="New")
    prompts("label", "live", "user-2", "--reason", "Better")
    assert labels.pointed("live", None, "user") == made


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "user-9"], "Prompt version not found"),
        (["list", "--app", "nowhere"], "App not found"),
        (["label", "live", "site-user-1", "--app", "harbour", "--reason", "x"], "the site's: leave --app out"),
        (["label", "live", "user-1", "--app", "harbour"], "reason: Say why."),
        (["label", "live", "user-1", "--take-off", "user", "--app", "harbour"], "not both"),
        (["create", "user", "/nowhere/prompt.md", "--message", "x"], "cannot be read"),
        (["create", "user", __file__, "--message", "x", "--parameters", "[]"], "takes a JSON object"),
        (["create", "user", __file__, "--message", "x", "--parameters", "{"], "not JSON"),
        (["diff", "user-1", "session-1"], "nothing to compare"),
        (["dry_run", "user-1", "--user", "ana"], "Give --app"),
        (["dry_run", "user-1", "--app", "harbour"], "Give --user"),
    ],
)
def test_what_cannot_be_done_ends_with_a_reason_and_changes_nothing(words, why):
    own()
    person()
    before = list(Label.objects.values()), PromptVersion.objects.count()
    with pytest.raises(CommandError, match=why):
        prompts(*words)
    assert (list(Label.objects.values()), PromptVersion.objects.count()) == before


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_is_told_in_plain_words(settings):
    settings.HONCHO = {}
    own()
    person()
    with pytest.raises(CommandError, match="nothing to read"):
        prompts("dry_run", "user-1", "--app", "harbour", "--user", "ana")
    said("I moved to Lisbon.")
    shown = prompts("dry_run", "user-1", "--app", "harbour", "--user", "ana").splitlines()
    assert shown[0] == "user-1 on ana: events 1 to 1, new, after nothing"
    assert shown[1] == "local local-1: 0 tokens in, 0 out, for 0"
    assert shown[2].startswith("Note: The built-in reasoner")
    assert "Beside what stands now (nothing):" in shown
    assert any(line.startswith("+ ") and "Lisbon" in line for line in shown)
