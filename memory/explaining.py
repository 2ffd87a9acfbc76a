"""Why memory says what it says: from a sentence to the events under it and what made it, and from an event back.

Every function asks a fixed number of questions, however much there is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Length

from memory import archives, diffs, history, ids
from memory.errors import Invalid, NotFound
from memory.models import Conclusion, Event, Evidence, Premise, Representation, Span, Subject
from memory.places import Place
from memory.standing import standing_in

MOST_SOURCES = 200
"""The most events under a statement that are told, the first that were found."""

MOST_STATEMENTS = 200
"""The most statements on one event, or on another statement, that are told, the oldest."""

LONGEST = 2_000
"""The most characters of a sentence that is looked for."""

ALIKE = 0.8
"""From which share of their words on a line is taken for a conclusion that it does not say word for word."""

_LOOKED_AT = 50
_NAMED = 5
_TEXTS = ("text", "line_tokens", "card", "now", "short_summary", "long_summary", "draft")
# A statement is shown with when it held, where that is known (``memory.rendering``). Older texts have a dash before it.
_BEFORE = " #-"
_DAY = r"\d{4}-\d\d-\d\d"
_HELD = re.compile(rf" \((?:(?:since|until) {_DAY}|{_DAY}(?: to {_DAY})?)\)$")


class Found(StrEnum):
    """How a conclusion was found: by its id, its whole line, how it begins, or as the most alike."""

    ID = "id"
    LINE = "line"
    BEGINNING = "beginning"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True)
class Stand:
    """In which versions of one line a statement stands; ``serving`` says whether that line serves readers now."""

    span: Span
    serving: bool


@dataclass(frozen=True, slots=True)
class Archived:
    """That a statement rests on an event which is in the log no more, and when it was taken out, if that is known."""

    evidence: Evidence
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A statement: the version that brought it, what it rests on, and where it stands.

    ``stands`` says whether readers get it now. ``evidence`` are the first of ``resting_on`` events, but those in the
    log no more: they are ``archived``. ``premises`` are the statements that it rests on, ``premise_of`` those that rest
    on it.
    """

    conclusion: Conclusion
    stands: bool
    introduced: Representation | None
    evidence: Sequence[Evidence]
    archived: Sequence[Archived]
    resting_on: int
    spans: Sequence[Stand]
    premises: Sequence[Premise]
    premise_of: Sequence[Premise]


@dataclass(frozen=True, slots=True)
class Resting:
    """A statement that rests on an event: that it does, and where the statement stands."""

    evidence: Evidence
    stands: bool
    spans: Sequence[Stand]


def find_conclusion(subject: Subject, words: str) -> tuple[Conclusion, Found]:
    """Return the conclusion of a subject by its id or by how it is shown, and how it was found.

    A line may be given whole, or how it begins; case, white space, a dash or the person's name before it and the dates
    after it do not count. Of several that fit, what readers get now is meant. Where none fits, it is the one among
    those that readers get whose words are most alike (``ALIKE``): a line of the card often says a conclusion in
    shorter words. Raises :class:`NotFound` where there is none either, and :class:`Invalid` where it is not clear which
    is meant.
    """
    rows = Conclusion.objects.filter(subject=subject).select_related("about")
    by_id = ids.decode(words)
    found = None if by_id is None else rows.filter(pk=by_id).first()
    if found is not None:
        return found, Found.ID
    shown = {_bare(words), _bare(_HELD.sub("", " ".join(words.split())))} - {""}
    if not shown:
        raise Invalid("Give a conclusion's id, or how it begins.", ("conclusion",))
    if subject.person:
        shown |= {f"{subject.person} {start}" for start in shown}
    begins = Q()
    for start in shown:
        begins |= Q(line__istartswith=start)
    likely = list(rows.annotate(line=_as_shown()).filter(begins).order_by(Length("content"), "pk")[:_LOOKED_AT])
    whole = [row for row in likely if _bare(row.content).casefold() in {start.casefold() for start in shown}]
    meant = whole or likely
    if len(meant) > 1:
        standing = {row.pk for row in _standing_now(subject)}
        meant = [row for row in meant if row.pk in standing] or meant
    if len(meant) > 1:
        named = "; ".join(f"{row.public_id} “{row.content}”" for row in meant[:_NAMED])
        raise Invalid(f"Several conclusions begin so. Give more of it, or an id: {named}", ("conclusion",))
    if meant:
        return meant[0], Found.LINE if whole else Found.BEGINNING
    return _most_alike(subject, words), Found.LIKENESS


def _most_alike(subject: Subject, words: str) -> Conclusion:
    own = diffs.words_of(words)
    found = max(
        ((diffs.alike(own, diffs.words_of(row.content)), row) for row in _standing_now(subject)),
        key=lambda pair: (pair[0], pair[1].content),
        default=None,
    )
    if found is None or found[0] < ALIKE:
        raise NotFound("No conclusion says so. A line of the card or a summary may rest on all that was read.")
    return found[1]


def _bare(line: str) -> str:
    return " ".join(line.split()).lstrip(_BEFORE).rstrip(".!")


def _as_shown() -> Func:
    folded = Func(F("content"), Value(r"\s+"), Value(" "), Value("g"), function="regexp_replace")
    return Func(folded, Value(_BEFORE), function="ltrim", output_field=TextField())


def _standing_now(subject: Subject) -> list[Conclusion]:
    if subject.current is None:
        return []
    return [span.conclusion for span in standing_in(subject.current).select_related("conclusion__about")]


def explain(subject: Subject, conclusion: Conclusion) -> Explanation:
    """Return why a conclusion of a subject stands or stood. Eight statements."""
    rests = Evidence.objects.filter(conclusion=conclusion)
    rows = list(
        rests.select_related("representation")
        .defer(*(f"representation__{name}" for name in _TEXTS))
        .order_by("representation__number", "event_id")[:MOST_SOURCES]
    )
    evidence, gone = with_events(rows, "author", "session")
    spans = list(
        Span.objects.filter(conclusion=conclusion).select_related("line", "replaced_by").order_by("since", "line")
    )
    first = [row.representation.number for row in rows[:1]] or [span.since for span in spans[:1]] or [0]
    versions = Representation.objects.filter(subject=subject).select_related("line").defer(*_TEXTS)
    current = None if subject.current_id is None else versions.filter(pk=subject.current_id).first()
    return Explanation(
        conclusion=conclusion,
        stands=_stands(spans, current),
        introduced=versions.filter(number=first[0]).first(),
        evidence=evidence,
        archived=_archived(gone),
        resting_on=rests.count(),
        spans=[Stand(span, span.line_id == subject.line_id) for span in spans],
        premises=_premises("premise", conclusion=conclusion),
        premise_of=_premises("conclusion", premise=conclusion),
    )


def with_events(rows: Iterable[Evidence], *related: str) -> tuple[list[Evidence], list[Evidence]]:
    """Return evidence with its events and what these are ``related`` to, and the rest, whose events are archived."""
    rows = list(rows)
    events = Event.objects.select_related(*related).in_bulk([row.event_id for row in rows])
    there, gone = [], []
    for row in rows:
        if row.event_id in events:
            row.event = events[row.event_id]
            there.append(row)
        else:
            gone.append(row)
    return there, gone


def _archived(rows: Sequence[Evidence]) -> list[Archived]:
    moments = archives.archived_at(row.event_id for row in rows) if rows else {}
    return [Archived(row, moments.get(row.event_id)) for row in rows]


def _premises(other: str, **of: Conclusion) -> list[Premise]:
    """Return what a statement rests on, or what rests on it: ``other`` is the side that is told."""
    found = Premise.objects.filter(**of).select_related(f"{other}__about", "representation")
    texts = (f"representation__{name}" for name in _TEXTS)
    return list(found.defer(*texts).order_by("representation__number", other)[:MOST_STATEMENTS])


def find_event(place: Place, ref: str) -> Event:
    """Return an event of a session, user or project by its id, or raise :class:`NotFound`.

    A user's are also those of others' sessions that they take part in: what is known of them rests on these too.
    """
    event_id = ids.decode(ref)
    if event_id is None:
        raise NotFound("Event not found")
    here = Q(pk__in=history.events_of(place).filter(pk=event_id))
    if place.user_id is not None and place.session_id is None:
        own = Subject.objects.filter(kind=Subject.Kind.USER, user=place.user_id)
        here |= Q(feed_entries__subject__in=own)
    rows = Event.objects.select_related("author", "session")
    found = rows.filter(here, pk=event_id).first()
    if found is None:
        raise NotFound("Event not found")
    return found


def statements_on(event: Event, *, of_user: UUID | None = None, of_project: UUID | None = None) -> list[Resting]:
    """Return the statements that rest on an event, of every subject, with where each stands. Two statements of SQL.

    With ``of_user``, only those of the user's own representation and of the event's session; with ``of_project``, only
    those of the project's.
    """
    rests = Evidence.objects.filter(event=event)
    if of_project is not None:
        rests = rests.filter(conclusion__subject__project=of_project)
    if of_user is not None:
        own = Q(conclusion__subject__kind=Subject.Kind.USER, conclusion__subject__user=of_user)
        if event.session_id is not None:
            own |= Q(conclusion__subject__kind=Subject.Kind.SESSION, conclusion__subject__session=event.session_id)
        rests = rests.filter(own)
    subject = "conclusion__subject"
    things = (f"{subject}__{name}" for name in ("user", "observer", "session", "project", "current"))
    evidence = list(
        rests.select_related("conclusion__about", "representation", *things)
        .defer(*(f"{version}__{name}" for version in ("representation", f"{subject}__current") for name in _TEXTS))
        .order_by("conclusion")[:MOST_STATEMENTS]
    )
    spans: dict[UUID, list[Span]] = defaultdict(list)
    for span in (
        Span.objects.filter(conclusion__in=[row.conclusion_id for row in evidence])
        .select_related("line", "replaced_by")
        .order_by("since", "line")
    ):
        spans[span.conclusion_id].append(span)
    return [_resting(row, spans[row.conclusion_id]) for row in evidence]


def _resting(evidence: Evidence, spans: Sequence[Span]) -> Resting:
    subject = evidence.conclusion.subject
    stands = [Stand(span, span.line_id == subject.line_id) for span in spans]
    return Resting(evidence, _stands(spans, subject.current), stands)


def _stands(spans: Iterable[Span], current: Representation | None) -> bool:
    return current is not None and any(history.holds(span, current) for span in spans)
