"""The card: a dozen short lines of what is stable, built anew from what stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reasoning.providers.local.compare import stem
from reasoning.providers.local.contradictions import settles
from reasoning.providers.local.interests import interests
from reasoning.providers.local.lexicon import FAMILY, PETS

MAX_LINES = 12
MAX_LINE = 80


@dataclass(frozen=True)
class Standing:
    """A statement that stands, for the card and for what matters now."""

    content: str
    importance: int
    order: float
    """Later is larger."""
    about: str | None = None
    pinned: bool = False
    fresh: bool = False
    held_until_ordinal: int | None = None
    held_from_ordinal: int | None = None
    repeated: int = 1


_FAMILY = "|".join(sorted(FAMILY, key=len, reverse=True))
_PETS = "|".join(sorted(PETS, key=len, reverse=True))
_END = r"(?=[,.;(–—]| and | but | because | so | which | that | when | since | for \d| in \d{4}| on \d|$)"
_SINGLE = ("home", "job", "employer", "relationship", "age", "name")
_FROM = re.compile(
    r"\b(?:is (?:originally )?from|grew up in|was born in|comes from|home country,) "
    r"(?P<v>[A-Z][\w-]+(?: [A-Z][\w-]+){0,2})"
)
_STUDY = re.compile(
    r"\b(?:stud(?:ies|ying|ied)|majors? in|majored in|degree in|graduated (?:in|from)) (?P<v>(?!for\b|"
    rf"at\b|with\b|hard\b|the\b|it\b)[\w -]{{3,40}}?){_END}"
)
_SPEAKS = re.compile(r"\bspeaks? (?P<v>(?:fluent )?[A-Z]\w+(?:(?:, | and )[A-Z]\w+)*)")
_HAS_KIN = re.compile(
    r"\b(?:has|have|adopted|got|with) (?P<v>(?:a|an|two|three|four|five|\d|twin) (?:\w+ "
    rf"){{0,2}}?(?:{_FAMILY}))\b(?! of\b)",
    re.I,
)
_KIN = re.compile(
    r"(?:'s|s'|\b[Tt]heir|\bmy) (?P<adj>(?:little|older|younger|youngest|oldest|late|new|big|baby|"
    rf"twin|ex) )?(?P<k>{_FAMILY})\b(?:,? (?:(?:is |was )?(?:called|named)|name is) (?P<n>[A-Z][\w-]+)|"
    r",? (?P<n2>[A-Z][a-z]+)\b)?"
)
_PET = re.compile(
    r"\b(?:has|have|owns?|adopted|got|gotten) (?P<v>(?:a|an|another|two|three|four|\d) (?:(?!for\b|"
    rf"from\b|at\b|of\b|with\b)[\w-]+ ){{0,2}}?(?:{_PETS})(?: and (?:a|an|one|two|three) "
    rf"(?:{_PETS}))?)\b|(?:'s|s'|\b[Tt]heir) (?P<w>(?:\w+ )?(?:{_PETS})),? (?:is |are )?(?:called|"
    r"named)? ?(?P<n>[A-Z][\w-]+(?: and [A-Z][\w-]+)?)"
)
_PREFERS = re.compile(rf"\bprefers? (?P<v>[^.;(]{{3,60}}?){_END}")
_ASKED = re.compile(
    r"\basked the assistant to (?P<v>(?:not |always |never |keep |use |reply |respond |answer |write |"
    r"call |stop |avoid |be |speak )[^.;]{3,60}?)(?=[.;]|$)"
)
_HATES = re.compile(
    r"\b(?:hates?|dislikes?|can't stand|doesn't (?:really )?(?:like|eat|drink|enjoy)|does not (?:like|"
    rf"eat|drink)|don't (?:like|eat|drink)) (?P<v>(?!it\b|that\b|this\b|how\b)[^.;(!]{{3,50}}?){_END}"
)
_FAVOURITE = re.compile(r"(?:'s|s'|\btheir) favou?rite (?P<n>[a-z]+(?: [a-z]+)?) (?:is|are) (?P<v>[^.;,(]{2,40})", re.I)
_USES = re.compile(
    r"\b(?:uses?|using|runs? on|works? with|deploys? (?:to|on|with)|switched (?:\w+ )?(?:from [\w "
    r".+#-]+ )?to|migrated to|builds? (?:it )?(?:in|with)|written in|codes? in|programs? in) "
    r"(?P<v>(?:[A-Z][\w.+#-]*)(?:(?:, | and )?(?: ?[A-Z][\w.+#-]*))*)"
)
_HEALTH = re.compile(
    r"\b(?:is|are) (?P<v>(?:a )?(?:vegan|vegetarian|pescatarian|diabetic|celiac|coeliac|lactose "
    rf"intolerant|gluten[- ]free)|allergic to [\w, ]{{3,40}}?){_END}"
)
_IS = re.compile(
    r"\bis (?:a |an )?(?P<v>transgender(?: woman| man)?|trans(?: woman| man)|nonbinary|non-binary|gay|"
    r"lesbian|bisexual|jewish|muslim|christian|catholic|hindu|buddhist|a veteran|single parent)\b",
    re.I,
)
_GOAL = re.compile(
    r"\b(?:wants? to|goal is (?:to )?|dream is (?:to )?|dreams? of|(?:is|are) (?:\w+ )?(?:planning to|"
    r"saving (?:up )?for|training for|looking into|keen on|hoping to)|plans? to|aims? to|hopes? to) "
    r"(?P<v>(?!be able|see\b|do\b|make sure|it\b|say\b|know\b|share\b|tell\b|thank|keep\b|give it|"
    r"go\b)[^.;(!–]{6,70}?)(?=[,.;(–—]| because | so | but | since | although |$)"
)
_VALUE_END = re.compile(
    r"\s+(?:with|and|or|to|of|for|in|at|the|a|an|so|very|really|too|a lot|so much|as well|these days|"
    r"now|lately|anymore|any more|either)$",
    re.I,
)
_ORDER = (
    "Name", "Age", "Lives in", "From", "Work", "Works at", "Studies",
    "Relationship", "Family", "Pets", "Identity", "Languages",
    "Diet and health",
    "Prefers", "Likes", "Dislikes", "Favourites", "Uses", "Does", "Goals", "Asked of the assistant", "Key facts",
    "People and pets", "Places", "Titles",
)  # fmt: skip
_LIMITS = {
    "Likes": 6,
    "Uses": 8,
    "Family": 6,
    "Pets": 4,
    "Prefers": 4,
    "Dislikes": 4,
    "Favourites": 4,
    "Does": 6,
    "People and pets": 4,
    "Places": 4,
    "Titles": 4,
    "Goals": 3,
    "Asked of the assistant": 3,
    "Key facts": 4,
}


def _clean(value: str) -> str:
    value = re.sub(r"\s+", " ", value).strip(" .,;!-–—\"'")
    previous = ""
    while previous != value:
        previous = value
        value = _VALUE_END.sub("", value)
    return value


def facts_of(text: str, subject: str, others: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Label and value of each stable fact in a statement about ``subject``, who talks with ``others``."""
    found: list[tuple[str, str]] = []
    told = text.split(", ", 1)[-1] if text.startswith("According to ") else text
    if re.match(r"Asked “|.*?\b(?:wrote|shared a)\b", told):
        return found
    own = (
        re.match(rf"{re.escape(subject)}(?: and (?:others|their [\w ]+?)| \([^)]*\))?(?:'s team)? (?!and\b)", told)
        is not None
    )
    labels = {
        "home": "Lives in",
        "job": "Work",
        "employer": "Works at",
        "relationship": "Relationship",
        "age": "Age",
        "name": "Name",
    }
    for item in settles(text, subject):
        if item.slot in labels:
            value = _cased(item.value, told)
            if item.slot == "name" and re.search(
                r"\b(?:dog|cat|son|daughter|kid|team|company|wife|husband|band|shop|sister|brother|"
                r"puppy|store)\b",
                told[: told.lower().find(item.value)],
            ):
                continue
            if item.slot == "relationship" and value == "separated":
                continue
            found.append((labels[item.slot], value))
        elif item.slot.startswith("the ") and len(item.value.split()) <= 6:
            noun = _noun(told, item.slot)
            found.append(("Key facts", f"{noun} {_clean(_cased(item.value, told))}"))
    for match in _KIN.finditer(told):
        kin = FAMILY[match["k"].lower()]
        named = match["n"] or (match["n2"] if match["n2"] not in {"I", "The"} else None)
        if (
            not match.start()
            or told[: match.start()].endswith(subject)
            or (match.group(0).lower().startswith("their") and not re.search(r"\b(?:they|them)\b", told, re.I))
        ):
            found.append(("Family", f"{kin} {named}" if named else kin))
    if hit := _HAS_KIN.search(told):
        found.append(("Family", _clean(hit["v"])))
    for match in _PET.finditer(told):
        if match["v"]:
            if own and not re.search(
                r"\b(?:would|want|wants|consider\w*|looking|thinking|if|might|may|could|plan\w*|hop\w+|"
                r"no longer)\b|n't\b",
                told,
            ):
                found.append(("Pets", _clean(match["v"])))
        elif match["n"]:
            found.append(("Pets", f"{_clean(match['w'])} {match['n']}"))
    if hit := _FAVOURITE.search(told):
        found.append(("Favourites", f"{hit['n']}: {_clean(hit['v'])}"))
    for match in _USES.finditer(told):
        if own or "said that" in told:
            found.extend(("Uses", part.strip(" .")) for part in re.split(r", | and ", match["v"]) if part.strip(" ."))
    if (hit := _FROM.search(told)) and (own or "home country" in hit.group(0)):
        found.append(("From", _clean(hit["v"])))
    found.extend(interests(told, own, frozenset(subject.split()) | others))
    if not own:
        return found
    if (hit := _GOAL.search(told)) and not re.search(r"\b(?:no longer|not|never)\b|n't\b", told):
        value = _clean(hit["v"])
        if 2 <= len(value.split()) <= 9 and not re.search(r"\b(?:they|them|it|this|that|she|he)\b", value):
            found.append(("Goals", value))
    for label, pattern in (
        ("Studies", _STUDY), ("Languages", _SPEAKS), ("Diet and health", _HEALTH), ("Identity", _IS),
        ("Prefers", _PREFERS),
        ("Dislikes", _HATES), ("Asked of the assistant", _ASKED),
    ):  # fmt: skip
        if hit := pattern.search(told):
            found.append((label, _clean(hit["v"])))
    return found


def _cased(value: str, text: str) -> str:
    at = text.lower().find(value)
    return text[at : at + len(value)] if at >= 0 else value


def _noun(text: str, slot: str) -> str:
    """The attribute as the text says it ("deadline for the launch")."""
    words = slot.removeprefix("the ").split()
    for match in re.finditer(r"[\w-]+", text.lower()):
        if any(match.group(0).startswith(w[:5]) for w in words):
            return match.group(0)
    return words[-1]


def build(
    subject: str, old: tuple[str, ...], standing: list[Standing], gone: list[str], others: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The whole new card. ``gone`` are statements that were just retired: their values leave the card."""
    values: dict[str, dict[str, tuple[float, str]]] = {}
    removed = {(label, value.lower()) for text in gone for label, value in facts_of(text, subject, others)}
    pinned: set[str] = set()
    for rank, line in enumerate(old):
        label, _, rest = line.partition(": ")
        if not rest:
            if len(line) <= MAX_LINE:
                values.setdefault("", {})[line.lower()] = (float(rank), line)
            continue
        for part in _parts(label, rest):
            if (label, part.lower()) not in removed:
                values.setdefault(label, {})[part.lower()] = (-1e12 + rank, part)
    for item in sorted(standing, key=lambda s: (s.pinned or s.importance >= 5, s.order)):
        for label, value in facts_of(item.content, subject, others):
            if not value or len(value) > 70:
                continue
            human = item.pinned or item.importance >= 5
            kept = values.setdefault(label, {})
            if label in _LABELS_ONE:
                if label in pinned and not human:
                    continue
                kept.clear()
            if human:
                pinned.add(label)
            if label == "Key facts":
                noun = value.split(" ", 1)[0].lower()
                for other in [k for k in kept if k.split(" ", 1)[0] == noun]:
                    del kept[other]
            weight = (
                item.order + (1e11 if human else 0) + item.repeated * 86_400.0 * 20 + item.importance * 86_400.0 * 10
            )
            kept[value.lower()] = (weight, value)
    for label in ("Lives in", "From"):
        for home in values.get(label, {}):
            values.get("Places", {}).pop(home, None)
    lines: list[str] = []
    for label in (*_ORDER, *(k for k in values if k not in _ORDER)):
        entries = _without_parts(values.get(label, {}))
        if not entries:
            continue
        if label == "":
            lines.extend(text for _, text in entries)
            continue
        best = sorted(entries, key=lambda e: -e[0])[: _LIMITS.get(label, 1 if label in _LABELS_ONE else 4)]
        line = f"{label}: {', '.join(text for _, text in best)}"
        while len(line) > MAX_LINE and len(best) > 1:
            best.pop()
            line = f"{label}: {', '.join(text for _, text in best)}"
        lines.append(line)
    return tuple(lines[:MAX_LINES])


_LABELS_ONE = frozenset({"Name", "Age", "Lives in", "Work", "Works at", "Relationship", "From"})


def _parts(label: str, rest: str) -> list[str]:
    return [rest.strip()] if label in _LABELS_ONE else [p.strip() for p in rest.split(", ") if p.strip()]


def _without_parts(values: dict[str, tuple[float, str]]) -> list[tuple[float, str]]:
    """Values without those that another says more fully ("dog" beside "dog Rex", "two dogs")."""
    keys = list(values)
    kept = []
    for key in keys:
        words = _stems(key)
        fuller = any(
            other != key
            and (words < _stems(other) or (words == _stems(other) and (len(key), key) < (len(other), other)))
            for other in keys[:60]
        )
        if not fuller:
            kept.append(values[key])
    return kept or list(values.values())


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(w) for w in re.findall(r"\w+", text) if w not in {"a", "an", "the"})


def build_project(old: tuple[str, ...], standing: list[Standing]) -> tuple[str, ...]:
    """The card of a session or project: decisions, goals, deadlines and who does what."""
    found: dict[str, dict[str, tuple[float, str]]] = {}
    for rank, line in enumerate(old):
        label, _, rest = line.partition(": ")
        if rest and label in {"Goal", "Decided", "Next", "Key facts", "Owner"}:
            for part in rest.split("; "):
                found.setdefault(label, {})[part.lower()] = (-1e12 + rank, part)
    alive = {s.content.rstrip(".").lower() for s in standing}
    for item in standing:
        text = item.content.rstrip(".")
        short = text.split("; ", 1)[0]
        short = short if len(short) <= 90 else ""
        if not short or text.startswith(("Asked ", "Open question")):
            continue
        if re.search(r"\b(?:decided|agreed|settled on|chose|opted|will go with|picked)\b", text):
            found.setdefault("Decided", {})[short.lower()] = (item.order, short)
        elif re.search(r"\b(?:goal|aims?|wants? to|dream)\b", text):
            found.setdefault("Goal", {})[short.lower()] = (item.order, short)
        elif re.search(r"\b(?:will|is going to|plans? to|needs? to|has to)\b", text):
            found.setdefault("Next", {})[short.lower()] = (item.order, short)
        for fact in settles(item.content, item.about or ""):
            if fact.slot.startswith("the ") and len(fact.value.split()) <= 6:
                noun = _noun(item.content, fact.slot)
                kept = found.setdefault("Key facts", {})
                for other in [k for k in kept if k.split(" ", 1)[0] == noun]:
                    del kept[other]
                value = f"{noun} {_cased(fact.value, item.content)}"
                kept[value.lower()] = (item.order, value)
    lines: list[str] = []
    for label in ("Goal", "Decided", "Key facts", "Next", "Owner"):
        entries = [e for k, e in found.get(label, {}).items() if e[0] > 0 or k in alive or label in {"Key facts"}]
        best = sorted(entries, key=lambda e: -e[0])[:3]
        lines.extend(f"{label}: {text}" for _, text in best)
    return tuple(lines[:MAX_LINES])
