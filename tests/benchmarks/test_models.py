"""Systems and the judge that ask a model, against a server that speaks OpenAI's protocol on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks.recall.conversations import Conversation, DataSet, Question
from benchmarks.recall.judge import Judge
from benchmarks.recall.report import judged
from benchmarks.recall.results import results
from benchmarks.recall.running import measure
from benchmarks.recall.systems import system
from benchmarks.recall.systems.base import Item, Unavailable
from benchmarks.recall.systems.models import Model
from tests.benchmarks.helpers import TURNS, ask
from tests.loopback.server import Behaviour, LoopbackModel

FACTS = {
    "facts": [
        {"text": "Nora has adopted a greyhound called Biscuit.", "turns": [1]},
        {"text": "Piet paints the kitchen dark green, and Nora admires it.", "turns": [2, 1, 99]},
        {"text": "The moon is made of cheese.", "turns": [7]},
    ]
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as running:
        yield running


@pytest.fixture
def model(server: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> LoopbackModel:
    server.reset()
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    return server


def test_an_extractors_facts_cite_the_turns_that_the_model_was_shown(model: LoopbackModel) -> None:
    model.then("answer", body=FACTS)
    model.then("answer", body={"facts": [{"text": "Piet leases a bakery in Ghent.", "turns": [1]}]})
    with system("extractor", {"model": "small"}) as extractor:
        memory = extractor.memory("c")
        memory.ingest(TURNS)
        memory.settle()
        [kitchen] = memory.context(ask("Which colour does the kitchen have?"), 100)
        assert kitchen == Item(FACTS["facts"][1]["text"], ("T2", "T1"))
        assert [item.sources for item in memory.context(ask("Where is the bakery?"), 100)] == [("T4",)]
        assert memory.context(ask("Is the moon made of cheese?"), 100) == [], "it names no turn that was shown"
        spent = memory.costs()
        memory.close()
    first, second = (call.body for call in model.calls)
    assert "[2] Monday 02 March 2026, Piet: Lovely!" in first["messages"][-1]["content"]
    assert "[1] Friday 06 March 2026, Piet: I have signed" in second["messages"][-1]["content"], (
        "a batch is of one session"
    )
    assert (first["model"], first["response_format"]) == ("small", {"type": "json_object"})
    assert spent.calls == 2
    assert spent.prompt_tokens + spent.completion_tokens == model.billed


def test_an_extractor_asks_once_more_where_an_answer_cannot_be_read(model: LoopbackModel) -> None:
    model.then("not_json", times=2)
    model.then("not_json")
    model.then("answer", body={"facts": [{"text": "Piet leases a bakery in Ghent.", "turns": [1]}]})
    with system("extractor", {}) as extractor:
        memory = extractor.memory("c")
        memory.ingest(TURNS)
        memory.settle()
        assert memory.context(ask("Who has a greyhound?"), 100) == []
        assert len(memory.context(ask("Where is the bakery?"), 100)) == 1
        assert memory.costs().calls == 4


def test_a_server_that_knows_no_json_mode_is_asked_without(model: LoopbackModel) -> None:
    model.then("refuse_structured")
    model.then("answer", body={"facts": FACTS["facts"][:1]})
    with system("extractor", {}) as extractor:
        memory = extractor.memory("c")
        memory.ingest(TURNS[:3])
        memory.settle()
        assert len(memory.context(ask("Who has a greyhound?"), 100)) == 1
        assert memory.costs().calls == 1


@pytest.mark.parametrize("name", ["extractor", "mem0", "ours-model"])
def test_without_a_key_it_is_said_what_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Unavailable, match="OPENAI_API_KEY"), system(name, {}):
        pass


def test_the_judge_has_one_model_answer_from_the_context_and_another_grade(model: LoopbackModel) -> None:
    reader, grader = Model("reader", "none", model.url), Model("grader", "none", model.url)
    judge = Judge(reader, grader, 100)
    question = ask("Who has a greyhound?")
    model.then("answer", body="Nora\n")
    model.then("answer", body='Verdict: {"correct": true}')
    model.then("answer", body="Not known.")
    model.then("answer", body="I cannot say.")
    assert judge.correct(replace(question, answer="Nora"), [Item("Nora has a greyhound.", ("T1",))]) is True
    assert judge.correct(question, []) is None, "it gave no verdict"
    asked = [(call.body["model"], call.body["messages"][-1]["content"]) for call in model.calls]
    assert [name for name, _ in asked] == ["reader", "grader", "reader", "grader"]
    assert "Nora has a greyhound." in asked[0][1]
    assert asked[1][1].endswith("The right answer: Nora\nThe answer to grade: Nora")
    assert asked[3][1].endswith("The right answer: Not known.\nThe answer to grade: Not known.")
    spent = judge.costs()
    assert (spent.calls, spent.prompt_tokens + spent.completion_tokens) == (4, model.billed)
    assert Judge(reader, reader, 100).costs() == reader.costs(), "one model is counted once"


def test_a_run_with_a_judge_stores_its_verdicts_and_what_they_cost(model: LoopbackModel) -> None:
    def decide(call: Any) -> Behaviour:
        knows = "The answer to grade: in Ghent" in call.body["messages"][-1]["content"]
        return Behaviour("answer", body={"correct": knows} if "response_format" in call.body else "in Ghent")

    questions = (
        Question("q1", "Where is the bakery?", "Ghent", ("T4",)),
        Question("q2", "Who has a greyhound?", "Nora", ("T1",)),
    )
    data = DataSet("small", "1", (Conversation("c", TURNS, questions),))
    judge = Judge.given("small", 50)
    model.decide = decide
    try:
        with system("bm25", {}) as bm25:
            measured = measure(bm25, data, (25, 50), judge)
    finally:
        model.decide = None
    run = results(data, (25, 50), [measured], 1.0, judge)
    assert measured.correct == [True, True]
    assert run["judge"] == {"models": ["small"], "budget": 50, **asdict(judge.costs())}
    assert run["judge"]["calls"] == 4, "two a question, at one budget"
    assert "| bm25 | 100.0 |" in judged(run)
    assert judged(results(data, (25, 50), [measured], 1.0)) == "", "nobody judged"


def test_mem0_is_given_two_turns_at_a_time_and_cites_them(model: LoopbackModel) -> None:
    pytest.importorskip("mem0")

    def remember(call: Any) -> Any:
        if "messages" not in call.body:
            return None
        told = call.body["messages"][-1]["content"]
        text = "Nora has adopted a greyhound called Biscuit." if "greyhound" in told else "Piet paints the kitchen."
        return Behaviour("answer", body={"memory": [{"text": text}]})

    model.decide = remember
    try:
        with system("mem0", {"embedding_model": "words-64", "dimensions": "64"}) as mem0:
            memory = mem0.memory("c")
            memory.ingest(TURNS[:2])
            memory.settle()
            [found] = memory.context(ask("Who has a greyhound?"), 100)
            assert found == Item("Nora has adopted a greyhound called Biscuit. (2026-03-02)", ("T1", "T2"))
            assert memory.costs().calls == 1
            memory.close()
    finally:
        model.decide = None
