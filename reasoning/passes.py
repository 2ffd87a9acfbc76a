"""One pass: what the model is asked, and what becomes of its answer. The call itself is ``reasoning.drainer``'s.

``prepare`` and ``complete`` are short transactions on either side of the call; the lease connects them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from memory import feeds, ids, publishing, tokens
from memory.models import Event, Line, Participant, Representation, Span, Subject, User
from reasoning import gate, metrics, prompt_versions, queue
from reasoning.conf import ReasoningSettings
from reasoning.models import Pass, PromptVersion
from reasoning.providers.base import Completion, Failure, Kind, KnownStatement, ProviderError, Request, ShownEvent
from reasoning.queue import Claim


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with what its numbers stand for."""

    claim: Claim
    request: Request
    parent_id: UUID | None
    covers_from: int
    covers_to: int
    events: Mapping[int, UUID]
    known: Mapping[int, UUID]
    people: Mapping[str, UUID]
    prompt_version: PromptVersion
    own: UUID | None
    """The user that statements are about where they name nobody."""


@transaction.atomic
def prepare(claim: Claim) -> Prepared | None:
    """Read what a claimed line must cover next; ``None`` where nothing waits or may be tried: the lease is ended then.

    Raises :class:`~reasoning.queue.LostLease`.
    """
    settings = ReasoningSettings.load()
    subject, work = queue.held(claim)
    line = Line.objects.select_related("head").get(pk=claim.line_id)
    version = prompt_versions.of_recipe(line.recipe)
    if queue.kills_workers(work):
        error = f"The last {settings.max_attempts} passes ended with the death of their worker."
        Pass.objects.filter(pk=claim.token).update(
            outcome=Pass.Outcome.FAILED, failure=Failure.LOST_LEASE, error=error, ended_at=timezone.now()
        )
        queue.park(work, Failure.LOST_LEASE, error)
        return None
    most = min(settings.pass_events, work.most_events or settings.pass_events)
    batch = _within_budget(feeds.read(subject.pk, line.cursor, most), settings.pass_tokens)
    if not batch:
        Pass.objects.filter(pk=claim.token).delete()
        queue.finish(work, line)
        return None
    events = [event for _, event in batch]
    spans = _known(line, settings.known_tokens)
    people = _people(subject, events)
    covers_to = batch[-1][0]
    Pass.objects.filter(pk=claim.token).update(prompt_version=version, covers_from=line.cursor, covers_to=covers_to)
    subject = Subject.objects.select_related("user", "observer", "session", "project").get(pk=subject.pk)
    return Prepared(
        claim=claim,
        request=_request(subject, line, version, events, spans, sorted(people), settings),
        parent_id=line.head_id,
        covers_from=line.cursor,
        covers_to=covers_to,
        events={number: event.pk for number, event in enumerate(events, start=1)},
        known={number: span.conclusion_id for number, span in enumerate(spans, start=1)},
        people=people,
        prompt_version=version,
        own=subject.user_id,
    )


def complete(prepared: Prepared, completion: Completion) -> Representation:
    """Judge an answer and publish it, or quarantine it and count the attempt as failed; one transaction.

    Raises :class:`~reasoning.queue.LostLease`; nothing is kept then.
    """
    request = prepared.request
    answer = gate.admissible(request, completion.answer)
    found = gate.problems(request, completion.answer)
    with transaction.atomic():
        _, work = queue.held(prepared.claim)
        if found:
            reason = " ".join(found)
            safe = replace(completion, answer=replace(answer, add=(), retire=()))
            draft = _draft(prepared, safe)
            representation = publishing.quarantine(prepared.claim.line_id, draft, reason)
            _end(prepared.claim, Pass.Outcome.QUARANTINED, completion, representation, Failure.GATED, reason)
            queue.fail(work, Failure.GATED, reason)
        else:
            draft = _draft(prepared, replace(completion, answer=answer))
            representation = publishing.publish(prepared.claim.line_id, draft)
            _end(prepared.claim, Pass.Outcome.PUBLISHED, completion, representation)
            queue.finish(work, Line.objects.get(pk=prepared.claim.line_id))
    return representation


def fail(claim: Claim, error: ProviderError) -> None:
    """Record a pass that gave no answer and decide when to try again. Does nothing where the lease is lost."""
    with transaction.atomic():
        try:
            _, work = queue.held(claim)
        except queue.LostLease:
            return
        now = timezone.now()
        Pass.objects.filter(pk=claim.token).update(
            outcome=Pass.Outcome.FAILED, failure=error.failure, error=str(error), raw=error.raw, ended_at=now,
            input_tokens=error.usage.input_tokens, output_tokens=error.usage.output_tokens,
        )  # fmt: skip
        queue.fail(work, error.failure, str(error), error.retry_after)
    metrics.FAILURES.labels(error.failure).inc()


def _within_budget(batch: Sequence[tuple[int, Event]], budget: int) -> list[tuple[int, Event]]:
    """Return the first entries that have ``budget`` tokens together; always one, so that no event blocks its line."""
    taken: list[tuple[int, Event]] = []
    for position, event in batch:
        budget -= event.tokens
        if taken and budget < 0:
            break
        taken.append((position, event))
    return taken


def _known(line: Line, budget: int) -> list[Span]:
    """Return the statements that the model is shown: the most important that fit, in the order they were made.

    The order keeps the request's beginning the same from pass to pass, for providers' prompt caches.
    """
    spans = (
        Span.objects.filter(line=line, until=None)
        .select_related("conclusion__about")
        .order_by("-conclusion__pinned", "-conclusion__importance", "-latest")[:budget]
    )
    standing = list(spans)
    sizes = tokens.count_each([span.conclusion.content for span in standing]) if standing else []
    taken = []
    for span, size in zip(standing, sizes, strict=True):
        if size <= budget:
            taken.append(span)
            budget -= size
    return sorted(taken, key=lambda span: span.conclusion_id)


def _people(subject: Subject, events: Sequence[Event]) -> dict[str, UUID]:
    """Return the users who take part in the sessions of these events, by name, and the subject's own."""
    sessions = {event.session_id for event in events if event.session_id}
    taking_part = Participant.objects.filter(session__in=sessions).values("user")
    named = [*(event.author_id for event in events), subject.user_id, subject.observer_id]
    users = User.objects.filter(pk__in=taking_part) | User.objects.filter(pk__in={pk for pk in named if pk})
    return dict(users.values_list("name", "pk"))


def _request(
    subject: Subject,
    line: Line,
    version: PromptVersion,
    events: Sequence[Event],
    spans: Sequence[Span],
    people: Sequence[str],
    settings: ReasoningSettings,
) -> Request:
    head = line.head
    return Request(
        kind=Kind(subject.kind),
        subject=str(subject.user or subject.session or subject.project),
        observer=subject.observer.name if subject.observer else None,
        events=tuple(_shown(number, event) for number, event in enumerate(events, start=1)),
        participants=tuple(people),
        known=tuple(_known_statement(number, span) for number, span in enumerate(spans, start=1)),
        card=tuple(head.card) if head else (),
        now=head.now if head else "",
        short_summary=head.short_summary if head else "",
        long_summary=head.long_summary if head else "",
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


def _draft(prepared: Prepared, completion: Completion) -> publishing.Draft:
    answer = completion.answer
    return publishing.Draft(
        parent_id=prepared.parent_id,
        covers_from=prepared.covers_from,
        covers_to=prepared.covers_to,
        added=[
            publishing.NewConclusion(
                content=item.content,
                evidence=[prepared.events[number] for number in dict.fromkeys(item.events)],
                level=item.level,
                about_id=prepared.people.get(item.about) if item.about else prepared.own,
                held_from=item.held_from,
                held_until=item.held_until,
                importance=item.importance,
            )
            for item in answer.add
        ],
        retired=[
            publishing.Retired(
                conclusion_id=prepared.known[item.known], reason=item.reason, replaced_by=item.replaced_by
            )
            for item in answer.retire
        ],
        card=answer.card,
        now=answer.now,
        short_summary=answer.short_summary,
        long_summary=answer.long_summary,
        made_by=_made_by(prepared, completion),
    )


def _made_by(prepared: Prepared, completion: Completion) -> dict[str, Any]:
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
        "events": len(prepared.events),
        "input_tokens": completion.usage.input_tokens,
        "output_tokens": completion.usage.output_tokens,
        "cached_tokens": completion.usage.cached_tokens,
    }


def _end(
    claim: Claim,
    outcome: Pass.Outcome,
    completion: Completion,
    representation: Representation,
    failure: Failure | None = None,
    error: str = "",
) -> None:
    now = timezone.now()
    published = outcome == Pass.Outcome.PUBLISHED
    row = Pass.objects.get(pk=claim.token)
    row.outcome, row.representation, row.ended_at = outcome, representation, now
    row.failure, row.error = failure or "", error
    row.raw = "" if published else completion.raw
    row.provider, row.model = completion.provider, completion.model
    row.input_tokens, row.output_tokens = completion.usage.input_tokens, completion.usage.output_tokens
    row.cached_tokens = completion.usage.cached_tokens
    row.save()

    def count() -> None:
        metrics.DURATION.labels(claim.kind, outcome).observe((now - row.started_at).total_seconds())
        metrics.TOKENS.labels(completion.model, "input").inc(completion.usage.input_tokens)
        metrics.TOKENS.labels(completion.model, "output").inc(completion.usage.output_tokens)
        if failure:
            metrics.FAILURES.labels(failure).inc()

    transaction.on_commit(count, robust=True)
