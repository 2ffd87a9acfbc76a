"""The pass itself: claims in, duplicates merged, what is replaced retired, card and summaries built."""

from __future__ import annotations

import re
from datetime import date

from reasoning.prompts.acts import taken_out
from reasoning.providers.base import Answer, Kind, KnownStatement, Level, Request, Retirement, ShownEvent, Statement
from reasoning.providers.local import card as cards
from reasoning.providers.local import contradictions, salience, summary
from reasoning.providers.local.card import Standing
from reasoning.providers.local.claims import Claim, Harvest, harvest
from reasoning.providers.local.compare import Index
from reasoning.providers.local.dates import say
from reasoning.providers.local.salience import Sort

MAX_STATEMENTS = 200
HUMAN = 5
"""The importance that only a correction gets here: what has it gives way to another correction alone."""
LEAST = 12
"""So many claims may be kept of a short batch, whatever its share."""
SURE = 2.6
"""Claims worth so much are kept however dense the talk is."""
THRESHOLD = {Kind.USER: 1.1, Kind.OBSERVED: 1.1, Kind.SESSION: 2.9, Kind.PROJECT: 2.7}
SHARE = {Kind.USER: 0.33, Kind.OBSERVED: 0.33, Kind.SESSION: 0.2, Kind.PROJECT: 0.25}


def reason(request: Request) -> Answer:
    """Answer one request; the same request always gives the same answer."""
    gathered = harvest(request)
    claims = _without(_merge(_choose(request, gathered), request.known), _taken_out(request))
    claims = _latest(claims, request)
    claims += _about_session(request, gathered) if request.kind in (Kind.SESSION, Kind.PROJECT) else []
    claims = claims[:MAX_STATEMENTS]
    add = tuple(_statement(claim, request) for claim in claims)
    retire = _retire(request, claims)
    return _finish(request, add, retire, gathered, claims)


def _taken_out(request: Request) -> list[str]:
    """What humans took out of the memory, as far as the events say so, and did not bring back."""
    standing = {item.content for item in request.known}
    return [text for event in request.events if (text := taken_out(event)) is not None and text not in standing]


def _without(claims: list[Claim], gone: list[str]) -> list[Claim]:
    """The claims that do not say again what is gone."""
    index = Index()
    for text in gone:
        index.add(text)
    return [claim for claim in claims if claim.known is not None or index.find(claim.text) is None]


def _choose(request: Request, gathered: Harvest) -> list[Claim]:
    """The claims worth keeping: above the threshold, and no more than a share of what was said."""
    good = [c for c in gathered.claims if c.verbatim or c.worth >= THRESHOLD[request.kind] or _quiet(c)]
    if request.kind is Kind.PROJECT:
        good = [c for c in good if c.verbatim or not _private(c)]
    limit = max(LEAST, round(SHARE[request.kind] * gathered.sentences))
    free = [c for c in good if not c.verbatim]
    if request.kind in (Kind.USER, Kind.OBSERVED):
        limit = max(limit, sum(1 for c in free if c.worth >= SURE))
    if len(free) > limit:
        keep = {id(c) for c in sorted(free, key=lambda c: (-c.worth, c.order))[:limit]}
        good = [c for c in good if c.verbatim or id(c) in keep]
    return good


def _private(claim: Claim) -> bool:
    """What concerns the person, not the project."""
    slots = {s.slot for s in contradictions.settles(claim.text, claim.about or "")}
    return bool(slots & {"home", "age", "relationship", "name"}) or "asked the assistant to" in claim.text


def _quiet(claim: Claim) -> bool:
    """Pictures and pasted texts: kept only as passing remarks, and only where there is room."""
    return (
        claim.importance == 1
        and claim.sort is Sort.OTHER
        and claim.worth >= 1.5
        and (claim.source == "pasted" or "shared a picture" in claim.text)
    )


def _merge(claims: list[Claim], known: tuple[KnownStatement, ...]) -> list[Claim]:
    """The same statement said twice is one, with all its events; known ones keep their words."""
    standing, found = Index(), Index()
    for item in known:
        standing.add(item.content)
    kept: list[Claim] = []
    by_known: dict[int, Claim] = {}
    for claim in claims:
        number = standing.find(claim.text)
        if number is not None:
            item = known[number]
            earlier = by_known.get(item.number)
            if earlier is not None:
                earlier.events = sorted({*earlier.events, *claim.events})
                continue
            claim.text, claim.known, claim.about = item.content, item.number, item.about
            claim.start, claim.end = item.held_from, item.held_until
            claim.importance = max(item.importance, claim.importance)
            by_known[item.number] = claim
            kept.append(claim)
            found.add(claim.text)
            continue
        twin = found.find(claim.text)
        if twin is not None and kept[twin].about == claim.about:
            earlier = kept[twin]
            if claim.verbatim and not earlier.verbatim:
                earlier.text, earlier.verbatim, earlier.importance = claim.text, True, 5
            elif not earlier.verbatim:
                earlier.importance = min(5, max(earlier.importance, claim.importance) + (len(earlier.events) >= 2))
            earlier.events = sorted({*earlier.events, *claim.events})
            continue
        kept.append(claim)
        found.add(claim.text)
    return kept


def _subject_of(claim: Claim, request: Request) -> str:
    return claim.about or (request.subject if request.kind in (Kind.USER, Kind.OBSERVED) else "")


def _latest(claims: list[Claim], request: Request) -> list[Claim]:
    """Without what a later claim of the same batch replaces."""
    dead: set[int] = set()
    pinned = {k.number for k in request.known if k.pinned}
    for j, later in enumerate(claims):
        subject = _subject_of(later, request)
        why = contradictions.corrected if later.verbatim else contradictions.replaces
        if not later.verbatim and not contradictions.telling(later.text, subject):
            continue
        for i in range(max(0, j - 150), j):
            earlier = claims[i]
            if i in dead or earlier.verbatim or earlier.known in pinned or earlier.about != later.about:
                continue
            if why(later.text, earlier.text, subject):
                dead.add(i)
    return [c for i, c in enumerate(claims) if i not in dead]


def _retire(request: Request, claims: list[Claim]) -> tuple[Retirement, ...]:
    """Known statements that the new ones replace."""
    occurred = {e.number: e.occurred_at for e in request.events}
    said_again = {c.known for c in claims if c.known is not None}
    found: dict[int, Retirement] = {}
    for index, claim in enumerate(claims):
        if claim.known is not None:
            continue
        subject = _subject_of(claim, request)
        if not claim.verbatim and not contradictions.telling(claim.text, subject):
            continue
        why = contradictions.corrected if claim.verbatim else contradictions.replaces
        when = max(occurred[n] for n in claim.events)
        for item in request.known:
            if item.pinned or (item.number in said_again and not claim.verbatim):
                continue
            if item.importance >= HUMAN and not claim.verbatim:
                continue
            if (item.since.tzinfo is None) == (when.tzinfo is None) and item.since > when and not claim.verbatim:
                continue
            if (item.about or subject) != (claim.about or subject):
                continue
            reason_ = why(claim.text, item.content, subject)
            if reason_:
                found[item.number] = Retirement(item.number, reason_, index)
    return tuple(found[number] for number in sorted(found))


def _statement(claim: Claim, request: Request) -> Statement:
    about = claim.about
    start, end = claim.start, claim.end
    if start and end and end < start:
        end = None
    return Statement(
        claim.text,
        tuple(sorted(set(claim.events))),
        Level.EXPLICIT,
        about,
        start,
        end,
        min(5, max(1, claim.importance)),
    )


def _order(event: ShownEvent) -> float:
    return (
        float(event.occurred_at.toordinal()) * 86_400.0
        + event.occurred_at.hour * 3600
        + event.occurred_at.minute * 60
        + event.number * 1e-3
    )


def _since(item: KnownStatement) -> float:
    return float(item.since.toordinal()) * 86_400.0 + item.since.hour * 3600 + item.since.minute * 60


def _standing(request: Request, add: tuple[Statement, ...], retire: tuple[Retirement, ...]) -> list[Standing]:
    """What stands after this pass."""
    gone = {r.known for r in retire}
    again = {s.content for s in add}
    order = {e.number: _order(e) for e in request.events}
    found = [
        Standing(
            k.content, k.importance, _since(k), k.about, k.pinned, False,
            k.held_until.toordinal() if k.held_until else None, k.held_from.toordinal() if k.held_from else None,
        )
        for k in request.known
        if k.number not in gone and k.content not in again
    ]  # fmt: skip
    known = {k.content: k for k in request.known}
    for item in add:
        pinned = item.content in known and known[item.content].pinned
        found.append(
            Standing(
                item.content, item.importance, max(order[n] for n in item.events), item.about, pinned, True,
                item.held_until.toordinal() if item.held_until else None,
                item.held_from.toordinal() if item.held_from else None,
                len(item.events) + (item.content in known),
            )
        )  # fmt: skip
    return found


def _finish(
    request: Request, add: tuple[Statement, ...], retire: tuple[Retirement, ...], gathered: Harvest, claims: list[Claim]
) -> Answer:
    standing = _standing(request, add, retire)
    gone_numbers = {r.known for r in retire}
    gone = [k.content for k in request.known if k.number in gone_numbers] + _taken_out(request)
    shown = [e for e in request.events if e.origin != "recalled"]
    latest = max((e.occurred_at.date() for e in shown), default=None)
    if request.kind in (Kind.USER, Kind.OBSERVED):
        mine = [s for s in standing if s.about in (None, request.subject)]
        others = frozenset(part for name in request.participants for part in name.split())
        card = cards.build(request.subject, request.card, mine, gone, others)
        told = summary.now(request.subject, mine, _still(request.now, gone), latest) or _excerpt(request, shown)
        return Answer(add, retire, card, told, request.short_summary, request.long_summary)
    card = cards.build_project(request.card, standing)
    people = _people(request)
    said = summary.topics(tuple(shown), tuple(people), 4)
    start = min((e.occurred_at.date() for e in shown), default=None)
    for item in request.known:
        start = min(start, item.since.date()) if start else item.since.date()
    short, long = request.short_summary, request.long_summary
    if shown and start and latest:
        about = _carried(request, said)
        short = summary.short_summary(people, about, start, latest, standing)
        long = summary.long_summary(short, standing)
        if not request.known and request.long_summary:
            long = f"{request.long_summary}\n\n{long}"[:6000]
    told = summary.now(request.subject, standing, request.now, latest) or _excerpt(request, shown)
    return Answer(add, retire, card, told, short, long)


def _carried(request: Request, said: list[str]) -> list[str]:
    """Topics of this batch after those of the summary so far."""
    match = re.match(r"[^.]*?, about ([^.]{1,200})\.", request.short_summary)
    before = re.split(r", | and ", match.group(1)) if match else []
    fresh = [t for t in said if t.lower() not in {b.lower() for b in before}]
    return (before[-3:] + fresh)[:7] if before else said


def _people(request: Request) -> list[str]:
    """Who takes part, in the order in which they were heard."""
    found: list[str] = []
    agent = False
    for event in request.events:
        if event.origin == "user" and event.author and event.author not in found:
            found.append(event.author)
        agent = agent or event.origin == "agent"
    found += [p for p in request.participants if p not in found]
    return found + (["the assistant"] if agent and found else [])


def _still(now: str, gone: list[str]) -> str:
    return "" if any(text.rstrip(".") in now for text in gone) else now


def _excerpt(request: Request, shown: list[ShownEvent]) -> str:
    """When nothing could be kept: what was last heard, attributed."""
    if request.now:
        return request.now
    own = [
        e
        for e in shown
        if e.kind == "message"
        and e.content.strip()
        and (e.author == request.subject or request.kind in (Kind.SESSION, Kind.PROJECT))
    ]
    own = [e for e in own if not salience.injection(e.content[:2000]) and e.origin == "user"]
    if own:
        last = own[-1]
        text = " ".join(last.content.split()[:20])[:200]
        return f"{last.author or 'Someone'} last wrote on {say(last.occurred_at.date())}: “{text}”"
    if shown:
        return f"Last activity on {say(shown[-1].occurred_at.date())}."
    return ""


def _about_session(request: Request, gathered: Harvest) -> list[Claim]:
    """What a session or project was about, and what was asked last and not answered."""
    shown = tuple(e for e in request.events if e.origin != "recalled" and e.kind == "message")
    if not shown:
        return []
    found: list[Claim] = []
    people = tuple(_people(request))
    said = summary.topics(shown, people, 4)
    if said and len(shown) >= 3:
        days: tuple[date, date] = (min(e.occurred_at.date() for e in shown), max(e.occurred_at.date() for e in shown))
        text = f"The conversation {summary.span(*days)} was about {summary.join_words(said)}."
        words = {w.lower() for t in said for w in t.split()}
        under = [e.number for e in shown if any(w in e.content[:6000].lower() for w in words)][:12] or [
            shown[-1].number
        ]
        found.append(Claim(text, under, Sort.OTHER, 3.0, None, days[0], days[1], 3))
    open_ = [q for q in gathered.questions if not q.answered and len(salience.content_words(q.text)) >= 2]
    for question in open_[-2:]:
        if salience.injection(question.text) or question.event not in {e.number for e in shown}:
            continue
        text = " ".join(question.text.split()[:30])
        found.append(
            Claim(
                f"Open question from {question.asker or 'the assistant'}: “{text}”",
                [question.event],
                Sort.OTHER,
                3.0,
                None,
                None,
                None,
                3,
            )
        )
    return found
