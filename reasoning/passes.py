"""One pass: what the model is asked, and what becomes of its answer. The call itself is ``reasoning.drainer``'s.

``prepare`` and ``complete`` are short transactions on either side of the call; the lease connects them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import InterfaceError, InternalError, OperationalError, transaction

from memory import clock, feeds, ids, publishing, statements, tokens
from memory.models import Conclusion, Event, Line, Project, Representation, Session, Span, Subject, User
from memory.standing import standing_now
from memory.statements import Columns
from reasoning import disposition, following, gates, metrics, prompt_versions, queue, spending
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, PromptVersion, Work
from reasoning.providers.base import (
    OUTPUT_LIMITS,
    Answer,
    Completion,
    Failure,
    Kind,
    KnownStatement,
    ProviderError,
    Request,
    ShownEvent,
    Step,
    Task,
    Usage,
)
from reasoning.queue import Claim
from reasoning.reprocessing import budget as run_budget

AWAY = (OperationalError, InterfaceError, InternalError)
"""What is no pass's fault: no database, or one that has ended the transaction of who stood still in it."""

SHORTEST = 5
"""No statement has fewer tokens: no more are looked at than have room then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A pass, and what is charged for it until it is known what it took."""

    claim: Claim
    prompt_version: PromptVersion
    account: spending.Account | None = None
    """To whom the call is charged; nobody where the provider is free."""

    charge: spending.Charge = spending.NOTHING
    run_id: UUID | None = None
    """The run that the call is charged to as well."""

    run_charge: spending.Charge = spending.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Charged):
    """A request with what its numbers stand for."""

    request: Request
    parent_id: UUID | None
    covers_from: int
    covers_to: int
    events: Mapping[int, UUID]
    known: Mapping[int, UUID]
    people: Mapping[str, UUID]
    own: UUID | None
    """The user that statements are about where they name nobody."""

    tokens: int = 0
    """How many the events have together."""

    left: int = 0
    """How many statements a consolidation had no room for that none has gone over yet."""


@transaction.atomic
def prepare(claim: Claim, step: Step) -> Prepared | None:
    """Read what a claimed line must cover next, for a call to ``step``, and charge what that may cost.

    ``None`` where nothing waits or may be tried: the lease is ended then. Raises :class:`~reasoning.queue.LostLease`.
    """
    settings = ReasoningSettings.load()
    subject, work = queue.held(claim)
    line, row = _standing_of(claim)
    if subject.line_id == line.pk and following.is_taken_back(subject, line.recipe):
        following.realign([subject.pk], again=True)
        return None
    consolidating = work.task == Work.Task.CONSOLIDATE and not work.waiting_events
    if disposition.kills_workers(work):
        error = f"The last {settings.max_attempts} passes ended with the death of their worker."
        Pass.objects.filter(pk=claim.token).update(
            outcome=Pass.Outcome.FAILED, failure=Failure.LOST_LEASE, error=error, ended_at=clock.now()
        )
        end = disposition.give_up_consolidation if consolidating else disposition.park
        end(work, Failure.LOST_LEASE, error)
        return None
    most = min(settings.pass_events, work.most_events or settings.pass_events)
    batch = within_budget(feeds.read(subject.pk, line.cursor, most), settings.pass_tokens)
    spans, left = _to_consolidate(line, work.unconsolidated, settings) if consolidating and not batch else ([], 0)
    if not batch and len(spans) < 2:
        Pass.objects.filter(pk=claim.token).delete()
        if consolidating:
            disposition.finish_consolidation(work, subject, line.cursor, clock.now(), 0)
        else:
            disposition.finish(work, subject, line.cursor, clock.now())
        return None
    try:
        if batch:
            prepared = _prepared(claim, subject, line, batch, step, settings)
        else:
            prepared = _consolidating(claim, subject, line, spans, left, step, settings)
    except PromptVersion.DoesNotExist:
        # It was imported from a server with other prompts: the line goes on with what is live here.
        following.realign([subject.pk], again=True)
        return None
    try:
        prepared = _afford(prepared, row, step, settings, work.run_id)
    except spending.CannotAfford as error:
        row.delete()
        disposition.hold(work, error.failure, str(error), error.until)
        return None
    except run_budget.Stopped:
        queue.put_off(claim, 0.0)
        return None
    row.task = prepared.request.task.value
    row.prompt_version, row.covers_from, row.covers_to = prepared.prompt_version, line.cursor, prepared.covers_to
    row.provider, row.model = step.name, prepared.request.model
    row.charged_tokens, row.charged_cost = prepared.charge.tokens, prepared.charge.cost
    row.run_tokens, row.run_cost = prepared.run_charge.tokens, prepared.run_charge.cost
    row.input_hash = _input_hash(prepared.request, step)
    statements.save(row, *_PREPARED)
    return prepared


_PREPARED = (
    "task", "prompt_version", "covers_from", "covers_to", "provider", "model", "charged_tokens", "charged_cost",
    "run_tokens", "run_cost", "input_hash",
)  # fmt: skip

_LINE, _HEAD, _PASS = Columns(Line), Columns(Representation, *publishing.PARTS), Columns(Pass)
_STANDING = f"""
SELECT {_LINE.of("line")}, {_PASS.of("pass")}, {_HEAD.of("head")}
  FROM memory_line line JOIN reasoning_pass pass ON pass.line_id = line.id
  LEFT JOIN memory_representation head ON head.id = line.head_id
 WHERE line.id = %s AND pass.id = %s
"""  # noqa: S608 - columns of our own models


def _standing_of(claim: Claim) -> tuple[Line, Pass]:
    """Return a claimed line, with its head, and the pass that was begun."""
    [row] = statements.rows(_STANDING, [claim.line_id, claim.token])
    values = iter(row)
    line, begun = _LINE.read(values), _PASS.read(values)
    line.head = _HEAD.maybe(values)
    return line, begun


def _input_hash(request: Request, step: Step) -> str:
    return hashlib.sha256(f"{step.name}\n{request!r}".encode(errors="replace")).hexdigest()


def charged(row: Pass, version: PromptVersion, claim: Claim, step: Step) -> Charged:
    """Return what is charged for a prepared pass of a run, from its row, to go on with it in another process."""
    day = row.started_at.astimezone(UTC).date()
    return Charged(
        claim=claim,
        prompt_version=version,
        account=spending.Account(claim.app_id, version.pk, row.provider, row.model, day, step.discount),
        charge=spending.Charge(row.charged_tokens, row.charged_cost),
        run_id=row.run_id,
        run_charge=spending.Charge(row.run_tokens, row.run_cost),
    )


@transaction.atomic
def prepare_again(bill: Charged, step: Step) -> Prepared | None:
    """Return what a pass of a run was prepared for, to read its answer in another process.

    ``None`` where it would be asked something else by now. Raises :class:`~reasoning.queue.LostLease`.
    """
    settings = ReasoningSettings.load()
    subject, _ = queue.held(bill.claim)
    line, row = _standing_of(bill.claim)
    size = (row.covers_to or 0) - (row.covers_from or 0)
    batch = feeds.read(subject.pk, line.cursor, size) if line.cursor == row.covers_from else []
    if not batch:
        return None
    prepared = _prepared(bill.claim, subject, line, batch, step, settings)
    request = _limited(prepared.request, settings)
    if _input_hash(request, step) != row.input_hash:
        return None
    return replace(
        prepared, request=request, account=bill.account, charge=bill.charge,
        run_id=bill.run_id, run_charge=bill.run_charge,
    )  # fmt: skip


def _prepared(
    claim: Claim,
    subject: Subject,
    line: Line,
    batch: Sequence[tuple[int, Event]],
    step: Step,
    settings: ReasoningSettings,
) -> Prepared:
    version = prompt_versions.of_recipe(line.recipe, subject.app_id)
    events = [event for _, event in batch]
    spans = _known(line, settings.known_tokens)
    request, people = ask(subject, version, step, events, spans, parts_of(line.head), settings)
    return Prepared(
        claim=claim,
        request=request,
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=batch[-1][0],
        events={number: event.pk for number, event in enumerate(events, start=1)},
        known={number: span.conclusion_id for number, span in enumerate(spans, start=1)},
        people=people,
        prompt_version=version,
        own=subject.user_id,
        tokens=sum(event.tokens for event in events),
    )


def _consolidating(
    claim: Claim,
    subject: Subject,
    line: Line,
    spans: Sequence[Span],
    left: int,
    step: Step,
    settings: ReasoningSettings,
) -> Prepared:
    """Return what asks to go over these statements: it covers no events."""
    version = prompt_versions.of_recipe(line.recipe, subject.app_id)
    request, people = ask(subject, version, step, (), spans, parts_of(line.head), settings, Task.CONSOLIDATE)
    return Prepared(
        claim=claim,
        request=request,
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=line.cursor,
        events={},
        known={number: span.conclusion_id for number, span in enumerate(spans, start=1)},
        people=people,
        prompt_version=version,
        own=subject.user_id,
        left=left,
    )


def parts_of(head: Representation | None) -> Mapping[str, Any]:
    """Return what a version (None: none yet) says besides its statements, as ``ask`` takes it."""
    return {name: getattr(head, name) for name in publishing.PARTS} if head else {}


_USER, _SESSION, _PROJECT = Columns(User, "name"), Columns(Session, "name"), Columns(Project, "name")
_NAMED = f"""
SELECT {_USER.of("person")}, {_USER.of("observer")}, {_SESSION.of("session")}, {_PROJECT.of("project")}
  FROM memory_subject subject LEFT JOIN memory_user person ON person.id = subject.user_id
  LEFT JOIN memory_user observer ON observer.id = subject.observer_id
  LEFT JOIN memory_session session ON session.id = subject.session_id
  LEFT JOIN memory_project project ON project.id = subject.project_id
 WHERE subject.id = %s
"""  # noqa: S608 - columns of our own models


def ask(
    subject: Subject,
    version: PromptVersion,
    step: Step,
    events: Sequence[Event],
    spans: Sequence[Span],
    parts: Mapping[str, Any],
    settings: ReasoningSettings,
    task: Task = Task.READ,
) -> tuple[Request, dict[str, UUID]]:
    """Return what ``step`` is asked for a prompt version, and by name whom the answer may speak of.

    Its numbers are the places of ``events`` and ``spans``, from 1. ``parts`` are those of the version before.
    """
    people = _people(subject, events)
    if task is Task.CONSOLIDATE:  # whom they are about may have been in sessions of long ago
        people |= {span.conclusion.about.name: span.conclusion.about.pk for span in spans if span.conclusion.about}
    [row] = statements.rows(_NAMED, [subject.pk])
    values = iter(row)
    subject.user, subject.observer = _USER.maybe(values), _USER.maybe(values)
    subject.session, subject.project = _SESSION.maybe(values), _PROJECT.maybe(values)
    request = _request(subject, parts, version, events, spans, sorted(people), settings)
    return replace(request, model=step.model or request.model, task=task), people


def _afford(prepared: Prepared, row: Pass, step: Step, settings: ReasoningSettings, run_id: UUID | None) -> Prepared:
    """Charge a call to the budgets that it falls under, and to its run.

    Raises :class:`~reasoning.spending.CannotAfford` and :class:`~reasoning.reprocessing.budget.Stopped`.
    """
    if step.provider.free:
        return prepared
    day = row.started_at.astimezone(UTC).date()
    app_id, prompt_id = prepared.claim.app_id, prepared.prompt_version.pk
    account = spending.Account(app_id, prompt_id, step.name, prepared.request.model, day, step.discount)
    request, run_charge = prepared.request, spending.NOTHING
    if run_id is not None:
        request = _limited(request, settings)
        run_charge = run_budget.check(run_id, account, step.provider.projected(request))
    request, charge = afford(request, account, step, settings)
    if run_id is not None:
        run_budget.add(run_id, run_charge)
    return replace(prepared, request=request, account=account, charge=charge, run_id=run_id, run_charge=run_charge)


def afford(
    request: Request, account: spending.Account, step: Step, settings: ReasoningSettings
) -> tuple[Request, spending.Charge]:
    """Charge a call to the budgets that it falls under; return it limited to what it is charged for, and the charge.

    Raises :class:`~reasoning.spending.CannotAfford`.
    """
    limited = _limited(request, settings)
    if not spending.limited(account):
        return (limited if settings.context_tokens else request), spending.NOTHING
    return limited, spending.reserve(account, step.provider.projected(limited))


def _limited(request: Request, settings: ReasoningSettings) -> Request:
    """Return a request whose answer can take no more than what it is charged for."""
    if any(name in request.parameters for name in OUTPUT_LIMITS):
        return request
    return replace(request, parameters=request.parameters | {"max_output_tokens": settings.output_tokens})


def complete(prepared: Prepared, completion: Completion) -> Representation | None:
    """Judge an answer and publish it, or quarantine it and count the attempt as failed; one transaction.

    Where only parts may not be read, the rest is published and those are quarantined beside it: nobody can stop a line
    by what they write into it. A consolidation that changes no statement makes no version: None. Raises
    :class:`~reasoning.queue.LostLease`; nothing is kept then.
    """
    verdict = gates.judge(prepared.request, completion.answer, ReasoningSettings.load(), completion.provider)
    problems = (*verdict.refused, *verdict.withheld)
    reason = " ".join(problem.text for problem in problems)
    with transaction.atomic():
        subject, work = queue.held(prepared.claim)
        cost = _cost(prepared, completion.usage)

        def keep(answer: Answer, gate: gates.Gate) -> Representation:
            draft = _draft(prepared, replace(completion, answer=_presentable(prepared, answer)), cost)
            return publishing.quarantine(prepared.claim.line_id, draft, reason, gate)

        representation: Representation | None
        if verdict.refused:
            representation = keep(completion.answer, verdict.refused[0].gate)
            _end(prepared, Pass.Outcome.QUARANTINED, completion, cost, representation, reason, clock.now())
            disposition.fail(work, Failure.GATED, reason)
        else:
            representation = _publish(prepared, replace(completion, answer=verdict.answer), cost)
            if verdict.withheld:
                keep(replace(completion.answer, add=verdict.held_back.add, retire=()), verdict.withheld[0].gate)
            outcome = Pass.Outcome.PUBLISHED if representation else Pass.Outcome.UNCHANGED
            now = clock.now()
            _end(prepared, outcome, completion, cost, representation, reason, now)
            if prepared.request.task is Task.CONSOLIDATE:
                cursor = Line.objects.values_list("cursor", flat=True).get(pk=work.line_id)
                disposition.finish_consolidation(work, subject, cursor, now, prepared.left)
            else:
                done = disposition.Done(len(prepared.events), prepared.tokens, _opened(representation))
                disposition.finish(work, subject, prepared.covers_to, now, done)
        _settle(prepared, completion.usage, cost)
        transaction.on_commit(lambda: metrics.count_stopped(problems), robust=True)
    return representation


def _opened(version: Representation | None) -> int:
    """Return how many statements stand since a version."""
    if version is None:
        return 0
    query = "SELECT count(*) FROM memory_span WHERE line_id = %s AND since = %s"
    [(count,)] = statements.rows(query, [version.line_id, version.number])
    return int(count)


def _publish(prepared: Prepared, completion: Completion, cost: Decimal | None) -> Representation | None:
    """Publish what may be read of an answer; a consolidation only where it adds or retires a statement."""
    answer = completion.answer
    if prepared.request.task is Task.CONSOLIDATE and not (answer.add or answer.retire):
        return None
    return publishing.publish(prepared.claim.line_id, _draft(prepared, completion, cost))


def _presentable(prepared: Prepared, answer: Answer) -> Answer:
    """Return an answer as far as its numbers stand for something, for a human to judge."""
    return replace(
        answer,
        add=tuple(
            replace(
                item,
                events=tuple(number for number in item.events if number in prepared.events),
                known=tuple(number for number in item.known if number in prepared.known),
            )
            for item in answer.add
        ),
        retire=tuple(item for item in answer.retire if item.known in prepared.known),
    )


@transaction.atomic
def fail(claim: Claim, error: ProviderError, prepared: Charged | None = None) -> None:
    """Record a pass that gave no answer and decide when to try again; where the lease is lost, only what it took."""
    try:
        _, work = queue.held(claim)
    except queue.LostLease:
        if prepared is not None:
            write_off(prepared, error.usage)
        return
    usage = error.usage or Usage()
    cost = None if prepared is None or error.usage is None else _cost(prepared, usage)
    Pass.objects.filter(pk=claim.token).update(
        outcome=Pass.Outcome.FAILED, failure=error.failure, error=str(error), raw=error.raw, ended_at=clock.now(),
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cached_tokens=usage.cached_tokens,
        cost=cost,
    )  # fmt: skip
    disposition.fail(work, error.failure, str(error), error.retry_after, slow=error.slow)
    if prepared is not None:
        _settle(prepared, error.usage, cost)
    transaction.on_commit(lambda: metrics.FAILURES.labels(error.failure).inc(), robust=True)


@transaction.atomic
def write_off(prepared: Charged, usage: Usage | None) -> None:
    """Count what a call took whose answer came too late, when its lease was another's."""
    cost = None if usage is None else _cost(prepared, usage)
    if usage is not None:
        Pass.objects.filter(pk=prepared.claim.token).update(
            input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cached_tokens=usage.cached_tokens,
            cost=cost, run_tokens=0, run_cost=0,
        )  # fmt: skip
    _settle(prepared, usage, cost)


@transaction.atomic
def write_off_once(bill: Charged, usage: Usage | None) -> None:
    """Do as :func:`write_off` for a pass of a run, unless it was done already."""
    given_up = Pass.objects.filter(pk=bill.claim.token, outcome=Pass.Outcome.ABANDONED, run_tokens__gt=0)
    if given_up.select_for_update().first():
        write_off(bill, usage)


@transaction.atomic
def call_off(bill: Charged, seconds: float) -> None:
    """Take back a pass of a run that was never asked: nothing is charged, and its line is due after ``seconds``."""
    if not queue.put_off(bill.claim, seconds):
        write_off_once(bill, Usage())
    elif bill.account is not None and bill.run_id is not None:
        run_budget.add(bill.run_id, spending.Charge(-bill.run_charge.tokens, -bill.run_charge.cost))
        spending.give_back(bill.account, bill.charge)


def _cost(prepared: Charged, usage: Usage) -> Decimal | None:
    """Return what a call cost; None where nobody knows the price."""
    return Decimal(0) if prepared.account is None else spending.cost(prepared.account, usage)


def _settle(prepared: Charged, usage: Usage | None, cost: Decimal | None) -> None:
    """Let budgets and metrics count what a call took, in place of what it might have taken."""
    account, version = prepared.account, prepared.prompt_version
    if account is None:
        return
    if prepared.run_id is not None:
        run_budget.settle(prepared.run_id, prepared.run_charge, usage, cost)
    spending.settle(account, prepared.charge, usage, cost)
    if usage is not None:
        transaction.on_commit(lambda: metrics.count_call(account, version, usage, cost), robust=True)


def within_budget(batch: Sequence[tuple[int, Event]], budget: int) -> list[tuple[int, Event]]:
    """Return the first entries that have ``budget`` tokens together; always one, so that no event blocks its line."""
    taken: list[tuple[int, Event]] = []
    for position, event in batch:
        budget -= event.tokens
        if taken and budget < 0:
            break
        taken.append((position, event))
    return taken


_SPAN, _CONCLUSION = Columns(Span), Columns(Conclusion)
# What stands is found first, and the rest is asked of that alone: see ``memory.standing``.
_KNOWN = f"""
SELECT {_SPAN.of("span")}, {_CONCLUSION.of("conclusion")}, {_USER.of("about")}
  FROM memory_span span JOIN memory_conclusion conclusion ON conclusion.id = span.conclusion_id
  LEFT JOIN memory_user about ON about.id = conclusion.about_id
 WHERE span.id = ANY(ARRAY(SELECT id FROM memory_span WHERE line_id = %s AND until IS NULL))
 ORDER BY conclusion.pinned DESC, conclusion.importance DESC, span.latest DESC LIMIT %s
"""  # noqa: S608 - columns of our own models


def _known(line: Line, budget: int) -> list[Span]:
    """Return the statements of a line that the model is shown."""
    spans = []
    for row in statements.rows(_KNOWN, [line.pk, budget // SHORTEST]):
        values = iter(row)
        span, conclusion = _SPAN.read(values), _CONCLUSION.read(values)
        span.conclusion, conclusion.about = conclusion, _USER.maybe(values)
        spans.append(span)
    return fitting(spans, budget)


def _to_consolidate(line: Line, new: int, settings: ReasoningSettings) -> tuple[list[Span], int]:
    """Return the statements that a consolidation goes over, and how many of the ``new`` newest had no room.

    Half of the room is for those that none has gone over yet, the oldest first, so that the next one goes on after
    them; the rest for what matters most, for them to be compared with.
    """
    budget = settings.consolidate_tokens
    most = max(budget // SHORTEST, 1)
    standing = standing_now(line.pk).select_related("conclusion__about")
    new = min(new, standing.count())
    oldest = standing.order_by("-since", "-conclusion_id")[max(new - most, 0) : new]
    fresh, used = _first(list(oldest)[::-1], budget // 2)
    matter = standing.order_by("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion_id")
    others = fitting(list(matter.exclude(pk__in=[span.pk for span in fresh])[:most]), budget - used)
    return sorted([*fresh, *others], key=lambda span: span.conclusion_id), new - len(fresh)


def _first(spans: Sequence[Span], budget: int) -> tuple[list[Span], int]:
    """Return the first statements that have ``budget`` tokens together (always one), and how many they have."""
    sizes = tokens.count_each([span.conclusion.content for span in spans]) if spans else []
    taken, used = 0, 0
    for size in sizes:
        if taken and used + size > budget:
            break
        taken, used = taken + 1, used + size
    return list(spans[:taken]), used


def fitting(standing: Sequence[Span], budget: int) -> list[Span]:
    """Return of statements, the most important first, those that fit ``budget`` tokens, in the order they were made.

    The order keeps the request's beginning the same from pass to pass, for providers' prompt caches.
    """
    sizes = tokens.count_each([span.conclusion.content for span in standing]) if standing else []
    taken = []
    for span, size in zip(standing, sizes, strict=True):
        if size <= budget:
            taken.append(span)
            budget -= size
    return sorted(taken, key=lambda span: span.conclusion_id)


# Not both in one condition: an index answers each, and none either.
_PEOPLE = """
SELECT name, id FROM memory_user WHERE id = ANY(%s::uuid[])
 UNION
SELECT name, person.id FROM memory_participant JOIN memory_user person ON person.id = user_id
 WHERE session_id = ANY(%s::uuid[])
"""


def _people(subject: Subject, events: Sequence[Event]) -> dict[str, UUID]:
    """Return the users who take part in the sessions of these events, by name, and the subject's own."""
    sessions = {event.session_id for event in events if event.session_id}
    named = {*(event.author_id for event in events), subject.user_id, subject.observer_id} - {None}
    return dict(statements.rows(_PEOPLE, [list(named), list(sessions)]))


def _request(
    subject: Subject,
    parts: Mapping[str, Any],
    version: PromptVersion,
    events: Sequence[Event],
    spans: Sequence[Span],
    people: Sequence[str],
    settings: ReasoningSettings,
) -> Request:
    return Request(
        kind=Kind(subject.kind),
        subject=str(subject.user or subject.session or subject.project),
        observer=subject.observer.name if subject.observer else None,
        events=tuple(_shown(number, event) for number, event in enumerate(events, start=1)),
        participants=tuple(people),
        known=tuple(_known_statement(number, span) for number, span in enumerate(spans, start=1)),
        card=tuple(parts.get("card", ())),
        now=parts.get("now", ""),
        short_summary=parts.get("short_summary", ""),
        long_summary=parts.get("long_summary", ""),
        instructions=version.instructions,
        model=version.model or settings.model,
        parameters=version.parameters,
        timeout=settings.model_timeout,
    )


def _shown(number: int, event: Event) -> ShownEvent:
    return ShownEvent(
        number=number,
        kind=event.kind,
        origin=event.origin,
        author=event.author.name if event.author else None,
        occurred_at=event.occurred_at,
        session=str(event.session) if event.session else None,
        content=event.content,
        data=event.data,
    )


def _known_statement(number: int, span: Span) -> KnownStatement:
    conclusion = span.conclusion
    return KnownStatement(
        number=number,
        content=conclusion.content,
        level=conclusion.level,
        about=conclusion.about.name if conclusion.about else None,
        held_from=conclusion.held_from,
        held_until=conclusion.held_until,
        importance=conclusion.importance,
        since=span.latest or conclusion.created_at,
        pinned=conclusion.pinned,
    )


def _draft(prepared: Prepared, completion: Completion, cost: Decimal | None) -> publishing.Draft:
    answer = completion.answer
    return publishing.Draft(
        parent_id=prepared.parent_id,
        covers_from=prepared.covers_from,
        covers_to=prepared.covers_to,
        added=added(answer, prepared.events, prepared.people, prepared.own, prepared.known),
        retired=retired(answer, prepared.known),
        card=answer.card,
        now=answer.now,
        short_summary=answer.short_summary,
        long_summary=answer.long_summary,
        made_by=_made_by(prepared, completion, cost),
    )


def added(
    answer: Answer,
    events: Mapping[int, UUID],
    people: Mapping[str, UUID],
    own: UUID | None,
    known: Mapping[int, UUID] = MappingProxyType({}),
) -> list[publishing.NewConclusion]:
    """Return what an answer adds; ``own`` is whom it is about by itself.

    ``events`` and ``known`` are what its numbers stand for.
    """
    return [
        publishing.NewConclusion(
            content=item.content,
            evidence=[events[number] for number in dict.fromkeys(item.events)],
            premises=tuple(known[number] for number in dict.fromkeys(item.known)),
            level=item.level,
            about_id=people.get(item.about) if item.about else own,
            held_from=item.held_from,
            held_until=item.held_until,
            importance=item.importance,
        )
        for item in answer.add
    ]


def retired(answer: Answer, known: Mapping[int, UUID]) -> list[publishing.Retired]:
    """Return what an answer retires; ``known`` is what its numbers stand for."""
    return [
        publishing.Retired(conclusion_id=known[item.known], reason=item.reason, replaced_by=item.replaced_by)
        for item in answer.retire
    ]


def _made_by(prepared: Prepared, completion: Completion, cost: Decimal | None) -> dict[str, Any]:
    from reasoning import __version__

    version = prepared.prompt_version
    return {
        "pass": ids.encode(prepared.claim.token),
        "prompt_version": version.public_id,
        "prompt_number": version.number,
        "provider": completion.provider,
        "model": completion.model,
        "parameters": version.parameters,
        "code_version": __version__,
        "task": prepared.request.task.value,
        "events": len(prepared.events),
        "input_tokens": completion.usage.input_tokens,
        "output_tokens": completion.usage.output_tokens,
        "cached_tokens": completion.usage.cached_tokens,
        "cost": None if cost is None else f"{cost.normalize():f}",
    }


_END = """
UPDATE reasoning_pass
   SET outcome = %(outcome)s, representation_id = %(version)s, ended_at = %(now)s, failure = %(failure)s,
       error = %(error)s, raw = %(raw)s, provider = %(provider)s, model = %(model)s, input_tokens = %(input)s,
       output_tokens = %(output)s, cached_tokens = %(cached)s, cost = %(cost)s
 WHERE id = %(pass)s RETURNING started_at
"""


def _end(
    prepared: Prepared,
    outcome: Pass.Outcome,
    completion: Completion,
    cost: Decimal | None,
    representation: Representation | None,
    problems: str,
    now: datetime,
) -> None:
    failure = Failure.GATED if outcome == Pass.Outcome.QUARANTINED else ""
    values = {
        "pass": prepared.claim.token,
        "outcome": outcome.value,
        "version": representation.pk if representation else None,
        "failure": str(failure),
        "error": problems,
        "raw": completion.raw if problems else "",
        "provider": completion.provider,
        "model": completion.model,
        "input": completion.usage.input_tokens,
        "output": completion.usage.output_tokens,
        "cached": completion.usage.cached_tokens,
        "cost": cost,
        "now": now,
    }
    [(started_at,)] = statements.rows(_END, values)
    seconds = (now - started_at).total_seconds()

    def count() -> None:
        metrics.DURATION.labels(prepared.claim.kind, outcome).observe(seconds)
        if failure:
            metrics.FAILURES.labels(failure).inc()

    transaction.on_commit(count, robust=True)
