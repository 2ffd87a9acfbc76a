"""The read path: what an agent should know now, from stored text, in one statement and without a model.

A name in a path is tried as an id first, as everywhere. ``behind`` counts what the log holds for a subject and its
current version has not read; it comes from the same statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from memory import ids, publishing, rendering
from memory.errors import Erased, NotFound
from memory.models import Representation, Subject
from memory.statements import rows

_READ = """
SELECT of_app, of_person, of_session, subject_id, version_id, number, made_by, status, thinned, text, line_tokens,
       as_of, created_at, card, now, short_summary, long_summary, at, covers_to, behind, behind_seconds, kind, about,
       name, seen_by, seen_by_name
  FROM memory_read(%(app)s, %(app_id)s, %(user)s, %(user_id)s, %(observer)s, %(observer_id)s, %(session)s,
                   %(session_id)s, %(project)s, %(project_id)s, %(with_session)s, %(moment)s, %(age)s, %(version)s,
                   %(most_counted)s)
"""  # migration 0032

MOST_COUNTED = 1_000
"""Of entries that nobody has numbered yet (no worker runs), so many are counted: a read must not grow with them."""

When = datetime | timedelta
"""A moment, or how long ago it was."""

_BREAK_TOKENS = 1
"""What the empty line between two texts may cost."""


class About(NamedTuple):
    """What a representation is about, and who sees it so if somebody does."""

    kind: str
    id: UUID
    name: str
    observer_id: UUID | None
    observer_name: str | None


class Statement(NamedTuple):
    """A statement of a version: who it is about, when it held, since which version it stands and on which events."""

    id: UUID
    content: str
    level: str
    about: str | None
    held_from: date | None
    held_until: date | None
    importance: int
    pinned: bool
    since: int
    sources: list[UUID]


@dataclass(frozen=True, slots=True)
class View:
    """One subject as a reader gets it, or got it at the moment ``at`` if there is one.

    ``number`` is None where nothing has been concluded yet, or had been then.
    """

    subject_id: UUID
    version_id: UUID | None
    number: int | None
    made_by: dict[str, Any] | None
    text: str
    line_tokens: list[int]
    as_of: datetime | None
    created_at: datetime | None
    card: list[str]
    now: str
    short_summary: str
    long_summary: str
    at: datetime | None
    covers_to: int
    behind_events: int
    behind_seconds: float
    about: About

    def within(self, budget: int) -> rendering.Rendered:
        """Return the text in at most ``budget`` tokens."""
        if not self.text or sum(self.line_tokens) <= budget:
            return rendering.Rendered(self.text, self.line_tokens)
        return rendering.fit(self.text.split("\n"), self.line_tokens, budget)


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent should know now of a user, and of a session where one is asked for.

    ``text`` is both in natural language, in the budget if one was given. ``behind_events`` counts for the session
    where there is one, for the user otherwise; an event of both counts once.
    """

    app_id: UUID
    user_id: UUID
    session_id: UUID | None
    text: str
    user: View
    session: View | None

    @property
    def version(self) -> int:
        """The user's version; 0 where there is none yet."""
        return self.user.number or 0

    @property
    def tag(self) -> str:
        """What changes when either version does: ``u3`` or ``u3s2``."""
        user = f"u{self.user.number or 0}"
        return user if self.session is None else f"{user}s{self.session.number or 0}"

    @property
    def as_of(self) -> datetime | None:
        """When the newest event was recorded that any of this rests on."""
        moments = [view.as_of for view in (self.user, self.session) if view is not None and view.as_of is not None]
        return max(moments, default=None)

    @property
    def behind_events(self) -> int:
        """How many events of the log are not in here yet."""
        return max(view.behind_events for view in (self.user, self.session) if view is not None)

    @property
    def behind_seconds(self) -> float:
        """How long the oldest of those has waited."""
        return max(view.behind_seconds for view in (self.user, self.session) if view is not None)


def context(
    app: str,
    user: str,
    session: str | None = None,
    *,
    tokens: int | None = None,
    observer: str | None = None,
    at: When | None = None,
    version: int | None = None,
) -> Context:
    """Return what is known of a user (as ``observer`` sees them, if given) and of a session. One statement.

    ``tokens`` bounds the whole text. ``at``, a moment or how long ago, reads what was served then; ``version`` one
    version of the user. Raises :class:`NotFound` for an app, user, session, observer or version that does not exist.
    """
    found = _read(app, user, session, observer=observer, at=at, version=version, with_session=True)
    if not found:
        raise NotFound("App not found")
    app_id, user_id, session_id = found[0][:3]
    if user_id is None:
        raise NotFound("User not found")
    if session is not None and session_id is None:
        raise NotFound("Session not found or does not belong to user")
    known = _view(found[0][3:])
    if known is None:
        raise NotFound(f"{observer} does not observe {user}")
    if version is not None and known.number is None:
        raise NotFound(f"There is no version {version}")
    talk = _view(found[1][3:]) if session is not None else None
    return Context(app_id, user_id, session_id, _joined(known, talk, tokens), known, talk)


def representation(
    app: str,
    *,
    user: str | None = None,
    session: str | None = None,
    project: str | None = None,
    observer: str | None = None,
    at: When | None = None,
    version: int | None = None,
) -> View:
    """Return the view of what a path names; see :func:`context` for the arguments and errors. One statement."""
    read = _read(app, user, session, project=project, observer=observer, at=at, version=version, with_session=False)
    found = _view(read[0][3:]) if read else None
    if found is None:
        raise NotFound("There is no such user, session or project in this app")
    if version is not None and found.number is None:
        raise NotFound(f"There is no version {version}")
    return found


def subject(
    app: str,
    *,
    user: str | None = None,
    session: str | None = None,
    project: str | None = None,
    observer: str | None = None,
) -> Subject:
    """Return the subject that a path names, with what it is about; see :func:`context` for the errors."""
    found = representation(app, user=user, session=session, project=project, observer=observer)
    things = Subject.objects.select_related("user", "observer", "session", "project")
    return things.get(pk=found.subject_id)


def statements(view: View) -> list[Statement]:
    """Return what stands in the version of a view, pinned and important first. One statement of SQL."""
    if view.version_id is None:
        return []
    return [Statement._make(row) for row in rows("SELECT * FROM memory_statements(%s)", [view.version_id])]


def _read(
    app: str,
    user: str | None,
    session: str | None,
    *,
    project: str | None = None,
    observer: str | None,
    at: When | None,
    version: int | None,
    with_session: bool,
) -> list[tuple[Any, ...]]:
    refs = {"app": app, "user": user, "session": session, "project": project, "observer": observer}
    values: dict[str, Any] = {**refs, **{f"{key}_id": ref and ids.decode(ref) for key, ref in refs.items()}}
    # An age counts back from the database's clock, like all that was noted by it.
    values |= {"moment": None, "age": None, ("age" if isinstance(at, timedelta) else "moment"): at}
    values |= {"version": version, "with_session": with_session, "most_counted": MOST_COUNTED}
    return rows(_READ, values)


def _view(row: tuple[Any, ...]) -> View | None:
    if row[0] is None:
        return None
    (subject_id, version_id, number, made_by, status, thinned, text, sizes, as_of, created_at, card, now, short, long,
     at, covers_to, behind, seconds, *about) = row  # fmt: skip
    if status == Representation.Status.ERASED:  # never what is served now
        raise Erased(f"Version {number} was erased: something that it may have known of was.")
    if thinned:  # never what is served now
        version = Representation.objects.select_related("subject").get(subject=subject_id, number=number)
        again = publishing.text_of(version)
        text, sizes = again.text, again.line_tokens
    return View(
        subject_id, version_id, number, made_by, text or "", sizes or [], as_of, created_at, card or [], now or "",
        short or "", long or "", at, covers_to, max(behind, 0), max(seconds or 0.0, 0.0) if behind > 0 else 0.0,
        About._make(about),
    )  # fmt: skip


def _joined(user: View, session: View | None, budget: int | None) -> str:
    """Return both texts; in a budget the session has a third for sure, and whatever the user's text leaves over."""
    if budget is None:
        return "\n\n".join(view.text for view in (user, session) if view is not None and view.text)
    if session is None or not session.text:
        return user.within(budget).text
    reserved = min(sum(session.line_tokens), budget // 3)
    of_user = user.within(budget - reserved - _BREAK_TOKENS)
    of_session = session.within(budget - sum(of_user.line_tokens) - _BREAK_TOKENS)
    return "\n\n".join(part.text for part in (of_user, of_session) if part.text)
