"""``benchmarks.scenario``: a deployment from its first prompt to the undoing of a rollback; it asserts each step."""

import subprocess
import sys
from pathlib import Path

from benchmarks.scenario import STEPS

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 400


def scenario(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.scenario", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=PATIENCE)


def test_every_step_finds_what_it_must_on_the_conversations_that_ship_with_the_project():
    done = scenario("--users", "14")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"[-4000:]
    said = done.stdout.splitlines()
    assert [f"{number:>2}. {step.__doc__}" for number, step in enumerate(STEPS, start=1)] == said[: 2 * len(STEPS) : 2]
    assert said[-1].startswith(f"All {len(STEPS)} steps found what they must")


def test_what_cannot_be_told_ends_it_with_a_sentence(tmp_path):
    done = scenario("--conversations", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, f"\nFAILED: There is no *.jsonl in {tmp_path}.\n")
    (tmp_path / "broken.jsonl").write_text('{"session": "s1"}\n')
    done = scenario("--conversations", str(tmp_path))
    assert done.returncode == 1
    assert "broken.jsonl, line 1: 'author' is missing" in done.stdout
