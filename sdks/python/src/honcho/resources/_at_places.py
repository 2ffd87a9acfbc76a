"""Calls that users, sessions and projects have alike; ``place`` is the address of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from honcho import models
from honcho._call import JSON, Call, When, given, quoted
from honcho.streams import Decoder, ServerSentEvents

Events = Sequence[Union[models.NewEvent, JSON]]

_LEVEL_PATIENCE = {"medium": 60.0, "high": 120.0, "max": 240.0}
"""Seconds that a deeper answer may take beyond the usual timeout."""


def find(
    place: str,
    query: str,
    *,
    limit: Optional[int],
    in_: Optional[Sequence[str]],
    mode: Optional[str],
    filters: Optional[JSON],
) -> Call[models.SearchResult]:
    """Return a search."""
    body = given(query=query, limit=limit, in_=in_, mode=mode, filters=filters)
    return Call("POST", f"{place}/search", models.SearchResult, body=body)


def ask(
    place: str,
    query: str,
    *,
    session: Optional[str],
    mode: Optional[str],
    tokens: Optional[int],
    level: Optional[str],
    wait: Optional[float],
    asked_at: Optional[When],
) -> Call[models.Answer]:
    """Return a question. One that a model answers is not asked twice where it may have been answered: that costs."""
    return Call(
        "POST",
        f"{place}/query",
        models.Answer,
        query={"wait": wait},
        body=given(query=query, session=session, mode=mode, tokens=tokens, level=level, asked_at=asked_at),
        repeatable=mode != "reason",
        patience=(wait or 0.0) + _LEVEL_PATIENCE.get(level or "", 0.0),
    )


def ask_for_stream(
    place: str,
    query: str,
    *,
    session: Optional[str],
    tokens: Optional[int],
    level: Optional[str],
    wait: Optional[float],
) -> Call[Decoder[str, models.Answer]]:
    """Return a question to a model, whose answer comes piece by piece."""
    return Call(
        "POST",
        f"{place}/query",
        lambda _: ServerSentEvents(models.Answer),
        query={"wait": wait},
        body=given(query=query, session=session, mode="reason", tokens=tokens, level=level, stream=True),
        repeatable=False,
        patience=(wait or 0.0) + _LEVEL_PATIENCE.get(level or "", 0.0),
    )


def context(
    place: str,
    *,
    tokens: Optional[int],
    at: Optional[When],
    version: Optional[int],
    observer: Optional[str],
    include: Optional[Sequence[str]],
    wait: Optional[float],
) -> Call[models.Context]:
    """Return a call for what an agent should know now."""
    query = {"tokens": tokens, "at": at, "version": version, "observer": observer, "include": include, "wait": wait}
    return Call("GET", f"{place}/context", models.Context, query=query, patience=wait or 0.0)


def append_event(place: str, event: Mapping[str, Any]) -> Call[models.WrittenEvent]:
    """Return a call that appends one event."""
    return Call("POST", f"{place}/events", models.WrittenEvent, body=event, writes=True)


def append_events(place: str, events: Events) -> Call[list[models.WrittenEvent]]:
    """Return a call that appends events, all or none."""
    return Call("POST", f"{place}/events", _written, body=list(events), writes=True)


def _written(data: Any) -> list[models.WrittenEvent]:
    return [models.WrittenEvent(item) for item in data]


def log(
    place: str,
    *,
    kind: Optional[str],
    author: Optional[str],
    since: Optional[When],
    until: Optional[When],
    cursor: Optional[str],
    limit: Optional[int],
    reverse: Optional[bool],
) -> Call[models.Event]:
    """Return a call for a page of the log."""
    query = {
        "kind": kind, "author": author, "since": since, "until": until, "cursor": cursor, "limit": limit,
        "reverse": reverse,
    }  # fmt: skip
    return Call("GET", f"{place}/events", models.Event, query=query)


def statements_on(place: str, event_id: str) -> Call[models.EventStatements]:
    """Return a call for the statements that rest on an event."""
    return Call("GET", f"{place}/events/{quoted(event_id)}/statements", models.EventStatements)


def erase(address: str, *, dry_run: Optional[bool], reason: Optional[str], **more: Any) -> Call[models.Erasure]:
    """Return a call that erases what is at an address."""
    query = {"dry_run": dry_run, "reason": reason, **more}
    return Call("DELETE", address, models.Erasure, query=query, writes=True)


def erase_event(place: str, event_id: str, *, dry_run: Optional[bool], reason: Optional[str]) -> Call[models.Erasure]:
    """Return a call that erases an event."""
    return erase(f"{place}/events/{quoted(event_id)}", dry_run=dry_run, reason=reason)


def representation(
    place: str,
    *,
    at: Optional[When],
    version: Optional[int],
    observer: Optional[str],
    tokens: Optional[int],
    wait: Optional[float],
) -> Call[models.Representation]:
    """Return a call for what is concluded."""
    query = {"at": at, "version": version, "observer": observer, "tokens": tokens, "wait": wait}
    return Call("GET", f"{place}/representation", models.Representation, query=query, patience=wait or 0.0)


def versions(
    place: str, *, observer: Optional[str], cursor: Optional[str], limit: Optional[int]
) -> Call[models.Version]:
    """Return a call for a page of the history."""
    query = {"observer": observer, "cursor": cursor, "limit": limit}
    return Call("GET", f"{place}/representation/versions", models.Version, query=query)


def version(place: str, number: int, *, observer: Optional[str]) -> Call[models.VersionDetail]:
    """Return a call for one version."""
    address = f"{place}/representation/versions/{int(number)}"
    return Call("GET", address, models.VersionDetail, query={"observer": observer})


def keep(place: str, number: int, *, reason: str, observer: Optional[str]) -> Call[models.VersionDetail]:
    """Return a call that keeps a version whole, however old it gets."""
    address = f"{place}/representation/versions/{int(number)}/kept"
    return Call(
        "PUT", address, models.VersionDetail, query={"observer": observer}, body={"reason": reason}, writes=True
    )


def release(place: str, number: int, *, observer: Optional[str]) -> Call[models.VersionDetail]:
    """Return a call that lets a version be thinned like any other."""
    address = f"{place}/representation/versions/{int(number)}/kept"
    return Call("DELETE", address, models.VersionDetail, query={"observer": observer}, writes=True)


def diff(
    place: str,
    *,
    from_: Optional[Union[int, When]],
    to: Optional[Union[int, When]],
    tokens: Optional[int],
    include: Optional[Sequence[str]],
    observer: Optional[str],
) -> Call[models.Diff]:
    """Return a call for what changed."""
    query = {"from": from_, "to": to, "tokens": tokens, "include": include, "observer": observer}
    return Call("GET", f"{place}/representation/diff", models.Diff, query=query)


def explain(place: str, conclusion: str, *, observer: Optional[str]) -> Call[models.Explanation]:
    """Return a call for why a sentence is there."""
    query = {"conclusion": conclusion, "observer": observer}
    return Call("GET", f"{place}/representation/explain", models.Explanation, query=query)


def roll_back(
    place: str, *, to: int, reason: str, then: Optional[str], observer: Optional[str]
) -> Call[models.Representation]:
    """Return a call that makes a new version which equals an older one."""
    return Call(
        "POST",
        f"{place}/representation/rollback",
        models.Representation,
        query={"observer": observer},
        body=given(to=to, reason=reason, then=then),
        writes=True,
    )


def give_feedback(
    place: str, *, version: int, score: float, comment: Optional[str], observer: Optional[str]
) -> Call[models.Feedback]:
    """Return a call that says how well a version served."""
    return Call(
        "POST",
        f"{place}/representation/feedback",
        models.Feedback,
        query={"observer": observer},
        body=given(version=version, score=score, comment=comment),
        writes=True,
    )


def consolidate(place: str, *, observer: Optional[str]) -> Call[models.Consolidation]:
    """Return a call that has what is known gone over."""
    address = f"{place}/representation/consolidate"
    return Call("POST", address, models.Consolidation, query={"observer": observer}, writes=True)


def conclusions(
    place: str,
    *,
    standing: Optional[bool],
    pinned: Optional[bool],
    retracted: Optional[bool],
    observer: Optional[str],
    cursor: Optional[str],
    limit: Optional[int],
) -> Call[models.KnownConclusion]:
    """Return a call for a page of statements."""
    query = {
        "standing": standing, "pinned": pinned, "retracted": retracted, "observer": observer, "cursor": cursor,
        "limit": limit,
    }  # fmt: skip
    return Call("GET", f"{place}/conclusions", models.KnownConclusion, query=query)


def conclude(
    place: str,
    content: str,
    *,
    about: Optional[str],
    importance: Optional[int],
    reason: Optional[str],
    id: Optional[str],
    observer: Optional[str],
) -> Call[models.KnownConclusion]:
    """Return a call that adds a statement."""
    return Call(
        "POST",
        f"{place}/conclusions",
        models.KnownConclusion,
        query={"observer": observer},
        body=given(content=content, about=about, importance=importance, reason=reason, id=id),
        writes=True,
    )


def conclusion(place: str, conclusion_id: str, *, observer: Optional[str]) -> Call[models.KnownConclusion]:
    """Return a call for one statement."""
    address = f"{place}/conclusions/{quoted(conclusion_id)}"
    return Call("GET", address, models.KnownConclusion, query={"observer": observer})


def correct(
    place: str,
    conclusion_id: str,
    *,
    content: Optional[str],
    importance: Optional[int],
    pinned: Optional[bool],
    reason: Optional[str],
    observer: Optional[str],
) -> Call[models.KnownConclusion]:
    """Return a call that corrects, pins or unpins a statement."""
    return Call(
        "PATCH",
        f"{place}/conclusions/{quoted(conclusion_id)}",
        models.KnownConclusion,
        query={"observer": observer},
        body=given(content=content, importance=importance, pinned=pinned, reason=reason),
        writes=True,
    )


def retract(
    place: str, conclusion_id: str, *, reason: Optional[str], observer: Optional[str]
) -> Call[models.KnownConclusion]:
    """Return a call that takes a statement out. The reason goes in the body: addresses are logged."""
    return Call(
        "DELETE",
        f"{place}/conclusions/{quoted(conclusion_id)}",
        models.KnownConclusion,
        query={"observer": observer},
        body=given(reason=reason) or None,
        writes=True,
    )
