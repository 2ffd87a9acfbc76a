"""The systems that can be measured, by name. A module is imported when its system is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from benchmarks.recall.systems.base import System

SYSTEMS: dict[str, str] = {
    # name: "module:callable", called with the system's options; returns a System
    "random": "benchmarks.recall.systems.floors:random_turns",
    "recency": "benchmarks.recall.systems.floors:recency",
    "whole-log": "benchmarks.recall.systems.floors:whole_log",
    "postgres": "benchmarks.recall.systems.postgres:Postgres",
    "bm25": "benchmarks.recall.systems.lexical:bm25",
    "bm25-window": "benchmarks.recall.systems.lexical:bm25_window",
    "naive-rag": "benchmarks.recall.systems.dense:naive_rag",
    "ours": "benchmarks.recall.systems.ours:Ours",
    "ours-cpu": "benchmarks.recall.systems.ours:OursCpu",
    "ours-model": "benchmarks.recall.systems.ours:OursModel",
    "extractor": "benchmarks.recall.systems.extractor:Extractor",
    "extractor-dense": "benchmarks.recall.systems.extractor:DenseExtractor",
    "mem0": "benchmarks.recall.systems.mem0:Mem0",
    "honcho-v3": "benchmarks.recall.systems.honcho_v3:HonchoV3",
}

ON_REQUEST: dict[str, str] = {
    # Measured only when they are named. The honest row beside the attacks is bm25-window.
    "naive-rag-windows": "benchmarks.recall.systems.dense:naive_rag_windows",
    "attack-cite-everything": "benchmarks.recall.systems.attacks:cite_everything",
    "attack-echo-question": "benchmarks.recall.systems.attacks:echo_question",
    "attack-bag-of-words": "benchmarks.recall.systems.attacks:bag_of_words",
    "attack-telegraphic": "benchmarks.recall.systems.attacks:telegraphic",
    "attack-pieces": "benchmarks.recall.systems.attacks:pieces",
    "attack-padded": "benchmarks.recall.systems.attacks:padded",
    "control-shuffled-question": "benchmarks.recall.systems.attacks:shuffled_question",
}


def system(name: str, options: Mapping[str, str]) -> System:
    """Return a system, not yet started. Raises KeyError for a name that is none."""
    module, attribute = {**SYSTEMS, **ON_REQUEST}[name].split(":")
    made: System = getattr(import_module(module), attribute)(options)
    return made
