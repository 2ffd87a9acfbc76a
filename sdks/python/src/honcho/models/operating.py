"""What operators work with. (Types are written as Python 3.9 can read them at run time.)"""

from datetime import datetime
from typing import Any, Optional

from honcho.models.base import Model
from honcho.models.memory import Named


class QueueCounts(Model):
    """Lines by state, and the events that wait."""

    waiting: int
    leased: int
    held: int
    parked: int
    events: int


class Queue(QueueCounts):
    """What waits to be reasoned over."""

    not_taken_in: int
    not_indexed: int
    not_embedded: int
    oldest_seconds: Optional[float]
    by_kind: dict[str, QueueCounts]


class Key(Model):
    """An API key. ``key`` itself is there once, in the answer that made it."""

    id: str
    name: str
    scope: str
    app_id: Optional[str]
    user_id: Optional[str]
    session_id: Optional[str]
    project_id: Optional[str]
    collection_id: Optional[str]
    access: str
    prefix: str
    expires_at: Optional[datetime]
    last_used_at: Optional[datetime]
    revoked_at: Optional[datetime]
    rate_per_minute: Optional[int]
    created_by: str
    created_at: datetime
    key: Optional[str]

    def __repr__(self) -> str:
        return f"Key(id={self.id!r}, name={self.name!r}, scope={self.scope!r})"


class Webhook(Model):
    """An address that is told of what happens. ``secret`` is there once, when it was made or rotated."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str
    failures: int
    created_at: datetime
    secret: Optional[str]

    def __repr__(self) -> str:
        return f"Webhook(id={self.id!r}, url={self.url!r})"


class Delivery(Model):
    """One message to a webhook, and what became of it."""

    id: str
    event_id: str
    type: str
    state: str
    attempts: int
    status: Optional[int]
    error: str
    next_at: Optional[datetime]
    attempted_at: Optional[datetime]
    created_at: datetime


class Erasure(Model):
    """The receipt of an erasure; with ``dry_run`` what it would be."""

    id: Optional[str]
    dry_run: bool
    what: str
    target: str
    erased: dict[str, int]
    subjects: dict[str, int]
    reason: str
    by: str
    created_at: Optional[datetime]
    vacuumed_at: Optional[datetime]


class Export(Model):
    """The end of an export: how many lines of each type it holds."""

    counts: dict[str, int]


class Import(Model):
    """What an import stored, and what was there already."""

    app_id: str
    imported: dict[str, int]
    skipped: dict[str, int]


class Prompt(Model):
    """A prompt version. ``instructions`` is there where one was asked for."""

    id: str
    name: str
    kind: str
    number: int
    message: str
    of: str
    model: str
    parameters: dict[str, Any]
    labels: list[str]
    passes: int
    author: Optional[str]
    created_at: datetime
    instructions: Optional[str]


class Arm(Model):
    """A candidate of an experiment, and its share of the subjects."""

    id: str
    version: Named
    share: float
    paused: bool
    paused_because: str


class Experiment(Model):
    """A sticky split of an app's subjects between prompt versions."""

    id: str
    name: str
    kind: str
    mode: str
    state: str
    control: Named
    sample: float
    guardrails: list[dict[str, Any]]
    arms: list[Arm]
    created_at: datetime
    started_at: Optional[datetime]
    ended_at: Optional[datetime]
    acts: list[dict[str, Any]]


class Reprocess(Model):
    """A run that reads old events again with a prompt version, beside what is served."""

    id: str
    prompt: str
    kind: str
    subjects: list[str]
    since: Optional[datetime]
    carrier: str
    state: str
    state_reason: str
    passes_per_minute: Optional[int]
    token_budget: Optional[int]
    money_budget: Optional[str]
    tokens: int
    cost: str
    estimate: dict[str, Any]
    by: str
    reason: str
    created_at: datetime
    started_at: Optional[datetime]
    ended_at: Optional[datetime]
    progress: Optional[dict[str, Any]]


class Rollback(Model):
    """All that a prompt version made, taken back; ``plan`` is what a dry run would do."""

    id: Optional[str]
    prompt: str
    since: Optional[datetime]
    then: str
    live: Optional[str]
    subjects: int
    by: str
    reason: str
    undoes: Optional[str]
    undone_by: Optional[str]
    created_at: Optional[datetime]
    plan: Optional[dict[str, Any]]
