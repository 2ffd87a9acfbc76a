"""Words that point at something said before: a statement that has one and not what it points at cannot stand alone."""

from __future__ import annotations

import re

from reasoning.providers.local.lexicon import (
    COMPANIONS,
    FAMILY,
    JOBS,
    PETS,
    PRAISE,
    PREPOSITIONS,
    STOP,
    VAGUE,
    is_adverb,
    is_past,
    word_set,
)

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[^\w\s]")
_DETERMINERS = word_set(
    "a an the my our his her their its your some no any this that these those each every another two three four five "
    "six seven eight nine ten many few several both all more new old first last own one"
)
_THING = frozenset({"it", "its", "itself", "it's", "it'll", "it'd"})
_MANY = frozenset({"they", "them", "their", "theirs", "themselves", "they're", "they've", "they'll", "they'd"})
_SOMEBODY = word_set("he him his himself he's he'll he'd she her hers herself she's she'll she'd")
_POINTING = frozenset({"this", "that", "these", "those"})
_PEOPLE = COMPANIONS | JOBS | frozenset(FAMILY) | PETS | word_set(
    "man woman boy girl guy lady kid person baby lad boss manager neighbor neighbour colleague coworker classmate "
    "mentor coach stranger child customer client patient everyone everybody someone somebody host guest author hero"
)  # fmt: skip
_MANY_NOUNS = word_set("kids children people folks family fam parents team crew group police staff couple band others")
_BEFORE_OBJECT = PREPOSITIONS | word_set(
    "do did does doing done make makes made love loved loves like liked likes hate use used see saw seen get got know "
    "knew want wanted wanting need needed try tried trying have had has think say said guess believe enjoy enjoyed "
    "keep kept take took remember forget forgot miss finish finished start started heard hear get mean"
)
_WEATHER_OR_TIME = re.compile(
    r"\b(?:make|made|making|makes) it (?:to|through|into|back|happen|work|home|in|out|easier|hard|harder|special|even|"
    r"all|more|better|so)\b|\b(?:it|it's|it'll|it'd|it was|it is|it has)(?: been)?(?: \w+){1,5}? (?:to|that|how|when|"
    r"since|if|what)\b|\bit (?:seems|looks|feels|felt|turns|turned|takes|took|means|rain|snow|gets|is time)\w*\b|"
    r"\bit (?:all|off|out|down|up|over)\b|\b(?:work|figure|talk|think) it\b|\bsee it through\b",
    re.I,
)
"""An "it" that stands for nothing."""


MOST_CHARACTERS = 600
"""Of a longer sentence only the beginning is looked at."""


def dangling(text: str) -> bool:
    """Whether a sentence in the first person speaks of "it", "them" or "her" without saying first what or who."""
    tokens = _TOKEN.findall(text[:MOST_CHARACTERS])
    lower = [token.lower() for token in tokens]
    empty_it = bool(_WEATHER_OR_TIME.search(text))
    for i, word in enumerate(lower):
        if word in _THING:
            if not empty_it and not _thing_before(tokens, lower, i):
                return True
        elif word in _MANY:
            if not (_many_before(lower, i) or (word.startswith("they") and _thing_before(tokens, lower, i))):
                return True
        elif word in _SOMEBODY:
            if not _somebody_before(tokens, lower, i):
                return True
        elif word == "there":
            if _is_pronoun_there(lower, i) and not _thing_before(tokens, lower, i):
                return True
        elif (word in _POINTING and _stands_alone(lower, i)) or (word in {"one", "ones"} and _is_pronoun_one(lower, i)):
            return True
    return False


def _thing_before(tokens: list[str], lower: list[str], i: int) -> bool:
    """Whether a noun comes before: after an article or the like, with a capital, or an activity in -ing."""
    for j in range(i):
        word = lower[j]
        if word in STOP or not word[0].isalnum() or word.removesuffix("'s") in _PEOPLE - PETS:
            continue
        if j and (tokens[j][0].isupper() or lower[j - 1] in _DETERMINERS):
            return True
        if word.endswith("ing") and len(word) > 4:
            return True
        if j >= 2 and lower[j - 2] in _DETERMINERS:
            return True
        if j == 0 and not is_adverb(word) and not is_past(word) and len(word) > 3:
            return True
        if j and is_past(lower[j - 1]) and word not in VAGUE and not is_adverb(word):
            return True
    return False


def _many_before(lower: list[str], i: int) -> bool:
    for j in range(i):
        word = lower[j]
        plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "'s")) and word not in STOP
        if word in _MANY_NOUNS or (plural and not is_adverb(word)) or word in {"everyone", "everybody", "someone"}:
            return True
        if word == "and" and 0 < j < i - 1:
            return True
    return False


def _somebody_before(tokens: list[str], lower: list[str], i: int) -> bool:
    return any(
        lower[j].removesuffix("'s") in _PEOPLE
        or lower[j].endswith("-old")
        or (j and tokens[j][0].isupper() and lower[j].split("'")[0] != "i")
        for j in range(i)
    )


def _stands_alone(lower: list[str], i: int) -> bool:
    """Whether "this" or "that" is a pronoun: the object of what is before, with no noun after."""
    if i == 0 or lower[i - 1] not in _BEFORE_OBJECT:
        return False
    after = lower[i + 1] if i + 1 < len(lower) else "."
    if not after[0].isalnum():
        return True
    return lower[i - 1] in PREPOSITIONS | {"do", "did", "love", "like"} and after in STOP - _DETERMINERS - {"i", "we"}


def _is_pronoun_there(lower: list[str], i: int) -> bool:
    """Whether "there" is a place, not the "there" of "there is"."""
    after = lower[i + 1] if i + 1 < len(lower) else "."
    before = lower[i - 1] if i else ""
    return (
        bool(before)
        and before not in {"out", "over", "up", "hang"}
        and not re.match(r"(?:is|are|was|were|'s|will)", after)
    )


def _is_pronoun_one(lower: list[str], i: int) -> bool:
    after = lower[i + 1] if i + 1 < len(lower) else "."
    before = lower[i - 1] if i else ""
    if before in {"no", "every", "any", "some", "each", "number", "day"} or after in {"of", "day", "more", "another"}:
        return False
    return not after[0].isalnum() or after in STOP


def concrete(text: str) -> list[str]:
    """Words of a text that could be looked up: not small, not of feeling, not of attitude."""
    return [
        word
        for word in (token.lower() for token in _TOKEN.findall(text))
        if len(word) > 2 and word not in STOP and word not in VAGUE and word not in PRAISE and word not in _ATTITUDE
    ]


_ATTITUDE = word_set(
    """
    goal goals aim aims success successes successful succeed stay staying stays stayed focus focused determined
    determination optimistic optimism confidence confident faith believe believes believing face facing push pushing
    pushed plunge risk risks pay pays effort efforts reality achieve achieving achieved achievement figure realize
    realized realise lesson lessons learned learn learning importance important balance energy energized encourage
    encouraged reassured comfort comforting perspective potential possibility possibilities progress opportunity
    opportunities mindset confident resilience resilient adversity struggle struggles struggling setback setbacks
    obstacle obstacles spirit soul self authentic authentically truth identity freedom fear fears worry worries
    worried nervous anxious scared afraid mood vibe vibes atmosphere attitude advice perfect perfectly fully simply
    big small huge little old able ready around everywhere plenty several simple easy easier hardly though within
    especially whole full forever remember remembering forget reminding reminders proof sense sort kinda chance
    chances try tries tried trying wanted start started starting began continue continues continued become becomes
    became turn turned turns ended end ends mind call called set put found find finding using used use work working
    worked works talk talking talks watching watch noticed notice hear heard ask asked chasing chase spark sparked
    capture captured express expressing expressed expression embrace embracing maybe perhaps probably
    """
)
"""Words of how one goes about things, which say little of what one does."""
