"""Two texts compared word by word, for people; bounded in time, however long they are and however alike their words."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Act = Literal["same", "added", "removed"]

MOST_PAIRS = 40_000
"""The most pairs of equal parts that are weighed against each other; what has more is told as replaced whole."""

MOST_ALIGNED = 400
"""The most pairs of lines, or sentences, of which it is asked whether one became the other."""

SIMILAR = 0.5
"""From which share of their words on one line counts as another, reworded."""

_WORD = re.compile(r"\w+[^\S\n]*|[^\w\s][^\S\n]*|\s+")
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?]+[^\S\n]*|\n|$)")
_LINE = re.compile(r"[^\n]*(?:\n|$)")


class Piece(NamedTuple):
    """A part of the text: in both (same), in the later alone (added) or in the earlier alone (removed)."""

    act: Act
    text: str


def words(old: str, new: str) -> list[Piece]:
    """Return what changed from ``old`` to ``new``, word by word.

    The pieces that are not added make up ``old``, those that are not removed ``new``. What was removed comes before
    what was added in its place. What stayed between two longer changes counts as changed: it is chance.
    """
    return list(_told(_grouped(_refined(old, new, (_LINE, _SENTENCE, _WORD)))))


@dataclass(frozen=True, slots=True)
class Diff:
    """Two texts under a title, for pages (``admin/memory/includes/diff.html``); ``note`` is said beside the title."""

    title: str
    old: str
    new: str
    note: str = ""

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """What changed, word by word, with what is far from any change set apart."""
        return folded(words(_ended(self.old), _ended(self.new)))

    @property
    def changed(self) -> bool:
        """Whether the texts differ."""
        return self.old != self.new


def _ended(text: str) -> str:
    """Return a text whose last line has an end like the others, so that what is added after it begins a line."""
    return text if not text or text.endswith("\n") or "\n" not in text else f"{text}\n"


def folded(pieces: Iterable[Piece], context: int = 2) -> list[tuple[str, str]]:
    """Return the pieces with what is far from any change set apart: as ``("folded", text)``, by whole lines.

    ``context`` is how many lines stay beside a change.
    """
    given = list(pieces)
    if len(given) == 1:
        return list(given)
    shown: list[tuple[str, str]] = []
    for place, piece in enumerate(given):
        rows = piece.text.splitlines(keepends=True)
        first = context + (not given[place - 1].text.endswith("\n")) if place else 0
        last = len(rows) - (context + (not piece.text.endswith("\n")) if place + 1 < len(given) else 0)
        if piece.act != "same" or last - first < context:
            shown.append(piece)
            continue
        parts = (("same", rows[:first]), ("folded", rows[first:last]), ("same", rows[last:]))
        shown += [(act, "".join(part)) for act, part in parts if part]
    return shown


def _refined(old: str, new: str, levels: Sequence[re.Pattern[str]]) -> Iterator[Piece]:
    """Yield the pieces: only what differs by one level is looked into by the next."""
    before, after = ([part for part in levels[0].findall(text) if part] for text in (old, new))
    for act, gone, come in _blocks(before, after):
        if act == "equal":
            for left, right in zip(gone, come, strict=True):
                yield from _same(left, right)
        elif len(levels) == 1:
            yield from _changed("".join(gone), "".join(come))
        else:
            for left, right in _aligned(gone, come):
                if left and right:
                    yield from _told(_settled(_grouped(_refined(left, right, levels[1:]))))
                else:
                    yield from _changed(left, right)


def _blocks(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    """Yield what is equal but for the white space at its end, and what is not, in order.

    What both begin and end with is left out of the work; what is too much work counts as replaced.
    """
    one, other = ([part.rstrip() or part for part in parts] for parts in (before, after))
    head = _alike(one, other)
    tail = _alike(one[head:][::-1], other[head:][::-1])
    stop, other_stop = len(one) - tail, len(other) - tail
    yield "equal", before[:head], after[:head]
    counts = Counter(other[head:other_stop])
    if sum(counts[part] for part in one[head:stop]) > MOST_PAIRS:
        yield "replace", before[head:stop], after[head:other_stop]
    else:
        matcher = difflib.SequenceMatcher(None, one[head:stop], other[head:other_stop], autojunk=False)
        for act, start, end, other_start, other_end in matcher.get_opcodes():
            yield act, before[head + start : head + end], after[head + other_start : head + other_end]
    yield "equal", before[stop:], after[other_stop:]


def _aligned(gone: Sequence[str], come: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the parts of two unequal stretches in order, each beside what it most likely became ("" where nothing)."""
    if not gone or not come or len(gone) == len(come) == 1 or len(gone) * len(come) > MOST_ALIGNED:
        yield "".join(gone), "".join(come)
        return
    one, other = ([frozenset(_WORD.findall(part)) for part in parts] for parts in (gone, come))
    best = [[0.0] * (len(come) + 1) for _ in range(len(gone) + 1)]
    for i in reversed(range(len(gone))):
        for j in reversed(range(len(come))):
            likeness = _likeness(one[i], other[j])
            best[i][j] = max(best[i + 1][j], best[i][j + 1], likeness and likeness + best[i + 1][j + 1])
    i = j = 0
    while i < len(gone) and j < len(come):
        if best[i][j] == best[i + 1][j]:
            yield gone[i], ""
            i += 1
        elif best[i][j] == best[i][j + 1]:
            yield "", come[j]
            j += 1
        else:
            yield gone[i], come[j]
            i, j = i + 1, j + 1
    yield "".join(gone[i:]), "".join(come[j:])


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return which share of their words two parts have in common, 0 where it is too small for one to be the other."""
    share = 2 * len(one & other) / (len(one) + len(other))
    return share if share >= SIMILAR else 0.0


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Return with how many equal parts both begin."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _same(left: str, right: str) -> Iterator[Piece]:
    """Yield a part that both have; the white space after it may differ."""
    if left == right:
        yield Piece("same", left)
        return
    yield Piece("same", left.rstrip())
    yield from _changed(left[len(left.rstrip()) :], right[len(right.rstrip()) :])


def _changed(gone: str, come: str) -> Iterator[Piece]:
    if gone:
        yield Piece("removed", gone)
    if come:
        yield Piece("added", come)


_Group = tuple[str, str, str]
"""What is the same, then what was removed and what was added after it."""


def _grouped(pieces: Iterable[Piece]) -> Iterator[_Group]:
    """Yield the pieces in groups; the last one's change may be empty."""
    same = gone = come = ""
    for act, text in pieces:
        if act == "removed":
            gone += text
        elif act == "added":
            come += text
        else:
            if gone or come:
                yield same, gone, come
                same = gone = come = ""
            same += text
    yield same, gone, come


def _told(groups: Iterable[_Group]) -> Iterator[Piece]:
    for same, gone, come in groups:
        if same:
            yield Piece("same", same)
        yield from _changed(gone, come)


def _settled(groups: Iterable[_Group]) -> list[_Group]:
    """Return the groups with coincidences taken for changes: a reader wants the new phrase, not its crumbs."""
    found: list[_Group] = []
    for same, gone, come in groups:
        while (gone or come) and found and _is_crumb(same, found[-1][1:], (gone, come)):
            before, removed, added = found.pop()
            gone, come, same = removed + same + gone, added + same + come, before
        found.append((same, gone, come))
    return found


def _is_crumb(same: str, before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether what stayed between two changes is shorter than either of them. A line's end is never a crumb."""
    size = _size(same)
    return "\n" not in same and size < max(map(_size, before)) and size < max(map(_size, after))


def _size(text: str) -> int:
    return len(_WORD.findall(text))
