"""Which of two versions of one subject is better, asked of somebody who is not told which arm made which.

Two versions make a pair where the control's line and an arm's have read the same: in *serve* mode for the sample whose
control's versions are made beside, in *shadow* mode for everybody in the arm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from memory import validation
from memory.errors import Conflict, Invalid, NotFound
from memory.models import Representation
from reasoning.models import Arm, Comparison, PromptVersion

REASON_LENGTH = 2_000
CHOICES = ("first", "second", "tie")

# The newest pair of each subject, in an order of the reviewer's own; ``after`` skips the subjects up to that one.
_PAIRS = """
SELECT arm_id, subject_id, covers_to, control_id, candidate_id, count(*) OVER () AS count FROM (
    SELECT DISTINCT ON (beside.subject_id) beside.subject_id, made.covers_to, arm.id AS arm_id,
           CASE WHEN beside.recipe = %(control)s THEN made.id ELSE other.id END AS control_id,
           CASE WHEN beside.recipe = %(control)s THEN other.id ELSE made.id END AS candidate_id
      FROM memory_line beside
      JOIN memory_representation made ON made.line_id = beside.id
      JOIN memory_representation other ON other.subject_id = beside.subject_id AND other.covers_to = made.covers_to
      JOIN memory_line served ON served.id = other.line_id
      JOIN unnest(%(arms)s::uuid[], %(candidates)s::text[]) AS arm (id, recipe)
        ON arm.recipe IN (beside.recipe, served.recipe)
     WHERE beside.recipe = ANY(%(recipes)s) AND beside.branch = %(branch)s
       AND served.recipe = ANY(%(recipes)s) AND served.recipe <> beside.recipe AND served.branch <> %(branch)s
       AND %(control)s IN (beside.recipe, served.recipe)
       AND made.status = 'published' AND made.covers_to > made.covers_from AND made.created_at >= %(since)s
       AND other.status = 'published' AND other.covers_to > other.covers_from AND other.created_at >= %(since)s
       AND (%(subject)s::uuid IS NULL OR beside.subject_id = %(subject)s)
       AND (%(covers_to)s::bigint IS NULL OR made.covers_to = %(covers_to)s)
     ORDER BY beside.subject_id, made.covers_to DESC) newest
 WHERE (%(unjudged_by)s::text IS NULL OR NOT EXISTS (
       SELECT FROM reasoning_comparison done
        WHERE done.arm_id = newest.arm_id AND done.control_id = newest.control_id
          AND done.candidate_id = newest.candidate_id AND done.by = %(unjudged_by)s))
   AND (%(after)s::uuid IS NULL OR md5(%(by)s || subject_id::text) > md5(%(by)s || %(after)s::uuid::text))
 ORDER BY md5(%(by)s || subject_id::text) LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A version of the control and one of an arm, of one subject, that have read its feed equally far."""

    arm_id: UUID
    subject_id: UUID
    covers_to: int
    control_id: UUID
    candidate_id: UUID


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as it is shown: which of the two is the control's, nobody is told. ``left`` counts it and what follows."""

    arm_id: UUID
    subject_id: UUID
    covers_to: int
    first: Representation
    second: Representation
    left: int


def pairs(arms: Sequence[Arm], limit: int, *, by: str = "") -> list[Pair]:
    """Return the newest pair of each of up to ``limit`` subjects of an experiment's arms. One statement.

    Which subjects, a hash decides; it is another one for each ``by``, in the order in which they judge the pairs.
    """
    return [pair for pair, _ in _pairs(arms, limit, by=by)]


def next_pair(arms: Sequence[Arm], by: str, *, after: UUID | None = None) -> Shown | None:
    """Return a pair of an experiment's arms that ``by`` has not judged yet, None where there is none.

    To skip one, name its subject as ``after``.
    """
    found = _pairs(arms, 1, by=by, unjudged=True, after=after)
    return _shown(*found[0], by) if found else None


def choose(
    arms: Sequence[Arm], subject_id: UUID, covers_to: int, choice: str, *, by: str, reason: str = ""
) -> Comparison:
    """Write down which of a pair ``by`` likes better: ``first`` or ``second`` as it was shown to them, or ``tie``.

    Raises :class:`Invalid` for another word, :class:`NotFound` where there is no such pair, and :class:`Conflict`
    where they have judged it.
    """
    if choice not in CHOICES:
        raise Invalid(f"Use {', '.join(CHOICES)}.", ("choice",), "enum")
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    found = _pairs(arms, 1, by=by, subject_id=subject_id, covers_to=covers_to)
    if not found:
        raise NotFound("There is no such pair: ask for the next one")
    [(pair, _)] = found
    try:
        with transaction.atomic():
            return Comparison.objects.create(
                arm_id=pair.arm_id,
                subject_id=pair.subject_id,
                control_id=pair.control_id,
                candidate_id=pair.candidate_id,
                choice=_meant(pair, choice, by),
                by=by,
                reason=reason,
            )
    except IntegrityError:
        raise Conflict("You have judged this pair already.") from None


@dataclass(frozen=True, slots=True)
class Revealed:
    """Which prompt version had made which of a pair, in the order in which it was shown, and what was chosen."""

    first: PromptVersion
    second: PromptVersion
    control: PromptVersion
    choice: str


def revealed(kept: Comparison) -> Revealed:
    """Return what a pair was, for whoever has judged it."""
    arm = Arm.objects.select_related("version", "experiment__control").get(pk=kept.arm_id)
    control, candidate = arm.experiment.control, arm.version
    order = _order((kept.control_id, kept.candidate_id), kept.by)
    first, second = (control, candidate) if order[0] == kept.control_id else (candidate, control)
    if kept.choice == Comparison.Choice.TIE:
        return Revealed(first, second, control, "tie")
    chosen = control if kept.choice == Comparison.Choice.CONTROL else candidate
    return Revealed(first, second, control, "first" if chosen == first else "second")


def _pairs(
    arms: Sequence[Arm],
    limit: int,
    *,
    by: str,
    unjudged: bool = False,
    after: UUID | None = None,
    subject_id: UUID | None = None,
    covers_to: int | None = None,
) -> list[tuple[Pair, int]]:
    """Return pairs, each with how many there are."""
    if not arms:
        return []
    experiment = arms[0].experiment
    candidates = [arm.version.recipe for arm in arms]
    values: dict[str, Any] = {
        "arms": [arm.pk for arm in arms],
        "candidates": candidates,
        "control": experiment.control.recipe,
        "recipes": [experiment.control.recipe, *candidates],
        "branch": experiment.public_id,
        "since": experiment.started_at,
        "subject": subject_id,
        "covers_to": covers_to,
        "by": by,
        "unjudged_by": by if unjudged else None,
        "after": after,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, values)
        return [(Pair(*row), count) for *row, count in cursor.fetchall()]


def _order(both: tuple[UUID, UUID], by: str) -> Sequence[UUID]:
    """Return the control's version and the candidate's in the order in which ``by`` is shown them."""
    digest = hashlib.sha256(f"{by}\n{both[0]}\n{both[1]}".encode()).digest()
    return both if digest[0] % 2 else both[::-1]


def _shown(pair: Pair, left: int, by: str) -> Shown:
    order = _order((pair.control_id, pair.candidate_id), by)
    rows = Representation.objects.in_bulk(order)
    first, second = (rows[pk] for pk in order)
    return Shown(pair.arm_id, pair.subject_id, pair.covers_to, first, second, left)


def _meant(pair: Pair, choice: str, by: str) -> Comparison.Choice:
    if choice == "tie":
        return Comparison.Choice.TIE
    chosen = _order((pair.control_id, pair.candidate_id), by)[CHOICES.index(choice)]
    return Comparison.Choice.CONTROL if chosen == pair.control_id else Comparison.Choice.CANDIDATE
