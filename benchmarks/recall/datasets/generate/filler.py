"""Small talk: exchanges whose sentences are drawn from lists, so that hardly any is said twice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from math import prod
from pathlib import Path

from benchmarks.recall.datasets.generate.scenes import Said, read_exchanges
from benchmarks.recall.datasets.generate.texts import choose

ASKS, ANSWERS = "U", "V"
"""The roles of the first and the second person of the conversation; any other letter is somebody by chance."""

MOST_VARIANTS = 6
"""Beyond so many the ear notices that the sentence is the same."""

ASIDES = "self"
"""The list of sentences that go with anything."""

ANSWER = "answer"
"""Drawn, it is the answer to the question that was drawn before it; their list has "question ~ answer"."""

_DRAWN = re.compile(r"%(\w+)")


class Filler:
    """Exchanges for all conversations. It remembers what was said already."""

    def __init__(self, material: Path) -> None:
        self._exchanges = {path.stem: read_exchanges(path) for path in sorted((material / "exchanges").glob("*.txt"))}
        self._phrases = {
            path.stem: path.read_text(encoding="utf-8").splitlines()
            for path in sorted((material / "phrases").glob("*.txt"))
        }
        self._uses: dict[str, int] = {}

    def exchanges(self, names: Sequence[str], people: Sequence[str], chance: random.Random) -> Iterator[list[Said]]:
        """Yield exchanges of these files for ever; those that draw no sentences come once."""
        among = [exchange.lines for name in names for exchange in self._exchanges[name]]
        while among:
            chance.shuffle(among)
            for lines in among:
                yield self._said(lines, people, chance)
            among = [lines for lines in among if any(_DRAWN.search(said.text) for said in lines)]

    def aside(self, chance: random.Random) -> str:
        """Return a sentence that goes with anything."""
        return self._drawn(ASIDES, chance)

    def _said(self, lines: Sequence[Said], people: Sequence[str], chance: random.Random) -> list[Said]:
        roles = dict(zip((ASKS, ANSWERS), people, strict=False)) | {person: person for person in people}
        named = {roles[said.author] for said in lines if said.author in roles}
        others = sorted({said.author for said in lines} - set(roles))
        roles |= dict(zip(others, chance.sample([who for who in people if who not in named], len(others)), strict=True))
        answers: list[str] = []
        return [replace(said, author=roles[said.author], text=self._text(said, answers, chance)) for said in lines]

    def _text(self, said: Said, answers: list[str], chance: random.Random) -> str:
        if said.kind != "message":
            return said.text

        def drawn(match: re.Match[str]) -> str:
            if match[1] == ANSWER:
                return answers.pop()
            phrase, _, answer = self._drawn(match[1].lower(), chance).partition(" ~ ")
            if answer:
                answers.append(answer)
            return phrase[0].upper() + phrase[1:] if match[1][0].isupper() else phrase

        return _DRAWN.sub(drawn, self._varied(said.text))

    def _drawn(self, name: str, chance: random.Random) -> str:
        """Return one of the least used phrases of a list; those with many choices may be used more often."""
        phrases = self._phrases[name]
        used = {phrase: self._uses.get(phrase, 0) / min(_variants(phrase), MOST_VARIANTS) for phrase in phrases}
        fewest = min(used.values())
        return self._varied(chance.choice([phrase for phrase in phrases if used[phrase] == fewest]))

    def _varied(self, text: str) -> str:
        """Return a text with its choices made, other ones than the last times."""
        use = self._uses[text] = self._uses.get(text, 0) + 1
        slot = count()
        return choose(text, {}, lambda among: among[(use + next(slot) * (use // len(among))) % len(among)])


@cache
def _variants(text: str) -> int:
    """Return in how many ways the choices of a text can be made."""
    return prod(choice.count("|") + 1 for choice in re.findall(r"\{([^{}]*)\}", text))
