"""From events to claims: who says what of whom, retold, dated, weighed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date

from reasoning.prompts.acts import carried_out
from reasoning.providers.base import Kind, Request, ShownEvent
from reasoning.providers.local import dates, persons, questions, references, salience, shortening
from reasoning.providers.local.lexicon import PRAISE, STOP, VAGUE
from reasoning.providers.local.salience import Sort
from reasoning.providers.local.sentences import Part, Sentence, english, read

MAX_WORDS = 35
MAX_JOINED = 28
"""So many words may two sentences have that become one statement."""
MAX_PER_EVENT = 8
MAX_CHARACTERS = 600
ASSISTANT = "the assistant"

_TAIL = re.compile(
    r"(?:\s*[–—-]{1,2}\s+|,?\s+(?:and|but|so)\s+|\s*[,;]\s*)(?:it|that|which|this|they|it all|"
    r"there)(?:'s| is| was| are| were| has been|'re| felt| feels| made| makes| means| really)\b"
    r"(?P<rest>[^.;]{0,70})[.!]*$",
    re.I,
)
_ORDER_TAIL = re.compile(
    r"(?<=\w{3})[,;]? (?:so|and|but) (?:please |pls )?(?:keep|make|let's|let me|don't|do not|can you|"
    r"could you|please|i hope you)\b[^.;]*[.!]*$",
    re.I,
)
_CLAUSE = re.compile(
    r"\s+[–—-]{1,2}\s+|[;:]\s+|,\s+(?=(?:and|but|so|because|which|though|although|while|when|since)\b)|"
    r"\s+(?=(?:because|although|though|while)\b)|,\s+|\s+(?=and\b)"
)
_LASTING = re.compile(
    r"\b(?:keep|always|never|don't|do not|stop|avoid|from now on|reply|respond|answer|speak|write|call "
    r"me|address me|use|format|be)\b",
    re.I,
)
_YOU_FACT = re.compile(
    r"^(?:i (?:remember|know|heard|think|recall) (?:that )?)?(?:since |as )?(?:you (?:told|said|"
    r"mentioned|moved|live|lived|work|worked|have(?! to\b)|had|own|use|prefer|love|hate|like|went|bought|got|"
    r"started|finished|study|studied|speak|teach|taught|play|grew|were born|quit|left|joined|switched|"
    r"are (?:a|an|from|in|at|allergic|married)|adopted|promised|wanted|want|need(?! to\b)|agreed|decided)"
    r"|you're (?:a|an|from|in|at|allergic|married|vegan|vegetarian|moving|going|working|planning|"
    r"starting|living)\b|you've (?:been|lived|worked|moved|got|had|known)|"
    r"your (?:wife|husband|son|daughter|kids?|mom|dad|mother|father|brother|sister|dog|cat|job|company|"
    r"boss|birthday|wedding|house|flat|apartment|flight|appointment|name|team))\b",
    re.I,
)
_YOU_PRAISE = re.compile(
    r"\b(?:so|such|really|very) (?:\w+)$|\b(?:friend|person|inspiration|moms?|dads?|parents?|heart|soul|way|"
    r"point|attitude|spirit|role model|guts|job|"
    r"courage|dedication|difference|talent|eye|gift|knack)\b",
    re.I,
)
_RECOMMENDS = re.compile(
    r"\bI(?:'d| would)? (?:recommend|suggest|advise|propose)|\byou (?:could|should|might want to|may "
    r"want to)\b|\bI(?:'ve| have) (?:\w+ )?(?:created|drafted|set up|added|sent|scheduled|"
    r"updated|written|built|booked|prepared|made|saved|changed|configured|noted)|\b(?:the best|a good) "
    r"(?:option|way|approach|choice)|\bI (?:created|drafted|sent|scheduled|updated|booked|prepared|"
    r"found)\b|\bI'll (?:\w+)",
    re.I,
)
_STATUS = re.compile(
    r"\b(?:done|finished|shipped|merged|released|blocked|delayed|late|ready|complete|completed|live|"
    r"deployed|broken|in progress|on track|signed off|approved|milestone|sprint|release|launch|"
    r"deadline|budget|scope|requirement|must|cannot|can't|risk|bug|contract|client|customer)\b",
    re.I,
)
_ARTICLE_NOUN = re.compile(r"^an? (?:(?:photo|photography|picture|image|close up|screenshot|video)\w*) of ", re.I)
_MINE_MADE = re.compile(
    r"\b(?:i|we)(?:'ve| have)? (?:just |finally |also |recently )?(?:made|painted|drew|built|baked|"
    r"cooked|wrote|designed|created|planted)\b",
    re.I,
)
MAX_QUESTION = 14
"""Longer questions and answers are not quoted."""
_ANYBODY = re.compile(
    r"\b(?:where|when|if|how|that|whenever|once|what|like|makes?|lets?|helps?) you\b(?! (?:told|said|gave|sent|bought|"
    r"made|mentioned|recommended|were|did|went|came|asked|showed|suggested))|\byou (?:can|could|never|have to|need to|"
    r"just|gotta|get to|don't|two|both|guys|all)\b",
    re.I,
)
"""A "you" that is nobody: "a game where you trade"."""
_NAMES_SOMETHING = re.compile(r"\d|(?<=[a-z,'] )(?!I\b)[A-Z][a-z]")
_HERE_IS = re.compile(
    r"^(?:here(?:'s| is| are)|this is|check out|take a look at|look at) (?P<what>(?:(?:a|an|the|some|one) )?"
    r"(?:pic|picture|photo|photograph|snap|shot|selfie)s? (?:of|from) .{5,})",
    re.I,
)
_HAS_SUBJECT = re.compile(
    r"^(?:it|this|that|they|these|those|he|she|i|we|my|our|his|her|their|its|there)\b|"
    r"^(?:it|that|they|he|she|there|i|we)'",
    re.I,
)
_LEFTOVER = re.compile(r"\b(?:I|I'm|I've|I'd|I'll|[Mm]yself)\b(?![^\"]*\"(?:[^\"]*\"[^\"]*\")*[^\"]*$)")
_CUT_END = re.compile(r"[\s,;:–—-]+(?:and|but|or|so|because|which|that|when|with|to|of|for|the|a|an|in|on|at)?$", re.I)


@dataclass
class Claim:
    """A statement in the making."""

    text: str
    events: list[int]
    sort: Sort
    worth: float
    about: str | None
    start: date | None = None
    end: date | None = None
    importance: int = 3
    verbatim: bool = False
    """Set right by a human: stands as it is and is never dropped."""
    order: int = 0
    known: int | None = None
    source: str = ""


@dataclass
class Question:
    """The last question that somebody asked in a session."""

    asker: str | None
    text: str
    event: int
    answered: bool = False


@dataclass
class Harvest:
    """All that the events of one request gave."""

    claims: list[Claim] = field(default_factory=list)
    sentences: int = 0
    """How many sentences the subjects themselves uttered: what the kept share is measured against."""
    questions: list[Question] = field(default_factory=list)
    excerpts: list[tuple[str, str]] = field(default_factory=list)
    """Author and text of what was said, for when nothing could be kept."""


_AGENTS = frozenset({"assistant", "agent", "bot", "chatbot", "ai"})


def _by_agent(event: ShownEvent, request: Request) -> bool:
    """Whether the app's agent wrote an event: in its own name, or as a user who is named for what it is."""
    if event.origin == "agent" or event.author is None:
        return True
    return event.author.casefold() in _AGENTS and event.author not in {request.subject, request.observer}


class Listener:
    """Who is who in one request: authors, the agent, whom "you" means."""

    def __init__(self, request: Request) -> None:
        agents = {e.author for e in request.events if e.author and e.origin != "operator" and _by_agent(e, request)}
        authors = {e.author for e in request.events if e.author and e.origin in {"user", "operator"}}
        own = {request.subject} if _of_person(request) else set()
        self.people = tuple(sorted({*request.participants, *authors} - agents | own))
        self.agent = bool(agents) or any(e.origin == "agent" for e in request.events)
        self.by_session: dict[str | None, set[str]] = {}
        for event in request.events:
            if event.author and event.origin == "user" and event.author not in agents:
                self.by_session.setdefault(event.session, set()).add(event.author)
        self.alone = len(self.people) <= 1

    def addressee(self, event: ShownEvent) -> str | None:
        """Whom "you" means in an event; None where it cannot be said."""
        others = self.by_session.get(event.session, set()) - {event.author or ""}
        if not others and event.session is None:
            others = set()
        if not others and not self.agent:
            others = set(self.people) - {event.author or ""}
        if self.agent and not others:
            return ASSISTANT
        if len(others) == 1 and not self.agent:
            return next(iter(others))
        for name in self.people:
            if name != event.author and _vocative(name, event.content[:4000]):
                return name
        return ASSISTANT if not others and self.alone else None


def _of_person(request: Request) -> bool:
    return request.kind in (Kind.USER, Kind.OBSERVED)


def _vocative(name: str, text: str) -> bool:
    form = re.escape(name)
    return bool(re.search(rf"(?:^|[.!?\n]\s*)(?:hey |hi |thanks,? )?@?{form}\s*[,!]|,\s*{form}\s*[.!?]", text, re.I))


def harvest(request: Request) -> Harvest:
    """Claims of all events, in their order."""
    found = Harvest()
    who = Listener(request)
    asked: dict[str | None, Question] = {}
    personal = _of_person(request)
    for event in request.events:
        if event.origin == "recalled":
            continue
        if event.kind == "correction" or event.origin == "operator":
            if carried_out(event) is None:
                _correction(request, event, found)
            continue
        if event.kind != "message" or event.origin == "tool":
            if (claim := _tool(request, event, personal)) is not None:
                _add(found, claim)
            continue
        pieces = read(event.content)
        own = event.author == request.subject if personal else event.author is not None
        before = asked.get(event.session)
        waiting = before if before is not None and before.asker != event.author and not before.answered else None
        if _by_agent(event, request):
            if not personal:
                _from_agent(event, pieces, who, found)
        elif not english(event.content):
            if own:
                _foreign(request, event, pieces, found, personal)
        elif own:
            _Own(request, event, pieces, who, waiting, found).collect()
            if not personal:
                _of_others(request, event, pieces, who, found, tuple(n for n in who.people if n != event.author))
        else:
            _of_others(request, event, pieces, who, found, (request.subject,))
        if waiting is not None and pieces:
            waiting.answered = True
        last = next((p for p in reversed(pieces) if p.part is Part.OWN), None)
        if last is not None and last.question:
            question = Question(event.author, last.text, event.number)
            asked[event.session] = question
            found.questions.append(question)
        elif any(p.question for p in pieces):
            text = next(p.text for p in reversed(pieces) if p.question)
            asked[event.session] = Question(event.author, text, event.number)
    return found


def _add(found: Harvest, claim: Claim) -> None:
    claim.order = len(found.claims)
    if len(claim.text) > MAX_CHARACTERS and not claim.verbatim:
        claim.text = claim.text[: MAX_CHARACTERS - 1].rstrip() + "…"
    found.claims.append(claim)


def _correction(request: Request, event: ShownEvent, found: Harvest) -> None:
    text = re.sub(r"\s+", " ", event.content).strip() if len(event.content) < 4000 else event.content[:4000].strip()
    if not text or not re.search(r"\w", text):
        return
    about = request.subject if _of_person(request) else None
    for name in request.participants:
        if name != about and re.match(rf"{re.escape(name)}\b", text):
            about = name
    when = dates.resolve(text, event.occurred_at.date())
    sort, _ = salience.classify(_as_first(text, request.subject))
    _add(found, Claim(text, [event.number], sort, 99.0, about, when.start, None, 5, verbatim=True))


def _as_first(text: str, name: str) -> str:
    """A third-person sentence read as the person's own, for the rules that sort sentences."""
    form = re.escape(name)
    told = re.sub(rf"^{form}'s\b", "my", text)
    told = re.sub(rf"^{form} is\b", "I am", told)
    told = re.sub(rf"^{form} has\b", "I have", told)
    return re.sub(rf"^{form} (\w+?)s\b", r"I \1", told)


def _tool(request: Request, event: ShownEvent, personal: bool) -> Claim | None:
    text = re.sub(r"\s+", " ", event.content[:2000]).strip()
    if salience.injection(text):
        text = ""
    if personal:
        if not text or not re.search(rf"(?<!\w){re.escape(request.subject)}(?!\w)", text):
            return None
        return Claim(
            f"A `{event.kind}` event says: {_words(text, 25)}",
            [event.number],
            Sort.OTHER,
            3.0,
            request.subject,
            importance=2,
        )
    if event.kind == "tool_call":
        name = _tool_name(event) or "a tool"
        arguments = _arguments(event)
        said = f"The agent called {name}{f' ({arguments})' if arguments else ''}"
    elif event.kind == "tool_result" or event.origin == "tool":
        name = _tool_name(event) or "A tool"
        said = (
            f"{name} returned: {_words(text or _arguments(event), 20)}"
            if text or event.data
            else f"{name} returned nothing"
        )
    else:
        said = (
            f"A `{event.kind}` event was recorded: {_words(text or _arguments(event), 20)}"
            if text or event.data
            else f"A `{event.kind}` event was recorded"
        )
    return Claim(_end(said), [event.number], Sort.EVENT, 3.0, None, importance=2 if event.kind == "tool_call" else 1)


def _tool_name(event: ShownEvent) -> str:
    data = event.data if isinstance(event.data, dict) else {}
    for key in ("name", "tool", "tool_name", "function"):
        value = data.get(key)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and value:
            return f"`{value[:60]}`"
    match = re.match(r"\s*([A-Za-z_][\w.-]{1,60})\s*(?:\(|$)", event.content[:200])
    return f"`{match.group(1)}`" if match else ""


def _arguments(event: ShownEvent) -> str:
    data = event.data
    if isinstance(data, dict):
        for key in ("arguments", "args", "input", "parameters"):
            if key in data:
                data = data[key]
                break
        else:
            data = {k: v for k, v in data.items() if k not in {"name", "tool", "tool_name", "function", "id"}}
    if isinstance(data, dict):
        parts = [f"{k}: {v}" for k, v in list(data.items())[:6] if isinstance(v, str | int | float | bool)]
        return _words(re.sub(r"\s+", " ", ", ".join(parts))[:300], 20)
    if data is None or data == {}:
        return ""
    try:
        return _words(json.dumps(data, ensure_ascii=False, default=str)[:200], 20)
    except (TypeError, ValueError):
        return ""


def _words(text: str, count: int) -> str:
    """At most ``count`` words (or so many characters of a text without spaces)."""
    words = text.split()
    cut = " ".join(words[:count])
    if len(cut) > count * 12:
        return cut[: count * 12].rstrip() + "…"
    return cut + ("…" if len(words) > count else "")


def _end(text: str) -> str:
    """A statement ends in one full stop."""
    text = text.strip().rstrip("!.,;: –—-").rstrip()
    return text if text.endswith(("…", "?", "”", "…)", '."')) else text + "."


def _from_agent(event: ShownEvent, pieces: list[Sentence], who: Listener, found: Harvest) -> None:
    """What the app's agent said, for a session or project."""
    listener = (
        next(iter(who.by_session.get(event.session, set())), None)
        if len(who.by_session.get(event.session, set())) == 1
        else None
    )
    taken = 0
    for piece in pieces:
        if piece.part is not Part.OWN or piece.question or taken >= 2:
            continue
        text = persons.tidy(persons.strip_vocatives(piece.text, who.people))
        if (
            not _RECOMMENDS.search(text)
            or salience.injection(text)
            or len(text.split()) < 5
            or len(salience.content_words(text)) < 2
        ):
            continue
        text = re.sub(r"\bI(?:'d| would)? (suggest|recommend|propos|advis)e?\b", r"I \1ed", text)
        when = dates.resolve(text, event.occurred_at.date())
        told = persons.retell(cut(when.text), ASSISTANT, listener)
        if not told.lower().startswith(ASSISTANT):
            told = f"{ASSISTANT} suggested: {told}"
        taken += 1
        _add(
            found,
            Claim(
                _end(persons.capitalise(told)),
                [event.number],
                Sort.OTHER,
                3.0,
                None,
                when.start,
                when.end,
                2,
                source=text,
            ),
        )


def _foreign(request: Request, event: ShownEvent, pieces: list[Sentence], found: Harvest, personal: bool) -> None:
    """Other languages: an excerpt, attributed."""
    own = [p for p in pieces if p.part is Part.OWN and not salience.injection(p.text)]
    found.sentences += len(own)
    for piece in own[:2]:
        if piece.question:
            continue
        text = piece.text.strip()
        long_enough = len(text.split()) >= 4 or (len(text) >= 10 and not text.isascii() and len(text.split()) < 3)
        if long_enough and re.search(r"[^\W\d_]", text):
            _add(
                found,
                Claim(
                    f"{event.author} wrote: “{_words(text, 25)}”",
                    [event.number],
                    Sort.OTHER,
                    2.7,
                    event.author,
                    importance=2,
                ),
            )
            return


def cut(text: str, most: int = MAX_WORDS) -> str:
    """``text`` without a tail that only judges, and cut at a clause border where it is long."""
    text = _ORDER_TAIL.sub("", text)
    match = _TAIL.search(text)
    if match and match.start() > 12:
        rest = match["rest"]
        if not salience.content_words(rest) and not re.search(r"\d|[A-Z]", rest):
            text = text[: match.start()].rstrip()
    if len(text.split()) <= most:
        return text
    kept = ""
    for border in _CLAUSE.finditer(text):
        head = text[: border.start()]
        if len(head.split()) > most:
            break
        kept = head
    if len(kept.split()) < 6:
        kept = " ".join(text.split()[:most]) + "…"
    return _CUT_END.sub("", kept) if not kept.endswith("…") else kept


class _Own:
    """The claims of one event about its author."""

    def __init__(
        self,
        request: Request,
        event: ShownEvent,
        pieces: list[Sentence],
        who: Listener,
        waiting: Question | None,
        found: Harvest,
    ) -> None:
        self.request, self.event, self.pieces, self.who = request, event, pieces, who
        self.waiting, self.found = waiting, found
        self.name = event.author or request.subject
        self.others = tuple(n for n in who.people if n != self.name)
        self.listener = who.addressee(event)
        self.context = " ".join(p.text for p in pieces[:12] if p.part is Part.OWN)[:1500]
        self.last: Claim | None = None
        self.answering = False
        """Whether nothing was said yet since the question that waits."""
        self.taken: list[Claim] = []

    def collect(self) -> None:
        """Add the claims of the event."""
        first = True
        for piece in self.pieces:
            if piece.part is Part.PICTURE:
                self._picture(piece.text)
                continue
            if piece.part is Part.PASTED:
                self._pasted(piece.text)
                continue
            if piece.part is Part.CODE:
                continue
            self.found.sentences += 1
            raw = persons.strip_vocatives(piece.text, self.others)
            self.answering = first
            if first and self.waiting and not piece.question and re.search(r"\w", raw):
                if self._answer(raw):
                    first = False
                    continue
                if not salience.phatic(persons.tidy(raw) or raw):
                    first = False
            if piece.question:
                self.last = None
                self._question(raw)
                continue
            self._statement(raw)
        self.taken.sort(key=lambda c: (-c.worth, c.order))
        for claim in sorted(self.taken[:MAX_PER_EVENT], key=lambda c: c.order):
            _add(self.found, claim)

    def _take(self, claim: Claim) -> None:
        claim.order = len(self.taken)
        self.taken.append(claim)

    def _picture(self, caption: str) -> None:
        thing = _ARTICLE_NOUN.sub("", caption).strip()
        if thing and not salience.injection(thing) and _MINE_MADE.search(self.context[-600:]):
            claim = Claim(
                _end(f"{self.name} shared a picture of {_words(thing, 18)}"),
                [self.event.number],
                Sort.OTHER,
                2.0,
                self.name,
                importance=1,
            )
            self._take(claim)

    def _pasted(self, text: str) -> None:
        if len(text.split()) < 6 or salience.injection(text) or any(c.source == "pasted" for c in self.taken):
            return
        self._take(
            Claim(
                f"{self.name} shared a text that says: “{_words(text, 15)}”",
                [self.event.number],
                Sort.OTHER,
                1.5,
                self.name,
                importance=1,
                source="pasted",
            )
        )

    def _question(self, text: str) -> None:
        """A question is no claim, but "Can you help me automate my invoicing?" says what is wanted."""
        if self.listener != ASSISTANT:
            return
        match = re.match(
            r"^(?:so |and |ok |hey )?(?:can|could|would|will) you (?:please |also |help me (?:to |with "
            r")?)?(.{8,200}?)\?+$",
            text,
            re.I,
        )
        helped = re.match(r"^(?:so |and )?how (?:can|do|should|would) i (.{8,160}?)\?+$", text, re.I)
        if match:
            if re.match(r"(?:tell|explain|repeat|remember|hear|see|elaborate|say)\b", match.group(1), re.I):
                return
            helping = "help me" in text.lower()
            rest = re.sub(r"^help me (?:to |with )?", "", match.group(1), flags=re.I)
            verb = "help me " if helping else ""
            self._statement(f"I asked the assistant to {verb}{rest}.", boost=0.4)
        elif helped and len(salience.content_words(helped.group(1))) >= 2:
            self._statement(f"I asked how to {helped.group(1)}.", boost=0.2)

    def _answer(self, raw: str) -> bool:
        """Whether a first sentence was joined to the question before it."""
        waiting = self.waiting
        assert waiting is not None
        words = persons.tidy(raw) or raw
        whole = questions.completed(waiting.text, raw)
        if whole:
            self._statement(whole, 0.5)
            return True
        if not questions.short_answer(raw) and not questions.short_answer(words):
            return False
        if salience.injection(raw) or salience.injection(waiting.text) or self._only_name(words):
            return False
        asker = waiting.asker or ASSISTANT
        asked = persons.strip_vocatives(waiting.text, self.who.people)
        answer = raw if re.match(r"^(?:yes|yeah|yep|no|nope|nah)\b", raw, re.I) else words
        joined = questions.join(asked, answer, self.name, persons.possessive(self.name), asker)
        if not joined:
            return False
        asked_only = joined.startswith("Asked “")
        if asked_only and (
            salience.phatic(words)
            or not (salience.content_words(words) or re.search(r"\d", words))
            or len(salience.content_words(asked)) < 1
        ):
            return False
        when = dates.resolve(joined, self.event.occurred_at.date()) if not asked_only else dates.Resolved(joined)
        sort, base = salience.classify(_as_first(joined, self.name))
        if asked_only:
            if len(words.split()) > 1 and supply_would(words):
                return False
            worth = 2.2 + (0.6 if re.search(r"\d|[A-Z]", words[1:]) else 0.0)
            sort = Sort.OTHER
        else:
            worth = max(base, 2.6) + 0.6
        claim = Claim(
            _end(when.text),
            [waiting.event, self.event.number],
            sort,
            worth,
            self.name,
            when.start,
            when.end,
            salience.importance(sort, worth, joined),
        )
        self._take(claim)
        self.last = claim
        return True

    def _only_name(self, text: str) -> bool:
        """Whether an answer only calls somebody by name (or something like it)."""
        word = re.sub(r"\W", "", text).lower()
        return len(word) >= 2 and any(word[:3] == n.lower()[:3] for n in self.others if n) and len(text.split()) == 1

    def _statement(self, raw: str, boost: float = 0.0) -> None:
        text = persons.tidy(raw)
        text = persons.tidy(persons.strip_vocatives(text, self.others))
        if not text or text.startswith('"…"') or salience.injection(raw) or len(re.findall(r"[^\W_]+", text)) < 3:
            return
        text = _HERE_IS.sub(r"I shared \g<what>", text)
        if salience.phatic(text):
            text = _news(text)
        if salience.phatic(text):
            self.last = None if salience.phatic(raw) and not salience.anaphoric(text) else self.last
            return
        if re.search(r"\bI mean\b", text):
            return
        if re.match(r"^(?:you|your|you're|you've|you'll|you'd|yours)\b", text, re.I):
            self.last = None
            return
        named = next((n for n in self.others if re.match(rf"{re.escape(n)}\b(?!-)", text)), None)
        if named:
            self.last = None
            return
        if self.listener == ASSISTANT and salience.request(text):
            told = self._request(text)
            if told is None:
                return
            text, extra = told
            boost += extra
        text = persons.supply_subject(text)
        if not salience.first_person(text):
            if salience.anaphoric(text):
                if not self._attach(text):
                    self._quoted_answer(text)
                return
            if self.listener and re.search(r"\b(?:you|your)\b", text, re.I):
                return
        elif salience.anaphoric(text) or _dangling(text):
            text = self._with_thing_asked_of(text)
            if not _dangling(text) and not salience.anaphoric(text):
                self._make(text, boost)
                return
            if self._attach(text) or self._quoted_answer(text):
                return
            text = _own_clause(text)
            if salience.anaphoric(text):
                return
        self._make(text, boost)

    def _request(self, text: str) -> tuple[str, float] | None:
        rest = re.sub(r"^(?:please |pls |just |so )+", "", text.rstrip(".! "), flags=re.I)
        rest = re.sub(r",? please$", "", rest, flags=re.I)
        lasting = (
            bool(_LASTING.match(rest))
            or "from now on" in rest.lower()
            or bool(re.match(r"(?:always|never)", rest, re.I))
        )
        rest = re.sub(r"^from now on,? ", "", rest, flags=re.I)
        rest = re.split(
            r"[,;]\s+(?=i\b|i'|my\b|we\b|because|since|so\b|it\b|that\b)|\s[–—-]\s", rest, maxsplit=1, flags=re.I
        )[0]
        rest = re.sub(r"\byour\b", "its", rest, flags=re.I)
        refuse = re.match(r"^(?:don't|do not|never|stop|avoid)\s+(.*)$", rest, re.I)
        if refuse:
            verb = re.match(r"^(?:stop|avoid)", rest, re.I)
            rest = f"{rest[0].lower() + rest[1:]}" if verb else f"not {refuse.group(1)}"
        if not rest or len(salience.content_words(rest)) < 1:
            return None
        rest = re.sub(r"^help me(?: to| with)?\b", lambda m: m.group(0).lower(), rest, flags=re.I)
        return f"I asked the assistant to {rest[0].lower() + rest[1:]}.", 1.4 if lasting else 0.0

    def _attach(self, text: str) -> bool:
        """Join a sentence that opens with "it" or "she" to the claim it follows, where it adds something."""
        last = self.last
        if last is None or last.verbatim or last.text.startswith("Asked "):
            return False
        text = shortening.shortened(text)
        concrete = bool(_NAMES_SOMETHING.search(text)) or len(set(references.concrete(text))) >= 3
        joined = len(last.text.split()) + len(text.split())
        if not concrete or joined > MAX_JOINED or salience.phatic(text) or not _HAS_SUBJECT.match(text):
            return False
        if self.listener and re.search(r"\b(?:you|your)\b", text, re.I):
            return False
        when = dates.resolve(cut(text), self.event.occurred_at.date())
        told = persons.retell(when.text, self.name, self.listener, context=self.context)
        if _LEFTOVER.search(told):
            return False
        head = told.split(" ", 1)[0].lower().split("'")[0].rstrip(",")
        if head != self.name.lower() and (head in STOP or head in {"right", "even"} or head.endswith(("ly", "ing"))):
            told = told[0].lower() + told[1:]
        last.text = _end(f"{last.text.rstrip('.')}; {told}")
        last.start, last.end = last.start or when.start, last.end or when.end
        last.worth += 0.3
        return True

    def _with_thing_asked_of(self, text: str) -> str:
        """The first sentence after a question, with what was asked of in place of "it"."""
        if self.waiting is None or not self.answering:
            return text
        whole = questions.with_thing_asked_of(self.waiting.text, text)
        return text if salience.injection(whole) else whole

    def _quoted_answer(self, text: str) -> bool:
        """Keep a sentence that only the question before it explains, together with that question."""
        if self.waiting is None or not self.answering:
            return False
        question = persons.tidy(persons.strip_vocatives(self.waiting.text, self.who.people))
        short = len(question.split()) <= MAX_QUESTION and len(text.split()) <= MAX_QUESTION
        if not short or not questions.asks_for(question) or salience.injection(f"{question}\n{text}"):
            return False
        if len(set(references.concrete(text))) < 2 and not _NAMES_SOMETHING.search(text):
            return False
        when = dates.resolve(shortening.shortened(text), self.event.occurred_at.date())
        told = f"Asked “{persons.capitalise(question)}”, {self.name} said: “{when.text.rstrip('.! ')}”"
        events = [self.waiting.event, self.event.number]
        claim = Claim(_end(told), events, Sort.OTHER, 2.2, self.name, when.start, when.end, 2, source=text)
        self._take(claim)
        self.last = claim
        return True

    def _make(self, text: str, boost: float) -> None:
        text = shortening.shortened(text)
        if self.listener != ASSISTANT and _ANYBODY.search(text):
            return
        if _dangling(text):
            if len(references.concrete(text)) < 3:
                return
            boost -= 1.5
        sort, base = salience.classify(text)
        if text.lower().startswith("i asked the assistant to"):
            sort, base = (Sort.PREFERENCE, 2.6) if boost >= 1.0 else (Sort.STATE, 1.8)
        worth = salience.score(text, base, frozenset(self.who.people)) + boost
        if self.request.kind in (Kind.SESSION, Kind.PROJECT):
            worth += 0.5 if sort in (Sort.DECISION, Sort.PLAN) else 0.0
            if self.request.kind is Kind.PROJECT:
                worth += 0.9 if _STATUS.search(text) else 0.0
                worth -= 1.2 if sort in (Sort.RELATION, Sort.PREFERENCE) and not _STATUS.search(text) else 0.0
        when = dates.resolve(cut(text), self.event.occurred_at.date())
        told = persons.retell(when.text, self.name, self.listener, context=self.context)
        if not _names(told, self.name):
            told = f"{self.name} said that {_lower_start(told)}"
        if _LEFTOVER.search(told):
            told = f"{self.name} wrote: “{_words(text.rstrip('.!'), 25)}”"
            worth -= 0.5
        claim = Claim(
            _end(told),
            [self.event.number],
            sort,
            worth,
            self.name,
            when.start,
            when.end,
            salience.importance(sort, worth, text),
            source=text,
        )
        if text.startswith("I asked ") and sort is Sort.STATE:
            claim.importance = 2
        if sort in (Sort.FACT, Sort.PREFERENCE, Sort.RELATION) and when.kind == "past":
            claim.end = None
        self.last = claim
        self._take(claim)


def _dangling(text: str) -> bool:
    """Whether a sentence needs the one before it; a request to the assistant ("its answers") does not."""
    return not text.startswith("I asked ") and references.dangling(text)


def _news(text: str) -> str:
    """What a polite opening leads to: "Thanks for asking, I moved to Rome"."""
    match = re.search(r"(?:[,;:!]|\s[–—-]|[–—-]\s|, (?:but|and|so))\s*(?=(?:I|I've|I'm|we|we've|my|My|We)\b)", text)
    if match and len(text[match.end() :].split()) >= 4:
        return text[match.end() :]
    return text


def _own_clause(text: str) -> str:
    """The clause that speaks of the speaker, of a sentence that opens by pointing back."""
    if not salience.anaphoric(text):
        return text
    match = re.search(
        r"(?:,|;| [–—-]| and| but| so)\s+(?=(?:I|I've|I'm|I'd|we|we've|my)\b(?! (?:think|guess|feel|"
        r"mean|hope)))",
        text,
    )
    if match and len(text[match.end() :].split()) >= 5:
        return text[match.end() :]
    return text


def supply_would(text: str) -> bool:
    """Whether an answer is a sentence whose "I" was dropped: better told as one."""
    return persons.supply_subject(text) != text


def _names(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))


def _lower_start(text: str) -> str:
    first = text.split(" ", 1)[0]
    plain = first[1:].islower() and (first.endswith("ing") or first.lower() in VAGUE | PRAISE)
    if plain or first.lower() in STOP:
        return text[0].lower() + text[1:]
    return text


def _of_others(
    request: Request, event: ShownEvent, pieces: list[Sentence], who: Listener, found: Harvest, names: tuple[str, ...]
) -> None:
    """What the event's author says of somebody else: filed under whom it is about, with who says it."""
    author = event.author or ""
    listener = who.addressee(event)
    taken = 0
    for piece in pieces:
        if piece.part is not Part.OWN or piece.question or taken >= 3 or salience.injection(piece.text):
            continue
        text = persons.tidy(persons.strip_vocatives(piece.text, tuple(n for n in who.people if n != author)))
        text = persons.tidy(text)
        if not text or len(text.split()) < 3:
            continue
        for name in names:
            claim = _named(text, name, author, listener, event, who) or (
                _told_you(text, name, author, event, who) if listener == name else None
            )
            if claim is not None:
                taken += 1
                _add(found, claim)
                break


def _named(text: str, name: str, author: str, listener: str | None, event: ShownEvent, who: Listener) -> Claim | None:
    form = re.escape(name)
    match = re.match(
        r"^(?:(?:i|we) (?:think|heard|hear|know|believe|guess|said|saw|noticed|remember|see)(?: "
        rf"that)? |apparently,? |today,? |yesterday,? |last \w+,? )?(?={form}\b)",
        text,
        re.I,
    )
    if not match:
        return None
    clause = text[match.end() :] if re.match(r"(?:i|we) ", text, re.I) else text
    rest = re.sub(rf"^.*?\b{form}\b", "", clause, count=1).strip()
    word = (re.findall(r"^(?:'s\b|[\w']+)", rest) or [""])[0].lower()
    if not word or word in {"and", "or", ","} or rest.startswith((",", "!", ".", ":")):
        return None
    mapped = re.sub(rf"\b{form}'s\b", "my", clause)
    mapped = re.sub(rf"\b{form} is\b", "I am", mapped)
    mapped = re.sub(rf"\b{form} has\b", "I have", mapped)
    mapped = re.sub(rf"\b{form} (\w+?)s\b(?<!ss)", r"I \1", mapped)
    mapped = re.sub(rf"\b{form}\b", "I", mapped)
    sort, base = salience.classify(mapped)
    worth = salience.score(mapped, base, frozenset(who.people)) + 0.3
    when = dates.resolve(cut(clause), event.occurred_at.date())
    told = persons.retell(when.text, author, listener if listener != name else None)
    if _LEFTOVER.search(told):
        return None
    return Claim(
        _end(f"According to {author}, {_lower_start(told) if not told.startswith(name) else told}"),
        [event.number],
        sort,
        worth,
        name,
        when.start,
        when.end,
        max(1, salience.importance(sort, worth, mapped) - 1),
        source=mapped,
    )


def _told_you(text: str, name: str, author: str, event: ShownEvent, who: Listener) -> Claim | None:
    if not _YOU_FACT.match(text):
        return None
    mapped = re.sub(r"\byou're\b", "I'm", text, flags=re.I)
    mapped = re.sub(r"\byou('ve|'d|'ll)\b", r"I\1", mapped, flags=re.I)
    mapped = re.sub(r"\byour\b", "my", mapped, flags=re.I)
    mapped = re.sub(r"\byou are\b", "I am", mapped, flags=re.I)
    mapped = re.sub(r"\byou\b", "I", mapped, flags=re.I)
    sort, base = salience.classify(mapped)
    what = re.match(r"^you(?:'re| are) an? (?:\w+ ){0,2}?(\w+)(?=[,.!]|$| and| at| in| with)", text, re.I)
    if what and what.group(1).lower() not in VAGUE | PRAISE and not _YOU_PRAISE.search(what.group(0)):
        base = max(base, 3.4)
    elif _YOU_PRAISE.search(text) and base < 3.5:
        return None
    worth = salience.score(mapped, base, frozenset(who.people)) - 0.4
    text = re.sub(r"^(?:since|as) ", "", text, flags=re.I)
    when = dates.resolve(cut(text), event.occurred_at.date())
    told = persons.retell(when.text, author, name, main=name)
    if _LEFTOVER.search(told) or not _names(told, name):
        return None
    return Claim(
        _end(f"According to {author}, {told}"),
        [event.number],
        sort,
        worth,
        name,
        when.start,
        when.end,
        max(1, min(3, salience.importance(sort, worth, mapped) - 1)),
        source=mapped,
    )
