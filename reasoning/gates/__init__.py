"""What an answer must be before it may become memory: pure functions, one for each gate."""

from __future__ import annotations

from itertools import chain

from reasoning.conf import ReasoningSettings
from reasoning.gates import language, parts, size, structure
from reasoning.gates.verdict import Gate, Problem, Verdict
from reasoning.providers.base import Answer, Request
from reasoning.providers.local import LocalProvider

__all__ = ["Gate", "Problem", "Verdict", "judge"]


def judge(request: Request, answer: Answer, settings: ReasoningSettings, provider: str = "") -> Verdict:
    """Return what of ``answer`` may be published, and why not the rest. ``provider`` is the name of who answered."""
    broken = tuple(chain.from_iterable(gate(request, answer) for gate in _STRUCTURE))
    admissible = structure.admissible(request, answer)
    rest, withheld, held_back = parts.withhold(request, admissible, settings)
    # The other gates judge what readers would get.
    refused = [*broken, *size.shrunk(request, rest, settings), *size.grown(request, rest, settings)]
    # The built-in reasoner would say the same again: it knows phatic talk, and frames in English whatever was said.
    if provider != LocalProvider.name:
        refused.extend(structure.silent(request, answer, settings))
        if settings.gate_language:
            refused.extend(language.flipped(request, rest))
    return Verdict(rest, tuple(refused), tuple(withheld), held_back)


_STRUCTURE = (structure.empty, structure.schema, structure.sources)
