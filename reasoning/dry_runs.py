"""What a prompt version would make of a real subject, beside what stands. Nothing is published and no line moves.

One model call, charged to budgets like a pass's, with no connection held meanwhile; the gates judge its answer, and
``memory.previews`` says what it would change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from memory import clock, feeds, previews, publishing
from memory.errors import Conflict, Invalid
from memory.models import Event, FeedEntry, Subject
from reasoning import circuit, gates, metrics, passes, providers, spending
from reasoning.chain import ProviderFailed, available
from reasoning.conf import ReasoningSettings
from reasoning.gates import structure
from reasoning.models import PromptVersion
from reasoning.providers.base import Answer, Completion, Provider, ProviderError, Request, Step, Usage
from reasoning.providers.local import LocalProvider


@dataclass(frozen=True, slots=True)
class Window:
    """The events that were shown, and what they were read on top of.

    ``unread`` ones no version of the serving line has read yet. Others are the last that it has: they were read again
    from what stood before them.
    """

    basis: previews.Basis
    batch: Sequence[tuple[int, Event]]
    unread: bool

    @property
    def start(self) -> int:
        """The place in the feed above which they lie."""
        return self.basis.position

    @property
    def end(self) -> int:
        """The place of the last of them."""
        return self.batch[-1][0]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What came of it. ``would_be`` has the statements, parts and text that readers would get.

    Where the ``verdict`` refuses the answer they would not: it would have been quarantined. ``cost`` is None where
    nobody knows the price.
    """

    prompt_version: PromptVersion
    subject: Subject
    window: Window
    would_be: previews.Preview
    verdict: gates.Verdict
    provider: str
    model: str
    usage: Usage
    cost: Decimal | None
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that may be made, and who pays for it."""

    step: Step
    request: Request
    people: dict[str, UUID]
    known: dict[int, UUID]
    account: spending.Account | None
    charge: spending.Charge


def run(version: PromptVersion, subject: Subject, *, events: int | None = None, chain: Sequence[Step] = ()) -> DryRun:
    """Let a prompt version read up to ``events`` that a subject's serving line has not read, or else the last it has.

    Without ``chain`` the providers are the site's. Not inside a transaction: the connection is closed while the model
    answers. Raises :class:`Invalid` for a version of another kind or app, :class:`Conflict` where there is nothing to
    read, a budget has no room or a price is missing, and :class:`ProviderFailed`.
    """
    settings = ReasoningSettings.load()
    check(version, subject, events)
    chain = chain or providers.configured(settings)
    with transaction.atomic(durable=True):
        subject = Subject.objects.select_related("line", "user", "observer", "session", "project").get(pk=subject.pk)
        window = _window(subject, settings, min(events or settings.pass_events, settings.pass_events))
        call = _prepare(version, subject, window, available(chain)[0], settings)
    connection.close()
    completion = _ask(call, version)
    cost = _settle(call, version, completion.usage)
    verdict = gates.judge(call.request, completion.answer, settings, completion.provider)
    warnings = [*_warnings(subject, window, events, call.step is not chain[0], completion)]
    return DryRun(
        prompt_version=version,
        subject=subject,
        window=window,
        would_be=_preview(version, subject, window, call, verdict),
        verdict=verdict,
        provider=completion.provider,
        model=completion.model,
        usage=completion.usage,
        cost=cost,
        warnings=warnings,
    )


def check(version: PromptVersion, subject: Subject, events: int | None = None) -> None:
    """Raise :class:`Invalid` where a prompt version cannot be tried on a subject, or not with so many events."""
    most = ReasoningSettings.load().pass_events
    if events is not None and not 1 <= events <= most:
        raise Invalid(f"One pass shows 1 to {most:,} events.", ("events",), "int_range")
    if version.app_id not in (None, subject.app_id):
        raise Invalid("This prompt version is another app's.", ("prompt",))
    if version.kind != subject.kind:
        raise Invalid(
            f"{subject} is a subject of kind {subject.kind}: take a prompt of that kind, not {version.kind}.",
            ("prompt",),
        )


def _window(subject: Subject, settings: ReasoningSettings, most: int) -> Window:
    line = subject.line
    if line is not None and line.cursor == subject.head > 0:
        last = feeds.read(subject.pk, max(line.cursor - most, 0), most)
        if not last:
            raise Conflict("There is nothing to read: all that this subject's line has read is archived.")
        newest = passes.within_budget(last[::-1], settings.pass_tokens)
        basis = previews.before(line, newest[-1][0] - 1)
        read = feeds.read(subject.pk, basis.position, settings.pass_events)
        return Window(basis, passes.within_budget(read, settings.pass_tokens), unread=False)
    basis = previews.newest(subject)
    batch = passes.within_budget(feeds.read(subject.pk, basis.position, most), settings.pass_tokens)
    if not batch:
        raise Conflict("There is nothing to read: no event of this subject has been taken in by a worker yet.")
    return Window(basis, batch, unread=True)


def _prepare(
    version: PromptVersion, subject: Subject, window: Window, step: Step, settings: ReasoningSettings
) -> _Call:
    """Build the request, and charge what it may take. Raises :class:`Conflict` where that cannot be afforded."""
    spans = passes.fitting(window.basis.spans, settings.known_tokens)
    events = [event for _, event in window.batch]
    request, people = passes.ask(subject, version, step, events, spans, window.basis.parts, settings)
    account, charge = None, spending.NOTHING
    if not step.provider.free:
        day = clock.now().astimezone(UTC).date()
        account = spending.Account(subject.app_id, version.pk, step.name, request.model, day)
        try:
            request, charge = passes.afford(request, account, step, settings)
        except spending.CannotAfford as error:
            raise Conflict(str(error)) from None
    known = {number: span.conclusion_id for number, span in enumerate(spans, start=1)}
    return _Call(step, request, people, known, account, charge)


def _ask(call: _Call, version: PromptVersion) -> Completion:
    """Make the call, and let every worker know how the provider is. Raises :class:`ProviderFailed`."""
    name = call.step.name
    try:
        completion = asyncio.run(_answer(call.step.provider, call.request))
    except ProviderError as error:
        circuit.failed(name, error)
        _settle(call, version, error.usage)
        raise ProviderFailed.by(call.step, error) from None
    circuit.succeeded(name)
    return completion


async def _answer(provider: Provider, request: Request) -> Completion:
    try:
        return await provider.answer(request)
    finally:
        close = getattr(provider, "close", None)
        if close is not None:  # its connections belong to this event loop, which ends
            await close()


@transaction.atomic
def _settle(call: _Call, version: PromptVersion, usage: Usage | None) -> Decimal | None:
    """Count what a call took in place of what was charged for it; return what it cost, None where nobody knows."""
    account = call.account
    if account is None:
        return Decimal(0)
    cost = None if usage is None else spending.cost(account, usage)
    spending.settle(account, call.charge, usage, cost)
    if usage is not None:
        transaction.on_commit(lambda: metrics.count_call(account, version, usage, cost), robust=True)
    return cost


def _preview(
    version: PromptVersion, subject: Subject, window: Window, call: _Call, verdict: gates.Verdict
) -> previews.Preview:
    events = {number: event.pk for number, (_, event) in enumerate(window.batch, start=1)}
    answer = _publishable(verdict.answer, events, call.known)
    basis = window.basis
    draft = publishing.Draft(
        parent_id=basis.version.pk if basis.version else None,
        covers_from=window.start,
        covers_to=window.end,
        added=passes.added(answer, events, call.people, subject.user_id),
        retired=passes.retired(answer, call.known),
        card=answer.card,
        now=answer.now,
        short_summary=answer.short_summary,
        long_summary=answer.long_summary,
    )
    return previews.preview(subject, basis, draft)


def _publishable(answer: Answer, events: Collection[int], known: Collection[int]) -> Answer:
    """Return an answer, which a gate may have refused, as far as a version can hold it."""
    kept = {}
    for index, item in enumerate(answer.add):
        shown = tuple(number for number in item.events if number in events)
        if shown and item.content.strip():
            kept[index] = replace(item, events=shown)
    answer = structure.with_statements(answer, kept)
    return replace(answer, retire=tuple(item for item in answer.retire if item.known in known))


def _warnings(
    subject: Subject, window: Window, asked: int | None, stood_in: bool, completion: Completion
) -> Iterator[str]:
    """Yield what to bear in mind when reading the result."""
    if stood_in:
        yield f"{completion.provider} answered in place of the first provider, which is paused."
    if completion.provider == LocalProvider.name:
        yield "The built-in reasoner answered: it takes no notice of a prompt's text."
    if not window.unread and asked is not None and len(window.batch) > asked:
        yield f"The last {len(window.batch)} events were read at once, so that all of them were shown, not {asked}."
    if left := subject.head - window.end:
        yield f"Later events that were not shown, having no room in one pass: {left}."
    coming = FeedEntry.objects.filter(subject=subject, position=None)[:_MOST_COUNTED].count()
    if coming:
        yield f"Events that were not shown, since no worker has taken them in yet: {coming}."


_MOST_COUNTED = 1_000
