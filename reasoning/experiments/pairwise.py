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
from reasoning.models import Arm, Comparison

REASON_LENGTH = 2_000
CHOICES = ("first", "second", "tie")

# The newest pair of each subject, in an order of the reviewer's own.
_PAIRS = """
SELECT subject_id, covers_to, control_id, candidate_id FROM (
    SELECT DISTINCT ON (beside.subject_id) beside.subject_id, made.covers_to,
           CASE WHEN beside.recipe = %(control)s THEN made.id ELSE other.id END AS control_id,
           CASE WHEN beside.recipe = %(control)s THEN other.id ELSE made.id END AS candidate_id
      FROM memory_line beside
      JOIN memory_representation made ON made.line_id = beside.id
      JOIN memory_representation other ON other.subject_id = beside.subject_id AND other.covers_to = made.covers_to
      JOIN memory_line served ON served.id = other.line_id
     WHERE beside.recipe = ANY(%(recipes)s) AND beside.branch = %(branch)s
       AND served.recipe = ANY(%(recipes)s) AND served.recipe <> beside.recipe AND served.branch <> %(branch)s
       AND made.status = 'published' AND made.covers_to > made.covers_from AND made.created_at >= %(since)s
       AND other.status = 'published' AND other.covers_to > other.covers_from AND other.created_at >= %(since)s
       AND (%(subject)s::uuid IS NULL OR beside.subject_id = %(subject)s)
       AND (%(covers_to)s::bigint IS NULL OR made.covers_to = %(covers_to)s)
     ORDER BY beside.subject_id, made.covers_to DESC) newest
 WHERE %(by)s::text IS NULL OR NOT EXISTS (
       SELECT FROM reasoning_comparison done
        WHERE done.arm_id = %(arm)s AND done.control_id = newest.control_id AND done.candidate_id = newest.candidate_id
          AND done.by = %(by)s)
 ORDER BY md5(coalesce(%(by)s, '') || subject_id::text) LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A version of the control and one of an arm, of one subject, that have read its feed equally far."""

    subject_id: UUID
    covers_to: int
    control_id: UUID
    candidate_id: UUID


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as it is shown: which of the two is the control's, nobody is told."""

    subject_id: UUID
    covers_to: int
    first: Representation
    second: Representation


def pairs(arm: Arm, limit: int) -> list[Pair]:
    """Return the newest pair of each of up to ``limit`` subjects of an arm, chosen by a hash. One statement."""
    return _pairs(arm, limit)


def next_pair(arm: Arm, by: str) -> Shown | None:
    """Return a pair that ``by`` has not judged yet, None where there is none."""
    found = _pairs(arm, 1, by=by)
    return _shown(found[0], by) if found else None


def choose(arm: Arm, subject_id: UUID, covers_to: int, choice: str, *, by: str, reason: str = "") -> Comparison:
    """Write down which of a pair ``by`` likes better: ``first`` or ``second`` as it was shown to them, or ``tie``.

    Raises :class:`Invalid` for another word, :class:`NotFound` where there is no such pair, and :class:`Conflict`
    where they have judged it.
    """
    if choice not in CHOICES:
        raise Invalid(f"Use {', '.join(CHOICES)}.", ("choice",), "enum")
    validation.text(reason, ("reason",), most=REASON_LENGTH)
    found = _pairs(arm, 1, subject_id=subject_id, covers_to=covers_to)
    if not found:
        raise NotFound("There is no such pair: ask for the next one")
    [pair] = found
    try:
        with transaction.atomic():
            return Comparison.objects.create(
                arm=arm,
                subject_id=pair.subject_id,
                control_id=pair.control_id,
                candidate_id=pair.candidate_id,
                choice=_meant(pair, choice, by),
                by=by,
                reason=reason,
            )
    except IntegrityError:
        raise Conflict("You have judged this pair already.") from None


def _pairs(
    arm: Arm, limit: int, *, by: str | None = None, subject_id: UUID | None = None, covers_to: int | None = None
) -> list[Pair]:
    experiment = arm.experiment
    values: dict[str, Any] = {
        "arm": arm.pk,
        "control": experiment.control.recipe,
        "recipes": [experiment.control.recipe, arm.version.recipe],
        "branch": experiment.public_id,
        "since": experiment.started_at,
        "subject": subject_id,
        "covers_to": covers_to,
        "by": by,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, values)
        return [Pair(*row) for row in cursor.fetchall()]


def _order(pair: Pair, by: str) -> Sequence[UUID]:
    """Return the two versions in the order in which ``by`` is shown them."""
    both = (pair.control_id, pair.candidate_id)
    digest = hashlib.sha256(f"{by}\n{both[0]}\n{both[1]}".encode()).digest()
    return both if digest[0] % 2 else both[::-1]


def _shown(pair: Pair, by: str) -> Shown:
    rows = Representation.objects.in_bulk(_order(pair, by))
    first, second = (rows[pk] for pk in _order(pair, by))
    return Shown(pair.subject_id, pair.covers_to, first, second)


def _meant(pair: Pair, choice: str, by: str) -> Comparison.Choice:
    if choice == "tie":
        return Comparison.Choice.TIE
    chosen = _order(pair, by)[CHOICES.index(choice)]
    return Comparison.Choice.CONTROL if chosen == pair.control_id else Comparison.Choice.CANDIDATE
