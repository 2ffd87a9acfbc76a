"""Ranking by words: passages with any of the words, the more and the rarer the better (BM25).

How many passages have a word is counted in the scope, up to ``COUNTED``. Where the words are too frequent to look at
all that have one, those with the rarest are looked at; all words count for their rank.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from memory.search import index
from memory.search.remembered import Languages, OfWords
from memory.search.scopes import STANDS, Filters, Scope, condition, narrow
from memory.search.words import texts
from memory.statements import rows

MOST_WORDS = 32
COUNTED = 1_000
CANDIDATES = 2_000
SATURATION = 1.2
LENGTH_WEIGHT = 0.75
TYPICAL_WORDS = 20.0
_ONCE = 0.0607927
"""What ``ts_rank`` gives for a word that is there once."""

_TERMS = """
SELECT word, (plainto_tsquery('simple', word){forms})::text, false{stops}
  FROM unnest(%s::text[]) AS asked(word)
"""
_COUNTED = "SELECT * FROM memory_counted(%s, %s, %s)"  # migration 0044, each word up to ``COUNTED``
_COUNT_UNINDEXED = """
WITH fresh AS MATERIALIZED (SELECT text FROM {source} passage)
SELECT (SELECT count(*) FROM fresh WHERE fresh.text @@ asked.query::tsquery)
  FROM unnest(%(queries)s::text[]) WITH ORDINALITY AS asked(query, place) ORDER BY asked.place
"""
# Whether a statement stands is asked of the best, one by one until there are enough: it costs more than the rest.
_SCORE = """
SELECT passage.id, passage.score
  FROM (SELECT passage.id, passage.conclusion_id, {score} AS score FROM {source} passage WHERE {fulfils}
         ORDER BY score DESC, passage.id DESC OFFSET 0) passage
 WHERE {stands} ORDER BY passage.score DESC, passage.id DESC LIMIT %(limit)s
"""
INDEXED = "memory_passage"
# OFFSET 0 keeps the words of each from being found anew for each use.
_UNINDEXED = """
(SELECT row.id, known.app_id, known.event_id, known.conclusion_id, known.at, row.words, {text} AS text
   FROM {rows} JOIN memory_passage known ON known.id = row.id OFFSET 0)
"""


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a query: as it was written, and the text of the tsquery of its forms."""

    word: str
    query: str


class Scored(NamedTuple):  # hundreds at once: a data class takes five times as long to make
    """A passage and its score."""

    passage: int
    score: float


def terms(query: str) -> list[Term]:
    """Return the words of a query that say something: without stop words, unless it has nothing else.

    One statement, and none for words met before.
    """
    asked = list(dict.fromkeys(texts(query)))
    known = _terms.get(asked)
    found = [known[word] for word in asked if known[word][0].query]
    return ([term for term, stop in found if not stop] or [term for term, _ in found])[:MOST_WORDS]


def _make_terms(languages: Languages, words: Collection[str]) -> dict[str, tuple[Term, bool]]:
    """Return words as terms, and whether each is a stop word."""
    forms = "".join(f" || plainto_tsquery('{name}', word)" for name in languages)
    stops = "".join(f" OR numnode(plainto_tsquery('{name}', word)) = 0" for name in languages)
    asked = rows(_TERMS.format(forms=forms, stops=stops), [list(words)])
    return {word: (Term(word, _once_each(query)), stop) for word, query, stop in asked}


_terms = OfWords(_make_terms)


def _once_each(query: str) -> str:
    """Return a tsquery of forms without those that are the same in several languages."""
    return " | ".join(dict.fromkeys(query.split(" | ")))


def rank(where: Scope, filters: Filters, asked: Sequence[Term], limit: int) -> list[Scored]:
    """Return the best ``limit`` passages that have any of the words, the best first.

    Two statements of SQL, and three more where passages are not indexed yet.
    """
    if not asked:
        return []
    [(counts, size, behind)] = rows(_COUNTED, [where.app_id, where.thing, _queries(where, filters, asked)])
    fresh = index.unindexed(where) if behind else []  # before the best: what is indexed meanwhile is in both
    unindexed, values = unindexed_rows(), {"rows": index.as_json(fresh)}
    if fresh:
        more = _counts(unindexed, _queries(where, filters, asked), **values)
        counts = [sum(pair) for pair in zip(counts, more, strict=True)]
    size = max(size or 0, 2 * max(counts))
    counts = [_likely(count, size) for count in counts]
    weighted = [(term, _weight(count, size)) for term, count in zip(asked, counts, strict=True)]
    found = {item.passage: item for item in _scored(INDEXED, where, filters, weighted, _rarest(asked, counts), limit)}
    if fresh:
        found |= {item.passage: item for item in _scored(unindexed, where, filters, weighted, asked, limit, **values)}
    return sorted(found.values(), key=lambda item: (-item.score, -item.passage))[:limit]


def unindexed_rows() -> str:
    """Return the SQL of the passages that the parameter ``rows`` has, as if they were indexed."""
    return _UNINDEXED.format(text=index.text_of_row(), rows=index.ROWS)


def _scored(
    source: str,
    where: Scope,
    filters: Filters,
    weighted: Sequence[tuple[Term, float]],
    chosen: Sequence[Term],
    limit: int,
    **values: Any,
) -> list[Scored]:
    """Return the best passages of ``source`` that have any of the ``chosen`` words, by all that are ``weighted``."""
    if not chosen:
        return []
    fulfils, asked = condition(where, filters, " | ".join(f"({term.query})" for term in chosen), standing=False)
    values |= asked | {"limit": limit, "saturation": SATURATION}
    length = f"(1 - {LENGTH_WEIGHT} + {LENGTH_WEIGHT} * passage.words / {TYPICAL_WORDS})::float8"
    parts = []
    for place, (term, weight) in enumerate(weighted):
        values |= {f"term{place}": term.query, f"weight{place}": weight}
        # often / (often + saturation * length), such that how often is looked up once; a word that is not there is 0
        often = f"nullif(ts_rank(passage.text, %(term{place})s::tsquery), 0)::float8 / {_ONCE}"
        parts.append(f"coalesce(%(weight{place})s::float8 / (1 + %(saturation)s::float8 * {length} / ({often})), 0)")
    with connection.cursor() as cursor:
        scored = _SCORE.format(score=" + ".join(parts), source=source, fulfils=fulfils, stands=STANDS)
        cursor.execute(scored, values)
        return [Scored(*row) for row in cursor.fetchall()]


def _queries(where: Scope, filters: Filters, asked: Sequence[Term]) -> list[str]:
    """Return for each word the text of the tsquery of what has it."""
    marks = narrow(where, filters.by_marks)
    return [f"{marks} & ({term.query})" for term in asked]


def _counts(source: str, queries: list[str], **values: Any) -> list[int]:
    """Return how many passages of ``source`` fulfil each query."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_UNINDEXED.format(source=source), {"queries": queries, **values})
        return [row[0] for row in cursor.fetchall()]


def _likely(count: int, size: int) -> int:
    """Return how many passages of ``size`` have a word; what is not counted to its end is guessed."""
    return count if count < COUNTED else int(math.sqrt(COUNTED * max(size, COUNTED)))


def _weight(count: int, size: int) -> float:
    """Return how much a word says: the inverse of how many have it."""
    return math.log(1 + (max(size - count, 0) + 0.5) / (count + 0.5))


def _rarest(asked: Sequence[Term], counts: Sequence[int]) -> list[Term]:
    """Return the rarest of the words that are there, as many as have ``CANDIDATES`` passages together; one at least."""
    chosen: list[Term] = []
    total = 0
    for count, place in sorted((count, place) for place, count in enumerate(counts) if count):
        total += count
        if chosen and total > CANDIDATES:
            break
        chosen.append(asked[place])
    return chosen
