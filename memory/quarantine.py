"""What a human decides about a version that a gate stopped: readers get it after all, or nobody ever does.

Each version is ruled upon once. The ruling is kept beside it; the quarantined row itself stays as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet

from memory import archives, audit, feeds, publishing
from memory.errors import Conflict, Invalid
from memory.models import Conclusion, FeedEntry, Line, Representation, Ruling, Span, Subject, User
from memory.publishing import Draft, NewConclusion, Retired


def undecided() -> QuerySet[Representation]:
    """Return the quarantined versions that nobody has ruled upon."""
    return Representation.objects.filter(status=Representation.Status.QUARANTINED, ruling=None)


def as_it_would_be(representation: Representation) -> Draft:
    """Return what publishing a quarantined version would make of its line now.

    Where the line stands as it did then, that covers the same events. Where the line has moved on, it covers nothing
    new: it adds the statements to what stands now, and leaves card and summaries alone. Either way it retires only
    what still stands and no human has pinned.

    Raises :class:`Conflict` where the version was ruled upon already, was never quarantined or is of a line that no
    longer serves its subject, and :class:`Invalid` where what it says cannot be published.
    """
    check_open(representation)
    subject = Subject.objects.get(pk=representation.subject_id)
    line = Line.objects.select_related("head").get(pk=representation.line_id)
    if subject.line_id != line.pk:
        raise Conflict("Another prompt serves this subject now and reads these events itself; this can be discarded.")
    if representation.draft is None:
        raise Invalid("What it would have added and retired was not kept; it can be discarded.")
    added, retired = publishing.proposed(representation)
    stood_still = (line.head_id, line.cursor) == (representation.parent_id, representation.covers_from)
    covers_to = representation.covers_to if stood_still else line.cursor
    _check(subject, added, retired, covers_to)
    source = representation if stood_still else line.head
    return Draft(
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=covers_to,
        added=added,
        retired=_still_standing(line, retired),
        card=source.card if source else (),
        now=source.now if source else "",
        short_summary=source.short_summary if source else "",
        long_summary=source.long_summary if source else "",
    )


def text_if_published(representation: Representation) -> str:
    """Return what readers would get, word for word: a version is made and taken back at once.

    Raises what :func:`publish` raises.
    """
    with transaction.atomic():
        text = publishing.publish(representation.line_id, as_it_would_be(_locked(representation))).text
        transaction.set_rollback(True)
    return text


@transaction.atomic
def publish(representation: Representation, *, reason: str, by: str) -> Representation:
    """Let readers have what a quarantined version says; return the new version that says it.

    ``reason`` is required; ``by`` names who decided. Raises what :func:`as_it_would_be` raises, and :class:`Invalid`
    without a reason.
    """
    _check_reason(reason)
    representation = _locked(representation)
    origin = {"published_from": representation.number, "by": by}
    draft = replace(as_it_would_be(representation), reason=reason, made_by={**representation.made_by, **origin})
    made = publishing.publish(representation.line_id, draft)
    Ruling.objects.create(
        representation=representation, decision=Ruling.Decision.PUBLISHED, made=made, by=by, reason=reason
    )
    audit.note(
        "publish quarantined", representation, by=by, reason=reason,
        before={"gate": representation.gate}, after={"version": made.number},
    )  # fmt: skip
    return made


@transaction.atomic
def discard(representation: Representation, *, reason: str, by: str) -> Ruling:
    """Decide that nobody will ever read a quarantined version.

    Raises :class:`Conflict` where it was ruled upon already or was never quarantined, and :class:`Invalid` without a
    reason.
    """
    _check_reason(reason)
    representation = _locked(representation)
    check_open(representation)
    audit.note("discard quarantined", representation, by=by, reason=reason, before={"gate": representation.gate})
    return Ruling.objects.create(
        representation=representation, decision=Ruling.Decision.DISCARDED, by=by, reason=reason
    )


def _locked(representation: Representation) -> Representation:
    """Lock a version's subject, and return the version as it is then: it may have been erased since it was read."""
    feeds.lock_subject(representation.subject_id)
    return Representation.objects.get(pk=representation.pk)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))


def check_open(representation: Representation) -> None:
    """Raise :class:`Conflict` for a version that was ruled upon already, or was never quarantined."""
    if representation.status != Representation.Status.QUARANTINED:
        raise Conflict(f"Version {representation.number} was not quarantined.")
    ruling = Ruling.objects.filter(representation=representation.pk).first()
    if ruling is not None:
        raise Conflict(f"Version {representation.number} was {ruling.decision} already.")


def _check(subject: Subject, added: Sequence[NewConclusion], retired: Sequence[Retired], covers_to: int) -> None:
    """Refuse what a gate may have let into quarantine but no version can hold."""
    for place, item in enumerate(added, start=1):
        if not item.content.strip():
            raise Invalid(f"Statement {place} is empty.")
        if not item.evidence:
            raise Invalid(f"Statement {place} rests on no event that it was shown.")
        if not 1 <= item.importance <= 5:
            raise Invalid(f"Statement {place} has an importance that is none.")
    if any(item.replaced_by is not None and not 0 <= item.replaced_by < len(added) for item in retired):
        raise Invalid("It replaces a statement by one that it does not add.")
    about = {item.about_id for item in added if item.about_id}
    if User.objects.filter(app=subject.app_id, pk__in=about).count() < len(about):
        raise Invalid("It is about a user who is not there any more.")
    premises = {premise_id for item in added for premise_id in item.premises}
    if premises and Conclusion.objects.filter(pk__in=premises, retracted=True).exists():
        raise Invalid("It rests on a statement that a human has retracted since; it can be discarded.")
    named = {event_id for item in added for event_id in item.evidence}
    places = dict(FeedEntry.objects.filter(subject=subject, event__in=named).values_list("event_id", "position"))
    if (gone := named - places.keys()) and (gone := gone - archives.archived_among(subject, gone)):
        raise Invalid(
            f"{len(gone)} of the events that it rests on cannot be checked any more: they are not in the log."
        )
    if any(position is None or position > covers_to for position in places.values()):
        raise Invalid("It rests on events that its line has yet to read again; publish it when it has, or discard it.")


def _still_standing(line: Line, retired: Sequence[Retired]) -> list[Retired]:
    named = [item.conclusion_id for item in retired]
    standing = Span.objects.filter(line=line, until=None, conclusion__in=named, conclusion__pinned=False)
    left = set(standing.values_list("conclusion_id", flat=True))
    return [item for item in retired if item.conclusion_id in left]
