"""One run: writers, readers, and one fault after another; then all is well again, and what must hold is checked.

The seed decides what is written, which faults come when and how they hit. What the processes make of it is up to the
machine: a seed that failed fails again often, not always.
"""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.checks import Findings, inspect
from tests.faults.kinds import KINDS, NotNow
from tests.faults.provider import Provider
from tests.faults.site import FaultSite, Template, site, wait_for
from tests.faults.traffic import Traffic
from tests.faults.watch import Watch

APPS = ("app-1", "app-2", "app-3")
OPERATOR_LOOKS_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is made of. ``every`` is the mean time between two faults; times are in seconds."""

    seed: int
    events: int = 220
    seconds: float = 16.0
    every: float = 0.9
    users: int = 4
    pass_events: int = 20
    lease: float = 3.0
    """Where much is in flight it must be longer: heartbeats wait for a connection like everything else."""

    writers: int = 4
    readers: int = 1
    start_patience: float = 60.0
    drain_patience: float = 120.0
    kinds: tuple[str, ...] = ()
    """Only these kinds of faults; all if empty."""


@dataclass(frozen=True)
class Happened:
    """One fault: when (seconds from the start), which, what exactly, and how long after it the next version came."""

    at: float
    kind: str
    detail: str
    recovery: float | None = None


@dataclass
class Result:
    """What became of a run."""

    seed: int
    outside: bool
    seconds: float = 0.0
    drain_seconds: float = 0.0
    events: int = 0
    writes: int = 0
    again: int = 0
    twice: int = 0
    replayed: int = 0
    reads: int = 0
    longest_write: float = 0.0
    met: dict[str, int] = field(default_factory=dict)
    versions: int = 0
    passes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    reconciled: str = ""
    resumed: int = 0
    retried: int = 0
    calls: int = 0
    needed: int = 0
    billed: int = 0
    """Tokens of all answers that the model made, whether anybody heard them or not."""
    charged: int = 0
    """Tokens that the budget counts."""
    calls_met: dict[str, int] = field(default_factory=dict)
    longest_stall: float = 0.0
    longest_stall_at: float = 0.0
    recovery_median: float = 0.0
    recovery_longest: float = 0.0
    happened: list[Happened] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """All that must not be, in words; empty where all is well."""
    logs: str = ""

    def as_json(self) -> dict[str, Any]:
        """Everything but the processes' logs."""
        return {name: value for name, value in asdict(self).items() if name != "logs"}

    def story(self) -> str:
        """What somebody needs who has to find out what went wrong."""
        faults = "\n".join([f"{each.at:8.2f}  {each.kind}: {each.detail}" for each in self.happened] + self.notes)
        wrong = "\n".join(self.wrong)
        where = "outside" if self.outside else "embedded"
        return f"seed {self.seed}, PostgreSQL {where}\n{wrong}\n\nfaults by time:\n{faults}\n\n{self.logs}"


class Chaos:
    """Faults in a thread of their own."""

    def __init__(self, plan: Plan, place: FaultSite, provider: Provider) -> None:
        self.plan, self.site, self.provider = plan, place, provider
        self.happened: list[Happened] = []
        self.notes: list[str] = []
        self.resumed = self.retried = 0
        self.failure: BaseException | None = None
        self.began = time.monotonic()
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._rng = random.Random(f"{plan.seed} faults")
        self._put_off: list[str] = []
        self._over = threading.Event()
        self._operators: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    def start(self) -> None:
        """Let things go wrong."""
        self.began = time.monotonic()
        self._thread.start()

    def heal(self) -> None:
        """Let everything be well again."""
        self._over.set()
        self._thread.join()
        while self._ends:
            heapq.heappop(self._ends)[2]()
        for operator in self._operators:
            operator.join()
        if self.failure is not None:
            raise self.failure

    def later(self, seconds: float, end: Callable[[], None]) -> None:
        """Have ``end`` called after so long, or when all is to be well, whichever comes first."""
        heapq.heappush(self._ends, (time.monotonic() + seconds, next(self._number), end))

    def operate(self) -> None:
        """Act as the operator, beside the run."""
        self.provider.awaits_operator = True
        operator = threading.Thread(target=self._operate, name="operator", daemon=True)
        self._operators.append(operator)
        operator.start()

    def _operate(self) -> None:
        try:
            self.operate_now()
        except Exception as error:  # the database may be away: the operator comes again when all is well
            self.notes.append(f"{time.monotonic() - self.began:8.2f}  the operator gave up: {error!r:.200}")
        finally:
            self.provider.awaits_operator = False

    def operate_now(self) -> None:
        """Act as the operator and wait for it."""
        resumed, retried = self.site.operate()
        self.resumed, self.retried = self.resumed + resumed, self.retried + retried

    def _run(self) -> None:
        try:
            names = self._names()
            at = time.monotonic() + self._rng.uniform(0.5, 1.5) * self.plan.every
            while not self._over.wait(0.05):
                while self._ends and self._ends[0][0] <= time.monotonic():
                    heapq.heappop(self._ends)[2]()
                if time.monotonic() >= at:
                    self._let_happen(names)
                    at = max(at, time.monotonic()) + self._rng.uniform(0.5, 1.5) * self.plan.every
        except BaseException as error:
            self.failure = error

    def _names(self) -> Iterator[str]:
        """Kinds from a deck that is shuffled whenever it is used up: each comes as often as any other."""
        deck = sorted(self.plan.kinds or KINDS)
        while True:
            yield from self._rng.sample(deck, len(deck))

    def _let_happen(self, names: Iterator[str]) -> None:
        """Let the next fault happen; what cannot now is tried again first, the next time."""
        waiting, self._put_off = self._put_off, []
        for _ in range(len(KINDS)):
            name = waiting.pop(0) if waiting else next(names)
            rng = random.Random(f"{self.plan.seed} {name} {self._rng.random()}")
            moment = time.monotonic() - self.began
            try:
                detail = KINDS[name].act(self, rng)
            except NotNow:
                self._put_off.append(name)
                continue
            self.happened.append(Happened(moment, name, detail))
            break
        self._put_off = list(dict.fromkeys([*self._put_off, *waiting]))


def run(plan: Plan, made: Template) -> Result:
    """Do one run on a site of its own."""
    outside = random.Random(f"{plan.seed} database").random() < 0.5
    result = Result(plan.seed, outside)
    provider = Provider(plan.seed)
    provider.model.start()
    try:
        options = {"outside": outside, "pass_events": plan.pass_events, "lease": plan.lease}
        with site(made, provider.model.url, **options) as place:
            try:
                _run(plan, place, provider, made, result)
            finally:
                result.logs = place.tails()
        result.wrong += [f"a process was left behind: {process}" for process in place.orphans()]
    finally:
        provider.model.stop()
    return result


def _run(plan: Plan, place: FaultSite, provider: Provider, made: Template, result: Result) -> None:
    if not wait_for(lambda: _ready(place), plan.start_patience):
        result.wrong.append("the site did not start")
        return
    traffic = Traffic(
        place.url, made.keys, seed=plan.seed, events=plan.events, seconds=plan.seconds, users=plan.users,
        writers=plan.writers, readers=plan.readers,
    )  # fmt: skip
    watch = Watch(place.connect, lambda: provider.well)
    chaos = Chaos(plan, place, provider)
    began = time.monotonic()
    try:
        watch.start()
        traffic.start()
        chaos.start()
        time.sleep(plan.seconds)
        chaos.heal()
        healed = time.monotonic()
        if not traffic.finish(plan.drain_patience):
            result.wrong.append("not every write was acknowledged although all was well again")
        _drain(plan, place, chaos, watch, result)
        result.drain_seconds = time.monotonic() - healed
        result.seconds = time.monotonic() - began
    finally:
        traffic.stop()
        watch.stop()
    _account(place, provider, traffic, chaos, watch, result)


def _ready(place: FaultSite) -> bool:
    """Whether web and both drainers are there: faults shall not only hit what is just starting."""
    import httpx

    try:
        answers = httpx.get(f"{place.url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
    return answers and place.ask("SELECT count(*) FROM reasoning_worker")[0][0] >= 2


def _drain(plan: Plan, place: FaultSite, chaos: Chaos, watch: Watch, result: Result) -> None:
    """Wait until nothing waits any more; an operator looks after what is parked or paused for one."""
    began = operator_at = time.monotonic()
    give_up = began + plan.drain_patience
    while time.monotonic() < give_up:
        look = watch.latest
        if look is not None and look.at >= began and not look.waiting:  # an older look has not seen the last writes
            return
        if time.monotonic() >= operator_at:
            asked = place.ask(
                "SELECT EXISTS (SELECT FROM reasoning_work WHERE state = 'parked')"
                " OR EXISTS (SELECT FROM reasoning_providerstate WHERE needs_operator)"
            )
            if asked == [(True,)]:
                chaos.operate_now()
            operator_at = time.monotonic() + OPERATOR_LOOKS_SECONDS
        time.sleep(0.1)
    result.wrong.append(f"after {plan.drain_patience:g} s in which all was well, something still waits: {watch.latest}")


def _account(
    place: FaultSite, provider: Provider, traffic: Traffic, chaos: Chaos, watch: Watch, result: Result
) -> None:
    ledger = traffic.ledger
    found = result.findings = inspect(place.ask, ledger.events, ledger.fresh)
    reconciled = place.manage_now("reconcile")
    result.reconciled = " ".join(reconciled.stdout.split())
    if reconciled.returncode:
        result.wrong.append(f"reconcile: {reconciled.stdout} {reconciled.stderr}"[-2000:])
    result.wrong += [f"{name}: {count}" for name, count in found.wrong().items()] + found.examples + ledger.wrong
    if place.supervisor.failure is not None:
        result.wrong.append(f"the harness's supervisor failed: {place.supervisor.failure!r}")
    result.events, result.versions = found.events, found.versions
    result.writes, result.again, result.twice = ledger.writes, ledger.again, ledger.twice
    result.replayed, result.reads, result.met = ledger.replayed, ledger.reads, dict(ledger.met)
    result.longest_write = ledger.longest_write
    result.passes = dict(place.ask("SELECT outcome, count(*) FROM reasoning_pass GROUP BY 1 ORDER BY 1"))
    result.faults = dict(Counter(each.kind for each in chaos.happened))
    result.restarts = {
        name: {_ending(code): count for code, count in service.ends.items()} for name, service in place.services.items()
    }
    result.notes = chaos.notes
    result.resumed, result.retried = chaos.resumed, chaos.retried
    result.calls, result.needed = provider.model.count, result.passes.get("published", 0)
    result.billed = provider.model.billed
    [(result.charged,)] = place.ask("SELECT coalesce(sum(tokens), 0)::bigint FROM reasoning_spend")
    if result.charged < result.billed:
        result.wrong.append(f"the model billed {result.billed:,} tokens, and the budget counts {result.charged:,}")
    result.calls_met = dict(provider.met)
    result.longest_stall, result.longest_stall_at = watch.longest, watch.longest_at - chaos.began
    result.happened = [
        Happened(each.at, each.kind, each.detail, watch.recovery(chaos.began + each.at)) for each in chaos.happened
    ]
    recoveries = [each.recovery for each in result.happened if each.recovery is not None]
    if recoveries:
        result.recovery_median, result.recovery_longest = statistics.median(recoveries), max(recoveries)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
