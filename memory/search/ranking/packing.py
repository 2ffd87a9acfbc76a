"""What is written for what was found: excerpts that tell, as many as a budget of tokens holds, nothing twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Protocol, TypeVar

from memory.search.words import texts

EXCERPT_WORDS = 80
"""Of a text with more words, only what is around those that were asked for is told."""

PIECE_WORDS = 40
"""A longer sentence is looked at in pieces of so many words."""

ALIKE = 0.8
"""From which share of common words on two texts say the same."""

CONTAINED = 0.5
"""With more than this share of its words one is told by the other: a statement by an event it rests on, or that."""

SHORTEST = 5
"""No line has fewer tokens: with less left, no more are tried."""

MOST_MISSED = 8
"""When so many had no room, no more are tried."""

_SAYS_NOTHING = frozenset(
    """
    a about absolutely again agree all already also always am amazing an and any anything appreciate are as at aw
    awesome aww be been best bet but by bye can catch chat check cheers come congrats congratulations cool could
    course d day dear definitely did do does doing exactly excited exciting fantastic feel feels for forward from
    fun glad go goes going gonna good goodbye got great guess guys ha had haha happy has have having he hear hearing
    hello her here hey hi him his hmm hope how i if in incredible indeed inspiring is it its just keep kind know
    later let lets like ll lol look looking looks lot lots love lovely luck lucky m make makes me mean much must my
    nice of oh ok okay on or our out pretty proud re really right s said say see seem seems she should so some
    something soon sound sounds stay such super sure t take talk thank thanks that thats the their them then there
    these they thing things think this those time to too totally true up us ve very was way we well were what whats
    when where which who whoa why will wish with woah wonder wonderful would wow you your yours
    """.split()  # noqa: SIM905
)
"""A sentence of these English words alone is a pleasantry. No, not and yes are not here: they may be an answer."""

# It begins with one of a few characters, whatever follows: such a pattern runs through a text in a tenth of the time.
_BREAK = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f\n](?:(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*(?=\s)|(?<=[\u3002\uff01\uff1f\n]))"
)
_ASKS = ("?", "\uff1f")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_RUN = re.compile(r"\w+")


class Piece(Protocol):
    """Something that may be told as a ``line``; an event rests on itself, a statement on its ``sources``."""

    @property
    def text(self) -> str:
        """What was said, or concluded."""
        ...

    @property
    def line(self) -> str:
        """How it is told."""
        ...

    @property
    def sources(self) -> Collection[Hashable]:
        """The events that it rests on."""
        ...


Told = TypeVar("Told", bound=Piece)


class Asked:
    """The words that a question asks for, as they are looked for in texts: in forms that begin alike."""

    def __init__(self, terms: Sequence[str]) -> None:
        terms = [term for term in terms if term not in _SAYS_NOTHING]
        self._forms = [_forms(term) for term in terms if term.isascii()]
        self._inside = [term for term in terms if not term.isascii()]
        """Of scripts without spaces, and of what may be written in several ways: they may be there anywhere."""

    def count(self, text: str) -> int:
        """Return how many of the words a text has."""
        text = text.lower()
        found = {self._meant(run) for run in _RUN.findall(text)} - {None} if self._forms else ()
        return len(found) + sum(term in text for term in self._inside)

    def _meant(self, run: str) -> tuple[str, int] | None:
        """Return the forms of the first of the words that a run of letters is one of."""
        for forms in self._forms:
            if run.startswith(forms[0]) and len(run) <= forms[1]:
                return forms
        return None


class _Seen:
    """The words of what is told already, kept such that few of it must be compared with what comes."""

    def __init__(self) -> None:
        self._by_size: dict[int, list[frozenset[str]]] = {}
        self._by_source: dict[Hashable, list[frozenset[str]]] = {}

    def add(self, words: frozenset[str], sources: Iterable[Hashable]) -> None:
        """Add the words of a text and the events that it rests on."""
        self._by_size.setdefault(len(words), []).append(words)
        for source in sources:
            self._by_source.setdefault(source, []).append(words)

    def says(self, words: frozenset[str], sources: Iterable[Hashable]) -> bool:
        """Say whether a text says what another does: in the same words, or where one of them rests on the other."""
        own = len(words)
        for size, others in self._by_size.items():
            least, most = (ALIKE * own, size) if size < own else (ALIKE * size, own)  # in common
            if most >= least:
                for other in others:  # no generator: hundreds are compared
                    if len(words & other) >= least:
                        return True
        beside = (other for source in sources for other in self._by_source.get(source, ()))
        return any(len(words & other) > CONTAINED * own for other in beside)


def pack(pieces: Iterable[Told], budget: int, size: Callable[[str], int]) -> list[Told]:
    """Return what is told, the first first: of pieces from the best on, those that have room and say something new."""
    taken: list[Told] = []
    seen = _Seen()
    left, missed = budget, 0
    for piece in pieces:
        if left < SHORTEST or missed == MOST_MISSED:
            break
        said = frozenset(texts(piece.text))
        if not said or seen.says(said, piece.sources):
            continue
        if piece.line.count(" ") < left and (tokens := size(piece.line)) <= left:  # a word has a token at least
            taken.append(piece)
            seen.add(said, piece.sources)
            left -= tokens
        else:
            missed += 1
    return taken


def line(author: str, day: date, text: str) -> str:
    """Return what somebody said, as one line."""
    return f"{_said(day)}, {author}: {' '.join(text.split())}"


def excerpt(text: str, asked: Asked, names: Collection[str] = ()) -> str:
    """Return what is told of a text: without its pleasantries, and of a long one the sentences that were asked for.

    ``names`` (in folded case) are of those who speak: to be called by name is a pleasantry too. Sentences stand as they
    were written; where others are left out of a long text, it says so (…).
    """
    parts = _sentences(text)
    if len(parts) > 1:
        parts = [part for part in parts if not _says_nothing(part, names) or asked.count(part)] or parts
    if len(parts) == 1 and parts[0] == text:
        return text
    if len(text) + len(parts) <= 2 * EXCERPT_WORDS:  # so few characters have no more words
        return " ".join(parts)
    lengths = [len(part.split()) for part in parts]
    if sum(lengths) <= EXCERPT_WORDS:
        return " ".join(parts)
    return _shortened(parts, lengths, asked)


def _shortened(parts: Sequence[str], lengths: Sequence[int], asked: Asked) -> str:
    """Return the parts with the most of the words that were asked for, and those beside them, in their order.

    Where none has any, the first ones.
    """
    hits = [asked.count(part) for part in parts]
    around = [sum(hits[max(place - 1, 0) : place + 2]) for place in range(len(parts))]
    chosen: set[int] = set()
    left = EXCERPT_WORDS
    for place in sorted(range(len(parts)), key=lambda place: (-hits[place], -around[place], place)):
        if lengths[place] <= left and (around[place] or not any(hits)):
            chosen.add(place)
            left -= lengths[place]
    told = []
    for place in sorted(chosen):
        told += [parts[place]] if place == 0 or place - 1 in chosen else ["…", parts[place]]
    return " ".join(told if len(parts) - 1 in chosen else [*told, "…"])


def _sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, long ones in pieces."""
    parts = []
    for part in _split(text):
        if len(part) <= PIECE_WORDS:  # has no more words than characters
            parts.append(part)
            continue
        if part.count(" ") < PIECE_WORDS + PIECE_WORDS // 2:
            parts.append(part)
        else:
            inside = part.split(" ")
            parts += [" ".join(inside[at : at + PIECE_WORDS]) for at in range(0, len(inside), PIECE_WORDS)]
    return parts


def _split(text: str) -> list[str]:
    """Return the sentences and lines of a text, with the marks at their ends."""
    parts, start = [], 0
    for end in _BREAK.finditer(text):
        parts.append(text[start : end.end()].strip())
        start = end.end()
    return [part for part in [*parts, text[start:].strip()] if part]


def _says_nothing(sentence: str, names: Collection[str]) -> bool:
    """Say whether a sentence only asks, or has nothing but pleasant words and names of those who speak."""
    if sentence.endswith(_ASKS):
        return True
    for found in _WORD.finditer(sentence):
        word = found[0].casefold()
        if word not in _SAYS_NOTHING and word not in names:
            return False
    return True


def _forms(term: str) -> tuple[str, int]:
    """Return how the forms of a word begin, and how long they are at most."""
    return (term[: max(len(term) - 3, 4)], len(term) + 3) if len(term) > 3 else (term, len(term))


@lru_cache(maxsize=1_000)
def _said(day: date) -> str:
    """Return a day as people say it; much was said on the same ones."""
    return f"{day.day} {day:%B %Y}"
