"""One run: what systems get to see, what is measured, stored, printed and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree

import pytest

from benchmarks.recall import report, results
from benchmarks.recall.__main__ import main
from benchmarks.recall.conversations import DataSet, Question, Turn
from benchmarks.recall.datasets import DATASETS
from benchmarks.recall.plot import plot
from benchmarks.recall.running import FREE, QUERY, Measured, measure
from benchmarks.recall.systems import SYSTEMS, system
from benchmarks.recall.systems.base import Costs, InProcess, Item, Memory, System, Unavailable
from tests.benchmarks.tales import TALE, TALES

BUDGETS = [60, 120]
ALONE = ("--jobs", "1")
"""The systems of these tests are known to this process alone."""


class Witness(Memory):
    """Notes what it is asked, in order, and asks a model for each turn."""

    seen: list[str | Question]

    def __init__(self) -> None:
        self.seen = []
        self._calls = 0

    def ingest(self, turns: Sequence[Turn]) -> None:
        self.seen.append("ingest")
        self._calls += len(turns)

    def settle(self) -> None:
        self.seen.append("settle")

    def represent(self, budget: int) -> Sequence[Item]:
        self.seen.append(f"represent {budget}")
        return [Item("Tomas repairs clocks at the museum in Ghent.", ("summer:2",))]

    def context(self, question: Question, budget: int) -> Sequence[Item]:
        self.seen.append(question)
        self._calls += 1
        return []

    def costs(self) -> Costs:
        return Costs(self._calls, 10 * self._calls, None)


def load(path: Path | None) -> DataSet:
    """The tales as a data set that the command can be asked for."""
    return TALES


def missing(options: Mapping[str, str]) -> System:
    """A system that is not installed."""
    return Missing("missing", "1", Witness, options)


def broken(options: Mapping[str, str]) -> System:
    """A system that does not do what it says."""
    return InProcess("broken", "1", Broken, options)


class Broken(Witness):
    def settle(self) -> None:
        raise RuntimeError("The server is gone.")


class Missing(InProcess):
    def __enter__(self) -> Self:
        raise Unavailable("Install it first.")


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "tales", f"{__name__}:load")
    monkeypatch.setitem(SYSTEMS, "missing", f"{__name__}:missing")
    monkeypatch.setitem(SYSTEMS, "broken", f"{__name__}:broken")


def measured(name: str) -> Measured:
    with system(name, {}) as started:
        return measure(started, TALES, BUDGETS)


def stored(*names: str) -> dict[str, Any]:
    return results.results(TALES, BUDGETS, [measured(name) for name in names], 1.0)


def test_what_is_query_free_is_frozen_before_any_question_is_known() -> None:
    witness = Witness()
    measure(InProcess("witness", "1", lambda: witness, {}), TALES, BUDGETS)
    assert witness.seen[:4] == ["ingest", "settle", "represent 60", "represent 120"]
    assert len(witness.seen) == 4 + len(BUDGETS) * len(TALE.questions)


def test_a_system_sees_of_a_question_what_is_asked_and_no_more() -> None:
    witness = Witness()
    measure(InProcess("witness", "1", lambda: witness, {}), TALES, BUDGETS)
    asked = [seen for seen in witness.seen if isinstance(seen, Question)]
    assert {question.text for question in asked} == {question.text for question in TALE.questions}
    assert {(question.answer, question.gold, question.stale, question.category) for question in asked} == {
        (None, (), (), "")
    }


def test_a_query_free_text_is_scored_on_every_question() -> None:
    found = measure(InProcess("witness", "1", Witness, {}), TALES, BUDGETS)
    scores = dict(zip([q.id for q in TALE.questions], found.scores[FREE, 120], strict=True))
    assert scores["clocks"].evg == 1.0
    assert scores["fish"].evg == 0.0
    assert list(found.frozen) == ["tale"]


def test_model_calls_are_counted_apart_for_taking_in_and_for_reading() -> None:
    found = measure(InProcess("witness", "1", Witness, {}), TALES, BUDGETS)
    assert found.index_costs == Costs(len(TALE.turns), 10 * len(TALE.turns), None)
    assert found.read_costs == Costs(18, 180, None)
    row = report.table(results.results(TALES, BUDGETS, [found], 1.0)).splitlines()[4]
    assert row.split("|")[-3].strip() == "100"  # calls for 100 events
    assert row.split("|")[-2].strip() == "?"  # and tokens, of which half are not known


def test_what_ignores_the_budget_is_not_cut() -> None:
    assert {scores.ev for scores in measured("whole-log").scores[QUERY, 60]} == {1.0, None}


def test_a_run_is_stored_without_any_text_of_the_data(tmp_path: Path) -> None:
    results.write(stored("bm25-window", "random"), tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()
    for line in [*(turn.text for turn in TALE.turns), *(question.text for question in TALE.questions)]:
        assert line not in text
    assert "postman" not in text


def test_a_stored_run_says_what_it_stands_on_and_reads_back(tmp_path: Path) -> None:
    run = stored("bm25-window")
    results.write(run, tmp_path / "run.json")
    read = results.read(tmp_path / "run.json")
    assert read == json.loads(json.dumps(run))
    assert {"python", "source", "numpy"} <= set(read["systems"]["bm25-window"]["stands_on"])
    assert len(read["systems"]["bm25-window"]["scores"]["query@60"]["ev"]) == len(TALE.questions)


def test_a_run_by_another_metric_is_refused(tmp_path: Path) -> None:
    results.write(stored("random") | {"metric": 0}, tmp_path / "run.json")
    with pytest.raises(ValueError, match="run it again"):
        results.read(tmp_path / "run.json")


def test_systems_can_be_added_to_a_stored_run_of_the_same_data(tmp_path: Path) -> None:
    results.write(stored("random", "bm25"), tmp_path / "run.json")
    old = results.read(tmp_path / "run.json")
    assert list(results.added(old, stored("bm25", "bm25-window"))["systems"]) == ["random", "bm25", "bm25-window"]
    with pytest.raises(ValueError, match="another budgets"):
        results.added(old | {"budgets": [60]}, stored("bm25"))


def test_two_runs_compare_question_by_question() -> None:
    text = report.comparison(stored("bm25"), stored("bm25-window"), [("bm25", "bm25-window")])
    assert "| bm25 → bm25-window | query | ev | +12.5 | +43.8 |" in text
    same = report.comparison(stored("bm25"), stored("bm25"), [("bm25", "bm25")])
    assert "| bm25 | query | ev | +0.0 | +0.0 |" in same


def test_runs_of_different_data_do_not_compare() -> None:
    other = stored("bm25")
    other["data"] |= {"version": "2"}
    with pytest.raises(ValueError, match="version"):
        report.comparison(stored("bm25"), other, [("bm25", "bm25")])


def test_the_table_has_query_free_rows_beside_chance() -> None:
    rows = [line.split("|")[1].strip() for line in report.table(stored("random", "bm25")).splitlines()[4:]]
    assert rows == ["random", "bm25", "random, query-free (evg)"]


def test_gains_over_naive_rag_are_paired_and_of_those_that_keep_to_the_budget() -> None:
    run = stored("bm25", "bm25-window", "whole-log")
    assert report.gains(run) == ""
    run["systems"]["naive-rag"] = run["systems"]["bm25"]
    rows = report.gains(run).splitlines()[4:]
    assert rows == ["| bm25 | +0.0 | +0.0 |", "| bm25-window | +12.5 | +43.8 |"]


def test_categories_have_rows_of_their_own() -> None:
    text = report.categories(stored("bm25-window"), 120)
    assert "update (1)" in text
    assert "stale" in text


def test_the_plot_has_a_line_for_each_system_that_keeps_to_the_budget() -> None:
    drawn = ElementTree.fromstring(plot(stored("random", "bm25", "whole-log")))
    names = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert any(name.startswith("bm25 ") for name in names)
    assert not any(name.startswith("whole-log") for name in names)


@pytest.mark.usefixtures("_registered")
def test_one_command_measures_stores_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "run",
        "--data",
        "tales",
        "--systems",
        "random,missing,bm25",
        "--budgets",
        "60,120",
        "--out",
        str(tmp_path),
        *ALONE,
    ]
    assert main(asked) == 0
    printed = capsys.readouterr()
    assert "| bm25 |" in printed.out
    assert "Left out: missing. Install it first." in printed.err
    assert {path.name for path in tmp_path.iterdir()} == {"tales.json", "tales.svg"}
    assert main(["table", str(tmp_path / "tales.json")]) == 0
    assert "| bm25 |" in capsys.readouterr().out
    assert main(["compare", *[str(tmp_path / "tales.json")] * 2, "--systems", "random,bm25"]) == 0
    assert "random → bm25" in capsys.readouterr().out


@pytest.mark.usefixtures("_registered")
def test_a_system_that_breaks_off_takes_no_other_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "run",
        "--data",
        "tales",
        "--systems",
        "random,broken,bm25",
        "--budgets",
        "60",
        "--out",
        str(tmp_path),
        *ALONE,
    ]
    assert main(asked) == 0
    printed = capsys.readouterr()
    assert "Left out: broken, which broke off." in printed.err
    assert list(results.read(tmp_path / "tales.json")["systems"]) == ["random", "bm25"]


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["run", "--data", "nowhere"], "There is no data set nowhere"),
        (["run", "--data", "tales", "--systems", "nothing"], "There is no system nothing"),
        (["run", "--data", "tales", "--systems", "missing"], "None of the systems"),
        (["run", "--data", "locomo"], "github.com/snap-research/locomo"),
        (["table", "missing.json"], "missing.json"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    asked: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, *(["--out", str(tmp_path), *ALONE] if asked[0] == "run" else [])]) == 1
    assert said in capsys.readouterr().err


def test_systems_that_are_measured_at_the_same_time_score_as_one_after_the_other(tmp_path: Path) -> None:
    asked = ["run", "--data", "own", "--limit", "1", "--systems", "recency,bm25", "--budgets", "250", "--out"]
    assert main([*asked, str(tmp_path / "one"), "--jobs", "1"]) == 0
    assert main([*asked, str(tmp_path / "two"), "--jobs", "2"]) == 0
    one, two = (results.read(tmp_path / where / "own.json") for where in ("one", "two"))
    assert (one["jobs"], two["jobs"]) == (1, 2)
    assert list(two["systems"]) == ["recency", "bm25"]
    assert all(one["systems"][name]["scores"] == two["systems"][name]["scores"] for name in two["systems"])


def test_a_limit_is_a_part_of_the_datas_version() -> None:
    first, second = stored("random"), stored("random")
    second["data"]["version"] = "1, first 1"
    with pytest.raises(ValueError, match="different data"):
        report.comparison(first, second, [("random", "random")])


def test_the_list_names_everything_that_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in [*SYSTEMS, *DATASETS]:
        assert name in printed


def test_a_scope_narrows_what_baselines_find() -> None:
    turns = tuple(replace(turn, project=turn.session) for turn in TALE.turns)
    for name in ("bm25", "recency", "random"):
        with system(name, {}) as started:
            memory = started.memory("tale")
            memory.ingest(turns)
            memory.settle()
            asked = Question("q", "What of the bicycle?", None, (), scope={"project": "autumn"})
            found = memory.context(asked, 500)
        assert found
        assert {source.split(":")[0] for item in found for source in item.sources} == {"autumn"}
