"""Ranking by meaning: the passages whose vectors lie nearest to the query's.

A scope of up to ``EXACT`` passages is compared one by one. In a larger one an index (HNSW) finds the nearest of all,
and goes on from there until enough of them fulfil the filters; where it gives up before, the scope is compared after
all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from memory.models import EmbeddingModel
from memory.search.embedders import Vector
from memory.search.lexical import Scored
from memory.search.scopes import STANDS, Filters, Scope, condition
from memory.statements import array, rows

EXACT = 5_000
ITERATES_FROM = (0, 8)
"""The version of pgvector from which an index goes on where filters leave too little."""

_SIZE = "SELECT count(*) FROM (SELECT FROM memory_passage passage WHERE {fulfils} LIMIT %(exact)s) AS counted"
# OFFSET 0 keeps what is asked of a passage below from being asked of all: only of the nearest, until there are enough.
_COMPARE = """
WITH own AS MATERIALIZED (SELECT passage.id, passage.conclusion_id FROM memory_passage passage WHERE {fulfils})
SELECT passage.id, passage.similarity
  FROM (SELECT own.id, own.conclusion_id, 1 - ({distance}) AS similarity
          FROM own JOIN memory_embedding embedding ON embedding.passage_id = own.id AND embedding.model_id = %(model)s
         WHERE embedding.vector IS NOT NULL
         ORDER BY similarity DESC, own.id DESC OFFSET 0) AS passage
 WHERE {stands} LIMIT %(limit)s
"""
_WALK = """
SELECT passage.id, 1 - ({distance}) AS similarity
  FROM memory_embedding embedding JOIN memory_passage passage ON passage.id = embedding.passage_id
 WHERE embedding.model_id = %(model)s AND embedding.vector IS NOT NULL AND {fulfils}
 ORDER BY {distance} LIMIT %(limit)s
"""


_SIMILAR = """
SELECT embedding.passage_id, 1 - ({distance}) FROM memory_embedding embedding
 WHERE embedding.model_id = %(model)s AND embedding.passage_id = ANY(%(passages)s::bigint[])
   AND embedding.vector IS NOT NULL
"""


def similarities(passages: Sequence[int], vector: Vector) -> dict[int, float]:
    """Return how near each passage is to a vector, of those that the vector's model knows. One statement."""
    values: dict[str, Any] = {"model": vector.model, "vector": _text(vector), "passages": array(passages)}
    return dict(rows(_SIMILAR.format(distance=_distance(vector)), values))


def rank(where: Scope, filters: Filters, vector: Vector, limit: int) -> list[Scored]:
    """Return the ``limit`` passages nearest to a vector, the nearest first, of those that the vector's model knows."""
    fulfils, values = condition(where, filters)
    values |= {
        "model": vector.model,
        "limit": limit,
        "exact": EXACT + 1,
        "vector": _text(vector),
    }
    distance = _distance(vector)
    if _index_iterates(vector.model):
        [[size]] = rows(_SIZE.format(fulfils=fulfils), values)
        if size > EXACT:
            found = _walk(_WALK.format(fulfils=fulfils, distance=distance), values)
            if len(found) == limit:
                return found
    fulfils, _ = condition(where, filters, standing=False)
    return [Scored(*row) for row in rows(_COMPARE.format(fulfils=fulfils, distance=distance, stands=STANDS), values)]


def index_name(model: EmbeddingModel | int) -> str:
    """Return the name of a model's index."""
    return f"memory_embedding_hnsw_{model if isinstance(model, int) else model.pk}"


def index_definition(model: EmbeddingModel) -> str:
    """Return what a model's index is of, in SQL."""
    return (
        f"USING hnsw ((vector::vector({model.dimensions})) vector_cosine_ops)"
        f" WHERE model_id = {model.pk} AND vector IS NOT NULL"
    )


def _text(vector: Vector) -> str:
    return "[" + ",".join(f"{value:.7g}" for value in vector.values) + "]"


def _distance(vector: Vector) -> str:
    """Return the distance to a vector in SQL: as in the index, to the letter (``index_definition``)."""
    size = len(vector.values)
    return f"(embedding.vector::vector({size})) <=> %(vector)s::vector({size})"


def _walk(statement: str, values: dict[str, Any]) -> list[Scored]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        cursor.execute("SET LOCAL hnsw.ef_search = 200")
        cursor.execute(statement, values)
        return [Scored(*row) for row in cursor.fetchall()]


def _index_iterates(model: int) -> bool:
    """Say whether a model has an index that is whole, and goes on where filters leave too little."""
    found = rows(
        "SELECT extension.extversion FROM pg_extension extension, pg_index index"
        " WHERE extension.extname = 'vector' AND index.indexrelid = to_regclass(%s) AND index.indisvalid",
        [index_name(model)],
    )
    return bool(found) and tuple(int(part) for part in found[0][0].split(".")[:2]) >= ITERATES_FROM
