"""The chore that carries runs by the provider's batch interface: many passes in one file, at a lower price.

A batch is written in the transaction that leases its passes, then sent under its own id, and taken up again from its
row by whichever process comes next. So a crash leaves no pass that is in no batch, and a batch whose sending was never
answered is in the provider's list by that id, or was never made and is given back. What publishes is the lease, as in
any pass: an answer that comes twice, or too late, is not read.

No transaction is open while the provider is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

import structlog
from django.db import transaction

from memory import clock, ids
from memory.errors import Conflict
from reasoning import circuit, passes, providers, queue
from reasoning.conf import ReasoningSettings
from reasoning.models import Batch, Pass, PromptVersion, Reprocess
from reasoning.providers.base import Failure, ProviderError, Step, Usage
from reasoning.providers.openai_batch import QUEUE_FULL, Line, Missing, OpenAIBatches, RemoteBatch
from reasoning.queue import Claim, LostLease
from reasoning.reprocessing import budget

LEASE_SECONDS = 3_600.0
"""For so long a batch's leases hold when nobody looks after it."""

GRACE_SECONDS = 900.0
"""A batch that the provider does not list so long after it was written was never made: no sending takes half of it."""

PAUSE_SECONDS = 60.0
"""After this the provider is asked again that could not take a batch, and did not say when."""

QUEUE_PAUSE_SECONDS = 300.0
MOST_BYTES = 100 * 1024 * 1024
"""How large a batch's file may grow; the provider takes twice as much."""

CHUNK = 100

LOCAL = "The site's provider is the built-in local reasoner, which takes no batches: let calls carry the run."
NO_BATCHES = "The provider takes no batches: let calls carry a run of its own."
FORGOTTEN = "The provider does not know the batch any more."
CHANGED = "What it was asked about has changed meanwhile: it is asked again."

State = Batch.State
_OPEN = (State.SENDING, State.SENT)
_READS_ON = (Reprocess.State.RUNNING, Reprocess.State.PAUSED, Reprocess.State.DONE)
_RETRIED = (Failure.TRANSIENT, Failure.RATE_LIMITED)

log = structlog.get_logger("honcho.reasoning")


def check_provider() -> None:
    """Raise :class:`Conflict` where it is known that the site's provider takes no batches."""
    if ReasoningSettings.load().provider == "local":
        raise Conflict(LOCAL)


def carry() -> bool:
    """Look after every open batch whose time it is, and send what is due of the runs that go by batch; a chore.

    Return whether anything was done.
    """
    settings = ReasoningSettings.load()
    open_batches = Batch.objects.filter(state__in=_OPEN).select_related("run__prompt_version")
    before = clock.now() - timedelta(seconds=settings.batch_seconds)
    due = list(open_batches.filter(asked_at__lte=before).order_by("pk"))
    runs = list(Reprocess.objects.filter(carrier=Reprocess.Carrier.BATCH, state__in=budget.OPEN).order_by("pk"))
    if not due and not runs:
        return False
    provider = providers.batches(settings)
    if provider is None:
        for run in runs:
            _pause(run, LOCAL)
        return bool(runs)
    with provider:
        carrier = _Carrier(provider, settings)
        read = [carrier.look_after(batch) for batch in due]
        sent = [carrier.send(run) for run in runs]
    return any(read + sent)


class _Carrier:
    def __init__(self, provider: OpenAIBatches, settings: ReasoningSettings) -> None:
        self.provider, self.settings = provider, settings
        self.step = Step(provider, discount=Decimal(str(settings.batch_discount)))

    # Sending

    def send(self, run: Reprocess) -> bool:
        """Send what is due of a run, if it is time for its next batch; return whether anything was due."""
        if not self._may_send(run):
            return False
        batch = Batch(run=run)
        with transaction.atomic():
            claims = queue.claim_of(run, self.settings.batch_passes, f"batch {batch.public_id}", LEASE_SECONDS)
            batch.passes = [ids.encode(claim.token) for claim in claims]
            if claims:
                batch.save(force_insert=True)
        if claims:
            self._send(batch, dict(self._lines(claims)))
        return bool(claims)

    def _may_send(self, run: Reprocess) -> bool:
        if circuit.allowance(self.provider.name).calls == 0:
            return False
        if run.token_budget is not None or run.money_budget is not None:
            # What a batch leaves over of its charges is known when it has ended.
            return not Batch.objects.filter(run=run, state__in=_OPEN).exists()
        last = Batch.objects.filter(run=run).order_by("-pk").first()
        gathering = clock.now() - timedelta(seconds=self.settings.batch_seconds)
        return last is None or last.created_at <= gathering or len(last.passes) >= self.settings.batch_passes

    def _lines(self, claims: list[Claim]) -> Iterator[tuple[str, bytes]]:
        """Prepare passes; yield those that are to be asked, by their ids."""
        size = 0
        for claim in claims:
            if size >= MOST_BYTES:
                queue.put_off(claim, 0.0)
                continue
            line = self._line(claim)
            if line is not None:
                size += len(line)
                yield ids.encode(claim.token), line

    def _line(self, claim: Claim) -> bytes | None:
        prepared = None
        try:
            prepared = passes.prepare(claim, self.step)
            return None if prepared is None else self.provider.line(ids.encode(claim.token), prepared.request)
        except LostLease:
            return None
        except passes.AWAY:
            raise
        except Exception as error:
            passes.fail(claim, _ours(claim, error), prepared)
            return None

    def _send(self, batch: Batch, lines: Mapping[str, bytes]) -> None:
        if not lines:
            batch.delete()
            return
        batch.passes = list(lines)
        batch.save(update_fields=["passes"])
        try:
            remote_id = self.provider.send(lines.values(), batch.public_id)
        except ProviderError as error:
            self._not_sent(batch, error)
        else:
            log.info("batch_sent", batch=batch.public_id, run=batch.run.public_id, passes=len(lines))
            self._sent(batch, remote_id)

    def _sent(self, batch: Batch, remote_id: str) -> None:
        """Note the provider's id of a batch. One that was given up meanwhile is called off there."""
        rows = Batch.objects.filter(pk=batch.pk)
        sent = rows.filter(state=State.SENDING).update(state=State.SENT, remote_id=remote_id)
        if not sent and not rows.filter(remote_id=remote_id).exists():
            self.provider.cancel(remote_id)

    def _not_sent(self, batch: Batch, error: ProviderError) -> None:
        log.warning("batch_not_sent", batch=batch.public_id, failure=error.failure, unknown=error.usage is None)
        if error.usage is None:
            return  # it may be there all the same: it is looked for
        by_itself = error.failure in _RETRIED
        self._give_back(batch, str(error), (error.retry_after or PAUSE_SECONDS) if by_itself else 0.0)
        if not by_itself:
            _pause(batch.run, NO_BATCHES if isinstance(error, Missing) else str(error))

    # Looking after what was sent

    def look_after(self, batch: Batch) -> bool:
        """Ask the provider after an open batch, and read it where it has ended; return whether anything has changed."""
        Batch.objects.filter(pk=batch.pk).update(asked_at=clock.now())
        wanted = batch.run.state in _READS_ON
        if wanted:
            tokens = [token for token in map(ids.decode, batch.passes) if token]
            queue.renew_of(batch.run, tokens, LEASE_SECONDS)
        else:
            queue.release([_claim(row) for row in _rows(batch, Pass.Outcome.RUNNING)], "Its run has ended")
        try:
            return self._follow(batch, wanted=wanted)
        except Missing:
            if batch.state == State.SENDING:
                self._give_back(batch, NO_BATCHES, 0.0)
                _pause(batch.run, NO_BATCHES)
            else:
                self._read(batch, {}, FORGOTTEN, None)
                _close(batch, State.FAILED, FORGOTTEN)
            return True
        except ProviderError as error:
            log.warning("batch_not_seen", batch=batch.public_id, failure=error.failure)
            return error.failure not in _RETRIED and _pause(batch.run, str(error))

    def _follow(self, batch: Batch, *, wanted: bool) -> bool:
        if batch.state == State.SENDING:
            remote = self.provider.find(batch.public_id)
        else:
            remote = self.provider.retrieve(batch.remote_id)
        if remote is None:
            never_made = batch.created_at < clock.now() - timedelta(seconds=GRACE_SECONDS)
            if never_made:
                self._give_back(batch, "It was never sent.", 0.0)
            return never_made
        if batch.state == State.SENDING:
            self._sent(batch, remote.id)
        if remote.status == "failed":
            self._refused(batch, remote)
        elif remote.ended:
            why = f"The batch ended without an answer to it ({remote.status})."
            self._read(batch, self.provider.answers(remote), why, Usage())
            _close(batch, State.ENDED, "")
        elif not wanted and remote.status != "cancelling":
            self.provider.cancel(remote.id)
        if remote.ended:
            self.provider.forget(remote)
        return remote.ended or batch.state == State.SENDING

    def _refused(self, batch: Batch, remote: RemoteBatch) -> None:
        """Give back a batch that the provider would not begin with."""
        count, codes = len(batch.passes), ", ".join(remote.codes) or "no reason is given"
        why = f"The provider refused a batch of {count:,} pass{'' if count == 1 else 'es'} ({codes})."
        others = Batch.objects.filter(state=State.SENT).exclude(pk=batch.pk)
        if QUEUE_FULL in remote.codes and others.exists():
            self._give_back(batch, why, QUEUE_PAUSE_SECONDS)  # until there is room again
            return
        self._give_back(batch, why, 0.0)
        if QUEUE_FULL in remote.codes:
            why += " Set BATCH_PASSES lower, then resume."
        _pause(batch.run, why)

    def _give_back(self, batch: Batch, why: str, seconds: float) -> None:
        """Take back the passes of a batch that was not begun with: they are due again after so many seconds."""
        for row in _rows(batch, Pass.Outcome.RUNNING, Pass.Outcome.ABANDONED):
            version, claim = row.prompt_version, _claim(row)
            if version is None:  # it was not prepared
                queue.put_off(claim, seconds)
            else:
                passes.call_off(passes.charged(row, version, claim, self.step), seconds)
        _close(batch, State.FAILED, why)

    def _read(self, batch: Batch, answers: Mapping[str, Line], why: str, usage: Usage | None) -> None:
        """End the passes of a batch by their answers. ``why`` and ``usage`` are those of a pass that has none."""
        for row in _rows(batch, Pass.Outcome.RUNNING, Pass.Outcome.ABANDONED):
            line = answers.get(ids.encode(row.pk))
            if row.prompt_version is None:
                queue.put_off(_claim(row), 0.0)
            else:
                self._end(row, row.prompt_version, line, ProviderError(Failure.TRANSIENT, why, usage=usage))
        unknown = answers.keys() - set(batch.passes)
        log.info("batch_read", batch=batch.public_id, answers=len(answers), unknown=len(unknown))

    def _end(self, row: Pass, version: PromptVersion, line: Line | None, missing: ProviderError) -> None:
        """Publish what a line answers to a pass, or record how that failed; nothing where its lease is lost."""
        claim = _claim(row)
        bill = passes.charged(row, version, claim, self.step)
        usage = missing.usage if line is None else line.usage
        try:
            if row.outcome == Pass.Outcome.ABANDONED:
                raise LostLease
            if line is None:
                raise missing
            prepared = passes.prepare_again(bill, self.step)
            if prepared is None:
                raise ProviderError(Failure.TRANSIENT, CHANGED, usage=usage)
            passes.complete(prepared, self.provider.read(prepared.request, line))
        except LostLease:
            passes.write_off_once(bill, usage)
        except ProviderError as error:
            passes.fail(claim, error, bill)
            if error.failure is Failure.QUOTA and row.run is not None:
                _pause(row.run, str(error))
        except Conflict as error:
            passes.fail(claim, ProviderError(Failure.TRANSIENT, error.message, usage=usage), bill)
        except passes.AWAY:
            raise
        except Exception as error:
            passes.fail(claim, _ours(claim, error, usage), bill)


def _rows(batch: Batch, *outcomes: Pass.Outcome) -> Iterator[Pass]:
    """Yield the passes of a batch that ended in one of these ways, a few at a time."""
    keys = [key for key in map(ids.decode, batch.passes) if key]
    for start in range(0, len(keys), CHUNK):
        found = Pass.objects.filter(pk__in=keys[start : start + CHUNK], outcome__in=outcomes)
        yield from found.select_related("line__subject", "prompt_version", "run").order_by("pk")


def _claim(row: Pass) -> Claim:
    subject = row.line.subject
    return Claim(row.line_id, row.pk, subject.kind, attempts=0, app_id=subject.app_id, bulk=True)


def _close(batch: Batch, state: Batch.State, error: str) -> None:
    Batch.objects.filter(pk=batch.pk).update(state=state, error=error, ended_at=clock.now())


def _pause(run: Reprocess, reason: str) -> bool:
    """Begin no more passes of a run; return whether it was going on."""
    going_on = Reprocess.objects.filter(pk=run.pk, state__in=budget.OPEN)
    return bool(going_on.update(state=Reprocess.State.PAUSED, state_reason=reason))


def _ours(claim: Claim, error: Exception, usage: Usage | None = None) -> ProviderError:
    """Return the failure of a pass by a fault of ours. Not its message: that may tell what was said."""
    if isinstance(error, ProviderError):
        return error
    log.error("pass_broken", pass_id=ids.encode(claim.token), error=type(error).__name__)
    return ProviderError(Failure.OURS, type(error).__name__, usage=usage or Usage())
