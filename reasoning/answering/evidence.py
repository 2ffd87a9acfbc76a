"""What memory holds that may bear on a question: what search finds, and the most important of what is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from memory import ids, reading, search, tokens
from memory.models import Conclusion, Span, Subject
from memory.search import documents
from memory.standing import by_ids
from reasoning.answering.levels import Level
from reasoning.prompts.messages import quoted, word

EVENT, CONCLUSION = "event", "conclusion"

FOUND_SHARE = 0.75
"""How much of the room is for what is found; the rest is for what is most important, found or not."""

_LONGEST = 2_000
"""So many characters of one item are shown."""

_MARK_TOKENS = 25
"""What an item's number and marks take beside its text."""


@dataclass(frozen=True, slots=True)
class About:
    """Of whom or what a question is asked, by names or ids as they stand in a path.

    Within a ``session``, nothing is looked up of what was said elsewhere; ``beside`` the user's log a session's
    statements are looked at too.
    """

    app: str
    user: str | None = None
    session: str | None = None
    project: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What readers get of a subject now: which version, how fresh it is, and in short what it says."""

    where: search.Scope
    subjects: tuple[UUID, ...]
    version: int | None
    as_of: datetime | None
    behind_events: int
    behind_seconds: float
    overview: str


@dataclass(frozen=True, slots=True)
class Item:
    """An event or a conclusion as a model is shown it, under a number that counts from 1."""

    number: int
    type: str
    id: str
    text: str
    marks: str


def standing(about: About) -> Standing:
    """Return what is known now; raises :class:`~memory.errors.NotFound`."""
    if about.project is not None:
        view = reading.representation(about.app, project=about.project)
        behind = (view.behind_events, view.behind_seconds)
        where = search.scope_of(reading.subject(about.app, project=about.project))
        return _standing(where, [view], view.number, view.as_of, *behind)
    if about.user is None:
        raise ValueError("a question is about a user or a project")
    found = reading.context(about.app, about.user, about.session or about.beside)
    views = [view for view in (found.user, found.session) if view is not None]
    behind = (found.behind_events, found.behind_seconds)
    where = search.Scope(found.app_id, found.user_id, found.session_id)
    if about.session is not None:
        where = search.Scope(found.app_id, found.session_id, found.user_id)
    return _standing(where, views, found.user.number, found.as_of, *behind)


def look_up(known: Standing, query: str, level: Level) -> list[Item]:
    """Return what bears on a question, the most likely first, and then what is most important, as the level bounds."""
    found = _hits(known, query, level.hits)
    kept = _within(found, int(level.tokens * FOUND_SHARE))
    left = level.tokens - sum(_size(item) for item in kept)
    seen = {item.id for item in kept}
    important = [item for item in _important(known, level.hits) if item.id not in seen]
    return _numbered([*kept, *_within(important, left)])


def look_further(known: Standing, items: Sequence[Item], queries: Iterable[str], level: Level) -> list[Item]:
    """Return the items, and after them what other queries find: half as much again as the level shows at first."""
    seen = {item.id for item in items}
    fresh: dict[str, Item] = {}
    for query in queries:
        fresh |= {item.id: item for item in _hits(known, query, level.hits) if item.id not in seen}
    return _numbered([*items, *_within(list(fresh.values()), level.tokens // 2)])


def _standing(
    where: search.Scope,
    views: Sequence[reading.View],
    version: int | None,
    as_of: datetime | None,
    behind_events: int,
    behind_seconds: float,
) -> Standing:
    parts = [line for view in views for line in (*view.card, view.now, view.short_summary) if line]
    subjects = tuple(view.subject_id for view in views)
    return Standing(where, subjects, version, as_of, behind_events, behind_seconds, "\n".join(parts))


def _hits(known: Standing, query: str, limit: int) -> list[Item]:
    found = search.find(known.where, query, limit=limit, vector=search.embed_query(query))
    rows = [hit.row for hit in found.items]
    return [_event(row) if isinstance(row, search.FoundEvent) else _conclusion(row, row.about) for row in rows]


def _important(known: Standing, limit: int) -> list[Item]:
    served = Subject.objects.filter(pk__in=known.subjects, current__isnull=False).values("line")
    standing = by_ids(Span.objects.filter(line__in=served, until=None))
    spans = standing.select_related("conclusion__about")
    ordered = spans.order_by("-conclusion__pinned", "-conclusion__importance", "-latest", "conclusion_id")
    told = [span.conclusion for span in ordered[:limit]]
    return [_conclusion(row, row.about.name if row.about else None) for row in told]


def _event(row: search.FoundEvent) -> Item:
    marks = f"event of {row.occurred_at:%A %Y-%m-%d %H:%M}; {word(row.kind)}; from {word(row.origin)}"
    if row.author:
        marks += f" {quoted(row.author)}"
    text = documents.said(row.content, row.data)
    return Item(0, EVENT, ids.encode(row.id), text[:_LONGEST], marks)


def _conclusion(row: Conclusion | search.FoundStatement, about: str | None) -> Item:
    marks = [f"statement, {row.level}"]
    if about:
        marks.append(f"about {quoted(about)}")
    if row.held_from or row.held_until:
        marks.append(f"held {row.held_from or '?'} to {row.held_until or '?'}")
    marks.append(f"concluded {row.created_at:%Y-%m-%d}")
    return Item(0, CONCLUSION, ids.encode(row.id), row.content[:_LONGEST], "; ".join(marks))


def _within(items: Sequence[Item], budget: int) -> list[Item]:
    """Return the items from the first on that fit so many tokens; one that does not is left out."""
    kept = []
    for item in items:
        size = _size(item)
        if size <= budget:
            kept.append(item)
            budget -= size
    return kept


def _size(item: Item) -> int:
    return tokens.count(item.text) + _MARK_TOKENS


def _numbered(items: Sequence[Item]) -> list[Item]:
    return [replace(item, number=number) for number, item in enumerate(items, start=1)]
