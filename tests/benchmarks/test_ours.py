"""The adapter of our own server, against the real one: web server and worker, the built-in reasoner, no model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.recall.systems.base import Costs, Item
from benchmarks.recall.systems.ours import Ours, OursMemory
from reasoning.drainer import Drainer
from tests.benchmarks.helpers import TURNS, ask
from tests.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def memory(live_server: Any) -> Iterator[OursMemory]:
    with Ours({"url": live_server.url, "key": ApiKeyFactory().key}) as system:
        made = system.memory("two friends")
        yield made
        made.close()


def test_what_was_said_is_found_with_the_turns_it_rests_on(memory: OursMemory) -> None:
    note = replace(TURNS[0], id="T9", kind="tool_result", author="calendar", text="", data={"tour": "lighthouse"})
    memory.ingest([*TURNS[:3], note])
    memory.ingest([replace(turn, project="bakery") for turn in TURNS[3:]])
    asyncio.run(Drainer().run(until_idle=True))
    memory.settle()
    first, *_ = memory.context(ask("Who has a greyhound?"), 200)
    assert "greyhound" in first.text
    assert first.sources == ("T1",)
    assert "T4" in cited(memory.context(ask("Which lease was signed?"), 200)), "the other said so"
    assert {"T3", "T9"} <= cited(memory.context(ask("Where was the lighthouse tour?"), 200)), "a tool said so too"
    of_project = cited(memory.context(ask("What of Nora, Biscuit and Piet?", scope={"project": "bakery"}), 300))
    assert of_project
    assert of_project <= {"T4", "T5"}
    told = cited(memory.represent(400))
    assert told & {"T1", "T3", "T5"}, "Nora's representation"
    assert told & {"T2", "T4"}, "Piet's representation"
    assert memory.costs() == Costs(None, None, None), "others may use the server too"


def cited(items: Sequence[Item]) -> set[str]:
    """Return the turns under any of them."""
    return {source for item in items for source in item.sources}
