"""What a statement settles (where somebody lives, what a deadline is) and what it therefore replaces.

Works on third-person sentences alone, so that statements of any origin can be replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from reasoning.providers.local.compare import fingerprint, jaccard, stem
from reasoning.providers.local.lexicon import JOBS, MONTHS, STOP, WEEKDAYS, word_set

_PLACE = r"(?P<v>[A-Z][\w'-]*(?:[ ,]+(?:de |of |da |del |the )?[A-Z][\w'-]*){0,3}|the [A-Z][\w-]+)"
_AS = r"(?:(?:now|currently|just|recently|also|still|already|finally|actually|really|both) )*"
_HOME = re.compile(
    rf"\b{_AS}(?:lives?|living|(?:has |have )?(?:just |recently |now )?(?:moved|relocated|moving)(?: "
    r"back)?|based|resides?|settled)"
    rf"(?: (?:in|to|at|from [A-Z][\w-]+ to)|(?: \w+){{1,3}}? (?:in|to)) {_PLACE}"
)
_JOB = re.compile(
    r"\b(?:works? as|worked as|working as|(?:is|are|they're|became|job as|position as|role as|hired "
    r"as|started as)) (?:an? |the )?"
    rf"(?:[a-z-]+ ){{0,3}}?(?P<v>(?:(?:freelance|self-employed|senior|junior|lead|registered|software|"
    r"head|assistant|graphic|web|data|high school|school|project|product) "
    rf")*(?:{'|'.join(sorted(JOBS, key=len, reverse=True))}))\b(?! in law)",
    re.I,
)
_EMPLOYER = re.compile(
    r"\b(?:works?|working|(?:new )?job|position|started|joined|hired)(?: \w+){0,2}? (?:at|for|by) "
    r"(?P<v>[A-Z][\w&.-]*(?: [A-Z][\w&.-]*){0,2})"
)
_JOINED = re.compile(r"\bjoined (?P<v>[A-Z][\w&.-]*(?: [A-Z][\w&.-]*){0,2}) as\b")
_LEFT_JOB = re.compile(
    r"\b(?:quit|left|lost|resigned from|was fired from|was laid off from|retired from) (?:their|the|"
    r"his|her|a|[\w-]+'s?) ?(?:[\w-]+ )?(?:job|position|company|role)\b|\b(?:was|been|got) laid off\b|"
    r"\bretired\b",
    re.I,
)
_RELATION = re.compile(
    r"\b(?:is|are|got|gets|became|now|been|was) (?:now |currently |happily |recently |newly |still "
    r")?(?P<v>married|single|engaged|divorced|widowed|separated)\b"
    r"|\b(?P<broke>broke up|split up|breakup)\b|\b(?P<wed>married (?:their|his|her|[A-Z]))",
    re.I,
)
_AGE = re.compile(
    r"\b(?:is|turned|turns) (?:now |already )?(?P<v>\d{1,3})(?: years old| now| today| years of age|$|[.,])", re.I
)
_NAME = re.compile(
    r"\bname (?:is|was changed to|changed to)(?: now)? (?P<v>[A-Z][\w'-]+(?: [A-Z][\w'-]+)*)|\bgoes by "
    r"(?P<w>[A-Z][\w'-]+)|\b(?:be called|call them) (?P<x>[A-Z][\w'-]+)"
)
_ATTRIBUTE = re.compile(
    r"(?:\b[Tt]heir|\b[Tt]he|'s|s'|\b[Aa]) (?P<n>(?:[a-z][\w-]*|[A-Z][\w-]*)(?: (?:[a-z][\w-]*|"
    r"[A-Z][\w-]*|for|of)){0,4}?) "
    r"(?:(?:is|was|are|were) (?:now |currently |actually )?(?:(?:moved|changed|raised|lowered|extended|"
    r"pushed|increased|reduced|cut|set|due|postponed|brought)(?: back| forward| up| down)? ?(?:to|at|"
    r"on|by|for|from [\w\s$€£,.]{1,30}? to)? )?"
    r"|(?:has |have |had )?(?:just |now )?(?:moved|changed|shifted|slipped|became|rose|fell|grew|"
    r"dropped|went)(?: back| forward| up| down| out)?(?: from [\w\s$€£,.]{1,30}?)? to "
    r"|now )(?P<v>[^.;]{1,60})"
)
_CHANGED = re.compile(
    r"\b(?:moved|changed|pushed|extended|raised|lowered|postponed|reduced|increased|cut|shifted|"
    r"brought)(?: back| forward)? (?:the|their|\w+'s) (?P<n>(?:[a-z][\w-]* ?){1,4}?) ?"
    r"(?:back |forward |out |up |down )?(?:from [\w\s$€£,.]{1,30}? )?to (?P<v>[^.;]{1,60})"
)
_VALUE = re.compile(
    r"\d|[A-Z]|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|blue|red|green|black|white|done|"
    r"blocked)\b"
)
_SWITCH = re.compile(
    r"\b(?:switch(?:ed|es|ing)?|migrat(?:ed|es|ing)|chang(?:ed|es|ing)|mov(?:ed|ing)|went) (?:over "
    r")?from (?P<old>[\w+#. -]{2,40}?) to (?P<new>[\w+#. -]{2,40}?)(?=[,.;]|$| (?:for|because|since|in|"
    r"on|after|last|this|and)\b)"
)
_INSTEAD = re.compile(
    r"\b(?:uses?|using|prefers?|likes?|wants?|chose|picked) (?P<new>[\w+#. -]{2,40}?) (?:instead of|"
    r"rather than|over|not) (?P<old>[\w+#. -]{2,40}?)(?=[,.;]|$| (?:for|because|since|in|on)\b)"
)
_STOPPED = re.compile(
    r"\b(?:no longer|not .{0,20}?any ?more|stopped|quit|gave up|given up|doesn't|don't|does not|do not|"
    r"isn't|is not|never|can't stand|hates?|dislikes?|cancell?ed|dropped)\b (?P<o>[^.;]{2,80})",
    re.I,
)
_LIKED = re.compile(
    r"\b(?:likes?|loves?|enjoys?|prefers?|adores?|is (?:\w+ )?(?:into|a (?:\w+ )?fan of|keen on|"
    r"passionate about)|uses?|plays?|eats?|drinks?|smokes?|goes|favou?rite \w+ is) (?P<o>[^.;]{2,80})",
    re.I,
)
_FAVOURITE = re.compile(
    r"(?:'s|s'|\btheir) favou?rite (?P<n>[a-z]+(?: [a-z]+)?) (?:is|was|are)(?: now)? "
    r"(?P<v>[^.;,]{2,40})",
    re.I,
)
_PREFERS = re.compile(
    r"\bprefers? (?P<v>[^.;]{2,80})|\bwants (?P<w>(?:short|long|brief|detailed|concise|formal|"
    r"informal)\w* [^.;]{2,40})",
    re.I,
)
_CANCEL = re.compile(
    r"\b(?:cancell?ed|called off|decided not to|decided against|not going to|isn't going to|aren't "
    r"going to|won't|no longer (?:wants?|plans?|going|planning|needs?)|gave up (?:on )?|dropped|"
    r"postponed|changed their mind about|scrapped|abandoned|instead of)\b(?P<o>[^.;]{0,100})",
    re.I,
)
_DONE = re.compile(
    r"\b(?:finished|completed|finally|done with|launched|shipped|passed|delivered|finalized|finalised|"
    r"wrapped up|submitted|published|went live|got|already|bought|adopted|is done|are done|is finished|"
    r"is live)\b",
    re.I,
)
_PLANNED = re.compile(
    r"\b(?:is|are) (?:\w+ )?(?:planning|going to|thinking|considering|hoping|looking|saving|about to|"
    r"trying|aiming|preparing|applying|training)\b|\b(?:wants?|plans?|needs?|hopes?|intends?|aims?|has|"
    r"have|would like|would love) to\b|\bwill\b|\b(?:goal|dream|plan)\b",
    re.I,
)
_NOT_VALUE = re.compile(
    r",? (?:not|rather than|instead of|and not|no longer) (?:in |at |on |a |an |the )?(?P<v>[\w$€£.,%' "
    r"-]{1,40})",
    re.I,
)
_FAVOUR = re.compile(
    r"\b(?:likes?|loves?|enjoys?|prefers?|adores?|fan of|keen on|uses?|plays?|drinks?|eats?|goes)\b", re.I
)
_ATTRIBUTE_VALUES = word_set(
    "deadline budget price rate rent salary fee cost date address phone number email title role status "
    "size limit age "
    "birthday anniversary name color colour timezone plan tier version model language framework stack "
    "password owner lead launch due release start end total quota target goal income revenue currency "
    "manager boss dentist"
)


@dataclass(frozen=True)
class Settles:
    """One question that a statement answers: whose, which, with what."""

    slot: str
    value: str
    whose: str = ""


def _plain(value: str) -> str:
    return re.sub(r"[\s,.;!?]+$", "", re.sub(r"\s+", " ", value)).strip().lower()


@lru_cache(maxsize=8192)
def settles(text: str, subject: str) -> tuple[Settles, ...]:
    """The questions that ``text`` answers about ``subject`` or something of theirs."""
    found: list[Settles] = []
    told = text
    if subject and told.lower().startswith("according to"):
        told = told.split(", ", 1)[-1]
    told = _NOT_VALUE.sub("", told)
    own = _about_subject(told, subject)
    no = bool(
        re.search(
            r"\b(?:not|never|no longer|hasn't|haven't|used to|almost|wants? to|plans? to|will|would|"
            r"might|considering|thinking|hopes? to|going to|planning|dream)\b|n't\b",
            told,
        )
    )
    if own and not no:
        if (match := _HOME.search(told)) and _moves_person(told, match, subject):
            found.append(Settles("home", _plain(match["v"])))
        left = _LEFT_JOB.search(told)
        if left:
            found.append(Settles("left job", "yes"))
        if match := _JOB.search(told, left.end() if left else 0):
            found.append(Settles("job", _plain(match["v"])))
        rest = told[left.end() :].lstrip() if left else told
        if (match := (_JOINED.search(rest) or _EMPLOYER.search(rest))) and not re.match(r"(?:at|for|as) ", rest):
            found.append(Settles("employer", _plain(match["v"])))
        if (match := _RELATION.search(told)) and not re.search(
            r"\b(?:parents?|friends?|sister|brother)\b", told[: match.start()]
        ):
            value = "single" if match["broke"] else "married" if match["wed"] else match["v"].lower()
            if not (value == "single" and "single parent" in told.lower()):
                found.append(Settles("relationship", value))
        if match := _AGE.search(told):
            found.append(Settles("age", match["v"]))
    if not no and (match := _NAME.search(told)) and _names_subject(told, match, subject):
        found.append(Settles("name", _plain(match["v"] or match["w"] or match["x"])))
    if match := _FAVOURITE.search(told):
        found.append(Settles(f"favourite {stem(match['n'].split()[-1].lower())}", _plain(match["v"])))
    else:
        for match in (_ATTRIBUTE.search(told), _CHANGED.search(told)):
            if match and _VALUE.search(match["v"]) and not no:
                words = [w for w in match["n"].lower().split() if w not in STOP]
                if words and not words[-1].endswith("ing") and _ATTRIBUTE_VALUES & set(words):
                    found.append(
                        Settles(
                            "the " + " ".join(sorted({stem(w) for w in words})),
                            _plain(match["v"]),
                            subject if own else "",
                        )
                    )
    return tuple(found)


def _names_subject(text: str, match: re.Match[str], subject: str) -> bool:
    """Whether a name that is given is the subject's own, not a pet's or a child's."""
    if match["x"]:
        return "asked" in text[: match.start()]
    if match["w"]:
        return _about_subject(text, subject)
    before = text[: match.start()].rstrip().lower()
    own = (f"{subject.lower()}'s", f"{subject.lower()}'")
    return before.endswith((*own, *(f"{o} {w}" for o in own for w in ("real", "full", "first", "new"))))


def _moves_person(text: str, match: re.Match[str], subject: str) -> bool:
    """Whether it is the person who lives or moved there, not a deadline that moved to April."""
    if match["v"].lower().split()[0] in {*MONTHS, *WEEKDAYS}:
        return False
    before = re.sub(
        r"(?: (?:has|have|is|are|just|now|also|then|recently|finally|already|still|currently))+$",
        "",
        text[: match.start()].rstrip(),
    )
    if not before:
        return True
    return before.endswith(subject) or before.rsplit(" ", 1)[-1].lower().strip(",") in {
        "they", "and", "but", "others", "family", "wife", "husband", "partner", "kids", "who", "that",
        "girlfriend", "boyfriend",
    }  # fmt: skip


def _about_subject(text: str, subject: str) -> bool:
    """Whether the grammatical subject is the person, not someone or something of theirs."""
    if not subject:
        return True
    head = text[: len(subject) + 60]
    at = head.find(subject)
    if at < 0:
        return False
    after = text[at + len(subject) : at + len(subject) + 2]
    if after.startswith(("'s", "'")):
        return bool(re.match(r"'s? (?:\w+ )?(?:job|name|age|home|address|work|new job)\b", text[at + len(subject) :]))
    return True


def _objects(pattern: re.Pattern[str], text: str) -> frozenset[str]:
    match = pattern.search(text)
    if not match:
        return frozenset()
    words = [w for w in re.findall(r"[\w'-]+", match["o"].lower()) if w not in STOP]
    skip = {
        "like",
        "likes",
        "liking",
        "love",
        "enjoy",
        "use",
        "using",
        "want",
        "eat",
        "eating",
        "drink",
        "drinking",
        "anymore",
        "longer",
        "prefer",
        "need",
        "play",
        "playing",
        "really",
        "to",
        "going",
    }
    return frozenset(stem(w) for w in words if w not in skip)


def _mentions(text: str, thing: str) -> bool:
    thing = re.sub(r"^(?:the|an?|my|their) ", "", thing.strip(), flags=re.I)
    return bool(thing) and bool(re.search(rf"(?<![\w]){re.escape(thing)}(?![\w])", text, re.I))


def replaces(new: str, old: str, subject: str) -> str | None:
    """Why ``old`` no longer stands once ``new`` is said; None where both can be true."""
    if new == old or not (_ends(new, subject) & _roles(old, subject)):
        return None
    for later in settles(new, subject):
        for earlier in settles(old, subject):
            reason = _conflict(later, earlier, new)
            if reason:
                return reason
        if later.slot == "left job" and _works(old, subject) and not _works(new, subject):
            return "Superseded: the job has ended"
    for pattern in (_SWITCH, _INSTEAD):
        match = pattern.search(new)
        kept = _FAVOUR.search(old) or re.search(r"\b(?:on|with|in) ", old)
        if match and kept and _mentions(old, match["old"]) and not _mentions(old, match["new"]):
            return f"Superseded: {match['old'].strip()} gave way to {match['new'].strip()}"
    dropped = _objects(_STOPPED, new)
    if dropped and not fingerprint(old).negated:
        liked = _objects(_LIKED, old)
        if liked and (dropped <= liked or liked <= dropped) and len(dropped & liked) >= 1 and _sized(dropped, liked):
            return "Superseded: it is no longer so"
        home = [s.value for s in settles(old, subject) if s.slot in {"home", "employer"}]
        if any(_mentions(new, value) for value in home) and re.search(r"\b(?:lives?|living|works?|working)\b", new):
            return "Superseded: it is no longer so"
    if fingerprint(old).negated and not fingerprint(new).negated:
        disliked, liked = _objects(_STOPPED, old), _objects(_LIKED, new)
        if disliked and liked and disliked <= liked and _sized(disliked, liked):
            return "Superseded: the preference has changed"
    reason = _preference(new, old)
    if reason:
        return reason
    if _PLANNED.search(old) and not _PLANNED.search(new):
        return _plan_over(new, old, subject)
    if _PLANNED.search(old) and _CANCEL.search(new):
        return _plan_over(new, old, subject)
    return None


@lru_cache(maxsize=16384)
def _roles(text: str, subject: str) -> frozenset[str]:
    """What can be said against a statement: the questions it settles, a plan, a liking."""
    found = {s.slot for s in settles(text, subject)}
    found |= {"favour"} if _FAVOUR.search(text) or re.search(r"\b(?:on|with|in) ", text) else set()
    found |= {"plan"} if _PLANNED.search(text) else set()
    found |= {"negated"} if fingerprint(text).negated else set()
    found |= {"liked"} if _LIKED.search(text) or {"home", "employer"} & found else set()
    found |= {"prefers"} if _PREFERS.search(text) else set()
    return frozenset(found)


@lru_cache(maxsize=16384)
def _ends(text: str, subject: str) -> frozenset[str]:
    """What a statement could say against others, as roles of theirs."""
    slots = {s.slot for s in settles(text, subject)}
    found = slots | ({"job", "employer"} if "left job" in slots else set())
    found |= {"favour"} if _SWITCH.search(text) or _INSTEAD.search(text) else set()
    found |= {"liked"} if _STOPPED.search(text) else set()
    found |= {"plan"} if _CANCEL.search(text) or _DONE.search(text) else set()
    found |= {"prefers"} if _PREFERS.search(text) else set()
    found |= {"negated"} if _LIKED.search(text) else set()
    return frozenset(found)


def _works(text: str, subject: str) -> bool:
    return any(s.slot in {"job", "employer"} for s in settles(text, subject))


def _sized(one: frozenset[str], two: frozenset[str]) -> bool:
    return abs(len(one) - len(two)) <= 3


def _conflict(later: Settles, earlier: Settles, new: str) -> str | None:
    if later.slot != earlier.slot or later.value == earlier.value:
        return None
    if later.slot == "home":
        if later.value in earlier.value or earlier.value in later.value:
            return None
        return f"Superseded: now {later.value.title()}"
    if later.slot == "job":
        if jaccard(frozenset(later.value.split()), frozenset(earlier.value.split())) > 0.3:
            return None
        if re.search(r"\balso\b|\bpart-time\b|\bvolunteer", new):
            return None
        return f"Superseded: the work is now {later.value}"
    if later.slot.startswith("the ") and _same_value(later.value, earlier.value):
        return None
    if later.slot.startswith("the "):
        stems = later.slot.split()[1:]
        words = [w for w in re.findall(r"[\w-]+", new.lower()) if stem(w) in stems]
        return f"Superseded: the {' '.join(dict.fromkeys(words))} changed"
    names = {"employer": "the employer", "relationship": "the relationship", "age": "the age", "name": "the name"}
    what = names.get(later.slot, later.slot)
    return f"Superseded: {what} changed"


def _same_value(one: str, two: str) -> bool:
    """Whether two values are the same or one says it more fully."""
    numbers = re.compile(r"\d+(?:[.,]\d+)*")
    a, b = set(numbers.findall(one)), set(numbers.findall(two))
    if a or b:
        return a == b
    return one in two or two in one


def _preference(new: str, old: str) -> str | None:
    """ "Prefers short answers" replaces "prefers detailed answers"."""
    a, b = _PREFERS.search(new), _PREFERS.search(old)
    if not a or not b:
        return None
    one = {stem(w) for w in re.findall(r"[\w'+#-]+", (a["v"] or a["w"]).lower()) if w not in STOP}
    two = {stem(w) for w in re.findall(r"[\w'+#-]+", (b["v"] or b["w"]).lower()) if w not in STOP}
    opposite = (
        {"short", "brief", "concis"}, {"long", "detail", "thorough", "lengthy"},
    ), ({"formal"}, {"informal", "casual"}), ({"morning"}, {"evening", "night"}), ({"dark"}, {"light"})  # fmt: skip
    for left, right in opposite:
        if ((one & left and two & right) or (one & right and two & left)) and (one & two):
            return "Superseded: the preference has changed"
    return None


def _plan_over(new: str, old: str, subject: str) -> str | None:
    mine = {stem(w) for w in subject.lower().split()} | {
        "plan", "want", "need", "hope", "go", "think", "would", "will", "look", "try", "start", "consider", "able",
        "get", "make", "do", "like",
    }  # fmt: skip
    a, b = fingerprint(new).words - mine, fingerprint(old).words - mine
    if len(b) < 2:
        return None
    shared = len(a & b) / len(b)
    if _CANCEL.search(new) and shared >= 0.5 and len(a & b) >= 2:
        return "Superseded: the plan was dropped"
    if _DONE.search(new) and shared >= 0.6 and len(a & b) >= 2 and not fingerprint(new).negated:
        return "Superseded: the plan is done"
    return None


def corrected(new: str, old: str, subject: str) -> str | None:
    """As ``replaces``, for what a human has set right: also "not X" and plain disagreement."""
    reason = replaces(new, old, subject)
    if reason:
        return reason
    match = _NOT_VALUE.search(new)
    if match:
        value = _plain(match["v"])
        a, b = fingerprint(new).words, fingerprint(old).words
        if _mentions(old, value) and not fingerprint(old).negated and len(a & b) >= 2:
            return "Superseded: corrected"
    a_print, b_print = fingerprint(new), fingerprint(old)
    alike = jaccard(a_print.words - a_print.numbers, b_print.words - b_print.numbers)
    if alike >= 0.55 and (
        a_print.negated != b_print.negated
        or (a_print.numbers != b_print.numbers and a_print.numbers and b_print.numbers)
    ):
        return "Superseded: corrected"
    return None


def telling(text: str, subject: str) -> bool:
    """Whether a statement could replace another at all (saves comparing the many that cannot)."""
    return bool(_ends(text, subject))
