"""What a provider is given, what it gives back, and how it fails.

A provider turns one ``Request`` into one ``Completion``. It knows nothing of the database: the same
request always describes the whole pass, so a provider can be run and tested by itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

OUTPUT_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_tokens")
"""The parameters that limit an answer's tokens; the first is ours, and stands for whichever the server knows."""


class Level(enum.StrEnum):
    """How a statement was reached."""

    EXPLICIT = "explicit"
    DEDUCTIVE = "deductive"
    INDUCTIVE = "inductive"
    CONTRADICTION = "contradiction"


class Kind(enum.StrEnum):
    """What a representation is about; the values equal ``memory.models.Subject.Kind``."""

    USER = "user"
    OBSERVED = "observed"
    SESSION = "session"
    PROJECT = "project"


class Task(enum.StrEnum):
    """What a pass does; the values equal ``reasoning.models.Work.Task``."""

    READ = "read"
    CONSOLIDATE = "consolidate"


@dataclass(frozen=True)
class ShownEvent:
    """One new event as the reasoner sees it. ``number`` counts from 1 within the request."""

    number: int
    kind: str
    origin: str
    """``user``, ``agent``, ``tool``, ``operator`` or ``recalled``: who stands behind the content."""
    author: str | None
    """The author's name; ``None`` where the app's own agent or a tool wrote it."""
    occurred_at: datetime
    session: str | None
    content: str
    data: Any = None


@dataclass(frozen=True)
class KnownStatement:
    """A statement that stands already. ``number`` counts from 1 within the request."""

    number: int
    content: str
    level: str
    about: str | None
    held_from: date | None
    held_until: date | None
    importance: int
    since: datetime
    """When the newest event under it occurred."""
    pinned: bool = False


@dataclass(frozen=True)
class Request:
    """One pass: what is known of a subject and what has happened since.

    ``subject`` and ``observer`` are names of users (or of the session or project). ``participants`` are the
    names of everybody who takes part. ``timeout`` is in seconds. ``parameters`` are the prompt version's own
    (``temperature``, ``max_output_tokens``, ...). A pass that consolidates has no events: it goes over ``known``.
    """

    kind: Kind
    subject: str
    events: tuple[ShownEvent, ...]
    observer: str | None = None
    participants: tuple[str, ...] = ()
    known: tuple[KnownStatement, ...] = ()
    card: tuple[str, ...] = ()
    now: str = ""
    short_summary: str = ""
    long_summary: str = ""
    instructions: str = ""
    model: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    timeout: float = 60.0
    task: Task = Task.READ


@dataclass(frozen=True)
class Statement:
    """A statement to add: one self-contained sentence in the third person.

    ``events`` are numbers of shown events, ``known`` of known statements that it rests on. ``importance`` is 1
    (passing) to 5 (defining).
    """

    content: str
    events: tuple[int, ...]
    level: Level = Level.EXPLICIT
    about: str | None = None
    held_from: date | None = None
    held_until: date | None = None
    importance: int = 3
    known: tuple[int, ...] = ()


@dataclass(frozen=True)
class Retirement:
    """A known statement that no longer stands; ``replaced_by`` indexes ``Answer.add`` (from 0)."""

    known: int
    reason: str
    replaced_by: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a pass concluded. ``card`` is the whole new card, not a change to it."""

    add: tuple[Statement, ...] = ()
    retire: tuple[Retirement, ...] = ()
    card: tuple[str, ...] = ()
    now: str = ""
    short_summary: str = ""
    long_summary: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True)
class Completion:
    """A provider's reply: the parsed answer and what is needed to judge and account for it."""

    answer: Answer
    raw: str
    provider: str
    model: str
    usage: Usage = Usage()
    finish_reason: str = "stop"


class Failure(enum.StrEnum):
    """Why a pass failed, or may not be made; each class has an answer of its own in ``reasoning.disposition``."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    REFUSED = "refused"
    NONSENSE = "nonsense"
    GATED = "gated"
    OVER_BUDGET = "over_budget"
    NO_PRICE = "no_price"
    OURS = "ours"
    LOST_LEASE = "lost_lease"


OUTAGES = frozenset({Failure.TRANSIENT, Failure.RATE_LIMITED, Failure.QUOTA})
"""Failures that are not the input's fault: they are waited out, however long they last."""

OF_THE_MODEL = frozenset({Failure.REFUSED, Failure.NONSENSE, Failure.GATED, Failure.TRANSIENT})
"""Failures that another model may not share: before the input is parked, the next step of the chain is asked."""


class ProviderError(Exception):
    """A call that gave no usable answer.

    ``failure`` is its class, ``retry_after`` the provider's own wish in seconds, ``raw`` what came back (for
    the quarantine, never for logs), ``usage`` what it took, None where that cannot be known. ``slow`` says that it ran
    out of time, so that fewer events may do. The message is safe to store and show: no key, no content.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        retry_after: float | None = None,
        raw: str = "",
        usage: Usage | None = Usage(),
        slow: bool = False,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after = retry_after
        self.raw = raw
        self.usage = usage
        self.slow = slow


@dataclass(frozen=True)
class Chat:
    """Messages, each with ``role`` and ``content``, to which a model says something. ``timeout`` is in seconds."""

    messages: tuple[dict[str, str], ...]
    model: str
    parameters: dict[str, Any] = field(default_factory=dict)
    timeout: float = 60.0


@dataclass(frozen=True)
class Said:
    """What a model's text was said by, and what it took; the usage is None where the server did not tell."""

    model: str
    usage: Usage | None


class Provider(Protocol):
    """Something that can answer a request."""

    name: str
    free: bool
    """Whether its calls cost nothing, so that no budget counts them."""

    def projected(self, request: Request) -> Usage:
        """Return the most that ``request`` is expected to take."""
        ...

    async def answer(self, request: Request) -> Completion:
        """Answer ``request`` or raise :class:`ProviderError`."""
        ...


@dataclass(frozen=True)
class Step:
    """A provider in the chain. ``model`` is what it is asked for, empty for the prompt version's own.

    ``after_seconds`` is for how long those before it must have ailed, ``discount`` the share of the price (0 to 1) that
    it takes off.
    """

    provider: Provider
    model: str = ""
    after_seconds: float = 0.0
    discount: Decimal = Decimal(0)

    @property
    def name(self) -> str:
        """The name under which the provider's state is kept."""
        return self.provider.name
