"""A short answer joined to its question: "Where do you live?" – "Lisbon." is a statement only together."""

from __future__ import annotations

import re

from reasoning.providers.local.lexicon import PRAISE, STOP, VAGUE, is_past, third_singular
from reasoning.providers.local.persons import retell, tidy
from reasoning.providers.local.salience import content_words

_YES = re.compile(
    r"^(?:yes|yeah|yep|yup|sure|of course|absolutely|definitely|correct|right|i do|i am|i have|i did|"
    r"true|indeed)\b",
    re.I,
)
_NO = re.compile(r"^(?:no|nope|nah|not really|not yet|never|i don't|i'm not|i haven't|i didn't)\b", re.I)
_POLAR = re.compile(
    r"^(do|did|are|were|have|can|will|would) you (?:(guys|all|still|also|already|ever|really|currently|"
    r"usually|often) )?(.{3,110}?)\?+$",
    re.I,
)
_POLAR_THING = re.compile(
    r"^(is|was|are|were) (your [\w' -]{2,40}?) ((?:in|on|at|still|a|an|the|from|called|named|married|"
    r"due|over|ready) ?[^?]{0,60})\?+$",
    re.I,
)
_MEASURE = re.compile(r"^how long (have|has) you (been )?(.{2,60}?)(?: for)?\?+$", re.I)
_TEMPLATES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), template)
    for pattern, template in (
        (r"^where (?:do|are) you (?:live|living|based|located|staying)(?: now| these days)?\?",
         "{name} lives in {answer}"),
        (r"^where are you (?:originally )?from\?", "{name} is from {answer}"),
        (r"^where (?:do|are) you (?:work|working)(?: now)?\?", "{name} works at {answer}"),
        (r"^what do you do(?: for (?:a living|work))?\?", "{name} works as {a}{answer}"),
        (r"^what(?:'s| is) your (?:job|profession|occupation)\?", "{name} works as {a}{answer}"),
        (
            r"^what(?:'s| is) your (?P<n>(?!plan|take|opinion|thought|next|secret|advice)[\w'-]+(?: "
            r"(?!to\b|with\b|on\b)[\w'-]+){0,2})\?"
            , "{names} {n} is {answer}"),
        (r"^what(?:'s| is) (?:the|your) name of your (?P<n>[\w' -]{2,40}?)\?", "{names} {n} is named {answer}"),
        (r"^how old are you\?", "{name} is {answer} years old"),
        (r"^who(?:'s| is) your (?P<n>[\w' -]{2,40}?)\?", "{names} {n} is {answer}"),
        (r"^when(?:'s| is) your (?P<n>[\w' -]{2,40}?)\?", "{names} {n} is {on}{answer}"),
        (
            r"^(?:what|which) (?P<n>[\w +#-]{2,40}?) do you (?P<v>use|prefer|like|speak|play|want|need|eat|"
            r"drink|study|read|watch|have|own|drive)(?P<r> [\w ]{0,30})?\?"
            , "{name} {vs} {answer}{r} ({n})"),
        (r"^how many (?P<n>[\w -]{2,40}?) do you have\?", "{name} has {answer} {n}"),
        (r"^how much (?:is|are) (?P<n>your [\w' -]{2,40}?)\?", "{names} {n2} is {answer}"),
    )
)  # fmt: skip
_SENTENCE = re.compile(
    r"^(?:sorry|thanks|thank|please|hope|let|check|look|just [a-z]+ing|i|i'\w+|we|we'\w+|he|she|it|"
    r"it'\w+|they|you)\b|\b(?:i|we|i'm|we're|i've|it's|that's|is|are|was|were|isn't|"
    r"aren't|wasn't|has|can|can't|will|brings?|makes?|helps?|don't|doesn't|didn't)\b|\w's (?:[a-z]+ing|"
    r"so|a|the|been|[a-z]+ous|great|hilarious)\b",
    re.I,
)
_SMALL_TALK = re.compile(
    r"^(?:how(?:'s|'re| are| is| was| have| has)\b|what(?:'s| is| has|'ve| have) (?:up|new|been|going|"
    r"happening)|anything (?:new|fun|exciting|else)|any (?:news|fun|cool|exciting)|what about you|and "
    r"you|you\?|right\?|what (?:now|happened)|got any)",
    re.I,
)
_THING_ASKED_OF = re.compile(
    r"\b(?:do|did|have|are|were|had) you\b.*\b(?:the|your|that|those|these) (?P<thing>(?:[\w-]+ ){0,2}[\w-]+)\?+$", re.I
)
_ASKS_FOR = re.compile(r"^(?:what|which|who|where|when|why|how)\b", re.I)
_INTERJECTIONS = frozenset(
    {"yay", "ha", "haha", "phew", "ugh", "wow", "aww", "yum", "ooh", "ouch", "hmm", "nothing", "definitely", "maybe"}
)
_YES_NO = re.compile(r"^(?:do|does|did|are|is|was|were|have|has|had|can|could|will|would|should)\b(?!.*\bor\b)", re.I)
_DO_HAVE = re.compile(r"^do you have (?:any )?(?:other )?(?P<n>[\w' -]{2,30}?)\?+$", re.I)
_I_DO = re.compile(r"^(?:yes|yeah|yep|yup)?\W*i do\W+(?P<r>.{3,80})$", re.I)
_LEAD = re.compile(r"^(?:so|and|but|well|oh|wow|hey|cool|nice|great|ok|okay|by the way|btw)[,!]?\s+", re.I)


def short_answer(text: str) -> bool:
    """Whether a sentence is a fragment that lives on the question before it."""
    words = text.split()
    if not words or len(words) > 12:
        return False
    if re.match(
        r"^(?:i|we|my|our|he|she|they|the|that|this|it|there|you|what|let's|thanks|wow|that's|it's)\b|"
        r"^(?:i|we|it|that)'",
        text,
        re.I,
    ) and not (_YES.match(text) or _NO.match(text)):
        return False
    rest = re.sub(r"^(?:yes|yeah|yep|yup|no|nope|nah|sure|oh)\b[,!.\s–-]*", "", text, flags=re.I)
    words = re.findall(r"[a-z']+", rest.lower())
    if {"i", "my", "me", "we", "our", "i'm", "i've"} & set(words):
        return False
    if _SENTENCE.search(rest) or (len(words) >= 4 and any(is_past(w) for w in words[1:])):
        return False
    return bool(re.search(r"\w", text))


def asks_for(question: str) -> bool:
    """Whether a question asks for something that can be told, not how somebody is."""
    asked = _clean(question)
    return bool(_ASKS_FOR.match(asked)) and not _SMALL_TALK.match(asked) and bool(content_words(asked))


def with_thing_asked_of(question: str, answer: str) -> str:
    """ "Do you still have the old Vespa?" – "I sold it in March" → "I sold the old Vespa in March"."""
    asked = _THING_ASKED_OF.search(question)
    if asked is None or any(word in STOP for word in asked["thing"].lower().split()):
        return answer
    pronoun = "them" if asked["thing"].endswith("s") and not asked["thing"].endswith("ss") else "it"
    return re.sub(rf"\b{pronoun}\b", f"the {asked['thing']}", answer, count=1)


def completed(question: str, answer: str) -> str | None:
    """ "Do you have any pets?" – "I do, a cat named Oscar" → "I have pets: a cat named Oscar"."""
    asked, said = _DO_HAVE.match(_clean(tidy(question))), _I_DO.match(answer.strip())
    if not asked or not said:
        return None
    return f"I have {asked['n']}: {said['r']}"


def _clean(question: str) -> str:
    text = question.strip()
    previous = ""
    while previous != text:
        previous = text
        text = _LEAD.sub("", text, count=1)
    return text


def join(question: str, answer: str, name: str, possessive: str, asker: str) -> str | None:
    """One statement of a question and its short answer; None where the answer says nothing."""
    asked = _clean(tidy(question))
    given = answer.strip().rstrip(".!,; ")
    if not given or len(asked.split()) > 25:
        return None
    if _SMALL_TALK.match(asked) and not re.match(
        r"^how (?:old|long|many|much)|^how are you (?:called|named)", asked, re.I
    ):
        return None
    polar = _polar(asked, given, name, asker)
    if polar:
        return polar
    if _YES.match(given) or _NO.match(given):
        given = re.sub(r"^(?:yes|yeah|yep|yup|no|nope|nah|sure)\b[,!. ]*", "", given, flags=re.I)
        if len(given.split()) < 2:
            return None
    said = re.sub(
        r"^(?:in|at|it's|that's|just|about|mostly|probably|well|oh|um|i'm in|a|an|as an?|i'm an?)\s+",
        "",
        given,
        flags=re.I,
    )
    said = re.sub(r"[,!]? (?:already|actually|now|haha|lol|please|thanks|thank you)$", "", said, flags=re.I)
    if len(said.split()) > 8:
        return None
    measure = _MEASURE.match(asked)
    if measure and re.search(r"\d|\b(?:year|month|week|day|since)s?\b", said, re.I):
        rest = ("been " if measure.group(2) else "") + measure.group(3)
        span = said if re.match(r"since\b", said, re.I) else f"for {said}"
        return retell(f"you have {rest} {span}", asker, name, main=name)
    for pattern, template in _TEMPLATES:
        match = pattern.match(asked)
        if match:
            return _fill(template, match, said, name, possessive)
    first = re.sub(r"\W", "", said.split()[0].lower()) if said.split() else ""
    if len(said) < 3 or first in VAGUE | PRAISE | _INTERJECTIONS or _YES_NO.match(asked):
        return None
    return f"Asked “{asked}”, {name} said: “{given}”"


def _fill(template: str, match: re.Match[str], said: str, name: str, possessive: str) -> str:
    groups = match.groupdict()
    noun = (groups.get("n") or "").strip()
    article = (
        ""
        if re.match(r"(?:a|an|the|freelance|self-)\b", said, re.I)
        else "an "
        if said[:1].lower() in "aeiou"
        else "a "
    )
    return template.format(
        name=name,
        names=possessive,
        answer=said if not article or "{a}" not in template or said[:2].isupper() else said[0].lower() + said[1:],
        a=article,
        n=noun,
        n2=re.sub(r"^your ", "", noun),
        vs=third_singular(groups.get("v") or ""),
        r=groups.get("r") or "",
        on="on "
        if re.match(r"(?:\d|[A-Z][a-z]+ \d|next|mon|tue|wed|thu|fri|sat|sun)", said, re.I)
        and not said.lower().startswith("next")
        else "",
    )


def _polar(asked: str, given: str, name: str, asker: str) -> str | None:
    """ "Do you have pets?" – "Yes" → "X has pets"."""
    yes = bool(_YES.match(given))
    if not yes and not _NO.match(given):
        return None
    match = _POLAR.match(asked)
    if match:
        verb, adverb, rest = match.group(1).lower(), (match.group(2) or "").lower(), match.group(3)
        if (len(rest.split()) < 2 and not re.match(r"[a-z]+(?:ed|ing)?$", rest)) or re.search(
            r"\b(?:it|that|this|them|there|one|any|or|think|know|mean|want to|like to)\b", rest
        ):
            return None
        adverb = "" if adverb in {"", "guys", "all", "ever", "really"} else adverb + " "
        if verb == "did":
            told = retell(rest, asker, name, main=name)
            return None if yes else f"{name} did not {told[0].lower()}{told[1:]}"
        if verb in {"would", "will", "can"}:
            return None
        if verb == "do":
            plain = f"you {adverb}{rest}" if yes else f"you don't {adverb}{rest}"
        elif verb == "have":
            first = rest.split()[0]
            if not (is_past(first) or first in {"been", "done", "seen", "gone", "taken", "written", "eaten"}):
                return None
            plain = f"you have {adverb}{rest}" if yes else f"you haven't {adverb}{rest}"
        else:
            plain = f"you {verb} {adverb}{rest}" if yes else f"you {verb} not {adverb}{rest}"
        return retell(plain, asker, name, main=name)
    match = _POLAR_THING.match(asked)
    if match:
        verb, thing, rest = match.group(1).lower(), match.group(2), match.group(3)
        return retell(f"{thing} {verb} {'' if yes else 'not '}{rest}", asker, name, main=name)
    return None
