"""How well versions served, as those say who were served."""

from __future__ import annotations

from typing import Any

from memory import history, validation
from memory.errors import Erased, Invalid
from memory.models import Feedback, Representation, Subject

COMMENT_LENGTH = 2_000


def add(subject: Subject, version: int, score: Any, *, comment: Any = "", by: str = "") -> Feedback:
    """Keep a score of -1 (harmful) to 1 (just right) for a version of a subject; return what is kept.

    Raises :class:`Invalid` for what is no such score, or for a version that was never published, and
    :class:`~memory.errors.NotFound` where there is no such version, or :class:`Erased` where it was erased.
    """
    if isinstance(score, bool) or not isinstance(score, int | float) or not -1 <= score <= 1:
        raise Invalid("Give a number of -1 (harmful) to 1 (just right).", ("score",), "score")
    validation.text(comment, ("comment",), most=COMMENT_LENGTH)
    found = history.find_version(subject, version)
    if found.status == Representation.Status.ERASED:
        raise Erased(f"Version {version} was erased: nobody can tell any more how it served.")
    if found.status != Representation.Status.PUBLISHED:
        raise Invalid(f"Version {version} was never published: nobody was served it.", ("version",))
    return Feedback.objects.create(subject=subject, representation=found, score=float(score), comment=comment, by=by)
