"""Small talk: exchanges whose sentences are drawn from lists, so that hardly any is said twice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.recall.datasets.generate.scenes import Said, read_exchanges
from benchmarks.recall.datasets.generate.texts import choose

ASKS, ANSWERS = "U", "V"
"""The roles of the first and the second person of the conversation; any other letter is somebody by chance."""

_DRAWN = re.compile(r"%(\w+)")


class Filler:
    """Exchanges for all conversations. It remembers what was said already."""

    def __init__(self, material: Path) -> None:
        self._exchanges = {path.stem: read_exchanges(path) for path in sorted((material / "exchanges").glob("*.txt"))}
        self._phrases = {
            path.stem: path.read_text().splitlines() for path in sorted((material / "phrases").glob("*.txt"))
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

    def _said(self, lines: Sequence[Said], people: Sequence[str], chance: random.Random) -> list[Said]:
        roles = dict(zip((ASKS, ANSWERS), people, strict=False)) | {person: person for person in people}
        named = {roles[said.author] for said in lines if said.author in roles}
        others = sorted({said.author for said in lines} - set(roles))
        roles |= dict(zip(others, chance.sample([who for who in people if who not in named], len(others)), strict=True))
        return [replace(said, author=roles[said.author], text=self._text(said, chance)) for said in lines]

    def _text(self, said: Said, chance: random.Random) -> str:
        if said.kind != "message":
            return said.text
        text = self._varied(said.text)
        return _DRAWN.sub(lambda match: self._drawn(match[1], chance), text)

    def _drawn(self, name: str, chance: random.Random) -> str:
        """Return one of the least used phrases of a list, with a capital letter if its name has one."""
        phrases = self._phrases[name.lower()]
        fewest = min(self._uses.get(phrase, 0) for phrase in phrases)
        phrase = self._varied(chance.choice([each for each in phrases if self._uses.get(each, 0) == fewest]))
        return phrase[0].upper() + phrase[1:] if name[0].isupper() else phrase

    def _varied(self, text: str) -> str:
        """Return a text with its choices made, other ones than the last time."""
        use = self._uses[text] = self._uses.get(text, 0) + 1
        return choose(text, {}, lambda among: among[use % len(among)])
