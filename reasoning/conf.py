"""The settings of the loop, in the same ``HONCHO`` dict as the store's (``memory.conf``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memory.conf import Section

PROVIDERS = ("openai", "local")
KINDS = ("user", "observed", "session", "project")


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

    model_timeout: float = 60.0
    """How long one model call may take."""

    worker_concurrency: int = 4
    """Database connections of one drainer; it keeps ``calls_per_connection`` times as many calls in flight."""

    calls_per_connection: int = 16
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

    lease_seconds: float = 120.0
    """How long a claim holds without being renewed; drainers renew every third of it."""

    max_attempts: int = 5
    """After so many failures that will not mend themselves, work is parked for an operator."""

    gate_shrink_percent: float = 60.0
    """An answer may take away so much of what stood, in per cent of its tokens, and no more; 100: anything goes."""

    gate_growth_ratio: float = 4.0
    """An answer may add so many tokens for each token of new events (and ``gate_growth_tokens`` whatever came)."""

    gate_growth_tokens: int = 400
    gate_instructions: bool = True
    """Whether text that reads like instructions to the agent is kept from readers."""

    gate_secrets: bool = True
    """Whether text that holds keys, tokens or private keys is kept from readers."""

    gate_language: bool = True
    """Whether an answer in a language of neither the events nor what stood is kept from readers."""

    drain_seconds: float = 75.0
    """How long one django-q2 task keeps draining before it hands over to the next."""

    worker_silence_seconds: float = 60.0
    """``/readyz`` misses the worker when none was seen for so long; workers report every 5 seconds."""

    def problems(self) -> list[tuple[str, str]]:
        """Return (key, what to do) for each value that cannot be used."""
        found = []
        if self.provider not in PROVIDERS:
            found.append(("PROVIDER", f"Use one of {', '.join(PROVIDERS)}."))
        if self.provider == "openai" and not self.openai_api_key:
            found.append(("OPENAI_API_KEY", "The provider 'openai' needs a key; any text if the server asks for none."))
        whole = ("worker_concurrency", "calls_per_connection", "pass_events", "pass_tokens", "known_tokens",
                 "enough_tokens", "max_attempts")  # fmt: skip
        for key in whole:
            if not _is_number(getattr(self, key), int) or getattr(self, key) < 1:
                found.append((key.upper(), "Set it to a whole number of at least 1."))
        for key in ("model_timeout", "poll_interval", "lease_seconds", "drain_seconds", "max_wait_seconds",
                    "worker_silence_seconds"):  # fmt: skip
            if not _is_number(getattr(self, key), int | float) or getattr(self, key) <= 0:
                found.append((key.upper(), "Set it to a number of seconds above 0."))
        if not _is_number(self.gate_shrink_percent, int | float) or not 0 <= self.gate_shrink_percent <= 100:
            found.append(("GATE_SHRINK_PERCENT", "Set it to a number from 0 to 100."))
        if not _is_number(self.gate_growth_ratio, int | float) or self.gate_growth_ratio < 0:
            found.append(("GATE_GROWTH_RATIO", "Set it to a number, 0 or more."))
        if not _is_number(self.gate_growth_tokens, int) or self.gate_growth_tokens < 0:
            found.append(("GATE_GROWTH_TOKENS", "Set it to a whole number, 0 or more."))
        for key in ("gate_instructions", "gate_secrets", "gate_language"):
            if not isinstance(getattr(self, key), bool):
                found.append((key.upper(), "Set it to True or False."))
        if not _is_number(self.settle_seconds, int | float) or self.settle_seconds < 0:
            found.append(("SETTLE_SECONDS", "Set it to a number of seconds, 0 or more."))
        intervals = self.interval_seconds
        if not isinstance(intervals, dict) or set(intervals) != set(KINDS):
            found.append(("INTERVAL_SECONDS", f"Give a dict with seconds for each of {', '.join(KINDS)}."))
        elif any(not _is_number(value, int | float) or value < 0 for value in intervals.values()):
            found.append(("INTERVAL_SECONDS", "Give a number of seconds, 0 or more, for each kind."))
        return found


def _is_number(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
