"""Runs by batch: the same as by calls, cheaper and later, whatever becomes of the batch or of us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from memory import clock, corrections, ids
from memory.errors import Conflict
from memory.models import Representation, Subject
from reasoning import disposition, passes, queue, reconcile
from reasoning.drainer import Drainer
from reasoning.models import Batch, Budget, Pass, Price, PromptVersion, ProviderState, Reprocess, Spend, Work
from reasoning.providers.base import Failure
from reasoning.providers.openai import forget_manners
from reasoning.reprocessing import advance, batches, lifecycle
from tests.loop.helpers import AT_ONCE, drain, make_due, others_connected, people
from tests.loop.test_reprocessing import app, draft, line_of, served, started, state_of, states
from tests.loopback.batches import Trouble
from tests.loopback.server import Behaviour, Call, LoopbackModel
from tests.store.helpers import assert_covered_once, contents, events_in_log, person, say, together

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-test-abcdefghijklmnop0123456789"


def by_batch(url: str) -> dict[str, Any]:
    """Settings with which nothing waits."""
    return AT_ONCE | {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "BATCH_SECONDS": 0, "MAX_ATTEMPTS": 1}


@pytest.fixture(autouse=True)
def model(settings) -> Iterator[LoopbackModel]:
    forget_manners()
    with LoopbackModel() as running:
        settings.HONCHO = by_batch(running.url)
        yield running
    forget_manners()


def said_by(count: int, *texts: str) -> list[Subject]:
    """So many subjects of whom everything is read by what serves them."""
    subjects = people(count)
    for subject in subjects:
        say(*texts or ["one"], user=subject.user.name)
    drain()
    return subjects


def begun(**options: Any) -> Reprocess:
    """A run by batch whose lines are open."""
    run = started(carrier="batch", **options)
    while advance.advance():
        pass
    return run


def carried(run: Reprocess) -> Reprocess:
    """Do what there is to do until there is nothing more."""
    for _ in range(50):
        busy = advance.advance()
        busy |= batches.carry()
        if not busy:
            return state_of(run)
    raise AssertionError("it never ends")


def finished(run: Reprocess) -> Reprocess:
    """A run by batch that is done, each subject's events read once."""
    run = carried(run)
    assert (run.state, set(states(run))) == ("done", {"ready"}), run.state_reason
    assert reconcile.account().faults == 0
    for item in run.items.select_related("line", "subject"):
        assert_covered_once(item.subject, events_in_log(item.subject), item.line)
    return run


def made(run: Reprocess) -> dict[str, list[tuple[int, int, list[str]]]]:
    """By subject, what each version of its line covers and says."""
    found: dict[str, list[tuple[int, int, list[str]]]] = {}
    for version in Representation.objects.filter(line__branch=run.public_id).order_by("subject", "number"):
        told = (version.covers_from, version.covers_to, contents(version))
        found.setdefault(str(version.subject), []).append(told)
    return found


def outcomes(run: Reprocess) -> list[tuple[str, str]]:
    rows = Pass.objects.filter(run=run).order_by("started_at", "pk")
    return [(row.outcome, row.failure) for row in rows]


def batch_states() -> list[str]:
    return list(Batch.objects.order_by("pk").values_list("state", flat=True))


def leases(run: Reprocess) -> set[Any]:
    return set(Work.objects.filter(run=run, state="leased").values_list("lease_token", flat=True))


def written_long_ago() -> None:
    Batch.objects.update(created_at=clock.now() - timedelta(seconds=batches.GRACE_SECONDS + 1))


def with_price() -> None:
    Price.objects.create(model="gpt-4o-mini", since="2026-01-01", input_price=1000, output_price=2000)


def by_subject(behaviours: dict[str, Behaviour]) -> Any:
    def decide(call: Call) -> Behaviour | None:
        prompt = str(call.body["messages"][-1]["content"])
        return next((each for name, each in behaviours.items() if f'Subject: user "{name}"' in prompt), None)

    return decide


# What comes of it


def test_a_run_by_batch_publishes_what_a_run_by_calls_does_at_its_price(model, settings):
    settings.HONCHO |= {"PASS_EVENTS": 2}
    said_by(2, "one", "two", "three")
    with_price()
    by_calls = started()
    asyncio.run(Drainer().run(until_idle=True))
    by_calls = state_of(by_calls)
    assert by_calls.state == "done"
    asked = model.count
    run = finished(begun())
    assert made(run) == made(by_calls)
    assert (run.tokens, run.cost) == (by_calls.tokens, by_calls.cost / 2)
    assert run.cost > 0
    assert sum(row.cost for row in Pass.objects.filter(run=run)) == run.cost
    assert Spend.objects.get(prompt_version=run.prompt_version).cost == run.cost + by_calls.cost
    assert (model.count - asked, outcomes(run)) == (4, [("published", "")] * 4)
    assert (model.batches.uploads, len(model.batches.rows), batch_states()) == (2, 2, ["ended"] * 2)
    version = Representation.objects.filter(line__branch=run.public_id).latest("created_at")
    assert (version.made_by["provider"], version.made_by["model"]) == ("openai", "gpt-4o-mini-2026-01-01")


def test_what_is_asked_is_what_a_call_asks(model):
    said_by(1)
    started()
    asyncio.run(Drainer().run(until_idle=True))
    [call] = model.calls
    model.batches.hold = True
    begun()
    batches.carry()
    [row] = model.batches.rows.values()
    [request] = model.batches.asked(row)
    assert request["body"] == call.body | {"max_tokens": 4_000}
    assert (row["endpoint"], request["url"], request["method"]) == (*["/v1/chat/completions"] * 2, "POST")


def test_drainers_carry_runs_by_batch_to_their_end_and_nothing_stays_at_the_provider(model):
    said_by(2)
    run = started(carrier="batch")
    asyncio.run(Drainer().run(until_idle=True))
    assert finished(run).state == "done"
    assert lifecycle.promote(run).promoted == 2
    assert model.batches.files == {}


def test_what_comes_while_a_batch_is_out_is_read_at_once_by_what_serves_and_later_by_the_run(model):
    [ana] = said_by(1)
    model.batches.hold = True
    run = begun()
    batches.carry()
    say("two", user=ana.user.name)
    drain()
    ana.refresh_from_db()
    assert ana.line.cursor == 2
    model.batches.hold = False
    finished(run)


def test_no_transaction_is_open_while_the_provider_is_asked(model):
    seen: list[str] = []

    def watch(method: str, path: str) -> None:
        [connections] = together(others_connected)
        seen.extend(state for _, state, _, age in connections if age is not None or state != "idle")
        seen.append(method)

    said_by(2)
    run = begun()
    model.batches.watch = watch
    finished(run)
    assert set(seen) == {"POST", "GET", "DELETE"}


# When it goes wrong between us


def test_a_batch_whose_creation_was_never_answered_is_found_by_our_name(model):
    said_by(2)
    run = begun()
    others = [{"id": f"batch_other_{number}", "metadata": None, "status": "completed"} for number in range(150)]
    model.batches.troubles.append(Trouble(lost=True))
    model.batches.created = lambda row: model.batches.rows.update({other["id"]: other for other in others})
    assert batches.carry()
    assert batch_states() == ["sending"]
    first = leases(run)
    assert batches.carry()  # it asks for the list
    finished(run)
    [batch] = Batch.objects.all()
    assert (batch.remote_id, batch.state, model.batches.uploads) == ("batch_1", "ended", 1)
    assert set(Pass.objects.filter(run=run).values_list("pk", flat=True)) == first


CHORE = """
import sys
import django
django.setup()
from django.conf import settings
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from reasoning.reprocessing import batches
from tests.loop.test_batches import by_batch
settings.HONCHO = by_batch(sys.argv[2])
batches.carry()
"""


def test_kill_9_when_the_batch_is_made_and_before_that_is_noted_makes_no_second_one(model):
    said_by(2)
    run = begun()

    def kill(row: dict[str, Any]) -> None:
        os.kill(chore.pid, signal.SIGKILL)
        chore.wait()

    model.batches.created = kill
    chore = subprocess.Popen([sys.executable, "-c", CHORE, connection.settings_dict["NAME"], model.url])
    assert chore.wait(60) == -signal.SIGKILL
    assert (batch_states(), len(leases(run))) == (["sending"], 2)
    finished(run)
    assert (batch_states(), len(model.batches.rows), outcomes(run)) == (["ended"], 1, [("published", "")] * 2)


def test_a_batch_that_was_never_made_is_looked_for_and_then_given_back(model):
    said_by(2)
    run = begun()
    model.batches.troubles.append(Trouble(lost=True, made=False))
    carried(run)
    assert (batch_states(), len(leases(run)), model.batches.uploads) == (["sending"], 2, 1)
    assert state_of(run).tokens > 0
    written_long_ago()
    run = finished(run)
    assert (batch_states(), outcomes(run)) == (["failed", "ended"], [("published", "")] * 2)
    assert run.tokens == sum(row.input_tokens + row.output_tokens for row in Pass.objects.filter(run=run))


def test_a_process_that_dies_while_it_prepares_leaves_passes_that_are_given_back():
    said_by(2)
    run = begun()
    batch = Batch(run=run)
    claims = queue.claim_of(run, 10, "me", 3_600)
    batch.passes = [ids.encode(claim.token) for claim in claims]
    batch.save()
    assert carried(run).state == "running"
    written_long_ago()
    finished(run)


def test_a_batch_that_was_read_half_is_read_to_its_end(model, monkeypatch):
    said_by(3)
    run = begun()
    batches.carry()
    read = passes.complete

    def dying(prepared: Any, completion: Any) -> None:
        read(prepared, completion)
        raise KeyboardInterrupt

    monkeypatch.setattr(passes, "complete", dying)
    with pytest.raises(KeyboardInterrupt):
        batches.carry()
    monkeypatch.undo()
    assert batch_states() == ["sent"]
    finished(run)
    assert outcomes(run) == [("published", "")] * 3


def test_a_batch_that_the_provider_knows_no_more_is_done_again(model):
    said_by(2)
    run = begun()
    batches.carry()
    model.batches.rows.clear()
    carried(run)
    assert (batch_states(), outcomes(run)) == (["failed"], [("failed", "transient")] * 2)
    make_due()
    finished(run)


def test_leases_are_held_as_long_as_the_batch_is_open_and_nobody_takes_them_over(model):
    said_by(2)
    model.batches.hold = True
    run = begun()
    batches.carry()
    held = leases(run)
    make_due()  # nobody has looked after them for an hour
    assert queue.claim(10, "me") == []
    batches.carry()
    assert leases(run) == held
    left = [work.due_at - clock.now() for work in Work.objects.filter(run=run)]
    assert min(left) > timedelta(seconds=batches.LEASE_SECONDS / 2)
    model.batches.hold = False
    finished(run)
    assert len(model.batches.rows) == 1


# When the provider will not


def test_a_refusal_for_the_rate_is_waited_out_without_an_attempt_or_a_pause_for_others(model):
    said_by(2)
    Budget.objects.create(app=app(), tokens=1_000_000)
    before = Spend.objects.get().tokens
    run = begun()
    model.batches.troubles.append(Trouble(429, {"Retry-After": "120"}, "rate_limit_exceeded"))
    carried(run)
    assert (batch_states(), outcomes(run), model.batches.files) == (["failed"], [], {})
    for work in Work.objects.filter(run=run):
        assert (work.state, work.attempts) == ("waiting", 0)
        assert work.due_at - clock.now() > timedelta(seconds=100)
    assert (state_of(run).tokens, state_of(run).state) == (0, "running")
    assert sum(spend.tokens for spend in Spend.objects.all()) == before
    assert not ProviderState.objects.exists()
    make_due()
    finished(run)


def test_what_an_operator_must_mend_pauses_the_run_and_says_so(model):
    said_by(1)
    run = begun()
    for status, code, told in (
        (401, "invalid_api_key", "The provider does not accept the API key"),
        (400, "model_not_supported", "The provider refused the request to the model of the batch"),
        (429, "insufficient_quota", "The account's quota is used up"),
    ):
        model.batches.troubles.append(Trouble(status, code=code))
        run = carried(run)
        assert run.state == "paused"
        assert run.state_reason.startswith(told)
        assert (run.tokens, leases(run), model.batches.files) == (0, set(), {})
        lifecycle.resume(run)
    finished(run)


def test_nothing_is_sent_while_the_provider_is_paused(model):
    said_by(1)
    run = begun()
    pause = ProviderState.objects.create(pk="openai", needs_operator=True)
    assert not batches.carry()
    assert (leases(run), model.batches.uploads) == (set(), 0)
    pause.delete()
    finished(run)


def test_a_server_without_batches_pauses_the_run_and_the_local_reasoner_cannot_begin_one(model, settings):
    said_by(1)
    model.batches.offered = False
    run = carried(begun())
    assert (run.state, run.state_reason, leases(run)) == ("paused", batches.NO_BATCHES, set())
    settings.HONCHO |= {"PROVIDER": "local"}
    waiting = draft(carrier="batch")
    with pytest.raises(Conflict, match="takes no batches"):
        lifecycle.start(waiting)
    assert state_of(waiting).state == "draft"
    lifecycle.resume(run)
    assert carried(run).state_reason == batches.LOCAL


def test_a_batch_that_is_too_large_for_the_queue_waits_for_others_and_alone_pauses_the_run(model, settings):
    settings.HONCHO |= {"BATCH_PASSES": 2}
    said_by(3)
    model.batches.hold = True
    run = begun()
    batches.carry()
    batches.carry()
    assert batch_states() == ["sent", "sent"]
    model.batches.hold, model.batches.ends, model.batches.codes = False, "failed", ["token_limit_exceeded"]
    run = carried(run)
    assert (batch_states(), run.state) == (["failed", "failed"], "paused")
    assert run.state_reason == (
        "The provider refused a batch of 1 pass (token_limit_exceeded). Set BATCH_PASSES lower, then resume."
    )
    assert (run.tokens, outcomes(run)) == (0, [])
    late = Work.objects.filter(run=run, due_at__gt=clock.now() + timedelta(seconds=200))
    assert (late.count(), Work.objects.filter(run=run, attempts=0, state="waiting").count()) == (2, 3)
    model.batches.ends = "completed"
    make_due()
    lifecycle.resume(run)
    finished(run)


def test_lines_that_failed_fail_their_passes_and_no_others(model):
    subjects = said_by(5)
    model.decide = by_subject(
        {
            "user-0": Behaviour("too_long"),
            "user-1": Behaviour("not_json"),
            "user-2": Behaviour("drop"),
            "user-3": Behaviour("cut_off"),
        }
    )
    run = begun()
    run = carried(run)
    found = {row.line.subject_id: row for row in Pass.objects.filter(run=run).select_related("line")}
    told = [(found[subject.pk].outcome, found[subject.pk].failure) for subject in subjects]
    assert told == [
        ("failed", "refused"),
        ("failed", "nonsense"),
        ("failed", "transient"),
        ("failed", "nonsense"),
        ("published", ""),
    ]
    assert found[subjects[1].pk].output_tokens > 0
    assert found[subjects[2].pk].error == "The batch ended without an answer to it (server_error)."
    assert sorted(states(run)) == ["failed", "failed", "failed", "reading", "ready"]
    taken = sum(row.input_tokens + row.output_tokens for row in found.values())
    assert run.tokens == taken
    model.decide = None
    disposition.retry(Work.objects.filter(run=run))
    make_due()
    finished(run)


def test_lines_that_are_none_or_nobody_s_or_twice_there_hinder_no_others(model):
    said_by(3)
    model.batches.spoil = lambda lines: [
        "not json", "{}", "[1]", json_line("somebody-else"), *lines[1:], lines[1], {"custom_id": 7}, "",
    ]  # fmt: skip
    run = begun()
    carried(run)
    assert sorted(outcomes(run)) == [("failed", "transient"), ("published", ""), ("published", "")]
    assert Pass.objects.get(failure=Failure.TRANSIENT).error == "The batch ended without an answer to it (completed)."
    make_due()
    model.batches.spoil = lambda lines: lines
    finished(run)


def json_line(name: str) -> str:
    return f'{{"custom_id": "{name}", "response": {{"status_code": 200, "body": {{}}}}}}'


def test_what_an_expired_batch_did_not_come_to_costs_nothing_and_goes_with_the_next(model):
    said_by(3)
    with_price()
    model.batches.ends, model.batches.answered = "expired", 1
    run = begun()
    run = carried(run)
    assert sorted(outcomes(run)) == [("failed", "transient"), ("failed", "transient"), ("published", "")]
    [published] = Pass.objects.filter(run=run, outcome="published")
    assert (run.tokens, run.cost) == (published.input_tokens + published.output_tokens, published.cost)
    assert Pass.objects.filter(run=run, error="The batch ended without an answer to it (batch_expired).").count() == 2
    model.batches.ends, model.batches.answered = "completed", None
    make_due()
    finished(run)


def test_an_account_whose_money_runs_out_in_the_middle_pauses_the_run(model):
    said_by(2)
    model.decide = by_subject({"user-1": Behaviour("quota")})
    run = carried(begun())
    assert (run.state, run.state_reason.startswith("The account's quota is used up")) == ("paused", True)
    assert sorted(outcomes(run)) == [("failed", "quota"), ("published", "")]


# Humans, in the meantime


def test_a_pass_whose_subject_was_corrected_meanwhile_is_asked_again_and_both_answers_are_paid(model):
    [ana, _] = said_by(2)
    model.batches.hold = True
    run = begun()
    batches.carry()
    corrections.add(ana, "She sails.", by="me")
    model.batches.hold = False
    carried(run)
    assert sorted(outcomes(run)) == [("failed", "transient"), ("published", "")]
    failed = Pass.objects.get(run=run, outcome="failed")
    assert (failed.error, failed.line.subject) == (batches.CHANGED, ana)
    assert failed.output_tokens > 0
    make_due()
    drain()
    run = finished(run)
    assert "She sails." in contents(line_of(run, ana).head)
    paid = Pass.objects.filter(run=run)
    assert run.tokens == sum(row.input_tokens + row.output_tokens for row in paid)


def test_a_paused_run_sends_nothing_more_and_reads_what_is_out(model):
    subjects = said_by(2)
    model.batches.hold = True
    run = begun()
    batches.carry()
    lifecycle.pause(run)
    say("two", user="user-0")
    drain()
    model.batches.hold = False
    assert carried(run).state == "paused"
    assert ([line_of(run, each).cursor for each in subjects], len(model.batches.rows)) == ([1, 1], 1)
    lifecycle.resume(run)
    finished(run)


class Undeletable(dict[str, bytes]):
    def __delitem__(self, key: str) -> None:
        pass


def test_a_cancelled_run_s_batch_is_cancelled_and_paid_as_far_as_it_was_answered(model):
    said_by(2)
    Budget.objects.create(app=app(), tokens=1_000_000)
    model.batches.hold, model.batches.files = True, Undeletable()
    run = begun()
    batches.carry()
    lifecycle.cancel(run)
    assert outcomes(run) == [("abandoned", "")] * 2
    model.batches.answered = 1
    carried(run)
    assert [row["status"] for row in model.batches.rows.values()] == ["cancelling"]
    carried(run)
    assert (batch_states(), outcomes(run)) == (["ended"], [("abandoned", "")] * 2)
    answered, unanswered = Pass.objects.filter(run=run).order_by("-output_tokens")
    assert (answered.output_tokens > 0, unanswered.output_tokens) == (True, 0)
    taken = answered.input_tokens + answered.output_tokens
    assert (state_of(run).tokens, Spend.objects.get(prompt_version=run.prompt_version).tokens) == (taken, taken)
    Batch.objects.update(state="sent")  # as if we had died before that was noted
    carried(run)
    assert state_of(run).tokens == taken
    assert Representation.objects.filter(line__branch=run.public_id).count() == 0
    assert reconcile.account().faults == 0


def test_what_is_promoted_while_its_next_batch_is_out_does_not_wait_for_it(model):
    [ana] = said_by(1)
    run = finished(begun())
    model.batches.hold = True
    say("two", user=ana.user.name)
    drain()
    batches.carry()
    assert leases(run)
    lifecycle.promote(run)
    batches.carry()
    ana.refresh_from_db()
    work = Work.objects.get(line=ana.line)
    assert (work.line.branch, work.state, work.bulk) == (run.public_id, "waiting", False)
    drain()
    assert "two" in served(ana)
    model.batches.hold = False
    carried(run)
    assert (batch_states(), reconcile.account().faults) == (["ended", "ended"], 0)


# What it may take


def test_a_budget_bounds_each_batch_and_pauses_the_run_only_when_nothing_is_out(model):
    said_by(3)
    model.batches.hold = True
    run = begun()
    batches.carry()
    most = state_of(run).tokens // 3  # what one may take
    lifecycle.cancel(run)
    model.batches.hold = False
    carried(run)
    run = begun(token_budget=2 * most)
    batches.carry()
    assert (state_of(run).state, len(leases(run))) == ("running", 2)
    run = finished(run)
    assert most < run.tokens <= 2 * most
    lifecycle.discard(run)
    run = carried(begun(token_budget=most - 1_000))
    assert (run.state, outcomes(run), run.tokens) == ("paused", [], 0)
    assert run.state_reason.startswith("The budget of this run is ")
    lifecycle.change(run, token_budget=None)
    lifecycle.resume(run)
    finished(run)


def test_a_budget_of_money_counts_the_price_by_batch(model):
    said_by(2)
    with_price()
    run = begun(money_budget=Decimal(1_000))
    batches.carry()
    assert state_of(run).cost == sum(row.run_cost for row in Pass.objects.filter(run=run))
    projected = Pass.objects.filter(run=run).first()
    tokens = Decimal(projected.run_tokens)
    assert tokens * 1000 / 1_000_000 / 2 < projected.run_cost < tokens * 2000 / 1_000_000 / 2
    finished(run)


def test_a_run_begins_no_more_passes_a_minute_than_it_may(model):
    said_by(3)
    model.batches.hold = True
    run = begun(passes_per_minute=2)
    batches.carry()
    batches.carry()
    assert (len(leases(run)), len(model.batches.rows)) == (2, 1)


def test_passes_are_gathered_for_a_batch_that_is_not_full(model, settings):
    settings.HONCHO |= {"BATCH_SECONDS": 600}
    said_by(1)
    run = begun()
    batches.carry()
    say("two", user="user-0")
    say("two", user="user-1")
    drain()
    advance.advance()
    assert not batches.carry()
    assert len(model.batches.rows) == 1
    for _ in range(2):
        long_ago = clock.now() - timedelta(seconds=601)
        Batch.objects.update(created_at=long_ago, asked_at=long_ago)
        carried(run)
    finished(run)
    assert len(model.batches.rows) == 2


def test_a_file_grows_no_larger_than_the_provider_takes(model, monkeypatch):
    monkeypatch.setattr(batches, "MOST_BYTES", 1)
    said_by(2)
    finished(begun())
    assert [len(batch.passes) for batch in Batch.objects.all()] == [1, 1]


def test_an_estimate_by_batch_takes_the_discount_off_and_says_how_long_a_batch_may_take(settings):
    settings.HONCHO |= {"PASS_EVENTS": 2}
    said_by(1, "one", "two", "three")
    with_price()
    calls, batch = draft().estimate, draft(carrier="batch").estimate
    assert Decimal(batch["money"]) == Decimal(calls["money"]) / 2
    assert batch["seconds"] == 2 * 24 * 60 * 60
    assert batch["rests_on"] == (
        calls["rests_on"] + "; a batch may take up to 24 hours, and the subject with the most to read needs 2 in turn"
    )
    out = StringIO()
    version = PromptVersion.objects.get(number=2)
    call_command(
        "reprocess", "create", "--app", "harbour", "--prompt", version.public_id, "--reason", "x",
        "--carrier", "batch", stdout=out,
    )  # fmt: skip
    assert "time    2 days, 0:00:00" in out.getvalue()


def test_how_long_a_batch_took_says_nothing_of_how_long_calls_take():
    said_by(1)
    run = finished(begun())
    Pass.objects.filter(run=run).update(started_at=clock.now() - timedelta(hours=5))
    told = draft().estimate
    assert (told["rests_on"], told["seconds"]) == ("1 pass of user prompt 2", None)


def test_a_site_without_such_runs_asks_nobody(model):
    person()
    assert not batches.carry()
    assert model.batches.uploads == 0
