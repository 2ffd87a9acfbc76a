"""Which of a run's subjects a promotion, or a sample, is about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Expression, F, QuerySet, TextField, Value
from django.db.models.functions import MD5, Cast, Concat

from memory.errors import Invalid
from reasoning.models import Reprocess, ReprocessItem

Item = ReprocessItem.State

SETTLED = (Item.PROMOTED, Item.LEFT)
"""States in which it is decided what becomes of an item."""


@dataclass(frozen=True, slots=True)
class Part:
    """The subjects for which all that is given holds; nothing given means all of them.

    ``percent`` (1 to 100) is a share drawn by chance. A larger one holds the smaller: after 10 per cent, 50 adds 40.
    """

    without_regressions: bool = False
    percent: int = 100
    app_id: UUID | None = None
    subjects: frozenset[UUID] | None = None

    def __post_init__(self) -> None:
        """Raise :class:`Invalid` for a share that is none."""
        if not 1 <= self.percent <= 100:
            raise Invalid("Give a whole number of 1 to 100.", ("percent",), "range")


EVERYTHING = Part()


def made(run: Reprocess) -> QuerySet[ReprocessItem]:
    """Return the items of which a run has made something, by subject."""
    return ReprocessItem.objects.filter(run=run, line__head__line=F("line")).order_by("subject")


def by_chance(run: Reprocess) -> Expression:
    """Return what puts subjects of a run in an order that is drawn by chance, and always the same."""
    return MD5(Concat(Cast("subject_id", TextField()), Value(run.public_id)))


def of(run: Reprocess, part: Part) -> QuerySet[ReprocessItem]:
    """Return the items of a part that can be promoted still. Regressions are not looked at: ``outcome`` tells them."""
    found = made(run)
    if part.app_id is not None:
        found = found.filter(subject__app=part.app_id)
    if part.subjects is not None:
        found = found.filter(subject__in=part.subjects)
    if part.percent < 100:
        count = math.ceil(found.count() * part.percent / 100)
        found = found.filter(subject__in=found.order_by(by_chance(run)).values("subject")[:count])
    return found.exclude(state__in=SETTLED)
