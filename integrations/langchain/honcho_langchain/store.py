"""LangGraph's long-term store, kept as documents in a Honcho collection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from honcho import ConflictError, Honcho, NotFoundError
from honcho.models import Document
from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

Namespace = tuple[str, ...]

MOST_RANKED = 50
"""How many documents a search by meaning ranks."""


class HonchoStore(BaseStore):
    """Items by namespace and key, in one collection of one user of an app.

    ``search`` with a ``query`` finds by meaning, or by words where the server has no embeddings; it ranks the best 50.
    Items do not expire. ``list_namespaces`` reads every item. In a batch, what reads comes before what writes.
    """

    __slots__ = ("_collection", "_documents", "_place")

    def __init__(
        self, honcho: Honcho, *, app_id: str, user_id: str = "langgraph", collection: str = "langgraph-store"
    ) -> None:
        owner: dict[str, Any] = {"app_id": app_id, "user_id": user_id}
        honcho.apps.users.get_or_create(user_id, app_id=app_id)
        try:
            found = honcho.apps.users.collections.get_by_name(collection, **owner)
        except NotFoundError:
            try:
                found = honcho.apps.users.collections.create(**owner, name=collection)
            except ConflictError:  # another process was faster
                found = honcho.apps.users.collections.get_by_name(collection, **owner)
        self._documents = honcho.apps.users.collections.documents
        self._place: dict[str, Any] = {**owner, "collection_id": found.id}

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Return what each operation gives, in their order."""
        listed = list(ops)
        results: list[Result] = [self._read(op) for op in listed]
        last = {(op.namespace, op.key): op for op in listed if isinstance(op, PutOp)}
        for op in last.values():
            self._put(op)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Return what each operation gives, in their order, without blocking the event loop."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            found = self._find(op.namespace, op.key)
            return None if found is None else _item(found)
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(op)
        return None

    def _find(self, namespace: Namespace, key: str) -> Document | None:
        """Return the newest document of a key: two that write it first at once make two."""
        wanted: dict[str, Any] = {"namespace": _path(namespace), "key": key}
        return next(iter(self._documents.list(**self._place, filter=wanted, reverse=True, size=1).items), None)

    def _put(self, op: PutOp) -> None:
        found = self._find(op.namespace, op.key)
        if op.value is None:
            for document in self._documents.list(
                **self._place, filter={"namespace": _path(op.namespace), "key": op.key}
            ):
                self._documents.delete(**self._place, document_id=document.id)
            return
        metadata = {
            "namespace": _path(op.namespace),
            "prefixes": [_path(op.namespace[:length]) for length in range(1, len(op.namespace) + 1)],
            "labels": list(op.namespace),
            "key": op.key,
            "value": dict(op.value),
        }
        content = _text(op)
        if found is None:
            self._documents.create(**self._place, content=content, metadata=metadata)
        else:
            self._documents.update(**self._place, document_id=found.id, content=content, metadata=metadata)

    def _search(self, op: SearchOp) -> list[SearchItem]:
        wanted = {"prefixes": [_path(op.namespace_prefix)]} if op.namespace_prefix else None
        found: Iterable[Document]
        if op.query:
            found = self._documents.query(**self._place, query=op.query, top_k=MOST_RANKED, filter=wanted)
        else:
            found = self._documents.list(**self._place, filter=wanted, size=100)
        matching = (each for each in found if _matches(each.metadata["value"], op.filter or {}))
        return [SearchItem(**_fields(each)) for each in islice(matching, op.offset, op.offset + op.limit)]

    def _namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        conditions = op.match_conditions or ()
        every = {tuple(each.metadata["labels"]) for each in self._documents.list(**self._place, size=100)}
        fitting = (each for each in every if all(_fits(each, condition) for condition in conditions))
        shown = sorted({each[: op.max_depth] for each in fitting})
        return shown[op.offset : op.offset + op.limit]


def _path(namespace: Namespace) -> str:
    return json.dumps(namespace, ensure_ascii=False)


def _text(op: PutOp) -> str:
    """Return what is searched: the fields of ``index``, or the whole value; nothing where it is False."""
    if op.index is False:
        return op.key
    value = op.value or {}
    shown = {name: value[name] for name in op.index if name in value} if op.index else value
    return json.dumps(shown, ensure_ascii=False, default=str)[:100_000]


def _fields(document: Document) -> dict[str, Any]:
    made: datetime = document.created_at
    stored = document.metadata
    return {
        "namespace": tuple(stored["labels"]),
        "key": stored["key"],
        "value": stored["value"],
        "created_at": made,
        "updated_at": made,
    }


def _item(document: Document) -> Item:
    return Item(**_fields(document))


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$gt": lambda value, wanted: value is not None and bool(value > wanted),
    "$gte": lambda value, wanted: value is not None and bool(value >= wanted),
    "$lt": lambda value, wanted: value is not None and bool(value < wanted),
    "$lte": lambda value, wanted: value is not None and bool(value <= wanted),
}


def _matches(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether each field is what is wanted: a value, or comparisons such as ``{"$gte": 3}``."""
    return all(
        all(_COMPARISONS[word](value.get(name), limit) for word, limit in want.items())
        if isinstance(want, Mapping) and want and want.keys() <= _COMPARISONS.keys()
        else value.get(name) == want
        for name, want in wanted.items()
    )


def _fits(namespace: Namespace, condition: MatchCondition) -> bool:
    path = condition.path
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) :]
    return len(part) == len(path) and all(want in ("*", label) for want, label in zip(path, part, strict=True))
