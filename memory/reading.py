"""The read path: what an agent should know now, from stored text, in one statement and without a model.

A name in a path is tried as an id first, as everywhere. ``behind`` counts what the log holds for a subject and its
current version has not read; it comes from the same statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from memory import ids, publishing, rendering
from memory.errors import Erased, NotFound
from memory.models import Representation, Subject

# What is read of one subject. The version is the current one, or the one asked for; behind is what is not in it:
# entries above what it covers, and entries that have no position yet.
_VIEW = """
LATERAL (
    SELECT subject.id AS subject_id, version.number, version.status, version.thinned, version.text,
           version.line_tokens, version.as_of, version.created_at, version.card, version.now, version.short_summary,
           version.long_summary,
           {moment} AS at,
           coalesce(version.covers_to, 0) AS covers_to,
           subject.head - coalesce(version.covers_to, 0) + (
               SELECT count(*) FROM (SELECT FROM memory_feedentry WHERE subject_id = subject.id AND position IS NULL
                                      LIMIT {most_counted}) not_numbered) AS behind,
           extract(epoch FROM now() - coalesce(
               (SELECT event.recorded_at
                  FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
                 WHERE entry.subject_id = subject.id AND entry.position = coalesce(version.covers_to, 0) + 1),
               (SELECT event.recorded_at
                  FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
                 WHERE entry.subject_id = subject.id AND entry.position IS NULL
                 ORDER BY entry.event_id LIMIT 1)))::float AS behind_seconds
      FROM memory_subject subject
      LEFT JOIN memory_representation version ON {version}
     WHERE {subject}
     ORDER BY version.number DESC NULLS LAST LIMIT 1
)
"""

MOST_COUNTED = 1_000
"""Of entries that nobody has numbered yet (no worker runs), so many are counted: a read must not grow with them."""

_CURRENT = "version.id = subject.current_id"
_BY_NUMBER = "version.subject_id = subject.id AND version.number = %(version)s AND version.status <> 'quarantined'"
_AT = """
version.id = (SELECT representation_id FROM memory_serving
               WHERE subject_id = subject.id AND since <= {moment} ORDER BY since DESC LIMIT 1)
"""
# An age counts back from the database's clock, like all that was noted by it.
_MOMENT = "%(at)s::timestamptz"
_AGE = "statement_timestamp() - %(at)s::interval"

_OF_USER = "subject.kind = 'user' AND subject.user_id = u.id"
_OF_OBSERVED = "subject.kind = 'observed' AND subject.user_id = u.id AND subject.observer_id = o.id"
_OF_SESSION = "subject.kind = 'session' AND subject.session_id = s.id"
_OF_PROJECT = "subject.kind = 'project' AND subject.project_id = p.id"

_APP = """
FROM memory_app a
"""
_USER = """
LEFT JOIN memory_user u ON u.id = coalesce(
    (SELECT id FROM memory_user WHERE id = %(user_id)s AND app_id = a.id),
    (SELECT id FROM memory_user WHERE app_id = a.id AND name = %(user)s))
"""
_OBSERVER = """
LEFT JOIN memory_user o ON o.id = coalesce(
    (SELECT id FROM memory_user WHERE id = %(observer_id)s AND app_id = a.id),
    (SELECT id FROM memory_user WHERE app_id = a.id AND name = %(observer)s))
"""
_SESSION = """
LEFT JOIN memory_session s ON s.id = coalesce(
    (SELECT x.id FROM memory_session x WHERE x.id = %(session_id)s AND x.app_id = a.id
        AND (x.owner_id = u.id OR EXISTS (SELECT FROM memory_participant WHERE session_id = x.id AND user_id = u.id))),
    (SELECT id FROM memory_session WHERE owner_id = u.id AND name = %(session)s))
"""
_PROJECT = """
LEFT JOIN memory_project p ON p.id = coalesce(
    (SELECT id FROM memory_project WHERE id = %(project_id)s AND app_id = a.id),
    (SELECT id FROM memory_project WHERE app_id = a.id AND name = %(project)s))
"""
_WHERE = """
WHERE a.id = coalesce(
    (SELECT id FROM memory_app WHERE id = %(app_id)s), (SELECT id FROM memory_app WHERE name = %(app)s))
"""

_FIELDS = (
    "subject_id, number, status, thinned, text, line_tokens, as_of, created_at, card, now, short_summary, long_summary,"
    " at, covers_to, behind, behind_seconds"
)
_WIDTH = len(_FIELDS.split(", "))

When = datetime | timedelta
"""A moment, or how long ago it was."""

_BREAK_TOKENS = 1
"""What the empty line between two texts may cost."""


@dataclass(frozen=True, slots=True)
class View:
    """One subject as a reader gets it, or got it at the moment ``at`` if there is one.

    ``number`` is None where nothing has been concluded yet, or had been then.
    """

    subject_id: UUID
    number: int | None
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
    user_view = _view_of(_OF_OBSERVED if observer else _OF_USER, at, version)
    columns = f"a.id, u.id, s.id, {_prefixed('uv')}, {_prefixed('sv')}"
    session_view = _view_of(_OF_SESSION, at, None)
    statement = (
        f"SELECT {columns} {_APP} {_USER} {_OBSERVER if observer else ''} {_SESSION}"
        f" LEFT JOIN {user_view} uv ON TRUE LEFT JOIN {session_view} sv ON TRUE {_WHERE}"
    )
    row = _fetch(statement, app=app, user=user, session=session, observer=observer, at=at, version=version)
    if row is None:
        raise NotFound("App not found")
    app_id, user_id, session_id = row[:3]
    if user_id is None:
        raise NotFound("User not found")
    if session is not None and session_id is None:
        raise NotFound("Session not found or does not belong to user")
    known = _view(row[3 : 3 + _WIDTH])
    if known is None:
        raise NotFound(f"{observer} does not observe {user}")
    if version is not None and known.number is None:
        raise NotFound(f"There is no version {version}")
    talk = _view(row[3 + _WIDTH :]) if session is not None else None
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
) -> tuple[Subject, View]:
    """Return the subject that a path names and its view; see :func:`context` for the arguments and errors."""
    if project is not None:
        joins, of = _PROJECT, _OF_PROJECT
    elif session is not None:
        joins, of = _USER + _SESSION, _OF_SESSION
    else:
        joins, of = _USER + (_OBSERVER if observer else ""), _OF_OBSERVED if observer else _OF_USER
    view = _view_of(of, at, version)
    row = _fetch(
        f"SELECT {_prefixed('v')} {_APP} {joins} LEFT JOIN {view} v ON TRUE {_WHERE}",
        app=app, user=user, session=session, project=project, observer=observer, at=at, version=version,
    )  # fmt: skip
    found = None if row is None else _view(row)
    if found is None:
        raise NotFound("There is no such user, session or project in this app")
    if version is not None and found.number is None:
        raise NotFound(f"There is no version {version}")
    subject = Subject.objects.select_related("user", "observer", "session", "project").get(pk=found.subject_id)
    return subject, found


def _view_of(subject: str, at: When | None, version: int | None) -> str:
    moment = "NULL::timestamptz" if at is None else _AGE if isinstance(at, timedelta) else _MOMENT
    chosen = _CURRENT if at is None else _AT.format(moment=moment)
    if version is not None:
        chosen = _BY_NUMBER
    return _VIEW.format(most_counted=MOST_COUNTED, version=chosen, subject=subject, moment=moment)


def _prefixed(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _FIELDS.split(", "))


def _fetch(statement: str, **asked: Any) -> tuple[Any, ...] | None:
    refs = ("app", "user", "session", "project", "observer")
    values = asked | {f"{key}_id": ids.decode(asked[key]) if asked.get(key) else None for key in refs}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found


def _view(row: tuple[Any, ...]) -> View | None:
    if row[0] is None:
        return None
    (subject_id, number, status, thinned, text, sizes, as_of, created_at, card, now, short, long, at, covers_to, behind,
     seconds) = row  # fmt: skip
    if status == Representation.Status.ERASED:  # never what is served now
        raise Erased(f"Version {number} was erased: something that it may have known of was.")
    if thinned:  # never what is served now
        version = Representation.objects.select_related("subject").get(subject=subject_id, number=number)
        again = publishing.text_of(version)
        text, sizes = again.text, again.line_tokens
    return View(
        subject_id, number, text or "", sizes or [], as_of, created_at, card or [], now or "", short or "",
        long or "", at, covers_to, max(behind, 0), max(seconds or 0.0, 0.0) if behind > 0 else 0.0,
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
