"""What kind of thing a sentence says and how much it is worth remembering."""

from __future__ import annotations

import enum
import re

from reasoning.providers.local.lexicon import FAMILY, JOBS, PETS, PRAISE, STOP, VAGUE, is_past
from reasoning.providers.local.references import concrete


class Sort(enum.StrEnum):
    """The sort of a statement; it drives importance and the place on the card."""

    FACT = "fact"
    RELATION = "relation"
    PREFERENCE = "preference"
    PLAN = "plan"
    EVENT = "event"
    STATE = "state"
    DECISION = "decision"
    OTHER = "other"


_ADVERB = (
    r"(?:(?:really|also|just|always|still|usually|absolutely|totally|actually|definitely|currently|mostly|"
    r"now|already|so|truly|even) )*"
)
_PHATIC_START = re.compile(
    r"^(?:thanks|thank you|thx|hi|hey|hello|good (?:morning|evening|afternoon|night|luck|idea|point|"
    r"question|to (?:hear|see|know))|"
    r"great (?:to|idea|job|work|seeing|hearing|point|question)|nice (?:to|one|work|job)|congrat\w*|"
    r"bravo|cheers|wow|woah?|whoa|"
    r"been (?:a|an|so|super|really|too)\b|you're welcome|no (?:problem|worries|doubt|doubts|prob|need)|"
    r"take care|see (?:you|ya)|talk "
    r"(?:soon|to you|later)|"
    r"bye|goodbye|have (?:a|fun)|hope you|hope your|hope to (?:see|hear)|let me know|keep (?:it up|up|"
    r"on|going|me|being|spreading)|way to go|sounds|"
    r"looks (?:like (?:a|you|so|fun)|great|good|so|amazing|awesome)|glad (?:you|to|i could|it|that|we)|"
    r"happy (?:for|to|birthday)|"
    r"so (?:glad|happy|cool|proud|sweet|true)|i(?:'m| am) (?:so |really |super |very |just )*(?:glad|"
    r"happy|proud|sorry|thrilled|excited|pumped|stoked)"
    r" (?:you|for you|of you|to (?:hear|see|know|help|tell|share|announce)|that you|we|your|i could)|"
    r"i (?:totally |completely |100% |really |definitely |couldn't |can't )?(?:agree|appreciate|hear "
    r"you|understand|see what)|"
    r"totally|absolutely|exactly|definitely|for sure|of course|indeed|agreed|same here|me too|what a|"
    r"what an|how (?:cool|nice|sweet|great|exciting|lovely)|"
    r"(?:can't|cannot|can not) wait(?:[.!]|$| to (?:see|hear))|i can't wait(?:[.!]|$| to (?:see|hear))|"
    r"looking forward to (?:hearing|seeing|it|that|more)|"
    r"i'm (?:all ears|here for|with you|doing (?:great|well|good|ok|fine)|good[.!,]|great[.!,]|"
    r"fine[.!,]|in[.!,]|off to bed)|"
    r"you (?:too|got this|rock|can do)|you're (?:right|so|the best|doing|an? (?:true|real|great|good|"
    r"amazing|awesome)? ?(?:inspiration|friend|rockstar))|"
    r"(?:your|these|those) (?:kind |sweet |nice )?(?:words?|support|backing|friendship|encouragement|"
    r"compliment)|it means|that means|means a lot|"
    r"here's|here is|here are|check (?:it|this|out)|take a look|have a look|look at|guess what|long "
    r"time|anyways?[.!]|"
    r"i(?:'ll)? (?:let you know|keep you (?:posted|updated)|be in touch|miss you|love you|bet|"
    r"promise[.!]|wish you|hope (?:you|it|that|so|we|your))|"
    r"best of luck|all the best|welcome|enjoy|cherish|appreciate|love (?:that|it|your|this|how|the)\b|"
    r"loving (?:it|the|this)|oh no|bummer|too bad|my pleasure|"
    r"i know(?: right|, right|[.!]|$)|i see[.!]?$|i think so|i guess so|i don't know[.!]?$|makes sense|"
    r"fair enough|never mind|just (?:checking|kidding|saying)|(?:i )?just (?:want|wanted) to (?:check|"
    r"say|give you|let you|tell|share|ask)|"
    r"i(?:'m| am) (?:so |really |very )*sorry|i'm (?:always |just )?here (?:to|for|if|when)|"
    r"i wanted to (?:tell|ask|share with|let) you|i have (?:some )?(?:great|exciting|good|big|awesome|"
    r"amazing|bad)? ?news|i'd (?:love|be happy) to (?:hear|see (?:it|that|more|them)|help(?:[.!]|$)|"
    r"join you|come)|"
    r"long story|how's|what's up|not much|same old|so much (?:has |have )?(?:happened|since|going)|"
    r"(?:a lot|lots|so much)(?:'s| has| have) (?:been )?(?:happen|going)|it's been (?:a while|ages|so "
    r"long|super busy|busy)|let's (?!go with|use\b|ship|deploy|launch|meet on|schedule|move the))",
    re.I,
)
_EVALUATION = re.compile(
    r"^(?:it|that|this|they|those|these|he|she|everything|there|the \w+|what|i)(?:'s|'re| is| was| "
    r"were| are| has been| felt|"
    r" feels| looks| looked| sounds| sounded| must (?:be|have been)| really)?(?: (?:so|really|super|"
    r"very|such|an?|pretty|just|quite|"
    r"too|definitely|truly|totally|absolutely|always|kind of|been|feel|felt|like|all)\b)*(?: "
    r"[\w-]+){1,2}[.!,]*$",
    re.I,
)
_IMPERATIVE_TO_AGENT = re.compile(
    r"^(?:please |pls |can you |could you |would you |from now on,? |always |never |just |so )*"
    r"(?:keep|make|use|write|reply|respond|answer|speak|call me|address me|remind me|don't|do not|stop|"
    r"avoid|give me|send me|show me|"
    r"draft|help me|create|generate|add|remove|fix|explain|summari[sz]e|translate|list|find|book|"
    r"schedule|remember|set up|update|check)\b",
    re.I,
)
_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,40}\b(?:instructions?|prompts?|rules|"
    r"guidelines|context|everything|above)\b|"
    r"\bsystem prompt\b|\byou are now\b|\bact as (?:an?|the|my|if)\b|\bpretend (?:to be|you are|that "
    r"you)\b|\bjailbreak|\bdeveloper mode\b|"
    r"</?(?:system|assistant|instructions?|user|memory)>|\[/?(?:inst|system)\]|<\|im_|\breveal your\b|"
    r"\bdo anything now\b|"
    r"\bnew instructions?\s*:|^(?:system|assistant)\s*:|\bremember that you (?:must|are|should)\b|"
    r"\bsave (?:this )?to (?:your )?memory\b|"
    r"\b(?:print|output|repeat) (?:your|the) (?:system|hidden|initial|prompt|instructions?)",
    re.I,
)

_LISTS = {
    "ADV ": _ADVERB,
    "<JOBS>": "|".join(sorted(JOBS)),
    "<FAMILY>": "|".join(sorted(FAMILY)),
    "<PETS>": "|".join(sorted(PETS)),
}


def _filled(pattern: str) -> str:
    """A pattern with its word lists put in."""
    for name, value in _LISTS.items():
        pattern = pattern.replace(name, value)
    return pattern


_PATTERNS: tuple[tuple[Sort, float, re.Pattern[str]], ...] = tuple(
    (sort, weight, re.compile(_filled(pattern), re.I))
    for sort, weight, pattern in (
        (Sort.DECISION, 3.4,
            r"\b(?:i|we)(?:'ve| have)? ADV (?:decided|agreed|settled on|chose|opted|picked|went with)\b|"
            r"\b(?:i'll|we'll|let's) go with\b|\bdecision (?:is|was)\b|\b(?:the deal|agreed) is\b"
            ),
        (Sort.FACT, 4.2,
            r"\bmy (?:full |first |last )?name(?:'s| is)\b|\bcall me [A-Z]|\bi (?:go by|ADV live in|was "
                r"born|grew up|come from)\b|\bi'm (?:\w+ )?from [A-Z]|\bi(?:'m| am) \d{1,2}(?: years| now|"
                r"[.,!]|$| "
            r"and)|\bmy birthday\b|\b(?:i|we)(?:'ve| have)? (?:just |recently |finally )?(?:moved|"
            r"relocated) (?:to|from|back|here|in|out)\b"
            ),
        (Sort.FACT, 3.9,
            r"\bi ADV (?:work (?:as|at|for|in|with|from|on)|teach|study|studied|own|run|manage|lead|"
            r"majored|graduated|speak)\b|\bi(?:'m| am) (?:a|an|the) (?:[\w-]+ ){0,3}(?:<JOBS>)\b|\bi(?:'m| "
            r"am) (?:single|married|divorced|engaged|widowed|pregnant|vegan|vegetarian|allergic|diabetic|"
            r"retired|unemployed|self-employed|left-handed|transgender|trans|gay|lesbian|bisexual|jewish|"
            r"muslim|christian|catholic|hindu|buddhist)\b|\b(?:i|we)(?:'ve been| have been| are|'re) "
            r"married\b|\bmy (?:new |current )?(?:job|employer|company|degree|major|salary|hometown|"
            r"address|title|role|diagnosis|home country)\b"
            ),
        (Sort.FACT, 3.6,
            r"\b(?:deadline|budget|due date|launch date|rent|price|rate|fee|password hint|timezone|time "
            r"zone|hourly)\b[^.]{0,40}\b(?:is|was|are|moved|changed|to|now|of)\b|\b(?:i|we)(?:'ve)? (?:ADV "
            r")?(?:switched|migrated|changed) (?:from|to)\b|\b(?:i|we) (?:ADV )?(?:use|run|deploy|host)\b|"
            r"\b(?:i|we) no longer\b|\b(?:i|we)(?:'ve)? (?:stopped|quit|gave up|given up)\b"
            ),
        (Sort.RELATION, 3.3,
            r"\bmy (?:\w+ ){0,2}?(?:<FAMILY>)\b|\bour (?:\w+ )?(?:kids|son|daughter|children|baby)\b|"
            r"\b(?:i|we) (?:have|adopted|got) (?:a|an|two|three|four|\d|some|one) (?:[\w-]+ "
            r"){0,2}(?:<FAMILY>|<PETS>)\b"
            ),
        (Sort.RELATION, 2.9,
            r"\bmy (?:\w+ ){0,2}?(?:friend|friends|boss|manager|colleague|coworker|client|clients|neighbor|"
            r"neighbour|roommate|mentor|teacher|coach|therapist|doctor|team|pet|<PETS>)\b"
            ),
        (Sort.PREFERENCE, 3.2,
            r"\bi(?:'d| would)? ADV (?:prefer|hate|dislike|can't stand|favou?r)\b|\bmy (?:absolute |"
            r"all-time )?favou?rites?\b|\bi'm (?:ADV )?(?:a (?:big |huge )?fan of|not a fan|into|obsessed "
            r"with|allergic|keen on|passionate about|interested in)\b|\bi (?:don't|do not|no longer|never) "
            r"(?:ADV )?(?:like|love|enjoy|eat|drink|want|use|care for|trust)\b"
            ),
        (Sort.PREFERENCE, 2.7,
            r"\bi(?:'ve)? ADV (?:love|like|enjoy|adore|loved|enjoyed|liked)\b(?! (?:to hear|that\b|your\b|"
            r"it\b|this\b|how\b|the\b|these\b|those\b|them\b|you\b|seeing))|\bi'd rather\b"
            ),
        (Sort.PLAN, 3.0,
            r"\b(?:i|we)(?:'m|'re| am| are) (?:ADV )?(?:planning|going to|thinking (?:about|of)|"
            r"considering|hoping to|looking (?:into|to|for)|saving|about to|trying to|aiming|set to|"
            r"starting|training for|applying|preparing)\b|\bmy (?:\w+ )?(?:goal|plan|dream|aim|"
            r"ambition)s?\b|\b(?:i|we) (?:ADV )?(?:want to|need to|plan|hope to|intend|have to|wish to|"
            r"must)\b|\b(?:i'll|we'll|i will|we will)\b|\b(?:the )?(?:plan|goal|next step) is\b|\b(?:i|"
            r"we)'d (?:ADV )?(?:like|love) to\b"
            ),
        (Sort.STATE, 2.6,
            r"\b(?:i|we)(?:'m|'re| am| are) (?:ADV )?(?:working on|building|writing|learning|studying|"
            r"reading|watching|taking|doing|using|dealing|struggling|recovering|volunteering|teaching|"
            r"living|in the middle|focused|busy|swamped)\b|\b(?:i|we)(?:'ve| have) (?:ADV )?been \w+ing\b|"
            r"\b(?:i|we)(?:'ve| have) (?:ADV )?(?:been|had|known|got|owned|worked|lived|had)\b|\b(?:is|"
            r"are) (?:blocked|done|finished|ready|live|broken|overdue|late|delayed)\b"
            ),
        (
            Sort.FACT,
            2.6,
                r"\bi ADV (?:eat|drink|play|drive|ride|swim|cook|bake|paint|draw|sing|dance|collect|keep|"
                r"grow|coach|volunteer|"
            r"cycle|commute|smoke|sell|knit|sew|climb|surf|ski|blog|code|mentor|speak|"
                r"practi[cs]e)\b(?! (?:it|that|going|up))",
        ),
        (Sort.RELATION, 2.6, r"\bthe (?:\w+ ){0,2}kids\b"),
        (Sort.FACT, 2.5, r"\b(?:i|we) (?:ADV )?(?:have|own)\b"),
    )
)  # fmt: skip
_FIRST = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|my|we|we're|we've|we'll|we'd|our|me)\b", re.I)
_PAST_FIRST = re.compile(r"\b(?:i|we|my \w+|our \w+)(?: [a-z]+ly| just| also| finally| even)? ([a-z]+)\b", re.I)
_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred|thousand|dozen)\b", re.I
)
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_PLACE = re.compile(r"\b(?:in|to|at|from|near|for|with|called|named|on) (?:the )?[A-Z][\w-]+")
_HYPOTHETICAL = re.compile(
    r"^(?:if|imagine|maybe|perhaps|i (?:guess|suppose|bet|wonder)|let's|may)\b|\b(?:would be|might be|"
    r"must be|must have)\b",
    re.I,
)
_TIME = re.compile(
    r"\b(?:yesterday|today|tomorrow|tonight|last|next|ago|since|years?|months?|weeks?|weekend|monday|"
    r"tuesday|wednesday|"
    r"thursday|friday|saturday|sunday|january|february|march|april|june|july|august|september|october|"
    r"november|"
    r"december|summer|winter|spring)\b",
    re.I,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|them|those|that|this|these|one|there)(?: \w+)?$|\b(?:do|did|does|doing|made|make|love|"
    r"loved|like|liked|chose|got|see|saw|found|use|used|with|for|of|about|to) (?:it|them|those|this|"
    r"that)\b(?! \w+ing)|\b(?:this|that|these|those) (?!year|month|week|morning|summer|weekend)\w+",
    re.I,
)
_ANAPHORA = re.compile(
    r"^(?:it|its|this|that|they|their|these|those|he|his|she|her|there|it's|that's|they're|he's|she's|such|both|then|"
    r"reminds?|makes?|made|feels?|felt|keeps|helps|means|gives|brings|takes|took|really made)\b",
    re.I,
)


def phatic(text: str) -> bool:
    """Whether a sentence is talk that keeps company but tells nothing."""
    if _PHATIC_START.match(text):
        return True
    words = _WORD.findall(text.lower())
    if not words:
        return True
    feeling = bool(set(words) & (PRAISE | VAGUE))
    return len(words) <= 9 and feeling and bool(_EVALUATION.match(text)) and not content_words(text)


def injection(text: str) -> bool:
    """Whether a text tries to give orders to a model that reads it."""
    return bool(_INJECTION.search(text))


def request(text: str) -> bool:
    """Whether a sentence asks the assistant to do or keep to something."""
    return bool(_IMPERATIVE_TO_AGENT.match(text))


def anaphoric(text: str) -> bool:
    """Whether a sentence opens with a word that points at the one before."""
    return bool(_ANAPHORA.match(text))


def first_person(text: str) -> bool:
    """Whether the speaker is in the sentence."""
    return bool(_FIRST.search(text))


def content_words(text: str) -> list[str]:
    """Words that could be looked up: neither small words nor words of feeling."""
    return [
        w for w in _WORD.findall(text.lower()) if len(w) > 2 and w not in STOP and w not in VAGUE and w not in PRAISE
    ]


def classify(text: str) -> tuple[Sort, float]:
    """The sort of a first-person sentence and the worth that the sort alone gives it."""
    best: tuple[Sort, float] = (Sort.OTHER, 0.6)
    for sort, weight, pattern in _PATTERNS:
        if weight > best[1] and pattern.search(text):
            best = (sort, weight)
    if best[1] < 2.8:
        for match in _PAST_FIRST.finditer(text):
            if is_past(match.group(1).lower()) and match.group(1).lower() not in {
                "was",
                "were",
                "felt",
                "thought",
                "meant",
                "agreed",
                "used",
            }:
                return (Sort.EVENT, 2.8) if best[1] < 2.7 else best
    if best[0] is Sort.OTHER and re.search(r"\bi(?:'m|'re| am| are| was| were)\b", text, re.I):
        return Sort.STATE, 1.4
    if best[0] is Sort.OTHER and re.search(r"\bmy\b", text, re.I):
        return Sort.STATE, 1.3
    return best


def score(text: str, base: float, names: frozenset[str] = frozenset()) -> float:
    """Worth of a sentence: its sort, how concrete it is, whether the speaker is in it, its length."""
    words = text.split()
    content = content_words(text)
    worth = base
    capitals = [
        w
        for w in re.findall(r"(?<![.!?] )(?<!^)\b[A-Z][\w-]+", text)
        if w.lower() not in STOP and w not in names and len(w) > 1
    ]
    worth += 0.9 * min(len(capitals), 2)
    if _NUMBER.search(text):
        worth += 0.7
    if _TIME.search(text):
        worth += 0.6
    if _PLACE.search(text):
        worth += 0.3
    worth += min(len(set(content)), 6) * 0.3 - 0.9
    vague = sum(1 for w in words if w.lower().strip(".,!?") in VAGUE)
    worth -= 0.22 * min(vague, 5)
    if not first_person(text):
        worth -= 1.0
    if re.search(r"\b(?:you|your|you're)\b", text, re.I):
        worth -= 1.1
    if len(words) < 4:
        worth -= 1.0 if base < 2.5 else 0.3
    if _HYPOTHETICAL.search(text):
        worth -= 1.0
    if anaphoric(text):
        worth -= 2.0
    if _POINTS_BACK.search(" ".join(words[:7])):
        worth -= 1.2
    if not content:
        worth -= 2.5
    return worth


def importance(sort: Sort, worth: float, text: str) -> int:
    """1 (passing) to 5 (defining), of a statement's sort and of how much in it could be looked up."""
    if sort is Sort.FACT:
        return 4 if worth >= 3.4 and detail(text) >= 2 else 3
    worth += _MORE.get(sort, 0.0)
    if worth >= DEFINING:
        return 4
    return 3 if worth >= TELLING else 2 if worth >= PASSING else 1


_MORE = {Sort.EVENT: 0.5, Sort.RELATION: 0.4, Sort.PREFERENCE: 0.4, Sort.DECISION: 0.3, Sort.PLAN: -0.8}
"""What happened can be told again; what is only meant to happen often does not."""
DEFINING = 4.5
TELLING = 2.9
PASSING = 1.5


def detail(text: str) -> int:
    """How much in a sentence could be looked up: its concrete words, and more for numbers, dates and names."""
    named = len(set(re.findall(r"(?<=[a-z,'] )[A-Z][\w-]+", text)) - {"I"})
    return len(set(concrete(text))) + (1 if _NUMBER.search(text) or _TIME.search(text) else 0) + min(named, 2)
