"""What of a sentence is not worth its words: openings that announce, tails that judge, words that stress or link."""

from __future__ import annotations

import re

from reasoning.providers.local.references import MOST_CHARACTERS, concrete

_ANNOUNCES = re.compile(
    r"^(?:(?:on (?:another|a different|that|a lighter|a serious|a happier) note|on the other hand|on top of that|"
    r"speaking of which|speaking of that|besides that|besides|other than that|apart from that|in the meantime|"
    r"meanwhile|by the way|btw|thankfully|fortunately|luckily|unfortunately|sadly|honestly|surprisingly|"
    r"interestingly|crazy thing happened|funny story|fun fact|so far,? so good|as you know|as i said|like i said|"
    r"more importantly|most importantly|first of all|overall|in general|in short|long story short|it turns out(?: "
    r"that)?|turns out|not gonna lie|believe it or not|even better|guess what|since then|after that|that being said|"
    r"anyway|either way|again|(?:some |a lot of )?(?:interesting |exciting |cool |crazy )?(?:stuff|things|"
    r"lots?)(?:'s| has| have) been (?:going on|happening)|(?:it|life|things|work)(?:'s| has| have) been "
    r"[^,;–-]{3,40}|i(?:'m|'ve been) (?:doing|feeling) \w+|(?:good|great|big|bad|sad) news)\s*(?:[,:;…]|\s[–—-]+|"
    r"[–—-]+\s)\s*(?:but |and |so )?(?=\w))+",
    re.I,
)
_WHEN = re.compile(
    r"^(?:just )?((?:last|this) \w+|yesterday|today)(?: (?:was|has been|is) [^,;–—-]{3,40}?(?:,| [–—-]+| and))? "
    r"(?=(?:i|we|my)\b)",
    re.I,
)
"""A time that is judged before it is told what happened then: "Last week was wild - I moved"."""
_STRESS = re.compile(
    r"\b(?:really|actually|super|totally|absolutely|definitely|honestly|truly|literally|basically|certainly|"
    r"obviously|very|incredibly|extremely|completely|seriously)[ ](?!not\b|like\b[^.]*\?|much\b|do\b)",
    re.I,
)
_PASSING = re.compile(
    r"\b((?:i|we|i'm|we're|i've|we've|my \w+)(?: am| is| are| was| were| have| has| had)?) (?:just|also|finally) "
    r"(?!(?:like|as|because|about|if|a|an|the)\b)(?=\w)",
    re.I,
)
"""What only links what is told to what was said before it: "I also sing". When it was is told by its date."""
_HERE = re.compile(r"(?<=\w) (?:over |out |right )?here\b(?!'| (?:in|at|are|is)\b)", re.I)
_BORDER = re.compile(
    r"\s+-+\s+|(?<=\w)-+\s+|\s*(?:--+|[–—]+)\s*|;\s+|:\s+|,\s+|(?<=\w)\s+(?=(?:and|but|so) (?:it|that|this|they|i|"
    r"we|there|i'm|it's|we're)\b)",
    re.I,
)
_JUDGES = re.compile(
    r"^(?:and |but |so |plus |because |since |as |though |although |even though )*(?:(?:they|these|those|he|she|"
    r"everyone|my \w+)(?:'s|'re| is| are| was| were| looked| seem(?:ed|s)?| sound(?:ed|s)?| felt)|(?:it|that|which|"
    r"this|it all|all of it|there|everything)(?:'s|'re|'ve| is| are| was| were| has| have| had| really| just| all| "
    r"always| truly| feels?| felt| makes?| made| means?| meant| looks?| looked| keeps?| kept| helps?| helped| "
    r"gives?| gave| brings?| brought| reminds?| reminded| shows?| showed| turned| sounds?| seems?| seemed| can| "
    r"could| will|'ll|'d| would| must| might| should| takes?| took| tells?| lets?| adds?| added| never| only| "
    r"still)|(?:i|we)(?:'m| am|'re| are| was| were) (?:so |really |very |super |just |truly |pretty |all |quite "
    r")*(?:excited|happy|glad|proud|thrilled|grateful|thankful|stoked|pumped|blessed|lucky|loving|enjoying|amazed|"
    r"surprised|nervous|sure|ready|hoping|hopeful|determined|looking forward|not giving up|here for|over the moon|"
    r"psyched)|(?:i|we) (?:can't|cannot|couldn't) (?:wait|believe|be|get enough|stop)|(?:i|we) (?:just |really |"
    r"truly |still )?(?:love|loved|felt|feel|hope|know|think|guess|believe|wish|need) (?:it|that|this|so|like|them|"
    r"you|we|i|my|the|great|good)|(?:can't|cannot|couldn't) (?:wait|believe|be)|what an?\b|such an?\b|so (?:much "
    r")?(?:fun|cool|exciting|excited|happy|great|good|proud|thankful|grateful|cute|beautiful|sweet)|(?:a |an "
    r")?(?:great|good|nice|perfect|wonderful|amazing|awesome|fun|real|true|total|huge) (?:way|time|reminder|feeling|"
    r"experience|memory|sign|day|fun|blast|moment|thing)|no doubt|maybe (?:you|we|i|it)\b|not to mention|making me|"
    r"making it|making us|giving me|giving us|(?:here's|here is|here are|check|take a look|see|look at|hope you|let "
    r"me know|you know|if you)\b|which(?:'s| is| was| has| makes| made| helps| means| gives| feels| keeps| really))",
    re.I,
)
_MAIN_CLAUSE = 4
"""A clause of fewer words is no sentence by itself."""


def shortened(text: str, most: int = 2) -> str:
    """``text`` (in the first person) without what announces, stresses, links or only judges what it says.

    A tail that judges is kept where it has more than ``most`` words that could be looked up, a number or a name.
    """
    if len(text) > MOST_CHARACTERS:
        return text
    text = _WHEN.sub(r"\1 ", _ANNOUNCES.sub("", text).strip() or text)
    text = text[0].upper() + text[1:]
    text = _PASSING.sub(r"\1 ", _HERE.sub("", _STRESS.sub("", text)))
    return _without_tail(text, most)


def _without_tail(text: str, most: int) -> str:
    end = len(text)
    while True:
        border = _last_border(text[:end])
        if border is None:
            break
        tail = text[border.end() : end]
        head = text[: border.start()]
        judges = _JUDGES.match(tail) or (len(tail.split()) <= _MAIN_CLAUSE and not concrete(tail))
        if not judges or not _stands(head) or _tells(tail, most):
            break
        end = border.start()
    return text[:end].rstrip(" ,;:–—-") + ("." if end < len(text) else "")


def _last_border(text: str) -> re.Match[str] | None:
    borders = list(_BORDER.finditer(text))
    return borders[-1] if borders else None


def _stands(head: str) -> bool:
    """Whether a clause can stand alone: long enough, with something to look up, no quotation or bracket left open."""
    whole = head.count('"') % 2 == 0 and head.count("(") == head.count(")")
    opened = re.match(
        r"(?:when|if|while|although|though|because|since|after|before|as|once|seeing|being)\b", head, re.I
    )
    return whole and not opened and len(head.split()) >= _MAIN_CLAUSE and len(concrete(head)) >= 1


def _tells(tail: str, most: int) -> bool:
    named = re.search(r"\d|(?<=[a-z,] )[A-Z](?!['\s]|$)", tail)
    return bool(named) or len(set(concrete(tail))) > most
