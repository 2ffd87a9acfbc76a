"""What humans say of statements. It outlives every pass, prompt, rollback and reprocess: a human outranks the model.

Each act is an event of the log, and a version that is made at once, without a model. A statement that is added, edited
or pinned stands until a human says otherwise; one that is retracted stays out, whoever says it again
(``memory.publishing`` sees to both). The event itself is read by the next pass like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from memory import audit, feeds, ids, log, publishing, serving, validation
from memory.errors import Conflict, Invalid, NotFound
from memory.log import LoggedEvent, NewEvent
from memory.models import App, Conclusion, Correction, Event, Line, Span, Subject, User
from memory.places import Place
from memory.publishing import PARTS, Draft, NewConclusion, Retired

RECIPE = "human"
"""The line of a subject of which nothing had been concluded when a human first spoke."""

IMPORTANCE = 4
"""How much a statement matters that a human adds without saying."""

CONTENT_LENGTH = 1_000
REASON_LENGTH = 2_000

Act = Correction.Act

_PHRASES = {
    Act.ADD: "Added: “{statement}”",
    Act.EDIT: "Corrected: “{statement}”",
    Act.RETRACT: "Retracted: “{statement}”",
    Act.PIN: "Pinned: “{statement}”",
    Act.UNPIN: "No longer pinned: “{statement}”",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What humans have ruled of a subject: what stands whatever a model says, and the marks of what never does."""

    pinned: tuple[Conclusion, ...]
    retracted: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Whose word an act is.

    ``by`` names who says so and ``origin`` what they are: ``user``, ``agent`` or ``operator``. ``client_id`` makes the
    act repeatable, as it does a write to the log.
    """

    by: str
    reason: str = ""
    origin: str = Event.Origin.OPERATOR
    client_id: str | None = None


def standing(subject: Subject) -> Standing:
    """Return what humans have pinned, and the fingerprints of what they have retracted."""
    said = Conclusion.objects.filter(subject=subject)
    pinned = said.filter(pinned=True).select_related("about").order_by("pk")
    retracted = said.filter(retracted=True).values_list("fingerprint", flat=True)
    return Standing(tuple(pinned), frozenset(retracted))


@transaction.atomic
def add(
    subject: Subject, content: str, *, about: UUID | None = None, importance: int | None = None, **word: Any
) -> Conclusion:
    """Let a statement stand, pinned, even one that was retracted; return it.

    ``about`` is a user of the same app, by default the subject's own; ``word`` are the fields of :class:`Word`. Raises
    :class:`Invalid` for what cannot be stored, and :class:`Conflict` for a ``client_id`` that was used for another act.
    """
    subject = feeds.lock_subject(subject.pk)
    if about is not None and not User.objects.filter(app=subject.app_id, pk=about).exists():
        raise Invalid("There is no such user in this app.", ("about",), "user")
    statement = _find_or_make(subject, _sentence(content), about or subject.user_id, importance)
    return _do(_Correction(Act.ADD, subject, statement, Word(**word), importance=importance))


@transaction.atomic
def edit(
    subject: Subject, conclusion: UUID, content: str | None = None, *, importance: int | None = None, **word: Any
) -> Conclusion:
    """Put other words in a statement's place, or change how much it matters; return what stands now, pinned.

    Raises what :func:`add` raises, :class:`NotFound` for a statement that the subject does not have, and
    :class:`Conflict` for one that does not stand.
    """
    subject, statement = _locked(subject, conclusion)
    words = statement.content if content is None else _sentence(content)
    instead = None
    if words != statement.content:
        matters = statement.importance if importance is None else importance
        instead = _find_or_make(subject, words, statement.about_id, matters, beside=statement)
    return _do(_Correction(Act.EDIT, subject, statement, Word(**word), instead=instead, importance=importance))


@transaction.atomic
def retract(subject: Subject, conclusion: UUID, reason: str = "", **word: Any) -> Conclusion:
    """Take a statement out until a human adds or pins it again; return it. One that is out stays as it is.

    Raises :class:`NotFound` for a statement that the subject does not have.
    """
    subject, statement = _locked(subject, conclusion)
    if statement.retracted and word.get("client_id") is None:
        return statement
    return _do(_Correction(Act.RETRACT, subject, statement, Word(reason=reason, **word)))


@transaction.atomic
def pin(subject: Subject, conclusion: UUID, **word: Any) -> Conclusion:
    """Let a statement stand until a human says otherwise, even one that was retired or retracted; return it.

    Raises :class:`NotFound` for a statement that the subject does not have.
    """
    subject, statement = _locked(subject, conclusion)
    if statement.pinned and word.get("client_id") is None:
        return statement
    return _do(_Correction(Act.PIN, subject, statement, Word(**word)))


@transaction.atomic
def unpin(subject: Subject, conclusion: UUID, **word: Any) -> Conclusion:
    """Leave a pinned statement to the model again: it stands until a pass retires it. Return it.

    Raises :class:`NotFound` for a statement that the subject does not have.
    """
    subject, statement = _locked(subject, conclusion)
    if not statement.pinned and word.get("client_id") is None:
        return statement
    return _do(_Correction(Act.UNPIN, subject, statement, Word(**word)))


@dataclass(frozen=True, slots=True)
class _Correction:
    """An act upon a locked subject. An edit leaves ``instead`` where it changes the words."""

    act: Correction.Act
    subject: Subject
    statement: Conclusion
    word: Word
    instead: Conclusion | None = field(default=None, kw_only=True)
    importance: int | None = field(default=None, kw_only=True)

    @property
    def stands(self) -> Conclusion | None:
        """The statement that stands from now on because of it."""
        return None if self.act in (Act.RETRACT, Act.UNPIN) else self.instead or self.statement

    @property
    def gone(self) -> Conclusion | None:
        """The statement that is taken out."""
        return self.statement if self.act is Act.RETRACT or self.instead else None


def _do(made: _Correction) -> Conclusion:
    """Write down what a human says and make the version that says so; return the statement that it leaves."""
    event = _log(made)
    if not event.created:
        return _done_before(event)
    line = _serving_line(made.subject)
    if made.act is Act.EDIT and not Span.objects.filter(line=line, conclusion=made.statement, until=None).exists():
        raise Conflict("This statement does not stand any more; add the right one.")
    _mark(made)
    draft = _draft(made, line, event)
    with serving.because(made.word.reason, made.word.by):
        version = publishing.next_version(made.subject, line, draft)
    publishing.follow(line, version, draft)
    Correction.objects.create(
        subject=made.subject,
        event_id=event.id,
        representation=version,
        act=made.act,
        conclusion=made.statement,
        replaced_by=made.instead,
        by=made.word.by,
        reason=made.word.reason,
    )
    audit.note(
        f"{made.act} statement",
        made.statement,
        by=made.word.by,
        app=App(pk=made.subject.app_id),
        reason=made.word.reason,
        before={"version": line.head.number if line.head else None},
        after={"version": version.number},
    )
    return Conclusion.objects.select_related("about").get(pk=(made.instead or made.statement).pk)


def _log(made: _Correction) -> LoggedEvent:
    """Append the act to the subject's own feed, and no other's: what stands elsewhere is another statement."""
    validation.text(made.word.reason, ("reason",), most=REASON_LENGTH)
    if made.word.client_id is not None:
        validation.text(made.word.client_id, ("id",), most=255, least=1)
    said = {
        "act": made.act.value,
        "conclusion": made.statement.public_id,
        "statement": made.statement.content,
        "replaced_by": made.instead.public_id if made.instead else None,
        "instead": made.instead.content if made.instead else None,
        "importance": _checked(made.importance),
        "by": made.word.by,
        "reason": made.word.reason,
    }
    text = _PHRASES[made.act].format(statement=made.statement.content)
    if made.instead:
        text += f" is now “{made.instead.content}”"
    if made.word.reason:
        text += f". Reason: {made.word.reason}"
    new = NewEvent(
        kind="correction",
        content=text,
        data={key: value for key, value in said.items() if value not in (None, "")},
        origin=made.word.origin,
        client_id=made.word.client_id,
    )
    [event] = log.append_at(_place(made.subject), [new], ())
    return event


def _place(subject: Subject) -> Place:
    session = subject.session
    user_id = session.owner_id if session else subject.user_id
    project_id = session.project_id if session else subject.project_id
    return Place(subject.app_id, user_id, subject.session_id, project_id, (subject.pk,))


def _done_before(event: LoggedEvent) -> Conclusion:
    earlier = (
        Correction.objects.select_related("conclusion__about", "replaced_by__about").filter(event=event.id).first()
    )
    if earlier is None:
        raise Conflict(f"The id {event.client_id!r} was used before with another body.")
    return earlier.replaced_by or earlier.conclusion


def _serving_line(subject: Subject) -> Line:
    if subject.line is None:
        subject.line = publishing.open_line(subject, RECIPE)
    return Line.objects.select_for_update(no_key=True, of=("self",)).select_related("head").get(pk=subject.line.pk)


def _mark(made: _Correction) -> None:
    """Keep with the statements what holds of them from now on."""
    if made.gone:
        Conclusion.objects.filter(pk=made.gone.pk).update(pinned=False, retracted=True)
    if made.act is Act.UNPIN:
        Conclusion.objects.filter(pk=made.statement.pk).update(pinned=False)
    if made.stands:
        matters = {} if made.importance is None else {"importance": made.importance}
        Conclusion.objects.filter(pk=made.stands.pk).update(pinned=True, retracted=False, **matters)


def _draft(made: _Correction, line: Line, event: LoggedEvent) -> Draft:
    """Return the version that says so: it covers no events, for the next pass shall read this one too."""
    parts: dict[str, Any] = {name: getattr(line.head, name) for name in PARTS} if line.head else {}
    added, retired = [], []
    if made.stands:
        about = made.stands.about_id
        added = [NewConclusion(content=made.stands.content, evidence=[event.id], about_id=about)]
    if made.gone:
        why = made.word.reason or ("A human corrected it" if made.instead else "A human retracted it")
        retired = [Retired(conclusion_id=made.gone.pk, reason=why, replaced_by=0 if made.instead else None)]
        if parts:
            parts = publishing.reworded(parts, made.gone.content, made.instead.content if made.instead else "")
    return Draft(
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=line.cursor,
        added=added,
        retired=retired,
        made_by={"correction": ids.encode(event.id), "act": made.act.value, "by": made.word.by},
        reason=made.word.reason,
        **parts,
    )


def _locked(subject: Subject, conclusion: UUID) -> tuple[Subject, Conclusion]:
    subject = feeds.lock_subject(subject.pk)
    found = Conclusion.objects.filter(subject=subject, pk=conclusion).first()
    if found is None:
        raise NotFound("There is no such conclusion")
    return subject, found


def _sentence(content: str) -> str:
    """Return a statement on one line, as every statement is."""
    folded = " ".join(validation.text(content, ("content",), most=CONTENT_LENGTH, least=1).split())
    if not folded:
        raise Invalid("Give a statement.", ("content",), "string_too_short")
    return folded


def _find_or_make(
    subject: Subject, content: str, about: UUID | None, importance: int | None, beside: Conclusion | None = None
) -> Conclusion:
    """Return the statement that says this, or a new one; never ``beside``, which says the same in other words."""
    matters = _checked(importance) or IMPORTANCE
    [found] = publishing.find_or_make(
        subject, [NewConclusion(content=content, evidence=(), about_id=about, importance=matters)]
    )
    if found != beside:
        return found
    mark = publishing.fingerprint_of_words(content, about)
    return Conclusion.objects.create(
        subject=subject, content=content, fingerprint=mark, about_id=about, importance=matters
    )


def _checked(importance: int | None) -> int | None:
    if importance is not None and not 1 <= importance <= 5:
        raise Invalid("Give a number of 1 to 5.", ("importance",), "int_range")
    return importance
