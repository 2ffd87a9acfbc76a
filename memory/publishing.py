"""Making versions. Whatever changes what readers get goes through ``publish`` or ``memory.restoring``.

Both run one transaction that locks the subject, then the line; nothing is edited and nothing is destroyed: a version
opens and closes the spans in which statements stand. What humans have said (``memory.corrections``) holds on every
line: what they pinned stands, what they retracted does not, whoever makes the version.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from memory import archives, rendering, statements
from memory.conf import MemorySettings
from memory.errors import Conflict, Invalid
from memory.models import (
    Conclusion,
    Correction,
    Evidence,
    FeedEntry,
    Line,
    Premise,
    Representation,
    Span,
    Subject,
    User,
)
from memory.signals import representation_published
from memory.standing import standing_in
from memory.statements import Columns
from memory.webhooks import outbox

_SHORTEST_LINE = 4
"""No statement takes fewer tokens in a text: a dash, two words and a line break."""

_LINE, _SUBJECT, _PERSON, _CONCLUSION = Columns(Line), Columns(Subject), Columns(User, "name"), Columns(Conclusion)


@dataclass(frozen=True, kw_only=True)
class NewConclusion:
    """A statement to add. ``evidence`` are ids of events of the subject's feed; ``importance`` is 1 to 5.

    ``premises`` are conclusions of the subject that it rests on: the events under them are its evidence as well.
    """

    content: str
    evidence: Sequence[UUID]
    premises: Sequence[UUID] = ()
    level: str = Conclusion.Level.EXPLICIT
    about_id: UUID | None = None
    held_from: date | None = None
    held_until: date | None = None
    importance: int = 3
    pinned: bool = False


@dataclass(frozen=True, kw_only=True)
class Retired:
    """A statement that stands no longer; ``replaced_by`` is an index into the draft's ``added``."""

    conclusion_id: UUID
    reason: str
    replaced_by: int | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the next version of a line shall be.

    It goes on from version ``parent_id`` (the line's head, None for the first) and has read the feed from
    ``covers_from`` (the line's cursor) up to ``covers_to``. ``made_by`` says by what: recipe, model, tokens, pass,
    whatever the maker knows; JSON.
    """

    parent_id: UUID | None
    covers_from: int
    covers_to: int
    added: Sequence[NewConclusion] = ()
    retired: Sequence[Retired] = ()
    card: Sequence[str] = ()
    now: str = ""
    short_summary: str = ""
    long_summary: str = ""
    made_by: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


PARTS = ("card", "now", "short_summary", "long_summary")
"""What a version says besides its statements."""


def open_line(subject: Subject, recipe: str) -> Line:
    """Return the subject's line of that recipe; the first line of a subject serves it."""
    return open_lines([subject.pk], recipe)[subject.pk]


@transaction.atomic
def open_lines(subjects: Collection[UUID], recipe: str) -> dict[UUID, Line]:
    """Return by subject its line of that recipe; the first line of a subject serves it. What is pinned stands in it."""
    versions = dict(
        Subject.objects.select_for_update(no_key=True)
        .filter(pk__in=subjects)
        .order_by("pk")
        .values_list("pk", "versions")
    )
    Line.objects.bulk_create([Line(subject_id=pk, recipe=recipe) for pk in subjects], ignore_conflicts=True)
    lines = Line.objects.filter(subject__in=subjects, recipe=recipe, branch="")
    own = lines.filter(subject=OuterRef("pk")).values("pk")
    Subject.objects.filter(pk__in=subjects, line=None).update(line=Subquery(own))
    found = {line.subject_id: line for line in lines}
    pinned = list(Conclusion.objects.filter(subject__in=subjects, pinned=True))
    latest = _latest_evidence(pinned)
    Span.objects.bulk_create(
        [
            Span(line=found[row.subject_id], conclusion=row, since=versions[row.subject_id] + 1, latest=latest[row.pk])
            for row in pinned
        ],
        ignore_conflicts=True,  # in a line that was there they stand already
    )
    return found


@transaction.atomic
def fork_line(line: Line, recipe: str) -> Line:
    """Return the line of ``recipe`` that goes on where ``line`` stands, and let it serve the subject.

    It begins with what stands in ``line`` now. A line of that recipe that is there already is brought to the same
    state, unless it has read further: it would cover events a second time, so that a branch begins.
    """
    subject, line = _lock(line.pk)
    successor, _ = Line.objects.get_or_create(subject=subject, recipe=recipe, branch="")
    if successor.cursor > line.cursor:
        branch = f"fork-{subject.versions + 1}"
        successor, _ = Line.objects.get_or_create(subject=subject, recipe=recipe, branch=branch)
    newest = Representation.objects.filter(line=successor, number=subject.versions).exists()
    _stand_exactly(
        successor,
        {span.conclusion_id: span.latest for span in Span.objects.filter(line=line, until=None)},
        subject.versions + newest,  # what its own newest version shows stays as it is
        "The line that served the subject did not hold it",
    )
    successor.cursor, successor.head = line.cursor, line.head
    successor.save(update_fields=["cursor", "head"])
    Subject.objects.filter(pk=subject.pk).update(line=successor)
    return successor


# A line that has read further than where the others begin goes on from where it is: it would cover events twice.
_GO_ON = """
WITH moved AS (
    UPDATE memory_line line SET cursor = origin.cursor, head_id = origin.head_id FROM memory_line origin
     WHERE origin.id = ANY(%(lines)s) AND line.subject_id = origin.subject_id AND line.recipe = %(recipe)s
       AND line.branch = %(branch)s AND line.cursor <= origin.cursor AND line.id <> origin.id
    RETURNING line.id, line.subject_id, origin.id AS origin_id
), begun AS (
    SELECT moved.id, moved.origin_id, subject.versions + (EXISTS (
               SELECT FROM memory_representation WHERE line_id = moved.id AND number = subject.versions))::int AS number
      FROM moved JOIN memory_subject subject ON subject.id = moved.subject_id
), gone AS (
    SELECT span.id, span.since, begun.number FROM begun JOIN memory_span span ON span.line_id = begun.id
     WHERE span.until IS NULL AND NOT EXISTS (
           SELECT FROM memory_span there WHERE there.line_id = begun.origin_id AND there.until IS NULL
              AND there.conclusion_id = span.conclusion_id)
), unseen AS (
    DELETE FROM memory_span span USING gone WHERE span.id = gone.id AND gone.since >= gone.number
), closed AS (
    UPDATE memory_span span SET until = gone.number, reason = 'The line beside which it goes on did not hold it'
      FROM gone WHERE span.id = gone.id AND gone.since < gone.number
)
INSERT INTO memory_span (line_id, conclusion_id, since, latest, reason)
SELECT begun.id, there.conclusion_id, begun.number, there.latest, ''
  FROM begun JOIN memory_span there ON there.line_id = begun.origin_id AND there.until IS NULL
 WHERE NOT EXISTS (SELECT FROM memory_span span WHERE span.line_id = begun.id AND span.until IS NULL
                      AND span.conclusion_id = there.conclusion_id)
"""


@transaction.atomic
def go_on_beside(lines: Collection[Line], recipe: str, branch: str) -> dict[UUID, Line]:
    """Return by subject a line of ``recipe``, named ``branch``, that goes on where one of ``lines`` stands now.

    It serves nobody. One that is there already is brought to the same state. The caller has locked the subjects. A
    fixed number of statements.
    """
    subjects = [line.subject_id for line in lines]
    new = [Line(subject_id=pk, recipe=recipe, branch=branch) for pk in subjects]
    Line.objects.bulk_create(new, ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(_GO_ON, {"lines": [line.pk for line in lines], "recipe": recipe, "branch": branch})
    beside = Line.objects.filter(subject__in=subjects, recipe=recipe, branch=branch)
    return {line.subject_id: line for line in beside}


@transaction.atomic
def publish(line_id: UUID, draft: Draft) -> Representation:
    """Make the line's next version, and what readers get where the line serves its subject.

    A statement that a human retracted is not added, and one that a human pinned is not retired; the rest of the draft
    is published. Raises :class:`Conflict` if the line has moved on since the draft was begun, and :class:`Invalid` if a
    statement rests on an event that lies outside the subject's feed or above what the draft has read, or on a
    conclusion of another subject.
    """
    subject, line = _lock(line_id)
    if (draft.parent_id, draft.covers_from) != (line.head_id, line.cursor):
        raise Conflict("The line has moved on since this version was begun.")
    if not line.cursor <= draft.covers_to <= subject.head:
        raise Invalid(f"A version cannot cover up to {draft.covers_to}: the feed goes up to {subject.head}.")
    draft = _grounded(subject, draft)
    _check_evidence(subject, draft)
    known = _known(subject, draft.added)
    return next_version(subject, line, _overruled(draft, known), [row for row in known if not (row and row.retracted)])


def next_version(
    subject: Subject, line: Line, draft: Draft, known: Sequence[Conclusion | None] | None = None
) -> Representation:
    """Make the next version of a line, both locked; whoever calls this has checked the draft.

    ``known`` is what says each of its statements already, where that was looked up.
    """
    number = subject.versions + 1
    conclusions = find_or_make(subject, draft.added, known)
    _close_spans(line, number, draft.retired, conclusions)
    _open_spans(line, number, conclusions, draft.added)
    representation = _write(subject, line, number, draft, Representation.Status.PUBLISHED)
    Premise.objects.bulk_create(
        [
            Premise(conclusion=conclusion, premise_id=premise_id, representation=representation)
            for conclusion, item in zip(conclusions, draft.added, strict=True)
            for premise_id in item.premises
            if premise_id != conclusion.pk  # it was said again, for others that it takes the place of
        ],
        ignore_conflicts=True,
    )
    _advance(subject, line, representation, _resting(conclusions, draft.added))
    representation_published.send(sender=Representation, representation=representation)
    if subject.line_id == line.pk:
        outbox.published([representation.pk])
    return representation


def follow(line: Line, version: Representation, draft: Draft) -> None:
    """Let the other lines of a locked subject add and retire what ``draft`` did with a version of ``line``.

    What each of them has shown stays as it is; the next version of each shows it.
    """
    subject = version.subject
    conclusions = find_or_make(subject, draft.added)
    for other in Line.objects.filter(subject=subject).exclude(pk=line.pk).order_by("pk"):
        _close_spans(other, version.number, draft.retired, conclusions)
        _open_spans(other, version.number, conclusions, draft.added)


@transaction.atomic
def quarantine(line_id: UUID, draft: Draft, reason: str, gate: str = "") -> Representation:
    """Keep a draft that must not be read, with the reason and the name of the gate that stopped it.

    Readers, cursor and statements stay as they are. The draft is kept as it is, whatever is wrong with it: a human may
    publish it after all (``memory.quarantine``), and what cannot be published is found out then.
    """
    subject, line = _lock(line_id)
    draft = _grounded(subject, draft)
    representation = _write(
        subject, line, subject.versions + 1, draft, Representation.Status.QUARANTINED, reason=reason, gate=gate
    )
    Subject.objects.filter(pk=subject.pk).update(versions=representation.number)
    return representation


def spans_at(representation: Representation) -> list[Span]:
    """Return the spans that hold in a version, with their conclusions, pinned and important first."""
    return list(
        standing_in(representation)
        .select_related("conclusion__about")
        .order_by("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion__content")
    )


def text_of(representation: Representation) -> rendering.Rendered:
    """Return a version's text; of one that was thinned, a text made anew of the statements that stood in it."""
    if not representation.thinned:
        return rendering.Rendered(representation.text, representation.line_tokens)
    standing = [_standing(span.conclusion, span.latest) for span in spans_at(representation)]
    return _rendered(representation.subject, standing, _NOTHING)


def proposed(representation: Representation) -> tuple[list[NewConclusion], list[Retired]]:
    """Return what a quarantined version would have added and retired; nothing where that was not kept."""
    kept = representation.draft or {"added": [], "retired": []}
    added = [
        NewConclusion(
            content=item["content"],
            evidence=[UUID(event_id) for event_id in item["evidence"]],
            premises=tuple(UUID(premise_id) for premise_id in item.get("premises", ())),
            level=item["level"],
            about_id=UUID(item["about"]) if item["about"] else None,
            held_from=date.fromisoformat(item["held_from"]) if item["held_from"] else None,
            held_until=date.fromisoformat(item["held_until"]) if item["held_until"] else None,
            importance=item["importance"],
            pinned=item["pinned"],
        )
        for item in kept["added"]
    ]
    retired = [
        Retired(conclusion_id=UUID(item["conclusion"]), reason=item["reason"], replaced_by=item["replaced_by"])
        for item in kept["retired"]
    ]
    return added, retired


def fingerprint(content: str, about_id: UUID | None) -> str:
    """Return what two statements share if they say the same of the same user: case and white space do not count."""
    normal = " ".join(content.casefold().split()).rstrip(".!")
    return hashlib.sha256(f"{about_id or ''}\n{normal}".encode()).hexdigest()


def fingerprint_of_words(content: str, about_id: UUID | None) -> str:
    """Return the mark of a statement that says the same as another in words that a human prefers."""
    return hashlib.sha256(f"word for word\n{about_id or ''}\n{content}".encode()).hexdigest()


# Rows are locked in the order of the clauses.
_LOCK = f"""
SELECT {_LINE.of("line")}, {_SUBJECT.of("subject")}, {_PERSON.of("person")}
  FROM memory_line line JOIN memory_subject subject ON subject.id = line.subject_id
  LEFT JOIN memory_user person ON person.id = subject.user_id
 WHERE line.id = %s FOR NO KEY UPDATE OF subject, line
"""  # noqa: S608 - columns of our own models


def _lock(line_id: UUID) -> tuple[Subject, Line]:
    """Lock a line's subject and then the line, until the transaction ends."""
    for row in statements.rows(_LOCK, [line_id]):
        values = iter(row)
        line, subject = _LINE.read(values), _SUBJECT.read(values)
        subject.user = _PERSON.maybe(values)
        return subject, line
    raise Line.DoesNotExist


def _grounded(subject: Subject, draft: Draft) -> Draft:
    """Return a draft whose statements rest on the events under their premises too, as far as it has read."""
    named = {premise_id for item in draft.added for premise_id in item.premises}
    if not named:
        return draft
    rests = Evidence.objects.filter(conclusion__in=named, conclusion__subject=subject)
    unread = FeedEntry.objects.filter(Q(position=None) | Q(position__gt=draft.covers_to), subject=subject)
    rests = rests.exclude(event__in=unread.values("event_id"))  # what is archived was read
    under: dict[UUID, list[UUID]] = defaultdict(list)
    for conclusion_id, event_id in rests.order_by("event_id").values_list("conclusion_id", "event_id"):
        under[conclusion_id].append(event_id)

    def evidence(item: NewConclusion) -> list[UUID]:
        return list(dict.fromkeys([*item.evidence, *(event for pk in item.premises for event in under[pk])]))

    return replace(draft, added=[replace(item, evidence=evidence(item)) for item in draft.added])


_READ = "SELECT event_id FROM memory_feedentry WHERE subject_id = %s AND event_id = ANY(%s) AND position <= %s"


def _check_evidence(subject: Subject, draft: Draft) -> None:
    named = {event_id for item in draft.added for event_id in item.evidence}
    read = statements.rows(_READ, [subject.pk, list(named), draft.covers_to]) if named else []
    not_read = named.difference(event_id for (event_id,) in read)
    if not_read and (not_read := not_read - archives.archived_among(subject, not_read)):
        raise Invalid(
            f"{len(not_read)} of the events named as evidence are not among those that this version has read."
        )
    premises = {premise_id for item in draft.added for premise_id in item.premises}
    unknown = len(premises) - Conclusion.objects.filter(subject=subject, pk__in=premises).count() if premises else 0
    if unknown:
        raise Invalid(f"{unknown} of the statements named as premises are not the subject's.")


def _overruled(draft: Draft, known: Sequence[Conclusion | None]) -> Draft:
    """Return a draft without what humans have ruled out; what was to be replaced by such a statement stands.

    ``known`` is what says each of its statements already.
    """
    parts: dict[str, Any] = {name: getattr(draft, name) for name in PARTS}
    place: dict[int | None, int | None] = {None: None}
    added: list[NewConclusion] = []
    for index, (item, row) in enumerate(zip(draft.added, known, strict=True)):
        if row is None or not row.retracted:
            place[index] = len(added)
            added.append(item)
        else:
            parts = reworded(parts, item.content)
    named = [item.conclusion_id for item in draft.retired]
    pinned = set(Conclusion.objects.filter(pk__in=named, pinned=True).values_list("pk", flat=True)) if named else set()
    retired = [
        replace(item, replaced_by=place[item.replaced_by])
        for item in draft.retired
        if item.conclusion_id not in pinned and item.replaced_by in place
    ]
    return replace(draft, added=added, retired=retired, **parts)


_SAYING = f"""
SELECT {_CONCLUSION.of("conclusion")} FROM memory_conclusion conclusion
 WHERE subject_id = %s AND fingerprint = ANY(%s)
"""  # noqa: S608 - columns of our own models


def _known(subject: Subject, added: Sequence[NewConclusion]) -> list[Conclusion | None]:
    """Return the conclusion that says each statement already: in the same words, or else the same."""
    marks = [
        (fingerprint_of_words(item.content, item.about_id), fingerprint(item.content, item.about_id)) for item in added
    ]
    wanted = list({mark for pair in marks for mark in pair})
    rows = statements.rows(_SAYING, [subject.pk, wanted]) if wanted else []
    found = {row.fingerprint: row for row in (_CONCLUSION.read(iter(values)) for values in rows)}
    return [found.get(words) or found.get(mark) for words, mark in marks]


# ``unnest`` keeps the order: ids follow it.
_MAKE = """
INSERT INTO memory_conclusion (id, subject_id, content, fingerprint, level, about_id, held_from, held_until, importance,
                               pinned)
SELECT id, %s, content, mark, level, about, held_from, held_until, importance, pinned
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::date[], %s::date[], %s::smallint[],
              %s::boolean[]) AS new (id, content, mark, level, about, held_from, held_until, importance, pinned)
RETURNING created_at
"""


def find_or_make(
    subject: Subject, added: Sequence[NewConclusion], known: Sequence[Conclusion | None] | None = None
) -> list[Conclusion]:
    """Return the conclusion of each new statement: the one that says it already, or a new one.

    ``known`` are those that say it already, where they were looked up.
    """
    prints = [fingerprint(item.content, item.about_id) for item in added]
    known = _known(subject, added) if known is None else known
    fresh: dict[str, Conclusion] = {}
    for mark, row, item in zip(prints, known, added, strict=True):
        if row is None and mark not in fresh:
            fresh[mark] = Conclusion(
                subject=subject,
                content=item.content,
                fingerprint=mark,
                level=str(item.level),
                about_id=item.about_id,
                held_from=item.held_from,
                held_until=item.held_until,
                importance=item.importance,
                pinned=item.pinned,
                retracted=False,
            )
    if fresh:
        values = [[getattr(row, name) for row in fresh.values()] for name in _MADE]
        for row, (created_at,) in zip(fresh.values(), statements.rows(_MAKE, [subject.pk, *values]), strict=True):
            row.created_at = created_at
    return [row or fresh[mark] for row, mark in zip(known, prints, strict=True)]


_MADE = ("pk", "content", "fingerprint", "level", "about_id", "held_from", "held_until", "importance", "pinned")


def _stand_exactly(line: Line, wanted: Mapping[UUID, datetime | None], number: int, reason: str) -> None:
    """Let exactly the ``wanted`` conclusions stand in a line from version ``number`` on, as far as humans let them."""
    wanted = _as_humans_said(line.subject_id, wanted)
    standing = Span.objects.filter(line=line, until=None)
    _close(standing.exclude(conclusion_id__in=wanted.keys()), number, reason)
    held = set(standing.values_list("conclusion_id", flat=True))
    Span.objects.bulk_create(
        Span(line=line, conclusion_id=pk, since=number, latest=wanted[pk]) for pk in sorted(wanted.keys() - held)
    )


def _as_humans_said(subject_id: UUID, wanted: Mapping[UUID, datetime | None]) -> dict[UUID, datetime | None]:
    """Return ``wanted`` without what humans retracted, and with what they pinned."""
    ruled = Conclusion.objects.filter(subject=subject_id)
    retracted = set(ruled.filter(retracted=True, pk__in=wanted.keys()).values_list("pk", flat=True))
    missing = _latest_evidence(ruled.filter(pinned=True).exclude(pk__in=wanted.keys()))
    return {pk: latest for pk, latest in wanted.items() if pk not in retracted} | missing


def _latest_evidence(conclusions: Iterable[Conclusion]) -> dict[UUID, datetime | None]:
    """Return when the newest event under each statement occurred."""
    latest: dict[UUID, datetime | None] = dict.fromkeys(row.pk for row in conclusions)
    if latest:
        under = Evidence.objects.filter(conclusion__in=latest.keys()).values_list("conclusion_id")
        latest.update(under.annotate(Max("event__occurred_at")))
    if archived := [pk for pk, moment in latest.items() if moment is None]:
        shown = Span.objects.filter(conclusion__in=archived).values_list("conclusion_id")
        latest.update(shown.annotate(Max("latest")))
    return latest


def _close(spans: QuerySet[Span], number: int, reason: str) -> None:
    """End spans with version ``number``; one that no version has shown yet leaves no trace."""
    spans.filter(since__gte=number).delete()
    spans.update(until=number, reason=reason)


# A span that no version has shown yet leaves no trace.
_CLOSE = """
WITH ended AS (
    SELECT span.id, span.since, item.reason, item.replaced_by
      FROM unnest(%(conclusions)s::uuid[], %(reasons)s::text[], %(instead)s::uuid[])
           AS item (conclusion_id, reason, replaced_by)
      JOIN memory_span span ON span.line_id = %(line)s AND span.conclusion_id = item.conclusion_id
       AND span.until IS NULL
), unseen AS (
    DELETE FROM memory_span span USING ended WHERE span.id = ended.id AND ended.since >= %(number)s
)
UPDATE memory_span span SET until = %(number)s, reason = ended.reason, replaced_by_id = ended.replaced_by
  FROM ended WHERE span.id = ended.id AND ended.since < %(number)s
RETURNING 1
"""


def _close_spans(line: Line, number: int, retired: Iterable[Retired], conclusions: Sequence[Conclusion]) -> None:
    """End with version ``number`` where statements stand, but for those that were said again in the same pass."""
    kept = {conclusion.pk for conclusion in conclusions}
    ended: dict[UUID, Retired] = {}
    for item in retired:
        if item.conclusion_id not in kept:
            ended.setdefault(item.conclusion_id, item)
    if ended:
        places = [item.replaced_by for item in ended.values()]
        values = {
            "line": line.pk,
            "number": number,
            "conclusions": list(ended),
            "reasons": [item.reason for item in ended.values()],
            "instead": [None if place is None else conclusions[place].pk for place in places],
        }
        statements.rows(_CLOSE, values)


_OPEN = """
INSERT INTO memory_span AS span (line_id, conclusion_id, since, latest, reason)
SELECT %(line)s, said.conclusion_id, %(number)s, max(event.occurred_at), ''
  FROM unnest(%(conclusions)s::uuid[], %(events)s::uuid[]) AS said (conclusion_id, event_id)
  LEFT JOIN memory_event event ON event.id = said.event_id
 GROUP BY said.conclusion_id ORDER BY said.conclusion_id
    ON CONFLICT (line_id, conclusion_id) WHERE until IS NULL
    DO UPDATE SET latest = excluded.latest WHERE span.latest IS NULL OR span.latest < excluded.latest
RETURNING 1
"""


def _open_spans(line: Line, number: int, conclusions: Sequence[Conclusion], added: Sequence[NewConclusion]) -> None:
    """Let conclusions stand in a line from version ``number`` on; those that stand are as new as their evidence."""
    resting = _resting(conclusions, added)
    if conclusions:
        rests = [*resting, *((conclusion.pk, None) for conclusion in conclusions)]
        said, events = zip(*rests, strict=True)
        values = {"line": line.pk, "number": number, "conclusions": list(said), "events": list(events)}
        statements.rows(_OPEN, values)


def _resting(conclusions: Sequence[Conclusion], added: Sequence[NewConclusion]) -> list[tuple[UUID, UUID]]:
    """Return which conclusion rests on which event."""
    pairs = zip(conclusions, added, strict=True)
    return [(conclusion.pk, event_id) for conclusion, item in pairs for event_id in item.evidence]


def _proposal(draft: Draft) -> dict[str, Any]:
    """Return what ``proposed`` reads back."""
    return {
        "added": [
            {
                "content": item.content,
                "evidence": [str(event_id) for event_id in item.evidence],
                "premises": [str(premise_id) for premise_id in item.premises],
                "level": str(item.level),
                "about": str(item.about_id) if item.about_id else None,
                "held_from": item.held_from.isoformat() if item.held_from else None,
                "held_until": item.held_until.isoformat() if item.held_until else None,
                "importance": item.importance,
                "pinned": item.pinned,
            }
            for item in draft.added
        ],
        "retired": [
            {"conclusion": str(item.conclusion_id), "reason": item.reason, "replaced_by": item.replaced_by}
            for item in draft.retired
        ],
    }


def shown_again(subject: Subject, line: Line, target: Representation | None) -> dict[str, Any]:
    """Return the text and the parts of an older version as the line shows them, where humans have said nothing since.

    Otherwise the text is made anew of what stands, and the parts no longer say what was retracted. Without a target
    there is nothing but what humans have said.
    """
    shown: dict[str, Any] = {name: getattr(target, name) for name in PARTS} if target else dict(_NOTHING)
    since = Correction.objects.filter(subject=subject, representation__number__gt=target.number if target else 0)
    said = list(since.select_related("conclusion", "replaced_by").order_by("representation__number"))
    if target is not None and not said and not target.thinned:
        return {"text": target.text, "line_tokens": target.line_tokens, **shown}
    for item in said:
        if item.conclusion.retracted:
            shown = reworded(shown, item.conclusion.content, item.replaced_by.content if item.replaced_by else "")
    rendered = _rendered(subject, _in_line(line), shown)
    return {"text": rendered.text, "line_tokens": rendered.line_tokens, **shown}


_NOTHING: Mapping[str, Any] = {"card": [], "now": "", "short_summary": "", "long_summary": ""}


def reworded(parts: Mapping[str, Any], sentence: str, instead: str = "") -> dict[str, Any]:
    """Return the parts of a version without a sentence that they have word for word, or with another in its place.

    Only a model can do more: it is shown the correction in the next pass.
    """
    changed = {name: rendering.reworded(parts[name], sentence, instead) for name in PARTS if name != "card"}
    entries = [rendering.reworded(entry, sentence, instead) for entry in parts["card"]]
    return {**changed, "card": [entry for entry in entries if entry]}


_STANDING = """
SELECT conclusion.content, conclusion.importance, conclusion.pinned, conclusion.held_from, conclusion.held_until,
       span.latest
  FROM memory_span span JOIN memory_conclusion conclusion ON conclusion.id = span.conclusion_id
 WHERE span.id = ANY(ARRAY(SELECT id FROM memory_span WHERE line_id = %s AND until IS NULL))
 ORDER BY conclusion.pinned DESC, conclusion.importance DESC, span.latest DESC NULLS LAST, conclusion.content LIMIT %s
"""


def _in_line(line: Line) -> list[rendering.Standing]:
    """Return what stands in a line; of very much, what matters most of it: no text could hold it all."""
    most = MemorySettings.load().representation_tokens // _SHORTEST_LINE
    return [
        rendering.Standing(
            content=content, importance=importance, pinned=pinned, held_from=begun, held_until=ended, latest=latest
        )
        for content, importance, pinned, begun, ended, latest in statements.rows(_STANDING, [line.pk, most])
    ]


def _rendered(
    subject: Subject, statements: Sequence[rendering.Standing], parts: Mapping[str, Any]
) -> rendering.Rendered:
    budget = MemorySettings.load().representation_tokens
    return rendering.render(kind=subject.kind, person=subject.person, statements=statements, budget=budget, **parts)


_WRITTEN = (
    "pk", "subject", "line", "number", "parent", "status", "text", "line_tokens", "card", "now", "short_summary",
    "long_summary", "covers_from", "covers_to", "made_by", "reason", "gate", "draft",
)  # fmt: skip

# A version whose last event is archived reads no further than its parent.
_WRITE = f"""
INSERT INTO memory_representation ({statements.names(Representation, *_WRITTEN)}, as_of)
VALUES ({", ".join(["%s"] * len(_WRITTEN))}, coalesce(
       (SELECT event.recorded_at FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
         WHERE entry.subject_id = %s AND entry.position = %s),
       (SELECT as_of FROM memory_representation WHERE id = %s)))
RETURNING created_at, as_of
"""  # noqa: S608 - columns of our own models


def _write(
    subject: Subject, line: Line, number: int, draft: Draft, status: str, reason: str = "", gate: str = ""
) -> Representation:
    if status == Representation.Status.PUBLISHED:
        standing = _in_line(line)
    else:
        standing = [_standing(item, None) for item in draft.added]
    rendered = _rendered(subject, standing, {name: getattr(draft, name) for name in PARTS})
    version = Representation(
        subject=subject,
        line=line,
        number=number,
        parent_id=draft.parent_id,
        status=status,
        text=rendered.text,
        line_tokens=rendered.line_tokens,
        card=list(draft.card),
        now=draft.now,
        short_summary=draft.short_summary,
        long_summary=draft.long_summary,
        covers_from=draft.covers_from,
        covers_to=draft.covers_to,
        made_by=dict(draft.made_by),
        reason=reason or draft.reason,
        gate=gate,
        draft=_proposal(draft) if status == Representation.Status.QUARANTINED else None,
        thinned=False,
    )
    values = statements.values(version, *_WRITTEN)
    [made] = statements.rows(_WRITE, [*values, subject.pk, draft.covers_to, draft.parent_id])
    version.created_at, version.as_of = made
    version._state.adding = False
    return version


def _standing(item: Conclusion | NewConclusion, latest: datetime | None) -> rendering.Standing:
    return rendering.Standing(
        content=item.content,
        importance=item.importance,
        pinned=item.pinned,
        held_from=item.held_from,
        held_until=item.held_until,
        latest=latest,
    )


_ADVANCE = """
WITH rests AS (
    INSERT INTO memory_evidence (conclusion_id, event_id, representation_id)
    SELECT conclusion_id, event_id, %(version)s
      FROM unnest(%(conclusions)s::uuid[], %(events)s::uuid[]) AS new (conclusion_id, event_id)
        ON CONFLICT DO NOTHING
), moved AS (
    UPDATE memory_line SET head_id = %(version)s, cursor = %(cursor)s WHERE id = %(line)s
)
UPDATE memory_subject
   SET versions = %(number)s, current_id = CASE WHEN line_id = %(line)s THEN %(version)s ELSE current_id END
 WHERE id = %(subject)s RETURNING 1
"""


def _advance(
    subject: Subject, line: Line, representation: Representation, resting: Sequence[tuple[UUID, UUID]]
) -> None:
    """Move the line's head and cursor, and the subject's current version where the line serves it.

    With that, what each conclusion rests on is written.
    """
    values = {
        "version": representation.pk,
        "cursor": representation.covers_to,
        "number": representation.number,
        "line": line.pk,
        "subject": subject.pk,
        "conclusions": [conclusion_id for conclusion_id, _ in resting],
        "events": [event_id for _, event_id in resting],
    }
    statements.rows(_ADVANCE, values)
