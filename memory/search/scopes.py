"""Where a search looks: the one place that says which passages may be found.

Each passage carries marks, words that no text holds: whose it is, what kind, who wrote it. A search for them and for
words of the text is one question to one index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from memory import ids, places
from memory.errors import NotFound
from memory.models import Project, Session, Subject, User

EVENT = "event"
CONCLUSION = "conclusion"
TYPES = (EVENT, CONCLUSION)

_NOWHERE = "nowhere:"
_MOST_MEANT = 100
"""Of so many things of one name at most is looked through."""

# What does not stand in what readers get now is not found, retired or retracted as it may be.
STANDS = "(passage.conclusion_id IS NULL OR memory_stands(passage.conclusion_id))"


@dataclass(frozen=True, slots=True)
class Scope:
    """All of an app, or what belongs to ``thing``, a user, session or project of it.

    The statements about ``known``, another user, session or project, belong to it too; not what was said there.
    """

    app_id: UUID
    thing: UUID | None = None
    known: UUID | None = None

    @property
    def things(self) -> Sequence[UUID]:
        """Of what all that belongs to it is; of anything in a whole app."""
        return [thing for thing in (self.thing, self.known) if thing is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a search is narrowed to; nothing given narrows nothing, an empty list of ids lets nothing through.

    ``since`` and ``until`` bound when it happened (inclusive, exclusive). Statements have no kind, author, origin or
    metadata: asked for those, only events are found. ``metadata`` is contained in the event's.
    """

    types: Sequence[str] = TYPES
    kinds: Sequence[str] = ()
    authors: Sequence[UUID] | None = None
    origins: Sequence[str] = ()
    sessions: Sequence[UUID] | None = None
    projects: Sequence[UUID] | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_marks(self) -> Filters:
        """The part of it that the index answers alone."""
        return replace(self, since=None, until=None, metadata={})


def scope(app: str, user: str | None = None, session: str | None = None, project: str | None = None) -> Scope:
    """Return the scope that names or ids mean; raises :class:`NotFound`."""
    place = places.find(app, user, session, project)
    if place is None:
        raise NotFound("There is no such user, session or project in this app")
    thing = place.project_id if project else place.session_id if session else place.user_id
    return Scope(place.app_id, thing)


def scope_of(subject: Subject) -> Scope:
    """Return what belongs to the user, session or project that a subject is."""
    return Scope(subject.app_id, subject.project_id or subject.session_id or subject.user_id)


def filters(
    where: Scope, *, author: str | None = None, session: str | None = None, project: str | None = None, **more: Any
) -> Filters:
    """Return filters with what names or ids mean; what means nothing lets nothing through.

    A session's name means any of that name; the scope says whose can be found.
    """
    return Filters(
        authors=_meant(User, where, author),
        sessions=_meant(Session, where, session),
        projects=_meant(Project, where, project),
        **more,
    )


def _meant(model: type[User | Session | Project], where: Scope, ref: str | None) -> list[UUID] | None:
    if ref is None:
        return None
    rows = model._default_manager.filter(Q(name=ref) | Q(pk=ids.decode(ref)), app_id=where.app_id)
    return list(rows.values_list("pk", flat=True)[:_MOST_MEANT])


def belongs(thing: UUID) -> str:
    """Return the mark of what belongs to an app, user, session or project."""
    return f"in:{thing}"


def of_type(kind: str) -> str:
    """Return the mark of events, or of conclusions."""
    return f"type:{kind}"


def of_kind(kind: str) -> str:
    """Return the mark of events of a kind."""
    return f"kind:{kind}"


def of_origin(origin: str) -> str:
    """Return the mark of events of an origin."""
    return f"origin:{origin}"


def by_author(author: UUID) -> str:
    """Return the mark of what a user wrote."""
    return f"by:{author}"


def narrow(where: Scope, filters: Filters) -> str:
    """Return the marks that everything found must have, as the text of a tsquery."""
    asked = [_any([belongs(where.app_id)])]
    if where.thing is not None:
        own = _any([belongs(where.thing)])
        if where.known is not None:
            own = f"({own} | ({_any([of_type(CONCLUSION)])} & {_any([belongs(where.known)])}))"
        asked.append(own)
    if set(filters.types) != set(TYPES):
        asked.append(_any(map(of_type, filters.types)))
    if filters.metadata:
        asked.append(_any([of_type(EVENT)]))
    asked += [_any(map(of_kind, filters.kinds))] if filters.kinds else []
    asked += [_any(map(of_origin, filters.origins))] if filters.origins else []
    if filters.authors is not None:
        asked.append(_any(map(by_author, filters.authors)))
    asked += [_any(map(belongs, things)) for things in (filters.sessions, filters.projects) if things is not None]
    return " & ".join(asked)


def condition(
    where: Scope, filters: Filters, words: str | None = None, *, standing: bool = True
) -> tuple[str, dict[str, Any]]:
    """Return what ``passage`` must fulfil, as SQL and its parameters; ``words`` is the text of a tsquery.

    With ``standing`` false, :data:`STANDS` is left to be asked of fewer passages: it costs more than all the rest.
    """
    marks = narrow(where, filters)
    asked = ["passage.app_id = %(app)s", "passage.text @@ %(asked)s::tsquery", *([STANDS] if standing else [])]
    values: dict[str, Any] = {"app": where.app_id, "asked": f"{marks} & ({words})" if words else marks}
    if filters.since is not None:
        asked.append("passage.at >= %(since)s")
        values["since"] = filters.since
    if filters.until is not None:
        asked.append("passage.at < %(until)s")
        values["until"] = filters.until
    if filters.metadata:
        asked.append(
            "EXISTS (SELECT FROM memory_event event WHERE event.id = passage.event_id"
            " AND event.metadata @> %(metadata)s::jsonb)"
        )
        values["metadata"] = json.dumps(filters.metadata)
    return " AND ".join(asked), values


def quoted(lexeme: str) -> str:
    """Return a lexeme as it stands in the text of a tsquery."""
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _any(marks: Iterable[str]) -> str:
    """Return the text of a tsquery for any of the marks; where there are none, for one that no passage has."""
    marks = list(marks) or [_NOWHERE]
    return f"({' | '.join(map(quoted, marks))})"
