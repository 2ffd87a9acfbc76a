"""Experiments: prompt versions that share an app's subjects, and what was found out about them."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from memory.models import App, Representation, Subject
from memory.models.base import PublicModel
from reasoning.experiments.split import BUCKETS
from reasoning.models.prompts import PromptVersion


class Experiment(PublicModel):
    """A sticky split of an app's (or, without one, the site's) subjects of a kind between prompt versions.

    ``control`` serves whoever is in no other arm. ``sample`` is for how many of 10,000 buckets' subjects *serve* mode
    makes the control's versions beside those of the arm, to compare them.
    """

    class Mode(models.TextChoices):
        """Serve: each arm's subjects read its versions. Shadow: the arms' versions are made beside, and not served."""

        SERVE = "serve"
        SHADOW = "shadow"

    class State(models.TextChoices):
        """Where it is: a draft changes nothing yet; stopped and promoted are for good."""

        DRAFT = "draft"
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        PROMOTED = "promoted"

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="experiments")
    kind = models.CharField(max_length=16, choices=Subject.Kind)
    name = models.CharField(max_length=200)
    mode = models.CharField(max_length=16, choices=Mode, default=Mode.SERVE)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    control = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="controls")
    salt = models.CharField(max_length=64, editable=False)
    sample = models.IntegerField(default=0)
    guardrails = models.JSONField(
        default=list,
        blank=True,
        help_text="What must not happen to an arm: measure, limit, relative to the control or not, least passes.",
    )
    started_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "name"], condition=Q(app__isnull=False), name="experiment_name_in_app"
            ),
            models.UniqueConstraint(fields=["name"], condition=Q(app__isnull=True), name="experiment_name_for_site"),
            models.UniqueConstraint(
                fields=["app", "kind"],
                condition=Q(app__isnull=False, state__in=["running", "paused"]),
                name="experiment_one_in_app",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(app__isnull=True, state__in=["running", "paused"]),
                name="experiment_one_for_site",
            ),
            models.CheckConstraint(condition=Q(sample__range=(0, BUCKETS)), name="experiment_sample_range"),
            models.CheckConstraint(
                condition=Q(state="draft", started_at=None) | ~Q(state="draft") & Q(started_at__isnull=False),
                name="experiment_started",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["stopped", "promoted"], ended_at__isnull=False)
                | Q(state__in=["draft", "running", "paused"], ended_at=None),
                name="experiment_ended",
            ),
        ]
        permissions = [("run_experiments", "Can set up, start, ramp, pause and stop experiments, and review pairs")]

    def __str__(self) -> str:
        return self.name


class Arm(PublicModel):
    """A candidate of an experiment. ``buckets`` are pairs of a first bucket and the one after the last.

    It keeps what it has when it is ramped up; what is taken from it when it is ramped down is what it got last. That
    stays its own (``given_back``), so that nobody ever moves from one candidate to another.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="arms")
    buckets = models.JSONField(default=list, blank=True)
    given_back = models.JSONField(default=list, blank=True)
    paused = models.BooleanField(default=False)
    paused_because = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "version"], name="arm_one_for_version"),
        ]

    def __str__(self) -> str:
        return f"{self.version} in {self.experiment}"

    @property
    def share(self) -> float:
        """The share of subjects that fall to it, 0 to 1."""
        return sum(int(upper) - int(lower) for lower, upper in self.buckets) / BUCKETS


class ExperimentAct(PublicModel):
    """What was done to an experiment, by whom and why; the database refuses to change it."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="acts")
    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, null=True, blank=True, related_name="acts")
    act = models.CharField(max_length=16)
    detail = models.JSONField(default=dict, blank=True)
    by = models.TextField(blank=True)
    reason = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.act} {self.experiment}"


class Comparison(PublicModel):
    """Which of two versions of one subject somebody liked better, without knowing which arm had made which."""

    class Choice(models.TextChoices):
        """The better one."""

        CONTROL = "control"
        CANDIDATE = "candidate"
        TIE = "tie"

    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, related_name="comparisons")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    control = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="+", db_index=False)
    candidate = models.ForeignKey(Representation, on_delete=models.PROTECT, related_name="+", db_index=False)
    choice = models.CharField(max_length=16, choices=Choice)
    by = models.TextField()
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["arm", "control", "candidate", "by"], name="comparison_once_by_each"),
        ]
        indexes = [
            models.Index(fields=["control"], name="comparison_control"),
            models.Index(fields=["candidate"], name="comparison_candidate"),
        ]

    def __str__(self) -> str:
        return f"{self.choice} by {self.by}"
