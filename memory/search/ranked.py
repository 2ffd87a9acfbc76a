"""The best of a scope for a question: by the inverted indexes, by meaning, and by the formula that weighs both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory.conf import MemorySettings
from memory.search import embedders, lookup, pool, semantic
from memory.search.embedders import Vector
from memory.search.lexemes import lexemes
from memory.search.lexical import Scored
from memory.search.lookup import Matches
from memory.search.pool import Pool
from memory.search.ranking import formula, question
from memory.search.ranking.candidates import Candidates
from memory.search.ranking.question import Question
from memory.search.records import MOST_WORDS, OWN, RECORD, Records, minute
from memory.search.scopes import Filters, Scope
from memory.search.words import texts
from memory.statements import array, rows

NEAREST = 100
"""So many of the passages nearest in meaning are weighed."""

COMPARED = 200
"""Of so many of those that fit best otherwise it is asked how near they are."""

_DESCRIBE = """
SELECT passage.id, extract(epoch FROM passage.at)::float8, passage.words,
       coalesce(event.author_id, conclusion.about_id, subject.user_id), passage.conclusion_id IS NOT NULL
  FROM memory_passage passage
  LEFT JOIN memory_event event ON event.id = passage.event_id
  LEFT JOIN memory_conclusion conclusion ON conclusion.id = passage.conclusion_id
  LEFT JOIN memory_subject subject ON subject.id = conclusion.subject_id
 WHERE passage.id = ANY(%s::bigint[]) ORDER BY passage.id
"""


def embed_question(where: Scope, query: str) -> Vector | None:
    """Return the vector of a question without the names of who is asked about: texts do not have their authors' names.

    None where there is no model, or it fails. Call it outside any transaction: it may ask another server.
    """
    if not MemorySettings.load().embedder:
        return None
    found = lookup.look_up(where, [])
    plain = question.without_names(query, found.names) if found else query
    return embedders.embed_query(plain or query)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Passages and their scores, the best first. Only of those in ``known`` is it known that they belong to the scope.

    ``terms`` are the words that were looked for, ``names`` those of who wrote anything there.
    """

    items: Sequence[tuple[int, float]]
    known: Sequence[int]
    terms: Sequence[str]
    names: Sequence[str] = ()


def best(where: Scope, query: str, vector: Vector | None, today: date, most: int) -> Ranked | None:
    """Return the ``most`` that may best answer a question; None where the inverted indexes cannot tell.

    That is in a whole app, in indexes that do not have all yet, and of a question of stop words alone. Neighbours of
    what belongs to the scope are among it that may not: who was not there yet has no part in them.
    """
    stems = lexemes(list(dict.fromkeys(texts(query))))
    terms = list(dict.fromkeys(term for term in stems.values() if term))
    matches = lookup.look_up(where, terms) if terms or vector else None
    if matches is None:
        return None
    asked = question.read(query, matches.names, own=_own(where, matches.authors), today=today)
    named = {stems[term] for term in asked.terms}
    places = [place for place, term in enumerate(terms) if term in named] or range(len(terms))
    near = semantic.rank(where, Filters(), vector, NEAREST) if vector else []
    unknown = _unknown(near, matches) if near else []
    found = pool.pool(matches.of_terms(places), _described(unknown, matches.authors))
    if vector:
        found = _compared(found, asked, vector, near)
    scores = formula.score(found.candidates, asked)
    order = np.argsort(-scores, kind="stable")[:most]
    items = list(zip(found.passages[order].tolist(), scores[order].tolist(), strict=True))
    return Ranked(items, matches.fresh, asked.terms, matches.names)


def _own(where: Scope, authors: Sequence[UUID]) -> int | None:
    """Return whose memory is asked, as a place in the authors; None where it is nobody's, or they wrote nothing."""
    return next((authors.index(thing) for thing in (where.thing, where.known) if thing in authors), None)


def _unknown(near: Sequence[Scored], matches: Matches) -> list[int]:
    """Return the passages that are near and have none of the words."""
    nearest = np.array([item.passage for item in near], np.int64)
    unknown: list[int] = nearest[~np.isin(nearest, matches.records["passage"])].tolist()
    return unknown


def _described(passages: Sequence[int], authors: Sequence[UUID]) -> Records:
    """Return records of passages, without what is beside them. One statement, none for none."""
    found = np.zeros(len(passages), RECORD)
    if not passages:
        return found
    described = rows(_DESCRIBE, [array(passages)])
    found = found[: len(described)]
    for place, (passage, at, words_there, author, statement) in enumerate(described):
        found["passage"][place], found["minute"][place] = passage, minute(at)
        found["statement"][place] = statement
        found["words"][place, OWN] = min(words_there, MOST_WORDS)
        found["authors"][place, OWN] = authors.index(author) + 1 if author in authors else 0
    return found


def _compared(found: Pool, asked: Question, vector: Vector, near: Sequence[Scored]) -> Pool:
    """Return what is nearest and what fits best otherwise, with how near all of it is."""
    scores = formula.score(found.candidates, asked)
    similar = {item.passage: item.score for item in near}
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores)[:COMPARED]] = True
    similar |= semantic.similarities(found.passages[chosen].tolist(), vector)
    chosen |= np.isin(found.passages, list(similar))
    dense = np.array([similar.get(passage, np.nan) for passage in found.passages[chosen].tolist()], np.float32)
    return Pool(found.passages[chosen], replace(_some(found.candidates, chosen), dense=dense))


def _some(candidates: Candidates, chosen: NDArray[np.bool_]) -> Candidates:
    """Return some of the candidates."""
    parts = {item.name: getattr(candidates, item.name) for item in fields(candidates)}
    return Candidates(**{name: part if name == "rarity" else part[chosen] for name, part in parts.items()})
