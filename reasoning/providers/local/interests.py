"""What a statement says somebody likes, does, knows, has been to, has read: short values for the card."""

from __future__ import annotations

import re

from reasoning.providers.local.lexicon import JOBS, MONTHS, STOP, WEEKDAYS, word_set
from reasoning.providers.local.references import concrete

_LIKES = re.compile(
    r"(?<!their )(?<!'s )\b(?:loves?(?! of\b| for\b)|likes|enjoys?|adores?|they (?:really |also )?like|(?:is|are|"
    r"they're) (?:\w+ )?(?:into|fond of|passionate about|keen on|a (?:big |huge )?fan of|obsessed with|interested "
    r"in)|a (?:big |huge )?fan of|favou?rites? (?:[a-z]+ )?(?:is|are)) (?P<v>[^.;(!–]{3,90})"
)
_NO = re.compile(r"\b(?:not|never|used to|no longer|stopped|hardly|would|if)\b|n't\b")
_GOES = re.compile(r"\b(?:go|goes|going|gone|went) (?P<v>[a-z]{3,}ing(?: [a-z]{3,}ing)?)\b")
_TAKES = re.compile(
    r"\b(?:start\w*|tr(?:y|ies|ied|ying)|tak(?:es?|ing)|took|does|doing|did|join\w*|sign(?:s|ed|ing) up for|"
    r"practi[cs]\w+|attend\w*|teach\w*|runs?|teaches|enrolled in|goes to|went to) (?:\w+ )?(?P<v>(?:[a-z-]+ "
    r"){0,3}?(?:yoga|pilates|karate|judo|boxing|kickboxing|ballet|class(?:es)?|lessons?|course|club|choir|band|"
    r"group|workshop|league|training|therapy|meditation|gardening))\b"
)
_PLAYS = re.compile(
    r"\b(?:plays?|played|playing) (?P<v>(?:the )?[\w:'-]+(?: [\w:'-]+){0,2}?(?:(?:,| and) (?:the "
    r")?[a-z-]{4,})?)(?=[,.;–!]| (?:with|for|and|at|in|on|since|to|as|when|every|after|because|but|so|that|a lot)\b|"
    r"$)"
)
_VOLUNTEERS = re.compile(
    r"\bvolunteer(?:s|ed|ing)? (?:\w+ )?(?:at|with|for) (?:an? |the |their )?(?P<v>(?:local )?[\w+-]+(?: "
    r"[\w+-]+){0,2}?)(?=[,.;–]| (?:to|and|in|on|for|they|since|as|that|when|with|during|once|every)\b|$)"
)
_PERSON = re.compile(
    r"\b(?P<k>(?:best )?friends?|colleague|coworker|boss|manager|teacher|coach|mentor|neighbou?r|roommate|teammate|"
    r"classmate|client|therapist|doctor|dog|cat|puppy|kitten|pup|horse|parrot|turtle|hamster|rabbit)s?,? (?:(?:is |"
    r"was )?(?:called|named) )?(?P<n>[A-Z][a-z]+)\b"
)
_PLACE = re.compile(
    r"\b(?:(?:in|near|around|outside|across|visit(?:ed|s|ing)?|explored|toured|leaving for|left for)|(?:trip|went|"
    r"goes|go|going|gone|been|moved|moving|travel\w*|flew|flying|fly|drove|driving|back|home|returned|move|"
    r"hike[ds]?|cruise|flight)(?: \w+){0,3}? (?:to|from|through)) (?:the )?(?P<v>[A-Z][a-z][\w'-]*(?:(?: of| de| "
    r"del| la)? [A-Z][\w'-]+){0,2})"
)
_TITLE = re.compile(r"\"(?P<v>[A-Z0-9][^\",.!?]{2,40})[,.!?]?\"")
_END = re.compile(
    r"\s+[–—-]+\s+|[,;:]\s+(?=(?:and|but|so|it|they|he|she|which|that|who|because|especially)\b)|\s+(?:because|so|"
    r"but|that|which|when|while|since|as|than|after|before|with|if|who|where|for (?:a|the|its|their|his|how)|in "
    r"(?:the|a|an|their|my|this|\d)|at|on|from|to|by|like|most|best|too|every|even|more|these|lately|now|again|and "
    r"(?:is|are|was|has|have|it|they|he|she|their|finds?|feels?|thinks?|wants?|hopes?|can|will|would|seeing|being|"
    r"having|showing|sharing))\b"
)
_DETERMINERS = re.compile(
    r"^(?:(?:all|both|some|any|the|a|an|their|his|her|this|that|these|those|such|doing|having|going|being|using|"
    r"playing|watching the|lots? of|kinds? of|of|types? of|other|new|to) )+",
    re.I,
)
_EMPTY = word_set(
    "it them this that how what when seeing being getting having everything something trying making knowing way"
)
_NO_PLACE = frozenset(name.capitalize() for name in (*MONTHS, *WEEKDAYS)) | word_set(
    "I I'm I've Christmas Easter Halloween Thanksgiving English God Saturday Sunday Friday Mr Mrs Ms Dr"
)


def interests(told: str, own: bool, names: frozenset[str]) -> list[tuple[str, str]]:
    """Label and value of each: ``own`` where the sentence's subject is the person, ``names`` are of those who talk."""
    found: list[tuple[str, str]] = []
    if not _NO.search(told):
        if own:
            for match in _LIKES.finditer(told):
                found.extend(("Likes", value) for value in _values(match["v"]))
            for match in _PLAYS.finditer(told):
                found.extend(("Does", value) for value in _values(match["v"]))
        for pattern in (_GOES, _TAKES, _VOLUNTEERS):
            found.extend(("Does", value) for match in pattern.finditer(told) for value in _values(match["v"]))
    for match in _PERSON.finditer(told):
        if match["n"] not in names and match["n"] not in _NO_PLACE and match["n"].lower() not in STOP:
            found.append(("People and pets", f"{match['n']} ({match['k'].lower()})"))
    for match in _PLACE.finditer(told):
        place = match["v"].removesuffix("'s").rstrip("'")
        if not {*place.split()} & (names | _NO_PLACE) and place.split()[0].lower() not in STOP:
            found.append(("Places", place))
    for match in _TITLE.finditer(told):
        if match["v"].split()[0].lower() not in {"i", "i'm", "you"}:
            found.append(("Titles", match["v"]))
    return found


def _values(phrase: str) -> list[str]:
    """The things of an enumeration: "hiking, jazz and good food" gives three."""
    phrase = _END.split(phrase, maxsplit=1)[0]
    found = []
    for part in re.split(r",? and |, | or |/", phrase):
        value = _DETERMINERS.sub("", part.strip(" .,!-–—\"'"))
        words = value.lower().split()
        if not words or len(words) > 4 or words[0] in _EMPTY or words[-1] in STOP or not concrete(value):
            continue
        if (
            words[0].split("'")[0] in STOP - {"no"}
            or any(w in {"they", "it", "them", "is", "are", "was"} for w in words)
            or words[-1] in JOBS
        ):
            continue
        found.append(value)
    return found
