"""Retelling: what a speaker says in the first person, said of the speaker by name.

The first mention is the name, later ones are "they" and "their"; where another "they" is in the sentence, the
name is repeated. Verbs after the name agree with it; after "they" the speaker's own forms are right as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reasoning.providers.local.lexicon import (
    ADVERBS,
    COMPANIONS,
    COORDINATE_VERBS,
    IRREGULAR_PAST,
    MODALS,
    PREPOSITIONS,
    SUBJECT_BREAKERS,
    SUBJECT_STARTERS,
    is_adverb,
    is_past,
    third_singular,
    word_set,
)

_TOKEN = re.compile(r"[^\W_]+(?:[-'_.][^\W_]+)*'?|\s+|.", re.S)
_INFORMAL = [
    (re.compile(pattern, re.I), replacement)
    for pattern, replacement in (
        (r"\bim\b", "I'm"),
        (r"\bive\b", "I've"),
        (r"\bdont\b", "don't"),
        (r"\bdidnt\b", "didn't"),
        (r"\bcant\b", "can't"),
        (r"\b(I)(?:'ve)? gotta\b", r"\1 have to"),
        (r"\b(I'm|I am|you're|we're|they're|he's|she's) gonna\b", r"\1 going to"),
        (r"\bI gonna\b", "I'm going to"),
        (r"^gotta\b", "I have to"),
        (r"\bgonna\b", "going to"),
        (r"\bwanna\b", "want to"),
        (r"\bkinda\b", "kind of"),
        (r"\bsorta\b", "sort of"),
        (r"(?<!\w)(?:'cause|'cos|cuz|coz|cause(?= (?:i|it|they|we|he|she|my|the|that|there)\b))\b", "because"),
        (r"\b([a-z]{3,}in)'(?=\s|[.,!?]|$)", r"\1g"),
        (r"\by'all\b", "you"),
        (r"\bya\b", "you"),
        (r"\b(I)'ve got to\b", r"\1 have to"),
        (r"\b(I)'ve got\b", r"\1 have"),
        (r",? (?:by the way|you know|y'know|lol|haha|hehe|lmao|btw|tbh|imo|imho|ngl),?(?=\s|[.,!?]|$)", ""),
    )
]
_FILLER = re.compile(
    r"^(?:(?:oh yeah|oh yes|oh no|yeah|yes|yep|yup|yea|no|nope|nah|oh|ah|aw|aww|wow|whoa|woah|well|so|"
    r"also|and|but|plus|anyway|anyways|"
    r"actually|honestly|basically|btw|haha|hehe|lol|hmm+|um+|uh+|ok|okay|sure|right|hey|hi|hello|absolutely|"
    r"definitely|totally|exactly|of course|by the way|to be honest|for sure|i mean|you know|i guess|"
    r"guess what|(?:i(?:'ve)? (?:got|have) |got )?(?:some )?(?:great|good|big|exciting|amazing|awesome|"
    r"bad|sad) news(?: to share)?|"
    r"thanks|thank you|great question|good question|no problem|fyi|as for me|in fact|of course not|like)"
    r"(?:\s*[,!:;.–-]+\s*|\s+(?=I\b|I'|we\b|my\b)))+",
    re.I,
)
_OPENING = re.compile(
    r"^(?:(?:and|but|plus)\s+(?!i\b|other)|(?:ever )?since (?:we|our) (?:last )?(?:chat|chatted|spoke|"
    r"talked|met|time)\w*(?: last| we talked)?,?\s+|"
    r"i (?:do|did|am|was|have),? but (?=i\b)|time flies\W+|"
    r"i (?:just )?(?:wanted|want|have) to (?:tell|let|say|share|update)(?: you)?(?: "
    r"know)?(?: that| about how)?:?\s+(?=i\b|i'|my\b|we\b)|"
    r"(?:so )?(?:i (?:think|guess|mean),? )(?=i\b|i'))",
    re.I,
)
_GERUND_IS_SUBJECT = re.compile(
    r"^[a-z]+ing\b[^,.;:–—]*?(?:\b(?:is|are|was|were|has|can|makes|helps|gives|means|feels|keeps|"
    r"brings|will|takes|made|gave|helped|brought|taught|reminded|got|felt|does|really)\b|'s\b)",
    re.I,
)
_DROPPED = [
    (re.compile(r"^going to\b(?! be (?:an?|so|great|fun|awesome)\b)", re.I), "I'm "),
    (re.compile(r"^been (?:busy )?(?:[a-z]+ing|to)\b", re.I), "I've "),
    (re.compile(
        r"^(?:just |recently |finally |already |still )?(?:got|went|started|finished|moved|bought|signed "
        r"up|"

                r"decided|met|saw|made|took|had|joined|switched|quit|left|began|passed|completed|spent|tried|"
                r"visited|attended|found|lost|won|sold|cancelled|canceled|planned|built|wrote)\b", re.I), "I "),
    (re.compile(
        r"^(?:can't wait|cannot wait|want to|need to|love(?! and\b| is\b| can\b| has\b)|prefer|hate|hoping|"
        r"hope to|planning|thinking|working|"

                r"trying|studying|researching|learning|training|living|volunteering|looking|saving|preparing|"
                r"considering|reading|building|writing|still|currently|not)\b", re.I), ""),
]  # fmt: skip
_AND_I = re.compile(r"\b((?:my|our|the|his|her)?\s*[\w'-]+(?: [\w'-]+)?)(,? and) I\b(?!')", re.I)
_ME_AND = re.compile(r"^(?:me|myself) and\b", re.I)

_THAT_MAY_FALL = word_set(
    "think thought know knew hope said guess believe wish feel mean heard see saw say realized noticed"
)
"""Verbs after which a clause may open without "that": "I think you moved"."""
_OTHERS = frozenset({"they", "them", "their", "they're", "they've", "they'll", "theirs"})
_NOUNS_TOO = word_set(
    "love support hope work care play plan help run walk drive study travel visit cook train watch "
    "paint ride dance swim wish drink look need "
    "design build sleep hike start use practice want coach mentor lead answer follow ship "
    "email mail post check"
)
"""Verbs that are as often nouns: "acceptance and love"."""
_VERB_FOLLOWERS = word_set(
    "the a an my our it them him her you me to in at as for with on this that from about up out his "
    "their some every all"
)
OBJECT_FOLLOWERS = PREPOSITIONS | word_set(
    "back the a an my our that this how what when if and or but so all guys too soon more most up out some "
    "any all both there "
    "here feel who why where something anything know everything do happy well better much again later now as"
)


@dataclass
class Person:
    """Somebody who is in the conversation: the name and whether the sentence has named them yet."""

    name: str
    named: bool = False
    mentioned: bool = False


def tidy(sentence: str) -> str:
    """Everyday spellings made plain and opening filler removed."""
    text = sentence
    for pattern, replacement in _INFORMAL:
        text = pattern.sub(replacement, text)
    previous = None
    while previous != text:
        previous = text
        text = _OPENING.sub("", _FILLER.sub("", text, count=1), count=1)
    return text.strip()


def strip_vocatives(sentence: str, names: tuple[str, ...]) -> str:
    """Names that only address somebody removed: "Thanks, Bob!", "Bob, I moved", "I moved, Bob"."""
    text = sentence
    for name in names:
        if not name.strip():
            continue
        short = name.split()[0]
        forms = {name, short} | ({short[:3], short[:4]} if len(short) >= 5 else set())
        form = "|".join(re.escape(f) for f in sorted(forms, key=len, reverse=True))
        if not re.search(rf"\b(?:{form})\b", text):
            continue
        text = re.sub(
            rf"^(?:hey|hi|hello|oh|wow|yeah|yep|thanks|ok|okay|well|so)?,?\s*(?:{form})\s*[,!–-]+\s*",
            "",
            text,
            flags=re.I,
        )
        text = re.sub(rf"\s*,\s*(?:{form})(?=\s*[,.!?;–-]|\s*$)", "", text)
    return text.strip()


def supply_subject(text: str) -> str:
    """ "Just moved to Lisbon" says "I": put it back where the sentence opens with its verb."""
    first = text.split(" ", 1)[0].lower().rstrip(",")
    for pattern, subject in _DROPPED:
        if not pattern.match(text):
            continue
        if subject:
            return subject + text[0].lower() + text[1:]
        if first.endswith("ing"):
            if _GERUND_IS_SUBJECT.match(text) or re.match(r"[^.;]{0,80}, (?:we|i|you|they|it)\b", text, re.I):
                return text
            return "I'm " + text[0].lower() + text[1:]
        if first in {"still", "currently", "not"}:
            second = text.split(" ", 2)[1:2]
            if second and second[0].lower().endswith("ing"):
                return "I'm " + text[0].lower() + text[1:]
            return text
        return "I " + text[0].lower() + text[1:]
    return text


def possessive(name: str) -> str:
    """ "Nora's", "James'"."""
    return name + ("'" if name.endswith("s") else "'s")


class _Teller:
    """One sentence being retold; its fields are what has been said so far."""

    def __init__(self, text: str, main: Person, speaker: Person, listener: Person | None, group: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.lower = [t.lower() for t in self.tokens]
        self.main, self.speaker, self.listener, self.group = main, speaker, listener, group
        words = set(self.lower)
        self.crowded = bool(words & _OTHERS)
        """Another "they" is somewhere in the sentence: the subject is better named again."""
        self.ambiguous = False
        """Another "they" has been said already: "their" and "them" would be theirs."""
        self.grouped = False
        self.out: list[str] = []
        self.agree = False
        """Whether a coordinated verb must agree with the name: "loves dogs and hates cats"."""
        self.open = False
        """Whether "and I" may fall away: the subject is still the name."""
        self.quoted = False

    def previous(self, i: int) -> str:
        i -= 1
        while i >= 0 and self.tokens[i].isspace():
            i -= 1
        return self.lower[i] if i >= 0 else ""

    def following(self, i: int) -> int:
        i += 1
        while i < len(self.tokens) and self.tokens[i].isspace():
            i += 1
        return i

    def verb_at(self, i: int) -> int | None:
        """Where the verb of the subject at ``i`` stands, past adverbs; None if there is none."""
        for _ in range(5):
            i = self.following(i)
            if i >= len(self.tokens):
                return None
            word = self.lower[i]
            if is_adverb(word) or word in ADVERBS:
                continue
            return i if word[0].isalpha() else None
        return None

    def subject(self, person: Person, i: int, contraction: str) -> int:
        """Write the subject at ``i`` and its verb; the index to go on from."""
        pronoun = person.named and person is self.main and not self.crowded and not self.grouped
        dropped = False
        if person.named and self.open and person is self.main and self.previous(i) in {"and", "but"}:
            dropped = True
        if dropped:
            if self.out and self.out[-1].isspace():
                self.out.pop()
        elif pronoun:
            self.out.append("they")
        else:
            self.out.append(person.name)
        singular = dropped or not pronoun
        first = not person.named
        person.named = person.mentioned = True
        if contraction:
            self.out.append(self._contraction(contraction, singular, i))
            if singular:
                self.agree = contraction in {"'m", "'re", "'ve"}
                self.open = first or dropped or self.open
            return i + 1
        verb = self.verb_at(i)
        if verb is None:
            return i + 1
        if singular:
            word = self.lower[verb]
            for j in range(i + 1, verb):
                self.out.append(self.tokens[j])
            changed = third_singular(word)
            self.out.append(changed if changed != word else self.tokens[verb])
            self.agree = changed != word and word not in MODALS
            self.open = True
            return verb + 1
        for j in range(i + 1, verb):
            self.out.append(self.tokens[j])
        word = self.lower[verb]
        changed = {"am": "are", "was": "were", "wasn't": "weren't"}.get(word, self.tokens[verb])
        if person is self.listener:
            changed = self.tokens[verb]
        self.out.append(changed)
        self.agree = False
        return verb + 1

    def _contraction(self, part: str, singular: bool, i: int) -> str:
        if part in {"'m", "'re"}:
            return " is" if singular else "'re"
        if part == "'ve":
            return " has" if singular else "'ve"
        if part == "'ll":
            return " will" if singular else "'ll"
        verb = self.verb_at(i)
        word = self.lower[verb] if verb is not None else ""
        had = word in {"better", "been"} or (is_past(word) and word not in {"let", "put", "read", "quit"})
        return (" had" if had else " would") if singular else "'d"

    def possess(self, person: Person) -> str:
        if person is self.main and person.mentioned and not self.ambiguous:
            return "their"
        person.mentioned = True
        return possessive(person.name)

    def object(self, person: Person, i: int) -> str:
        if person is self.main and person.mentioned and not self.ambiguous:
            return "them"
        person.mentioned = True
        return person.name

    def is_object_you(self, i: int) -> bool:
        before = self.previous(i)
        if not before:
            return False
        if before in PREPOSITIONS and before not in {"since", "as", "like", "before", "after", "until", "about"}:
            return True
        j = self.following(i)
        if j >= len(self.tokens):
            return True
        word = self.lower[j]
        if (is_past(before) or before in COORDINATE_VERBS) and before not in _THAT_MAY_FALL:
            return True
        return not word[0].isalpha() or word in OBJECT_FOLLOWERS

    def coordinate(self, i: int) -> bool:
        """At an "and": whether the next verb was made to agree (it is then written by the caller)."""
        verb = self.verb_at(i)
        if verb is None or not self.agree:
            return False
        after = self.following(verb)
        if self.lower[verb] not in COORDINATE_VERBS or after >= len(self.tokens):
            return False
        if not self.tokens[after][0].isalnum() or self.lower[after] in {"and", "or"}:
            return False
        follower = self.lower[after]
        return self.lower[verb] not in _NOUNS_TOO or follower in _VERB_FOLLOWERS or follower.endswith("ing")

    def tell(self) -> str:
        i = 0
        count = len(self.tokens)
        while i < count:
            bit, word = self.tokens[i], self.lower[i]
            if word in _OTHERS:
                self.ambiguous = True
            if bit == '"':
                self.quoted = not self.quoted
            if self.quoted or not bit[0].isalpha():
                if bit in ";:—–.!?" or (bit == "," and self._new_clause(i)):
                    self.agree = self.open = False
                self.out.append(bit)
                i += 1
                continue
            head, _, tail = word.partition("'")
            part = "'" + tail if tail else ""
            if head == "i" and part in {"", "'m", "'ve", "'d", "'ll"} and self._is_i(bit, part, i):
                if not part and self.previous(i) in {"between", "than"}:
                    self.out.append(self.object(self.speaker, i))
                    i += 1
                else:
                    i = self.subject(self.speaker, i, part)
                continue
            if head in {"we", "us", "our", "ours", "ourselves"}:
                said = self._group(head, part)
                self.out.append(said)
                i += 1
                verb = self.verb_at(i - 1) if said.endswith("'s team") else None
                if verb is not None:
                    self.out.extend(self.tokens[i:verb])
                    self.out.append(third_singular(self.lower[verb]))
                    self.agree = True
                    i = verb + 1
                continue
            if word in {"my", "mine", "me", "myself"}:
                self.out.append(self._own(word, i))
                i += 1
                continue
            if self.listener and head in {"you", "your", "yours", "yourself"}:
                if head == "you" and (part in {"'re", "'ve", "'d", "'ll"} or (not part and not self.is_object_you(i))):
                    i = self.subject(self.listener, i, part)
                    continue
                if head == "you":
                    self.out.append(self.object(self.listener, i))
                elif head == "yourself":
                    self.out.append("themselves")
                else:
                    self.out.append(self.possess(self.listener))
                i += 1
                continue
            if word in {"and", "or", "but"}:
                if self.coordinate(i):
                    verb = self.verb_at(i)
                    assert verb is not None
                    self.out.append(bit)
                    self.out.extend(self.tokens[i + 1 : verb])
                    self.out.append(third_singular(self.lower[verb]))
                    i = verb + 1
                    continue
                after = self.following(i)
                if after < count and self.lower[after] in SUBJECT_STARTERS | {"my", "our"}:
                    self.agree = self.open = False
            elif word in SUBJECT_BREAKERS:
                self.agree = self.open = False
            elif word == "to" or word in MODALS:
                self.agree = False
            elif word in {"he", "she", "it", "they", "he's", "she's", "it's", "they're", "there's", "that's"}:
                self.agree = self.open = False
            self.out.append(bit)
            i += 1
        return "".join(self.out)

    def _is_i(self, bit: str, part: str, i: int) -> bool:
        """Whether "i" is the pronoun, not a letter in a list."""
        return bool(bit[0] == "I" or part or self.previous(i) in {"", "and", "but", "when", "that"})

    def _new_clause(self, i: int) -> bool:
        after = self.following(i)
        return after < len(self.tokens) and self.lower[after].split("'")[0] in SUBJECT_STARTERS | {"i", "my"}

    def _group(self, head: str, part: str) -> str:
        known = self.grouped
        if head == "we":
            self.agree = self.open = False
            text = "they" if known or (self.main.named and not self.ambiguous) else self.group
            if not known and text != "they":
                self.main.mentioned = True
            self.grouped = True
            one = text.endswith("'s team")
            ending = {
                "'re": " is" if one else " are", "'ve": " has" if one else " have", "'ll": " will", "'d": " would"
            }.get(part, "")  # fmt: skip
            return text + ending
        if head == "us":
            text = "them" if (known or self.main.mentioned) and not self.crowded else self.group
            self.main.mentioned = True
            return text
        if head == "ourselves":
            return "themselves"
        if known or (self.main.mentioned and not self.ambiguous):
            return "their" if head == "our" else "theirs"
        self.main.mentioned = True
        return possessive(self.main.name)

    def _own(self, word: str, i: int) -> str:
        if word == "my":
            return self.possess(self.speaker)
        if word == "me":
            return self.object(self.speaker, i)
        if word == "mine":
            if self.speaker is self.main and self.speaker.mentioned and not self.ambiguous:
                return "theirs"
            return possessive(self.speaker.name)
        return "themselves" if self.speaker.mentioned else self.object(self.speaker, i)


_OUR_ALL = re.compile(
    r"\bour (kids|children|future|society|world|planet|country|youth|people|veterans|military|lives|"
    r"communities)\b",
    re.I,
)
_HOUSEHOLD = re.compile(r"\b(?:my|our) (?:\w+ )?(?:kids|son|daughter|husband|wife|family|fam|partner)\b", re.I)
_COMPANY = re.compile(r"\b(?:my|our) (?:\w+ )??([a-zé]+)\b(?!')")


def group_name(name: str, sentence: str, context: str = "") -> str:
    """Who "we" is: the speaker with whoever the words around name, or with others."""
    lower = f"{sentence} {context}".lower()
    here = sentence.lower()
    for match in _COMPANY.finditer(lower):
        word = match.group(1)
        if word in COMPANIONS:
            if re.search(rf"\b{word}\b", here) and not re.search(rf"\bwith (?:my|our|the) (?:\w+ )?{word}\b", here):
                continue
            if re.search(rf"\bwith (?:my|our|the) (?:\w+ )?{word}\b", here):
                return f"{name} and others"
            return f"{name} and their { {'fam': 'family'}.get(word, word) }"
    if re.search(
        r"\bwe (?:\w+ )?(?:use|run|ship|deploy|host|charge|bill|invoice|build|hire|release|pay|sell|"
        r"support|store|need)\b",
        lower,
    ):
        return f"{name}'s team"
    return f"{name} and others"


def retell(sentence: str, speaker: str, listener: str | None = None, main: str | None = None, context: str = "") -> str:
    """``sentence`` in the third person about ``main`` (the speaker where not given)."""
    if not _HOUSEHOLD.search(f"{sentence} {context}"):
        sentence = _OUR_ALL.sub(r"the \1", sentence)
    talker = Person(speaker)
    hearer = Person(listener) if listener else None
    central = hearer if hearer is not None and main == listener and main != speaker else talker
    text = _ME_AND.sub(lambda m: f"{speaker} and", sentence)
    text, swapped = _lead_and_i(text, speaker)
    if swapped:
        talker.named = talker.mentioned = True
    teller = _Teller(text, central, talker, hearer, group_name(speaker, sentence, context))
    if swapped:
        teller.crowded = teller.ambiguous = True
        teller.grouped = True
    told = re.sub(r"\s+", " ", teller.tell()).strip()
    if not teller.crowded and not teller.grouped:
        told = _named_where_it_acts(told, speaker)
    return capitalise(told, (speaker, listener or ""))


_NO_ACTOR_YET = re.compile(
    r"(?:[a-z]+ing|after|before|while|when|since|by|with|despite|without|thanks to|instead of)\b(?! and\b)", re.I
)


def _named_where_it_acts(told: str, name: str) -> str:
    """ "Losing Nora's job was hard" sounds like somebody else: "For Nora, losing their job was hard".

    Where the name follows as one who acts, it is not said before: "After losing their job, Nora moved".
    """
    owner = re.search(rf"(?<![\w]){re.escape(possessive(name))}(?=\s)", told)
    if owner is None or not _NO_ACTOR_YET.match(told) or re.search(r"[,;.]", told[: owner.start()]):
        return told
    acts = re.search(rf"(?<!\w){re.escape(name)}(?![\w'])", told[owner.end() :])
    lower = f"{told[: owner.start()]}their{told[owner.end() :]}"
    if acts or not re.match(r"[a-z]+ing\b", told, re.I):
        return lower if acts else told
    return f"For {name}, {lower[0].lower()}{lower[1:]}"


def _lead_and_i(text: str, speaker: str) -> tuple[str, bool]:
    """ "My wife and I moved" → "Nora and their wife moved" (only where it opens a clause)."""
    match = _AND_I.search(text[:120])
    if not match:
        return text, False
    before = text[: match.start()].rstrip().lower()
    first = match.group(1).split()[0].lower()
    verbal = {w.lower() for w in match.group(1).split()[1:]} & (IRREGULAR_PAST | MODALS)
    if (
        first not in {"my", "our"}
        or verbal
        or (before and not before.endswith((",", "when", "that", "because", "and")))
    ):
        return text, False
    noun = "their" + match.group(1)[len(first) :]
    return f"{text[: match.start()]}{speaker} and {noun}{text[match.end() :]}", True


def capitalise(text: str, names: tuple[str, ...] = ()) -> str:
    """First letter large, except where the sentence opens with a name that is written small."""
    if not text or any(name and text.startswith(name) for name in names):
        return text
    return text[0].upper() + text[1:]
