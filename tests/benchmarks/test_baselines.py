"""The baselines find what they should, by words and by meaning."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from benchmarks.recall.conversations import Question
from benchmarks.recall.systems import system
from benchmarks.recall.systems.base import System
from benchmarks.recall.systems.dense import DenseWindows
from benchmarks.recall.systems.turns import Turns
from tests.benchmarks.tales import TALE


def best(started: System, text: str) -> tuple[str, ...]:
    memory = started.memory("tale")
    memory.ingest(TALE.turns)
    memory.settle()
    return memory.context(Question("q", text, None, ()), 60)[0].sources


def test_bm25_weighs_rare_words() -> None:
    with system("bm25", {}) as started:
        assert best(started, "Who is the teacher of the accordion?") == ("spring:8",)


def test_bm25_over_windows_finds_an_answer_by_the_question_before_it() -> None:
    asked = "Who is going to look after the bees?"
    with system("bm25-window", {}) as window, system("bm25", {}) as alone:
        for started, found in ((window, True), (alone, False)):
            memory = started.memory("tale")
            memory.ingest(TALE.turns)
            memory.settle()
            sources = {item.sources for item in memory.context(Question("q", asked, None, ()), 80)}
            assert (("summer:4",) in sources) is found


def test_windows_do_not_reach_into_another_session() -> None:
    with system("bm25-window", {}) as started:
        memory = started.memory("tale")
        assert isinstance(memory, Turns)
        memory.ingest(TALE.turns)
        memory.settle()
        ranked = [memory.turns[place].id for place in memory.ranked(Question("q", "the beginning of a film", None, ()))]
    assert "spring:9" in ranked
    assert "summer:0" not in ranked


def test_naive_rag_finds_by_meaning() -> None:
    with system("naive-rag", {}) as started:
        assert "all-MiniLM-L6-v2" in started.version
        assert best(started, "injury of the music instructor") == ("autumn:6",)


class Letters:
    """Stands for a model of meaning: how often each letter occurs."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        counts = [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return [[count / sum(each) for count in each] for each in counts]


def test_dense_windows_are_three_turns_of_one_session_and_cite_them_all() -> None:
    memory = DenseWindows(Letters())
    memory.ingest(TALE.turns)
    memory.settle()
    windows = [item.sources for item in memory.context(Question("q", "umbrellas", None, ()), 10_000)]
    assert sorted(map(len, windows)) == [1] * 3 + [3] * 9
    assert all(len({source.split(":")[0] for source in window}) == 1 for window in windows)
    assert {source for window in windows for source in window} == {turn.id for turn in TALE.turns}


@pytest.mark.django_db
def test_postgres_finds_turns_that_have_any_of_the_words() -> None:
    params = connection.get_connection_params()
    url = make_conninfo(
        **{key: params[key] for key in ("host", "port", "user", "password", "dbname") if params.get(key)}
    )
    with system("postgres", {"url": url}) as started:
        assert started.version.startswith("1, PostgreSQL ")
        assert best(started, "Which umbrellas and zeppelins are there?") == ("autumn:1",)
        assert started.processor_seconds() is None
