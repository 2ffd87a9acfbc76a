"""What changed between two versions of a subject, or between what was served at two moments.

Two versions are compared by what stands in them, whichever lines made them: a statement that stands in both is kept,
by its id. Of the rest, a pair counts as reworded where a pass retired the one for the other, or else where their words
are the most alike (``SIMILAR``) and both are about the same user. Nobody asks a model for any of this.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from memory import clock, tokens
from memory.errors import Erased, Invalid, NotFound
from memory.history import Statement, holds, with_sources
from memory.models import Conclusion, Representation, Serving, Span, Subject
from memory.standing import standing_in

Which = int | datetime | timedelta
"""A version by its number, or what was served at a moment or so long ago."""

SIMILAR = 0.6
"""From which share of their words on two statements count as one reworded: twice what both have, by what each has."""

TOKENS = 500
"""The most tokens that the paragraph has unless told otherwise."""

_UNUSED = ("text", "line_tokens", "draft")
# A script without spaces between words: each character counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared. ``version`` is None where nothing was known; ``asked`` None where not said."""

    version: Representation | None
    moment: datetime
    asked: Which | None

    @property
    def number(self) -> int:
        """The version's number, 0 where nothing was known."""
        return self.version.number if self.version else 0

    @property
    def covers_to(self) -> int:
        """How far in the feed it has read."""
        return self.version.covers_to if self.version else 0


@dataclass(frozen=True, slots=True)
class Gone:
    """A statement that stands no longer: why, from which version on, and what stands for it where that is known."""

    conclusion: Conclusion
    reason: str
    until: int | None
    replaced_by: Conclusion | None


@dataclass(frozen=True, slots=True)
class Reworded:
    """A statement that another has taken the place of; ``replaced`` says that a pass said so, not the words alone."""

    before: Gone
    after: Statement
    replaced: bool
    similarity: float


@dataclass(frozen=True, slots=True)
class Change:
    """Two texts that are not the same."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed from ``start`` to ``end``. Each statement of either is in exactly one of the four lists."""

    subject: Subject
    start: Side
    end: Side
    added: Sequence[Statement]
    retired: Sequence[Gone]
    reworded: Sequence[Reworded]
    kept: Sequence[Statement]
    card_added: Sequence[str]
    card_removed: Sequence[str]
    now: Change | None
    short_summary: Change | None
    long_summary: Change | None

    @property
    def events(self) -> int:
        """How many events ``end`` has read that ``start`` had not."""
        return max(self.end.covers_to - self.start.covers_to, 0)


def compare(subject: Subject, start: Which | None = None, end: Which | None = None, *, with_kept: bool = False) -> Diff:
    """Return what changed from ``start`` (default: the version that ``end`` went on from) to ``end`` (default: now).

    At most six statements, however much there is. The sources of what is kept are read ``with_kept`` only. Raises
    :class:`NotFound` for a version that readers cannot get, :class:`Erased` for one that was erased, and
    :class:`Invalid` where ``start`` lies after ``end``.
    """
    now = clock.now()
    last = _side(subject, end, now)
    if start is None:
        parent = last.version.parent if last.version else None
        first = Side(parent, parent.created_at if parent else now, None)
    else:
        first = _side(subject, start, now)
        _check_order(first, last)
    return _compared(subject, first, last, with_kept=with_kept)


def between(subject: Subject, first: Representation | None, last: Representation) -> Diff:
    """Return what ``last`` says otherwise than ``first`` (None: nothing), whichever of them was made before the other.

    For versions of lines that read the same events. At most three statements.
    """
    start = Side(first, first.created_at if first else last.created_at, first.number if first else None)
    return _compared(subject, start, Side(last, last.created_at, last.number), with_kept=False)


def in_common(pairs: Sequence[tuple[Representation, Representation]]) -> list[tuple[int, int]]:
    """Return how alike each two versions of one subject are: how many statements both have, and how many are in both.

    A statement that is in both, or reworded in the other, counts for each. One statement of SQL for all of them.
    """
    lines = {version.line_id for pair in pairs for version in pair}
    spans: dict[UUID, list[Span]] = defaultdict(list)
    for span in Span.objects.filter(line__in=lines).select_related("conclusion", "replaced_by"):
        spans[span.line_id].append(span)
    found = []
    for first, last in pairs:
        both = [span for line_id in {first.line_id, last.line_id} for span in spans[line_id]]
        before, after = _held(both, first), _held(both, last)
        start, end = (Side(version, version.created_at, version.number) for version in (first, last))
        lost = [span.conclusion for pk, span in before.items() if pk not in after]
        new = [span.conclusion for pk, span in after.items() if pk not in before]
        ended = sorted((span for span in both if _ends(span, start, end)), key=lambda span: span.until or 0)
        same = len(before) - len(lost) + len(_pairs(_gone(start, end, lost, ended), new))
        found.append((len(before) + len(after), 2 * same))
    return found


def _compared(subject: Subject, first: Side, last: Side, *, with_kept: bool) -> Diff:
    before, after = _standing(first, last)
    lost = [span.conclusion for pk, span in before.items() if pk not in after]
    gone = _gone(first, last, lost, _ended(first, last))
    new = {pk: span for pk, span in after.items() if pk not in before}
    shown = list((after if with_kept else new).values())
    told = {item.conclusion.pk: item for item in with_sources(last.version, shown)} if last.version else {}
    pairs = _pairs(gone, [span.conclusion for span in new.values()])
    kept = [span for pk, span in after.items() if pk in before]
    paired = {pk for _, pk, _, _ in pairs}
    left = {item.conclusion.pk for item, _, _, _ in pairs}
    card = [side.version.card if side.version else [] for side in (first, last)]
    return Diff(
        subject=subject,
        start=first,
        end=last,
        added=[told[pk] for pk in new if pk not in paired],
        retired=[item for item in gone if item.conclusion.pk not in left],
        reworded=[Reworded(item, told[pk], replaced, similarity) for item, pk, replaced, similarity in pairs],
        kept=[told.get(span.conclusion_id) or Statement(span.conclusion, span.since, ()) for span in kept],
        card_added=[entry for entry in card[1] if entry not in card[0]],
        card_removed=[entry for entry in card[0] if entry not in card[1]],
        now=_change(first, last, "now"),
        short_summary=_change(first, last, "short_summary"),
        long_summary=_change(first, last, "long_summary"),
    )


def _side(subject: Subject, which: Which | None, now: datetime) -> Side:
    """Return what is meant by a number, a moment, an age or nothing (now). One statement."""
    rows = Representation.objects.select_related("parent").defer(*_UNUSED, *(f"parent__{name}" for name in _UNUSED))
    if isinstance(which, int):
        found = rows.filter(subject=subject, number=which).first()
        if found is None:
            raise NotFound(f"There is no version {which}")
        if found.status == Representation.Status.QUARANTINED:
            raise NotFound(f"Version {which} was quarantined: nobody was given it")
        return Side(_readable(found), found.created_at, which)
    if which is None:
        return Side(rows.filter(pk__in=Subject.objects.filter(pk=subject.pk).values("current")).first(), now, None)
    moment = now - which if isinstance(which, timedelta) else which
    served = Serving.objects.filter(subject=subject, since__lte=moment).order_by("-since").values("representation")
    return Side(_readable(rows.filter(pk=served[:1]).first()), moment, which)


def _readable(version: Representation | None) -> Representation | None:
    if version is not None and version.status == Representation.Status.ERASED:
        raise Erased(f"Version {version.number} was erased: something that it may have known of was.")
    return version


def _check_order(start: Side, end: Side) -> None:
    by_number = [isinstance(side.asked, int) for side in (start, end)]
    later = start.number > end.number if all(by_number) else start.moment > end.moment
    if later and not (any(by_number) and start.number == end.number):
        raise Invalid("This lies after what it is compared with; turn the two around.", ("from",), "order")


def _standing(start: Side, end: Side) -> tuple[dict[UUID, Span], dict[UUID, Span]]:
    """Return the spans that hold in each side by conclusion, pinned and important first. One statement."""
    versions = [side.version for side in (start, end)]
    found = Span.objects.none()
    for version in versions:
        if version is not None:
            found |= standing_in(version)
    spans = list(
        found.select_related("conclusion__about").order_by(
            "-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content"
        )
    )
    before, after = (_held(spans, version) for version in versions)
    return before, after


def _held(spans: Iterable[Span], version: Representation | None) -> dict[UUID, Span]:
    """Return by conclusion those of the spans that hold in a version."""
    return {span.conclusion_id: span for span in spans if version is not None and holds(span, version)}


def _ended(start: Side, end: Side) -> Sequence[Span]:
    """Return the spans of both lines that ended on the way, oldest first. One statement."""
    lines = [side.version.line_id for side in (start, end) if side.version]
    found = Span.objects.filter(line__in=lines, until__gt=start.number, until__lte=end.number)
    return list(found.select_related("replaced_by__about").order_by("until"))


def _ends(span: Span, start: Side, end: Side) -> bool:
    return span.until is not None and start.number < span.until <= end.number


def _gone(start: Side, end: Side, conclusions: Sequence[Conclusion], spans: Sequence[Span]) -> list[Gone]:
    """Return statements of ``start`` that do not stand in ``end``, with why, as the line of ``end`` says first.

    ``spans`` are those that ended on the way, oldest first.
    """
    lines = [side.version.line_id for side in (start, end) if side.version]
    ended: dict[UUID, Span] = {}
    for span in spans:
        known = ended.get(span.conclusion_id)
        if known is None or span.line_id == lines[-1] or known.line_id != lines[-1]:
            ended[span.conclusion_id] = span
    unknown = f"It does not stand in version {end.number}." if end.version else "Nothing was known."
    found = []
    for conclusion in conclusions:
        last = ended.get(conclusion.pk)
        if last is None:
            found.append(Gone(conclusion, unknown, None, None))
        else:
            found.append(Gone(conclusion, last.reason, last.until, _what_replaced(conclusion, ended)))
    return found


def _what_replaced(conclusion: Conclusion, ended: Mapping[UUID, Span]) -> Conclusion | None:
    """Return what took a statement's place in the end: what replaced it may have been replaced too."""
    seen = {conclusion.pk}
    instead = ended[conclusion.pk].replaced_by
    while instead is not None and instead.pk not in seen and instead.pk in ended:
        seen.add(instead.pk)
        instead = ended[instead.pk].replaced_by or instead
    return instead


def _pairs(gone: Sequence[Gone], new: Sequence[Conclusion]) -> list[tuple[Gone, UUID, bool, float]]:
    """Pair what is gone with what is new: what a pass said first, then the most alike. Each is in one pair at most."""
    words = {row.pk: words_of(row.content) for row in new}
    free = {row.pk: row for row in new}
    pairs = []
    left = []
    for item in gone:
        instead = item.replaced_by
        if instead is not None and instead.pk in free:
            pairs.append((item, instead.pk, True, alike(words_of(item.conclusion.content), words[instead.pk])))
            del free[instead.pk]
        elif instead is None:
            left.append(item)
    sizes = {pk: words[pk].total() for pk in free}
    where: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for pk in free:
        for word, count in words[pk].items():
            where[word].append((pk, count))
    likely = []
    for place, item in enumerate(left):
        own = words_of(item.conclusion.content)
        shared: Counter[UUID] = Counter()
        for word, count in own.items():
            for pk, other in where[word]:
                shared[pk] += min(count, other)
        size = own.total()
        likely += [
            (-2 * common / (size + sizes[pk]), place, free[pk].content, pk)
            for pk, common in shared.items()
            if 2 * common >= SIMILAR * (size + sizes[pk]) and free[pk].about_id == item.conclusion.about_id
        ]
    taken: set[int] = set()
    for negative, place, _, pk in sorted(likely):
        if place not in taken and pk in free:
            pairs.append((left[place], pk, False, -negative))
            taken.add(place)
            del free[pk]
    return pairs


def words_of(text: str) -> Counter[str]:
    """Return the words of a text and how often it has each; case does not count."""
    return Counter(_WORD.findall(text.casefold()))


def alike(one: Counter[str], other: Counter[str]) -> float:
    """Return how alike two bags of words are, from 0 to 1 (Dice's coefficient)."""
    size = one.total() + other.total()
    return 2 * (one & other).total() / size if size else 1.0


def _change(start: Side, end: Side, part: str) -> Change | None:
    before, after = (getattr(side.version, part) if side.version else "" for side in (start, end))
    return None if before == after else Change(before, after)


def tell(diff: Diff, budget: int = TOKENS) -> str:
    """Return the change as one paragraph for people, in at most ``budget`` tokens.

    What there is no room for is counted, not left out in silence; empty where not even that has room.
    """
    parts = _parts(diff)
    order = sorted(
        ((place, part) for part, (_, items) in enumerate(parts) for place in range(len(items))),
        key=lambda shown: (max(shown[1], _STATEMENTS), *shown),
    )
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens.count(_told(diff, parts, order[:middle])) <= budget:
            low = middle
        else:
            high = middle - 1
    text = _told(diff, parts, order[:low])
    return text if tokens.count(text) <= budget else ""


_Part = tuple[str, list[str]]
_STATEMENTS = 2
"""The last of the parts that are statements: they are told in turn, and before the others."""


def _parts(diff: Diff) -> list[_Part]:
    """Return what changed: how each part is said, and its items."""
    reworded = [f"{_quoted(item.before.conclusion)} is now {_quoted(item.after.conclusion)}" for item in diff.reworded]
    retired = [_quoted(item.conclusion) + (f" ({_short(item.reason)})" if item.reason else "") for item in diff.retired]
    cards = [f"{_quote(entry)} is new" for entry in diff.card_added]
    cards += [f"{_quote(entry)} is gone" for entry in diff.card_removed]
    return [
        ("grown", [_quoted(item.conclusion) for item in diff.added]),
        ("gone", retired),
        ("reworded", reworded),
        ("facts", cards),
        ("now", [_quote(diff.now.after) if diff.now.after else "left open"] if diff.now else []),
        ("summary", [""] if diff.short_summary or diff.long_summary else []),
    ]


def _told(diff: Diff, parts: Sequence[_Part], shown: Sequence[tuple[int, int]]) -> str:
    what, opening = _what(diff.subject), _opening(diff)
    places = Counter(part for _, part in shown)
    told = ""
    for part, (kind, items) in enumerate(parts):
        if items:
            said = _sentence(kind, items[: places[part]], len(items), "" if told else what)
            told += f" {said[0].upper()}{said[1:]}." if told else f"{opening} {said}."
    return told or f"{opening} nothing has changed in {what}."


def _sentence(kind: str, shown: Sequence[str], count: int, what: str) -> str:
    """Say one part; ``what`` names the subject in the first sentence and is empty in the others."""
    listed = "; ".join(shown) + (f"; and {count - len(shown)} more" if shown and len(shown) < count else "")
    listed = f": {listed}" if listed else ""
    statements = f"{count} statement{'' if count == 1 else 's'}"
    within = f" in {what}" if what else ""
    if kind == "grown":
        return f"{what or 'it'} has grown by {statements}{listed}"
    if kind == "gone":
        return f"{what or 'it'} no longer holds {statements}{listed}"
    if kind == "reworded":
        return f"{statements}{within} {'is' if count == 1 else 'are'} reworded{listed}"
    if kind == "facts":
        return f"of the facts{within}, {count} changed{listed}"
    if kind == "now":
        return f"what matters now{within} {f'is {shown[0]}' if shown else 'has changed'}"
    return f"the summary{within} was rewritten"


def _opening(diff: Diff) -> str:
    same_day = diff.start.moment.date() == diff.end.moment.date()
    start, end = _label(diff.start, same_day), _label(diff.end, same_day)
    if diff.start.version is None:
        start = f"{start}, when nothing was known yet," if diff.start.asked is not None else "the beginning"
    return f"Since {start}" if diff.end.asked is None else f"From {start} to {end}"


def _label(side: Side, with_time: bool) -> str:
    moment = f"{side.moment.day} {side.moment:%B %Y}" + (f" at {side.moment:%H:%M} UTC" if with_time else "")
    by_number = isinstance(side.asked, int) or (side.asked is None and side.version is not None)
    return f"version {side.number} ({moment})" if by_number else moment


def _what(subject: Subject) -> str:
    thing = subject.user or subject.session or subject.project
    name = (thing.name or thing.public_id) if thing else ""
    if subject.observer is not None:
        return f"what {subject.observer.name} knows of {name}"
    return {
        Subject.Kind.SESSION: f"what was said and decided in session {name}",
        Subject.Kind.PROJECT: f"the scope of project {name}",
    }.get(Subject.Kind(subject.kind), f"what is known of {name}")


def _quoted(conclusion: Conclusion) -> str:
    return _quote(conclusion.content)


def _quote(text: str) -> str:
    return f"“{' '.join(text.split()).rstrip('.')}”"


def _short(reason: str) -> str:
    return " ".join(reason.split()).rstrip(".")
