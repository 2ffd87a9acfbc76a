"""The settings of the loop, in the same ``HONCHO`` dict as the store's (``memory.conf``)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from memory.conf import Section

PROVIDERS = ("openai", "local")
KINDS = ("user", "observed", "session", "project")
SMALLEST_CONTEXT = 6_000
PROMPT_TOKENS = 3_000
"""What the frame, a default prompt and the form of the answer take together, with some room for other tokenizers."""

LONGEST_BATCH_SECONDS = 900.0
"""A batch that is asked after less often would lose its leases."""


def _intervals() -> dict[str, float]:
    return {"user": 300.0, "observed": 600.0, "session": 600.0, "project": 600.0}


@dataclass(frozen=True, kw_only=True)
class ReasoningSettings(Section):
    """What the loop can be told. Times are in seconds."""

    provider: str = "local"
    """Who reasons: ``openai`` (any OpenAI-compatible server) or ``local`` (built in, no key, deterministic)."""

    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = ""
    model: str = "gpt-4o-mini"
    """The model of prompt versions that name none."""

    embedding_model: str = "text-embedding-3-small"
    """The model that makes vectors for search where ``EMBEDDER`` is ``provider``."""

    embedding_base_url: str = ""
    embedding_api_key: str = field(default="", repr=False)
    """Who is asked for vectors, where that is another than who reasons. A key of its own goes with another address."""

    fallbacks: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """Who is asked, in this order, when the provider cannot answer: dicts with ``PROVIDER`` (``openai`` or ``local``)
    and, for ``openai``, ``MODEL``, ``BASE_URL``, ``API_KEY`` and ``NAME``. What is left out is as above, but for the
    key of another address. ``AFTER_SECONDS`` stands in place of ``fallback_after_seconds``."""

    fallback_after_seconds: float = 60.0
    """For how long those before it must have failed or been paused until a fallback is asked."""

    output_tokens: int = 4_000
    """What an answer is expected to take at most where its prompt version sets no ``max_output_tokens``. Calls that
    fall under a budget are limited to it."""

    model_timeout: float = 60.0
    """How long one model call may take."""

    context_tokens: int = 0
    """How many tokens the model takes, prompt and answer together; 0: more than any call here needs. What a call shows
    and may answer is cut to what fits, however large the limits below are."""

    worker_concurrency: int = 4
    """Database connections of one drainer; it keeps ``calls_per_connection`` times as many calls in flight."""

    calls_per_connection: int = 16
    bulk_share: float = 0.5
    """How much of that bulk work (reprocessing, reading again after a rollback) may take: the rest stays free for what
    comes in."""

    batch_discount: float = 0.5
    """How much the provider takes off the price of what goes by batch: 0.5 is half."""

    batch_passes: int = 1_000
    """The most passes that go in one batch."""

    batch_seconds: float = 30.0
    """How often the provider is asked after a batch, and for how long passes are gathered for the next."""

    poll_interval: float = 10.0
    """How often a drainer looks for work without being woken: the safety net."""

    pass_events: int = 100
    """The most events that one pass shows to the model."""

    pass_tokens: int = 8_000
    """The most tokens of events that one pass shows to the model (one event always goes)."""

    known_tokens: int = 2_000
    """The most tokens of known statements that a pass shows."""

    settle_seconds: float = 0.5
    """A burst is over when nothing has come for so long."""

    interval_seconds: dict[str, float] = field(default_factory=_intervals)
    """By kind of subject: how long after a pass the next one may begin, unless enough tokens wait."""

    enough_tokens: int = 1_000
    """So many waiting tokens are worth a pass at once."""

    max_wait_seconds: float = 900.0
    """No event waits longer than this for its pass to begin, however few tokens there are."""

    awaited_seconds: float = 5.0
    """How soon after a pass the next may begin because a reader waits for it. Budgets hold all the same."""

    lease_seconds: float = 120.0
    """How long a claim holds without being renewed; drainers renew every third of it."""

    max_attempts: int = 5
    """After so many failures that will not mend themselves, work is parked for an operator."""

    same_failure_limit: int = 3
    """After so many failures of one kind with the very same input, there is no progress: it is parked as well."""

    gate_shrink_percent: float = 60.0
    """An answer may take away so much of what stood, in per cent of its tokens, and no more; 100: anything goes."""

    gate_growth_ratio: float = 4.0
    """An answer may add so many tokens for each token of new events (and ``gate_growth_tokens`` whatever came)."""

    gate_growth_tokens: int = 400
    gate_empty_tokens: int = 200
    """An answer that says nothing at all of more tokens than this is no answer; 0: it is."""

    gate_instructions: bool = True
    """Whether text that reads like instructions to the agent is kept from readers."""

    gate_secrets: bool = True
    """Whether text that holds keys, tokens or private keys is kept from readers."""

    gate_language: bool = True
    """Whether an answer in a language of neither the events nor what stood is kept from readers."""

    consolidate: bool = True
    """Whether what is known is gone over by itself: what says the same is merged, patterns and contradictions are
    named. Each time is a call of the model."""

    consolidate_statements: int = 40
    """So many statements added since the last time are worth going over what is known at once."""

    consolidate_quiet_statements: int = 8
    """So many are, once nothing has been read for ``consolidate_quiet_seconds``."""

    consolidate_quiet_seconds: float = 21_600.0
    consolidate_tokens: int = 4_000
    """The most tokens of known statements that are gone over at once. What is said of each (whom it is about, when it
    was last said) comes on top, and is as much again or more."""

    gate_merge_percent: float = 80.0
    """In place of ``gate_shrink_percent`` where what is known is gone over: what stood several times stands once."""

    drain_seconds: float = 75.0
    """How long one django-q2 task keeps draining before it hands over to the next."""

    worker_silence_seconds: float = 60.0
    """``/readyz`` misses the worker when none was seen for so long; workers report every 5 seconds."""

    @classmethod
    def load(cls) -> Self:
        """Return the settings in force now, their limits within the model's context."""
        settings = super().load()
        return settings._within_context() if _is_number(settings.context_tokens, int) else settings

    def _within_context(self) -> Self:
        """Return these settings with a share of what the prompt leaves of the context for each of its parts.

        The shares add up to 0.56: what is said beside each statement and event takes about as much again as its text.
        """
        room = self.context_tokens - PROMPT_TOKENS
        if room <= 0:
            return self
        return replace(
            self,
            pass_tokens=min(self.pass_tokens, room // 4),
            known_tokens=min(self.known_tokens, room // 16),
            consolidate_tokens=min(self.consolidate_tokens, room // 4),
            output_tokens=min(self.output_tokens, room // 4),
        )

    @property
    def capacity(self) -> int:
        """How many calls one drainer keeps in flight."""
        return self.worker_concurrency * self.calls_per_connection

    @property
    def bulk_capacity(self) -> int:
        """How many of them may be bulk work."""
        return max(int(self.capacity * self.bulk_share), 1)

    def problems(self) -> list[tuple[str, str]]:
        """Return (key, what to do) for each value that cannot be used."""
        found = []
        if self.provider not in PROVIDERS:
            found.append(("PROVIDER", f"Use one of {', '.join(PROVIDERS)}."))
        if self.provider == "openai" and not self.openai_api_key:
            found.append(("OPENAI_API_KEY", "The provider 'openai' needs a key; any text if the server asks for none."))
        whole = ("worker_concurrency", "calls_per_connection", "pass_events", "pass_tokens", "known_tokens",
                 "enough_tokens", "max_attempts", "same_failure_limit", "output_tokens", "consolidate_statements",
                 "consolidate_quiet_statements", "consolidate_tokens", "batch_passes")  # fmt: skip
        for key in whole:
            if not _is_number(getattr(self, key), int) or getattr(self, key) < 1:
                found.append((key.upper(), "Set it to a whole number of at least 1."))
        for key in ("model_timeout", "poll_interval", "lease_seconds", "drain_seconds", "max_wait_seconds",
                    "worker_silence_seconds", "consolidate_quiet_seconds"):  # fmt: skip
            if not _is_number(getattr(self, key), int | float) or getattr(self, key) <= 0:
                found.append((key.upper(), "Set it to a number of seconds above 0."))
        context = self.context_tokens
        if not _is_number(context, int) or 0 != context < SMALLEST_CONTEXT:
            found.append(("CONTEXT_TOKENS", f"Set it to 0, or to a whole number of at least {SMALLEST_CONTEXT:,}."))
        for key in ("gate_shrink_percent", "gate_merge_percent"):
            if not _is_number(getattr(self, key), int | float) or not 0 <= getattr(self, key) <= 100:
                found.append((key.upper(), "Set it to a number from 0 to 100."))
        if not _is_number(self.batch_discount, int | float) or not 0 <= self.batch_discount <= 1:
            found.append(("BATCH_DISCOUNT", "Set it to a number from 0 to 1."))
        if not _is_number(self.batch_seconds, int | float) or not 0 <= self.batch_seconds <= LONGEST_BATCH_SECONDS:
            found.append(("BATCH_SECONDS", f"Set it to a number of seconds, 0 to {LONGEST_BATCH_SECONDS:g}."))
        if not _is_number(self.bulk_share, int | float) or not 0 < self.bulk_share <= 1:
            found.append(("BULK_SHARE", "Set it to a number above 0, up to 1."))
        if not _is_number(self.gate_growth_ratio, int | float) or self.gate_growth_ratio < 0:
            found.append(("GATE_GROWTH_RATIO", "Set it to a number, 0 or more."))
        if not _is_number(self.gate_growth_tokens, int) or self.gate_growth_tokens < 0:
            found.append(("GATE_GROWTH_TOKENS", "Set it to a whole number, 0 or more."))
        if not _is_number(self.gate_empty_tokens, int) or self.gate_empty_tokens < 0:
            found.append(("GATE_EMPTY_TOKENS", "Set it to a whole number, 0 or more."))
        for key in ("gate_instructions", "gate_secrets", "gate_language", "consolidate"):
            if not isinstance(getattr(self, key), bool):
                found.append((key.upper(), "Set it to True or False."))
        if not _is_number(self.fallback_after_seconds, int | float) or self.fallback_after_seconds < 0:
            found.append(("FALLBACK_AFTER_SECONDS", "Set it to a number of seconds, 0 or more."))
        if problem := _fallback_problem(self.provider, self.fallbacks):
            found.append(("FALLBACKS", problem))
        for key in ("settle_seconds", "awaited_seconds"):
            if not _is_number(getattr(self, key), int | float) or getattr(self, key) < 0:
                found.append((key.upper(), "Set it to a number of seconds, 0 or more."))
        intervals = self.interval_seconds
        if not isinstance(intervals, dict) or set(intervals) != set(KINDS):
            found.append(("INTERVAL_SECONDS", f"Give a dict with seconds for each of {', '.join(KINDS)}."))
        elif any(not _is_number(value, int | float) or value < 0 for value in intervals.values()):
            found.append(("INTERVAL_SECONDS", "Give a number of seconds, 0 or more, for each kind."))
        return found


_FALLBACK_KEYS = {"PROVIDER", "MODEL", "BASE_URL", "API_KEY", "NAME", "AFTER_SECONDS"}


def _fallback_problem(first: str, fallbacks: Any) -> str:
    """Return what to do about the fallbacks; nothing where they can be used. Never shows a value: some are secrets."""
    if not isinstance(fallbacks, list | tuple):
        return "Give a list of dicts."
    names = [first]
    for place, given in enumerate(fallbacks, start=2):
        if not isinstance(given, dict) or given.get("PROVIDER") not in PROVIDERS:
            return f"Each must be a dict with PROVIDER, one of {', '.join(PROVIDERS)}."
        if unknown := sorted(str(key) for key in given.keys() - _FALLBACK_KEYS):
            return f"There is no {', '.join(unknown)}: use {', '.join(sorted(_FALLBACK_KEYS))}."
        after = given.get("AFTER_SECONDS", 0)
        if not _is_number(after, int | float) or after < 0:
            return "AFTER_SECONDS must be a number of seconds, 0 or more."
        name = "local" if given["PROVIDER"] == "local" else given.get("NAME", f"openai-{place}")
        if name in names or (given["PROVIDER"] == "openai" and name == "local"):
            return "Give each a NAME of its own, and name the local reasoner once."
        names.append(name)
    return ""


def _is_number(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
