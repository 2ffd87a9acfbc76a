"""What is concluded, and what is answered from it. (Types are written as Python 3.9 can read them at run time.)"""

from datetime import date, datetime
from typing import Any, Optional

from honcho.models.base import Model
from honcho.models.store import Event


class Behind(Model):
    """What the log holds and this has not read."""

    events: int
    seconds: float


class Summary(Model):
    """A summary in two lengths."""

    short: str
    long: str


class Conclusion(Model):
    """A statement, and the ids of the events under it."""

    id: str
    content: str
    level: str
    about: Optional[str]
    held_from: Optional[date]
    held_until: Optional[date]
    importance: int
    pinned: bool
    since_version: Optional[int]
    sources: list[str]


class Correction(Model):
    """What a human said of a statement last. ``event_id`` is None once that event is archived."""

    act: str
    by: str
    reason: str
    event_id: Optional[str]
    version: int
    conclusion_id: str
    replaced_by: Optional[str]
    created_at: datetime


class KnownConclusion(Conclusion):
    """A statement, whether it stands or not."""

    standing: bool
    retracted: bool
    created_at: datetime
    correction: Optional[Correction]


class PendingEvent(Model):
    """An event that nothing has been concluded from yet."""

    id: str
    kind: str
    author: Optional[str]
    origin: str
    content: str
    data: Any
    occurred_at: datetime


class Context(Model):
    """What an agent should know now. ``str(context)`` is the text.

    ``conclusions``, ``summary``, ``card`` and ``pending`` are there where ``include`` asked for them.
    """

    context: str
    version: int
    session_version: Optional[int]
    as_of: Optional[datetime]
    behind: Behind
    app_id: str
    user_id: str
    session_id: Optional[str]
    at: Optional[datetime]
    conclusions: list[Conclusion]
    summary: Optional[Summary]
    card: list[str]
    pending: list[PendingEvent]

    def __str__(self) -> str:
        return self.context


class Named(Model):
    """An id and a name."""

    id: str
    name: str


class Subject(Model):
    """What a representation is about."""

    kind: str
    id: str
    name: Optional[str]
    observer: Optional[Named]


class Representation(Model):
    """What is concluded, in one version. ``str(representation)`` is the text."""

    subject: Subject
    text: str
    version: Optional[int]
    as_of: Optional[datetime]
    created_at: Optional[datetime]
    behind: Behind
    card: list[str]
    now: str
    summary: Summary
    conclusions: list[Conclusion]
    made_by: Optional[dict[str, Any]]
    at: Optional[datetime]

    def __str__(self) -> str:
        return self.text


class Covers(Model):
    """Which places of the subject's feed a version read: above ``from_``, up to and with ``to``."""

    from_: int
    to: int
    events: int


class _AnyVersion(Model):
    version: int
    status: str
    created_at: datetime
    as_of: Optional[datetime]
    current: bool
    made_by: dict[str, Any]
    by: str
    covers: Covers
    reason: str
    parent: Optional[int]
    thinned: bool


class Version(_AnyVersion):
    """One line of a history; ``added`` and ``retired`` are numbers of statements."""

    added: int
    retired: int


class RetiredConclusion(Model):
    """A statement that stands no longer."""

    id: str
    content: str
    reason: str
    replaced_by: Optional[str]


class VersionDetail(_AnyVersion):
    """A version with its text and the statements that it added and retired."""

    text: str
    card: list[str]
    now: str
    summary: Summary
    added: list[Conclusion]
    retired: list[RetiredConclusion]


class DiffSide(Model):
    """One of the two versions that are compared."""

    version: Optional[int]
    at: datetime
    as_of: Optional[datetime]
    made_by: Optional[dict[str, Any]]


class GoneConclusion(RetiredConclusion):
    """A statement that stands no longer, and since when."""

    about: Optional[str]
    until_version: Optional[int]


class RewordedConclusion(Model):
    """A statement that another took the place of."""

    from_: GoneConclusion
    to: Conclusion
    replaced: bool
    similarity: float


class Diff(Model):
    """What changed between two versions. ``str(diff)`` says it in words."""

    subject: Subject
    from_: DiffSide
    to: DiffSide
    text: str
    covers: Covers
    added: list[Conclusion]
    retired: list[GoneConclusion]
    reworded: list[RewordedConclusion]
    kept_count: int
    kept: list[Conclusion]
    card: dict[str, list[str]]
    now: Optional[dict[str, str]]
    summary: dict[str, Any]

    def __str__(self) -> str:
        return self.text


class Source(PendingEvent):
    """An event under a statement, and the version that found so."""

    version: int
    session_id: Optional[str]
    session: Optional[str]
    recorded_at: datetime


class Introduced(Model):
    """The version that first said a statement."""

    version: int
    created_at: datetime
    as_of: Optional[datetime]
    covers: Covers
    made_by: dict[str, Any]
    reason: str


class Span(Model):
    """In which versions of one line a statement stands: from ``since`` up to and without ``until``."""

    line: str
    recipe: str
    serving: bool
    since: int
    until: Optional[int]
    reason: str
    replaced_by: Optional[dict[str, Any]]


class Premise(Conclusion):
    """A statement that another one rests on, or the other way round."""

    version: int


class Explanation(Model):
    """Why memory says a sentence."""

    subject: Subject
    conclusion: Conclusion
    found_by: str
    stands: bool
    introduced: Optional[Introduced]
    sources: list[Source]
    archived_sources: list[dict[str, Any]]
    sources_count: int
    spans: list[Span]
    premises: list[Premise]
    premise_of: list[Premise]


class RestingConclusion(Premise):
    """A statement that rests on an event, and where it stands."""

    subject: Subject
    stands: bool
    spans: list[Span]


class EventStatements(Model):
    """What rests on an event."""

    event: Event
    items: list[RestingConclusion]


class Feedback(Model):
    """How well a version served."""

    id: str
    version: int
    score: float
    comment: str
    by: str
    created_at: datetime


class Consolidation(Model):
    """What becomes of a request to go over what is known."""

    subject: Subject
    state: str
    events: int


class Highlight(Model):
    """A piece of a text, and where in it the words lie that were searched for."""

    text: str
    marks: list[list[int]]


class FoundConclusion(Conclusion):
    """A statement that was found, and what it is about."""

    subject: Subject


class Found(Model):
    """An event or a conclusion that was found: ``type`` says which of the two fields holds it."""

    type: str
    score: float
    ranks: dict[str, Optional[int]]
    highlights: list[Highlight]
    event: Optional[Event]
    conclusion: Optional[FoundConclusion]


class SearchResult(Model):
    """What was found, best first. ``mode`` is what was done; ``note`` says why it was not what was asked for."""

    items: list[Found]
    mode: str
    embedding: Optional[dict[str, Any]]
    note: Optional[str]


class Recalled(Model):
    """An event or a conclusion, as an answer quotes it.

    What is recalled has its ``line`` in the context, and the ids of the events that it rests on as ``sources``.
    """

    type: str
    id: str
    text: str
    score: Optional[float]
    at: Optional[datetime]
    line: Optional[str]
    sources: list[str]


class Usage(Model):
    """What an answer took."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Optional[str]


class Answer(Model):
    """What is known about a question. ``str(answer)`` is its text.

    ``mode`` ``recall`` fills ``context`` and ``items``; ``reason`` fills ``answer``, ``known`` and ``citations``.
    """

    mode: str
    context: Optional[str]
    tokens: Optional[int]
    items: list[Recalled]
    search: Optional[str]
    note: Optional[str]
    answer: Optional[str]
    known: Optional[bool]
    citations: list[Recalled]
    level: Optional[str]
    model: Optional[str]
    usage: Optional[Usage]
    version: Optional[int]
    as_of: Optional[datetime]
    behind: Optional[Behind]

    def __str__(self) -> str:
        return (self.answer if self.mode == "reason" else self.context) or ""


class ChatAnswer(Model):
    """An answer in natural language. ``str(answer)`` is its text."""

    content: str

    def __str__(self) -> str:
        return self.content
