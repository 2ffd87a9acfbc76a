"""Keeping the vectors: made in the background, in batches, by the model that the settings name.

A row waits for each vector that is to be made, so that whatever is killed is done by the next. When the settings name
another model, all vectors are made anew beside the old ones; those serve until the new ones are complete, and are then
dropped. No vector is ever compared with one of another model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Max

from memory import clock
from memory.models import Embedding, EmbeddingModel, Passage
from memory.search import documents, embedders, index, recent, semantic
from memory.search.embedders import CannotEmbed, Embedder

log = structlog.get_logger("honcho.memory")

BATCH = 64
ENLISTED_AT_ONCE = 10_000
DROPPED_AT_ONCE = 10_000
INDEX_FROM = 10_000
"""With so many vectors an index is worth its while."""

INDEX_DIMENSIONS = 2_000
"""pgvector indexes no longer vectors; they are compared one by one."""

GRACE = timedelta(minutes=1)
"""For so long the vectors of the model before stay: searches that began with it are under way."""

MOST_COUNTED = 10_000
"""A search says how many vectors there are, up to so many."""

_ENLIST = """
INSERT INTO memory_embedding (passage_id, model_id)
SELECT id, %(model)s FROM memory_passage WHERE id > %(after)s AND id <= %(up_to)s AND text IS NOT NULL AND words > 0
    ON CONFLICT DO NOTHING
"""
_WAITING = """
SELECT embedding.passage_id, coalesce(event.content, conclusion.content), event.data
  FROM memory_embedding embedding JOIN memory_passage passage ON passage.id = embedding.passage_id
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
 WHERE embedding.model_id = %(model)s AND embedding.vector IS NULL AND embedding.problem = ''
 ORDER BY embedding.passage_id DESC LIMIT %(limit)s
"""
_KEEP = """
UPDATE memory_embedding embedding SET vector = made.vector::vector
  FROM unnest(%(passages)s::bigint[], %(vectors)s::text[]) AS made(passage_id, vector)
 WHERE embedding.passage_id = made.passage_id AND embedding.model_id = %(model)s
"""
_DROP = """
DELETE FROM memory_embedding WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM memory_embedding WHERE model_id = %(model)s LIMIT %(limit)s))
"""
_COUNT = """
SELECT count(vector), count(*) - count(vector)
  FROM (SELECT embedding.vector FROM memory_embedding embedding JOIN memory_passage passage
            ON passage.id = embedding.passage_id
         WHERE embedding.model_id = %(model)s AND passage.app_id = %(app)s AND embedding.problem = ''
         LIMIT %(most)s) counted
"""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a model is: vectors made, waiting, and never to be made; whether it serves, and is the one to be kept."""

    model: EmbeddingModel
    made: int
    waiting: int
    failed: int


def wanted() -> tuple[EmbeddingModel, Embedder] | None:
    """Return the row and the embedder of the model that the settings name, None for none; makes the row.

    Asks a model that is new for one vector. Raises :class:`CannotEmbed`.
    """
    embedder = embedders.configured()
    if embedder is None:
        EmbeddingModel.objects.filter(wanted=True).update(wanted=False)
        return None
    model = EmbeddingModel.objects.filter(name=embedder.name).first()
    if model is not None and model.wanted and model.embedder == embedder.address:
        return model, embedder
    dimensions = model.dimensions if model else len(embedder.embed(["How long is it?"])[0])
    with transaction.atomic():
        EmbeddingModel.objects.exclude(name=embedder.name).filter(wanted=True).update(wanted=False)
        # What was indexed while it was not wanted is asked for again from the first passage on.
        model, _ = EmbeddingModel.objects.update_or_create(
            name=embedder.name,
            defaults={"embedder": embedder.address, "wanted": True, "enlisted": 0},
            create_defaults={"embedder": embedder.address, "dimensions": dimensions},
        )
        if not EmbeddingModel.objects.exclude(serving_since=None).exists():
            _serve(model)
    return model, embedder


def work(batches: int) -> bool:
    """Do a bounded part of what there is to do, and say whether there is more; raises :class:`CannotEmbed`.

    Two that do this at once do the same twice, and it comes to the same.
    """
    found = wanted()
    if found is None:
        return False
    model, embedder = found
    more = _enlist(model)
    for _ in range(batches):
        made = _make(model, embedder)
        if made < BATCH:
            break
    else:
        more = True
    if not more and model.serving_since is None:
        _take_over(model)
    return _drop_others(model) or more


def build_index() -> bool:
    """Build the index of the model to be kept where it has enough vectors and none yet; say whether it did.

    Not inside a transaction: searches and writes go on meanwhile. One that was cut off is built anew.
    """
    model = EmbeddingModel.objects.filter(wanted=True, dimensions__lte=INDEX_DIMENSIONS).first()
    if model is None:
        return False
    name = semantic.index_name(model)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        there = cursor.fetchone()
        if there == (True,) or _at_least(model, INDEX_FROM) < INDEX_FROM:
            return False
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON memory_embedding {semantic.index_definition(model)}")
    return True


def remake() -> EmbeddingModel:
    """Let all vectors of the model that the settings name be made anew; the ones there are serve until then.

    Raises :class:`CannotEmbed` where none is named.
    """
    embedder = embedders.configured()
    if embedder is None:
        raise CannotEmbed(embedders.NOT_CONFIGURED)
    old = EmbeddingModel.objects.filter(name=embedder.name).first()
    if old is not None:
        EmbeddingModel.objects.filter(pk=old.pk).update(name=f"{old.name} until {clock.now():%Y-%m-%d %H:%M:%S.%f}")
    found = wanted()
    if found is None:
        raise CannotEmbed(embedders.NOT_CONFIGURED)
    return found[0]


def status() -> list[Status]:
    """Return how far each model is, the newest first. It counts all rows."""
    found = []
    for model in EmbeddingModel.objects.order_by("-pk"):
        rows = Embedding.objects.filter(model=model)
        made, failed = rows.exclude(vector=None).count(), rows.exclude(problem="").count()
        found.append(Status(model, made, rows.count() - made - failed, failed))
    return found


def counted(model: EmbeddingModel, app_id: UUID) -> tuple[int, int]:
    """Return how many of an app's passages a model knows, and how many wait: of the first ``MOST_COUNTED``."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"model": model.pk, "app": app_id, "most": MOST_COUNTED})
        indexed, waiting = cursor.fetchone()
    return indexed, waiting


def _enlist(model: EmbeddingModel) -> bool:
    """Ask for vectors of the next passages that were indexed before the model was wanted; say whether there are more.

    Who indexes passages meanwhile (under the same lock) asks for theirs.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not index.alone(cursor):
            return True
        later = Passage.objects.filter(pk__gt=model.enlisted).order_by("pk")
        up_to = later.values_list("pk", flat=True)[:ENLISTED_AT_ONCE].aggregate(last=Max("pk"))["last"]
        if up_to is None:
            return False
        cursor.execute(_ENLIST, {"model": model.pk, "after": model.enlisted, "up_to": up_to})
        model.enlisted = up_to
        model.save(update_fields=["enlisted"])
        return True


def _make(model: EmbeddingModel, embedder: Embedder) -> int:
    """Make the vectors of a batch, the newest passages first, without a transaction; return how many were asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"model": model.pk, "limit": BATCH})
        texts = {passage: documents.said(content, data) for passage, content, data in cursor.fetchall()}
    made = recent.find(model.pk, texts.values())
    _keep(model, {passage: made[text] for passage, text in texts.items() if text in made})
    new = {passage: text for passage, text in texts.items() if text not in made}
    if new:
        _embed(model, embedder, new)
    return len(texts)


def _embed(model: EmbeddingModel, embedder: Embedder, texts: dict[int, str]) -> None:
    """Make vectors and keep them. A batch that is refused for good is halved until what it is refused for is alone."""
    distinct = list(dict.fromkeys(texts.values()))
    try:
        vectors = embedder.embed(distinct)
    except CannotEmbed as error:
        if not error.for_good:
            raise
        if len(texts) == 1:
            Embedding.objects.filter(model=model, passage__in=texts).update(problem=str(error))
            return
        items = list(texts.items())
        for half in (items[: len(items) // 2], items[len(items) // 2 :]):
            _embed(model, embedder, dict(half))
        return
    if any(len(vector) != model.dimensions for vector in vectors) or len(vectors) != len(distinct):
        raise CannotEmbed(f"The model {model.name} made vectors of another length than {model.dimensions}.")
    made = dict(zip(distinct, vectors, strict=True))
    recent.remember(model.pk, made)
    _keep(model, {passage: made[text] for passage, text in texts.items()})


def _keep(model: EmbeddingModel, vectors: Mapping[int, Sequence[float]]) -> None:
    """Keep the vectors of passages."""
    if not vectors:
        return
    rows = [json.dumps(list(vector)) for vector in vectors.values()]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, {"model": model.pk, "passages": list(vectors), "vectors": rows})


def _take_over(model: EmbeddingModel) -> None:
    """Let a model serve that has a vector of every passage that was there when all had been asked for."""
    waiting = Embedding.objects.filter(model=model, vector=None, problem="", passage__lte=model.enlisted)
    with transaction.atomic():
        if not waiting.exists():
            _serve(model)
            log.info("embedding_model_serves", model=model.name)


def _serve(model: EmbeddingModel) -> None:
    EmbeddingModel.objects.exclude(serving_since=None).update(serving_since=None)
    model.serving_since = clock.now()
    model.save(update_fields=["serving_since"])


def _drop_others(model: EmbeddingModel) -> bool:
    """Drop some of what other models made, once this one has served for a while; say whether there is more."""
    if model.serving_since is None or clock.now() < model.serving_since + GRACE:
        return False
    other = EmbeddingModel.objects.filter(wanted=False, serving_since=None).first()
    if other is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_DROP, {"model": other.pk, "limit": DROPPED_AT_ONCE})
        if cursor.rowcount == 0:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {semantic.index_name(other)}")
            other.delete()
    return True


def _at_least(model: EmbeddingModel, enough: int) -> int:
    return Embedding.objects.filter(model=model).exclude(vector=None)[:enough].count()
