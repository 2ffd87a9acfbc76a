"""A few sentences: what matters now of a person, what a session or project was about."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

from reasoning.providers.base import ShownEvent
from reasoning.providers.local.card import Standing
from reasoning.providers.local.compare import fingerprint, jaccard, stem
from reasoning.providers.local.contradictions import settles
from reasoning.providers.local.dates import say
from reasoning.providers.local.lexicon import MONTHS, NUMBERS, PRAISE, STOP, VAGUE, WEEKDAYS, is_past, word_set
from reasoning.providers.local.references import concrete

MAX_NOW_WORDS = 50
MAX_SENTENCE = 25
_GOAL = re.compile(
    r"\b(?:wants? to|is (?:\w+ )?(?:planning|going to|working on|trying to|looking (?:into|for|to)|"
    r"building|learning|preparing|thinking (?:of|about)|"
    r"considering|saving|focused|hoping|training|studying|researching|writing)|are (?:\w+ "
    r")?(?:planning|going to|working on|thinking (?:of|about)|building|considering|preparing)|plans? "
    r"to|needs? to|"
    r"goal|aims? to|hopes? to|has to|deadline|would (?:love|like) to|will|asked the assistant to|asked "
    r"how to|applied for|decided to)\b",
    re.I,
)
_FOCUS = re.compile(
    r"\b(?:wants? to|goal|working on|building|automat|planning|focused|deadline|looking into|"
    r"researching)\b",
    re.I,
)
_AIM = re.compile(r"\b(?:wants? to|goal|working on|building|planning|focused|looking into|researching)\b", re.I)
_VAGUE_GOAL = re.compile(r"\b(?:will|has to|needs? to|would (?:love|like) to)\b")
_SUPPORT = re.compile(
    r"\b(?:prefers?|uses?|asked the assistant to (?:keep|not|use|always|reply|answer)|switched|"
    r"deadline|budget)\b",
    re.I,
)
_WEAK = re.compile(
    r"^Asked “|\bshared a (?:picture|text)|\bwrote: “|^According to|^Open question|^The conversation "
    r"(?:on|from)|returned:|^The agent called|was recorded"
)
_COMMON_VERBS = word_set(
    """
    said asked told went got made took came put tried started used working worked work works called needs
    needed wants wanted looking looked talk talked talking talks trying doing done gone run running hear
    heard start starting play played found find plan planning plans asking use using set sent send check
    checking learn learned learning remember wait seems seem sounds guess maybe probably next last year
    years month months week weeks today yesterday tomorrow night morning weekend ago soon later lately
    long little big old new first second couple since recently already almost especially though actually
    really totally pretty enough around something someone anything welcome wow hey hello thanks thank
    sorry please congrats bye absolutely definitely exactly cheers able such many much assistant example
    else instead without within let's you're we're they're that's it's i'm i've can't don't didn't isn't
    won't course prefer prefers update updates updated change changed changes move moved keep read reads
    suggest understood based noted happy add added takes give gives right same version hand hard easy
    answer answers question questions want let decide decided kinda gonna wanna gotta yup yep nah lol
    haha photo picture pic pics image shares share here's what's there's like likes loves
    """
)


def now(subject: str, standing: list[Standing], previous: str, latest: date | None) -> str:
    """One to three sentences of what matters now."""
    today = latest.toordinal() if latest else 0
    newest = max((s.order for s in standing), default=0.0)
    ranked: list[tuple[float, Standing]] = []
    for item in standing:
        if _WEAK.search(item.content):
            continue
        until = item.held_until_ordinal
        passed = until is not None and until < today
        goal = bool(_GOAL.search(item.content)) and not _over(item.content)
        age = (newest - item.order) / 86_400.0
        worth = item.importance * 0.5 + (2.2 if goal else 0.0) + (1.0 if _FOCUS.search(item.content) and goal else 0.0)
        worth += 0.3 * min(item.repeated, 4)
        if until is not None and until >= today and item.held_from_ordinal and item.held_from_ordinal >= today:
            worth += 1.2
        if item.held_until_ordinal is None and _SUPPORT.search(item.content):
            worth += 1.2
        worth -= 1.4 if goal and not _AIM.search(item.content) and _VAGUE_GOAL.search(item.content) else 0.0
        worth -= 1.5 if len(set(concrete(item.content))) < 4 else 0.0
        worth -= 1.5 if size_of(item.content) < 7 and goal and not _AIM.search(item.content) else 0.0
        worth -= 1.5 if size_of(item.content) < 6 and not goal else 0.0
        worth -= 2.0 if re.search(r"\b(?:it|them|that|this)\b", " ".join(item.content.split()[:8])) else 0.0
        worth -= min(age, 120.0) * 0.03
        if passed:
            worth -= 2.5
        ranked.append((worth, item))
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].order, pair[1].content))
    chosen: list[Standing] = []
    words = 0
    for _, item in ranked:
        size = size_of(_told(item.content))
        if words + size > MAX_NOW_WORDS and chosen:
            continue
        if any(jaccard(fingerprint(item.content).words, fingerprint(c.content).words) > 0.45 for c in chosen):
            continue
        chosen.append(item)
        words += size
        if len(chosen) == 3:
            break
    if not chosen:
        rest = [s for s in standing if s.content]
        if rest:
            return max(rest, key=lambda s: (s.order, s.importance)).content
        return previous
    chosen.sort(key=lambda s: (0 if _AIM.search(s.content) else 1 if _GOAL.search(s.content) else 2, -s.order))
    return " ".join(_told(s.content) for s in chosen)


def _told(text: str) -> str:
    """The statement, of a long one without what was joined to it."""
    head = (text if size_of(text) <= MAX_SENTENCE else text.split("; ", 1)[0]).rstrip(".")
    return head if head.endswith(("…", "”")) else head + "."


def size_of(text: str) -> int:
    """Words in a text."""
    return len(text.split())


def _over(text: str) -> bool:
    return bool(re.search(r"\b(?:finished|completed|no longer|cancell?ed|decided not)\b", text))


_TOPIC_NOISE = re.compile(r"\[[^\]\n]{0,600}\]|https?://\S+")
_TOPIC_WORD = re.compile(r"[^\W\d_][\w+#'-]*|[.,!?;:]")
_BEFORE_VERBS = word_set(
    "to i you we they he she it who that which everyone everybody nobody i'd you'd we'd they'd can "
    "could will would should so very really"
)


def _dull(names: tuple[str, ...]) -> frozenset[str]:
    """Words that are no topic: small, vague, everyday ones and the names of those who talk."""
    own = {part.lower() for name in names for part in re.split(r"\W+", name) if part}
    own |= {name.lower()[:3] for name in names} | {name.lower()[:4] for name in names}
    return STOP | VAGUE | PRAISE | _COMMON_VERBS | own | set(MONTHS) | set(WEEKDAYS) | set(NUMBERS)


def _topic_key(word: str, dull: frozenset[str]) -> str:
    """The stem of a word that could be a topic, else an empty text."""
    lower = word.lower().removesuffix("'s")
    if len(lower) > 40 or (len(lower) < 4 and not word.isupper()) or lower in dull:
        return ""
    if lower.endswith(("ly", "'t", "'ve", "'re", "'ll")) or (is_past(lower) and lower.endswith("ed")):
        return ""
    key = stem(lower)
    return "" if key in dull else key


class _Topics:
    """Counts of words and of pairs of words, one of each for a message."""

    def __init__(self, dull: frozenset[str]) -> None:
        self.dull = dull
        self.single: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.noun: Counter[str] = Counter()
        """How often what stands before and after speaks for a noun."""
        self.shown: dict[str, str] = {}

    def read(self, content: str) -> None:
        """Count one message."""
        words = _TOPIC_WORD.findall(_TOPIC_NOISE.sub(" ", content[:6000].replace("’", "'")))
        keys = [_topic_key(word, self.dull) for word in words]
        seen: set[str] = set()
        seen_pairs: set[tuple[str, str]] = set()
        for i, key in enumerate(keys):
            if not key:
                continue
            if i and keys[i - 1] and keys[i - 1] != key:
                seen_pairs.add((keys[i - 1], key))
            after = words[i + 1].lower() if i + 1 < len(words) else "."
            before = words[i - 1].lower() if i else "."
            ends = after in STOP or not after[0].isalpha()
            if ends and before not in _BEFORE_VERBS and not before.endswith("ly") and not words[i].endswith("ing"):
                self.noun[key] += 1
            seen.add(key)
            self._show(key, words[i].removesuffix("'s"))
        self.single.update(seen)
        self.pairs.update(seen_pairs)

    def _show(self, key: str, form: str) -> None:
        """Remember how a word is written: small where it is ever small, unless it is all capitals."""
        known = self.shown.get(key)
        if known is None:
            self.shown[key] = form
        elif not known.isupper() and form[0].islower():
            self.shown[key] = known.lower() if len(known) <= len(form) else form

    def best(self, most: int) -> list[str]:
        """The topics said most often; none where nothing is said again and again."""
        ranked: list[tuple[float, tuple[str, ...]]] = [(n * 1.9, pair) for pair, n in self.pairs.items() if n >= 2]
        ranked += [
            (n * (1.15 if self.shown[key][0].isupper() else 1.0), (key,))
            for key, n in self.single.items()
            if n >= (2 if self.shown[key][0].isupper() else 3) and self.noun[key] > 0 and not key.endswith("ing")
        ]
        ranked.sort(key=lambda entry: (-entry[0], entry[1]))
        found: list[str] = []
        used: set[str] = set()
        for _, keys in ranked:
            if used & set(keys) or len(found) == most:
                continue
            used |= set(keys)
            found.append(" ".join(self.shown[key] for key in keys))
        return found


def topics(events: tuple[ShownEvent, ...], names: tuple[str, ...], most: int = 4) -> list[str]:
    """What is talked of again and again: repeated nouns and pairs of words."""
    found = _Topics(_dull(names))
    for event in events:
        if event.origin != "recalled" and event.kind == "message":
            found.read(event.content)
    return found.best(most)


def join_words(words: list[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def span(start: date, end: date) -> str:
    """ "on 8 May 2023", "from 8 May 2023 to 9 June 2023"."""
    return f"on {say(start)}" if start == end else f"from {say(start)} to {say(end)}"


def short_summary(people: list[str], about: list[str], start: date, end: date, standing: list[Standing]) -> str:
    """One to three sentences."""
    who = join_words(people[:4]) if people else "The conversation"
    verb = "talked" if len(people) > 1 else "wrote" if people else "ran"
    opening = f"{who} {verb} {span(start, end)}" + (f", about {join_words(about)}." if about else ".")
    best = _pick(standing, 2, 60)
    return " ".join([opening, *best])


def long_summary(short: str, standing: list[Standing], most: int = 260) -> str:
    """A few paragraphs: the opening sentence and what was said, in its order."""
    opening = short.split(". ", 1)[0].rstrip(".") + "." if short else ""
    lines = _pick(standing, 14, most - len(opening.split()), ordered=True)
    paragraphs = [" ".join(lines[i : i + 5]) for i in range(0, len(lines), 5)]
    return "\n\n".join(part for part in [opening, *paragraphs] if part)


def _pick(standing: list[Standing], count: int, words: int, ordered: bool = False) -> list[str]:
    """The statements most worth telling, without near repetitions."""
    newest = max((s.order for s in standing), default=0.0)

    def worth(item: Standing) -> float:
        value = item.importance + 0.4 * min(item.repeated, 3)
        value += (
            0.8 if re.search(r"\b(?:decided|agreed|deadline|will|wants? to|plan|going to)\b", item.content) else 0.0
        )
        value += 0.5 if settles(item.content, item.about or "") else 0.0
        value -= min((newest - item.order) / 86_400.0, 200.0) * 0.008
        return value - (4.0 if _WEAK.search(item.content) else 0.0)

    ranked = sorted(standing, key=lambda s: (-worth(s), -s.order, s.content))
    chosen: list[Standing] = []
    total = 0
    for item in ranked[:200]:
        size = len(item.content.split())
        if total + size > words:
            continue
        if any(jaccard(fingerprint(item.content).words, fingerprint(c.content).words) > 0.5 for c in chosen):
            continue
        if item.content.startswith(("The conversation on", "The conversation from")):
            continue
        chosen.append(item)
        total += size
        if len(chosen) == count:
            break
    if ordered:
        chosen.sort(key=lambda s: s.order)
    return [item.content for item in chosen]
