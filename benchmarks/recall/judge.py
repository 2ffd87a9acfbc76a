"""A tier for those with a key: a model answers from what a system handed over, and a model judges the answer.

It says more about a reader than about a memory, costs two calls a question, and differs from run to run and from model
to model. The suite's own figures need none of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.recall.conversations import Question
from benchmarks.recall.systems.base import Costs, Item
from benchmarks.recall.systems.models import Model

UNKNOWN = "Not known."

ANSWER = f"""\
Answer the question from the memory below and from nothing else, in as few words as will do. Resolve dates: say the \
day, month or year, not "yesterday". If the memory does not tell, answer: {UNKNOWN}"""

JUDGE = """\
You grade an answer against the right one. It is correct if it says the same, in whatever words and however briefly; a \
day, month or year that differs is wrong, and so is an answer that names several possibilities of which one is right. \
If the right answer is that it is not known, only an answer that says so is correct.

Answer with JSON alone: {"correct": true} or {"correct": false}."""


class Judge:
    """Reads what was handed over within a budget, answers, and grades; both models may be one."""

    def __init__(self, reader: Model, judge: Model, budget: int) -> None:
        self._reader, self._judge = reader, judge
        self.budget = budget

    @classmethod
    def given(cls, model: str, budget: int) -> Judge:
        """Return one that asks a model of the environment's server for both. Raises Unavailable."""
        both = Model.given({"model": model})
        return cls(both, both, budget)

    @property
    def names(self) -> list[str]:
        """Return what the models are called, each once."""
        return list(dict.fromkeys([self._reader.name, self._judge.name]))

    def correct(self, question: Question, items: Sequence[Item]) -> bool | None:
        """Return whether the reader's answer is correct; None where the judge gives no verdict. Two calls."""
        memory = "\n".join(item.text for item in items)
        answer = self._reader.ask(ANSWER, f"Memory:\n{memory}\n\nQuestion: {question.text}").strip()
        right = UNKNOWN if question.answer is None else question.answer
        told = f"Question: {question.text}\nThe right answer: {right}\nThe answer to grade: {answer}"
        return _read(self._judge.ask(JUDGE, told, as_json=True))

    def costs(self) -> Costs:
        """Return what both were asked."""
        models = {id(model): model.costs() for model in (self._reader, self._judge)}.values()
        return Costs(
            sum(spent.calls or 0 for spent in models),
            sum(spent.prompt_tokens or 0 for spent in models),
            sum(spent.completion_tokens or 0 for spent in models),
        )


def _read(text: str) -> bool | None:
    try:
        correct = json.loads(text[text.index("{") : text.rindex("}") + 1])["correct"]
    except (ValueError, KeyError, TypeError):
        return None
    return correct if isinstance(correct, bool) else None
