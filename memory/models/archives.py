"""What is left of events that were taken out of the log: which those were, and whom they were about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from memory.models.base import PublicModel
from memory.models.subjects import Subject

if TYPE_CHECKING:
    from memory.models.representations import Conclusion


class Archive(PublicModel):
    """That a part of the log was archived or dropped: the events from id ``first`` up to, and without, id ``before``.

    The row is also how far that is: it says what is being done, so that it goes on wherever it was ended. The database
    lets events go only in a transaction that has touched such a row (migration 0038), and sets ``transaction`` and
    ``touched_at`` itself.
    """

    class State(models.TextChoices):
        """What is being done."""

        WRITING = "writing", "being written to a file"
        REMOVING = "removing", "being taken out of the log"
        DONE = "done"

    partition = models.CharField(max_length=63, help_text="The table that held the events.")
    first: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True, blank=True)
    before = models.UUIDField()
    state = models.CharField(max_length=16, choices=State, default=State.WRITING)
    events = models.BigIntegerField(default=0, help_text="How many events there were.")
    file = models.TextField(blank=True, help_text="Where they were written to; empty where they were dropped.")
    sha256 = models.CharField(max_length=64, blank=True)
    written_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    done_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    by = models.TextField(blank=True)
    transaction = models.BigIntegerField(default=0, editable=False)
    touched_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, editable=False)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["partition"], condition=~models.Q(state="done"), name="archive_one_at_a_time_of_a_partition"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partition}, {self.get_state_display()}"


class ArchivedPlace(models.Model):
    """From which place on a subject's feed had archived events of a user, a session or a project.

    It is what an erasure of these needs to know once the events are gone: which versions may know of them.
    ``thing`` is the id of the user, session or project.
    """

    pk = models.CompositePrimaryKey("subject_id", "thing")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, related_name="archived_places", db_index=False)
    thing = models.UUIDField(db_index=True)
    place = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(place__gte=1), name="archived_place_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} from {self.place}"


class ArchivedEvidence(models.Model):
    """That a statement rests on archived events of a user, a session or a project.

    An erasure of these takes it along: also where a human has vouched for it, which no version tells. ``thing`` is as
    in :class:`ArchivedPlace`.
    """

    pk = models.CompositePrimaryKey("conclusion_id", "thing")
    conclusion: models.ForeignKey[Conclusion, Conclusion] = models.ForeignKey(
        "Conclusion", on_delete=models.CASCADE, related_name="archived_evidence", db_index=False
    )
    thing = models.UUIDField(db_index=True)

    def __str__(self) -> str:
        return f"{self.conclusion_id} on {self.thing}"
