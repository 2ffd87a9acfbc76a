"""Versions and the statements that stand in them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from memory.models.base import PublicModel
from memory.models.log import Event
from memory.models.subjects import Line, Subject
from memory.models.tenants import User


class Representation(PublicModel):
    """One version of a subject. The database refuses to change it, but for thinning it (migration 0011) and erasing.

    It covers the feed positions above ``covers_from`` up to and with ``covers_to``. ``text`` is what an agent
    reads: lines in order of importance, ``line_tokens`` the tokens of each, so that a budget is a prefix.
    """

    class Status(models.TextChoices):
        """Whether readers may get it."""

        PUBLISHED = "published"
        QUARANTINED = "quarantined"
        ERASED = "erased", "erased: something that it may have known of was"

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="representations", db_index=False)
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="representations")
    number = models.IntegerField()
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    restores = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The version that this one repeats: where readers were taken back, or on, to it.",
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.PUBLISHED)
    text = models.TextField(blank=True)
    line_tokens = ArrayField(models.IntegerField(), default=list)
    card = ArrayField(models.TextField(), default=list, blank=True)
    now = models.TextField(blank=True)
    short_summary = models.TextField(blank=True)
    long_summary = models.TextField(blank=True)
    covers_from = models.BigIntegerField()
    covers_to = models.BigIntegerField()
    as_of = models.DateTimeField(null=True, blank=True)
    made_by = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    gate = models.CharField(
        max_length=50, blank=True, default="", db_default="", help_text="What stopped it, where it was quarantined."
    )
    draft = models.JSONField(
        null=True, blank=True, help_text="What a quarantined version would have added and retired."
    )
    thinned = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether only its statements are kept, not its text and other parts (``memory.retention``).",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "number"], name="representation_number_unique"),
            models.UniqueConstraint(fields=["subject", "id"], name="representation_unique_in_subject"),
            models.CheckConstraint(
                condition=Q(covers_to__gte=F("covers_from"), covers_from__gte=0),
                name="representation_covers_forward",
            ),
            models.UniqueConstraint(
                fields=["line", "covers_from"],
                condition=Q(status="published", covers_to__gt=F("covers_from")),
                name="representation_covers_once",
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="representation_counts_from_one"),
            models.CheckConstraint(
                condition=~Q(status="erased")
                | Q(
                    text="",
                    card=[],
                    now="",
                    short_summary="",
                    long_summary="",
                    draft__isnull=True,
                    made_by={},
                    reason="",
                    gate="",
                    thinned=False,
                ),
                name="representation_erased_says_nothing",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="representation_quarantined", condition=Q(status="quarantined")),
            models.Index(fields=["created_at"], name="representation_whole", condition=Q(thinned=False)),
            # An erasure asks of each row that goes who refers to it.
            models.Index(fields=["parent"], name="representation_of_parent", condition=Q(parent__isnull=False)),
            models.Index(fields=["restores"], name="representation_restoring", condition=Q(restores__isnull=False)),
        ]
        permissions = [("roll_back_versions", "Can roll back subjects and deployments")]

    def __str__(self) -> str:
        return f"{self.subject} version {self.number}"


class KeptVersion(PublicModel):
    """That somebody wants a version kept whole, however old it gets."""

    representation = models.OneToOneField(Representation, on_delete=models.CASCADE, related_name="kept")
    reason = models.TextField(blank=True)
    by = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.representation} is kept"


class Ruling(PublicModel):
    """What a human decided about a quarantined version, once and for good; the database refuses to change it.

    ``made`` is the version that publishing it made.
    """

    class Decision(models.TextChoices):
        """Whether readers got it after all."""

        PUBLISHED = "published"
        DISCARDED = "discarded"

    representation = models.OneToOneField(Representation, on_delete=models.PROTECT, related_name="ruling")
    decision = models.CharField(max_length=16, choices=Decision)
    made = models.OneToOneField(
        Representation, on_delete=models.PROTECT, null=True, blank=True, related_name="published_by"
    )
    by = models.TextField(blank=True)
    reason = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="published", made__isnull=False) | Q(decision="discarded", made=None),
                name="ruling_made_what_it_published",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="ruling_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.representation}: {self.decision}"


class Serving(models.Model):
    """What readers of a subject got from ``since`` until its next row: a version, or None for nothing.

    The database writes a row whenever ``Subject.current`` moves, whoever moves it, and lets nobody change one
    (migration 0006). ``memory.serving`` says how to note why.
    """

    pk = models.CompositePrimaryKey("subject_id", "since")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="servings", db_index=False)
    since = models.DateTimeField()
    representation = models.ForeignKey(
        Representation, on_delete=models.PROTECT, null=True, blank=True, related_name="servings", db_index=False
    )
    reason = models.TextField(blank=True, db_default="")
    by = models.TextField(blank=True, db_default="")

    class Meta:
        indexes = [models.Index(fields=["representation"], name="serving_of_version")]

    def __str__(self) -> str:
        return f"{self.representation_id} since {self.since}"


class Conclusion(PublicModel):
    """One self-contained statement about a subject. Where it stands, ``Span`` says; what it rests on, ``Evidence``.

    ``pinned``, ``retracted`` and ``importance`` are what humans have said of it last (``memory.corrections``); the
    database refuses every other change (migration 0008).
    """

    class Level(models.TextChoices):
        """How it was reached."""

        EXPLICIT = "explicit"
        DEDUCTIVE = "deductive"
        INDUCTIVE = "inductive"
        CONTRADICTION = "contradiction"

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="conclusions", db_index=False)
    content = models.TextField()
    fingerprint = models.CharField(max_length=64)
    level = models.CharField(max_length=16, choices=Level, default=Level.EXPLICIT)
    about = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="conclusions")
    held_from = models.DateField(null=True, blank=True)
    held_until = models.DateField(null=True, blank=True)
    importance = models.SmallIntegerField(default=3)
    pinned = models.BooleanField(default=False, db_default=False)
    retracted = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "fingerprint"], name="conclusion_unique_in_subject"),
            models.CheckConstraint(condition=~Q(content=""), name="conclusion_says_something"),
            models.CheckConstraint(condition=Q(importance__range=(1, 5)), name="conclusion_importance_range"),
            models.CheckConstraint(condition=~Q(pinned=True, retracted=True), name="conclusion_pinned_or_retracted"),
        ]
        permissions = [("correct_statements", "Can correct, pin and retract statements")]

    def __str__(self) -> str:
        return self.content


class Span(models.Model):
    """In which versions of a line a conclusion stands: from ``since`` up to and without ``until``.

    ``latest`` is when the newest event under it occurred.
    """

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="spans", db_index=False)
    conclusion = models.ForeignKey(Conclusion, on_delete=models.PROTECT, related_name="spans")
    since = models.IntegerField()
    latest = models.DateTimeField(null=True, blank=True)
    until = models.IntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)
    replaced_by = models.ForeignKey(
        Conclusion, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["line", "conclusion"], condition=Q(until__isnull=True), name="span_one_open"
            ),
            models.CheckConstraint(condition=Q(until__isnull=True) | Q(until__gt=F("since")), name="span_goes_forward"),
        ]
        indexes = [
            models.Index(fields=["line", "since"], name="span_line_since"),
            models.Index(fields=["line", "until"], name="span_line_until", condition=Q(until__isnull=False)),
            models.Index(fields=["line"], name="span_standing", condition=Q(until__isnull=True)),
            models.Index(fields=["replaced_by"], name="span_replaced_by", condition=Q(replaced_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.conclusion_id} from {self.since} until {self.until or 'now'}"


class Evidence(models.Model):
    """That a conclusion rests on an event, and which version found so. It stays where the event is archived."""

    pk = models.CompositePrimaryKey("conclusion_id", "event_id")
    conclusion = models.ForeignKey(Conclusion, on_delete=models.PROTECT, related_name="evidence", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="evidence_for", db_constraint=False)
    representation = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="evidence_added")

    class Meta:
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"{self.conclusion_id} rests on {self.event_id}"


class Premise(models.Model):
    """That a conclusion rests on another one, and which version found so; the events are in ``Evidence`` as well."""

    pk = models.CompositePrimaryKey("conclusion_id", "premise_id")
    conclusion = models.ForeignKey(Conclusion, on_delete=models.PROTECT, related_name="premises", db_index=False)
    premise = models.ForeignKey(Conclusion, on_delete=models.PROTECT, related_name="premise_of")
    representation = models.ForeignKey(
        Representation, on_delete=models.PROTECT, related_name="premises_added", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(conclusion=F("premise")), name="premise_is_another"),
        ]
        indexes = [models.Index(fields=["representation"], name="premise_found_by")]

    def __str__(self) -> str:
        return f"{self.conclusion_id} rests on {self.premise_id}"


class Feedback(PublicModel):
    """How well a version served: a score from -1 (harmful) to 1 (just right); the database refuses to change it."""

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="feedback", db_index=False)
    representation = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="feedback")
    score = models.FloatField()
    comment = models.TextField(blank=True)
    by = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "feedback"
        indexes = [models.Index(fields=["subject"], name="feedback_of_subject")]
        constraints = [
            models.CheckConstraint(condition=Q(score__range=(-1, 1)), name="feedback_score_range"),
        ]

    def __str__(self) -> str:
        return f"{self.score:+g} for {self.representation}"


class Correction(PublicModel):
    """What a human said of a statement, and the version that it made; the database refuses to change it.

    The newest about a statement counts (by the version's number: clocks disagree). ``replaced_by`` is the statement
    that an edit put in its place. ``event`` is None once that is archived.
    """

    class Act(models.TextChoices):
        """What was done."""

        ADD = "add"
        EDIT = "edit"
        RETRACT = "retract"
        PIN = "pin"
        UNPIN = "unpin"

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="corrections")
    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, null=True, blank=True, related_name="correction", db_constraint=False
    )
    representation = models.OneToOneField(Representation, on_delete=models.PROTECT, related_name="correction")
    act = models.CharField(max_length=16, choices=Act)
    conclusion = models.ForeignKey(Conclusion, on_delete=models.PROTECT, related_name="corrections")
    replaced_by = models.ForeignKey(
        Conclusion, on_delete=models.PROTECT, null=True, blank=True, related_name="replaces"
    )
    by = models.TextField(blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(replaced_by=None) | (Q(act="edit") & ~Q(replaced_by=F("conclusion"))),
                name="correction_replaces_by_editing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.conclusion}"
