"""Work rows: what each line still has to read, who is at it, and until when."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from memory.models import App, Line, Subject
from reasoning.providers.base import Failure


class Work(models.Model):
    """The durable state of one line's reasoning. Tasks and notifications only wake somebody to look at it.

    ``due_at`` is when somebody may claim it: for leased work, when the lease ends; for held work, when the budget's
    next period begins, if one does. ``oldest`` and ``newest`` are when the first and the last waiting event were
    recorded. ``step`` is where in the chain of providers the next pass begins: above 0 once those before gave up.

    The line that serves its subject follows the feed; others do as long as ``follows`` says so. ``bulk`` work yields to
    other work, and that of a ``run`` is done while the run goes on. ``task`` is what a pass does when no event waits.
    """

    class State(models.TextChoices):
        """Idle: nothing waits. Waiting: due at ``due_at``. Leased: somebody is at it. Held: a budget or a price is
        missing. Parked: an operator must act."""

        IDLE = "idle"
        WAITING = "waiting"
        LEASED = "leased"
        HELD = "held"
        PARKED = "parked"

    class Task(models.TextChoices):
        """Read: what has happened since. Consolidate: what is known already, once there is nothing to read."""

        READ = "read"
        CONSOLIDATE = "consolidate"

    line = models.OneToOneField(Line, on_delete=models.CASCADE, related_name="work")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Subject.Kind)
    state = models.CharField(max_length=16, choices=State, default=State.IDLE)
    waiting_events = models.IntegerField(default=0)
    waiting_tokens = models.IntegerField(default=0)
    oldest = models.DateTimeField(null=True, blank=True)
    newest = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    leased_by = models.CharField(max_length=200, blank=True)
    attempts = models.IntegerField(default=0)
    most_events = models.IntegerField(
        null=True, blank=True, help_text="How many events the next pass shows, after a failure of one that showed more."
    )
    step = models.SmallIntegerField(default=0, db_default=0)
    last_failure = models.CharField(max_length=20, choices=[(item.value, item.value) for item in Failure], blank=True)
    last_error = models.TextField(blank=True)
    last_pass_at = models.DateTimeField(null=True, blank=True)
    follows = models.BooleanField(default=False, db_default=False)
    bulk = models.BooleanField(default=False, db_default=False)
    run = models.ForeignKey(
        "Reprocess", on_delete=models.SET_NULL, null=True, blank=True, related_name="work", db_index=False
    )
    task = models.CharField(max_length=16, choices=Task, default=Task.READ, db_default="read")
    unconsolidated = models.IntegerField(
        default=0, db_default=0, help_text="How many statements were added since the last consolidation."
    )

    class Meta:
        verbose_name_plural = "work"
        constraints = [
            models.CheckConstraint(
                condition=Q(state="leased", lease_token__isnull=False, due_at__isnull=False)
                | Q(state="waiting", lease_token=None, due_at__isnull=False)
                | Q(state="held", lease_token=None)
                | Q(state__in=["idle", "parked"], lease_token=None, due_at=None),
                name="work_fits_its_state",
            ),
            models.CheckConstraint(
                condition=Q(waiting_events__gte=0, waiting_tokens__gte=0, attempts__gte=0, step__gte=0),
                name="work_counts_not_negative",
            ),
            models.CheckConstraint(condition=Q(run=None) | Q(bulk=True), name="work_of_a_run_is_bulk"),
        ]
        indexes = [
            models.Index(
                fields=["app", "due_at"], name="work_app_due_first", condition=Q(due_at__isnull=False, bulk=False)
            ),
            models.Index(fields=["due_at"], name="work_due_first", condition=Q(due_at__isnull=False, bulk=False)),
            models.Index(fields=["run", "due_at"], name="work_bulk_due", condition=Q(due_at__isnull=False, bulk=True)),
            models.Index(fields=["run"], name="work_of_run", condition=Q(run__isnull=False)),
            models.Index(fields=["state"], name="work_not_idle", condition=~Q(state="idle")),
            models.Index(
                fields=["unconsolidated", "last_pass_at"],
                name="work_to_consolidate",
                condition=Q(state="idle", unconsolidated__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line.subject}: {self.state}"


class Pass(models.Model):
    """One run of reasoning: what was claimed, asked, answered and published, and what it cost.

    ``charged_tokens`` and ``charged_cost`` are what budgets count for it: what it may take until it is known what it
    took; ``run_tokens`` and ``run_cost`` are what its run counts. Passes with the same ``input_hash`` asked the same.
    """

    class Outcome(models.TextChoices):
        """How it ended; ``running`` until it has."""

        RUNNING = "running"
        PUBLISHED = "published"
        UNCHANGED = "unchanged", "unchanged: there was nothing to consolidate"
        QUARANTINED = "quarantined"
        FAILED = "failed"
        ABANDONED = "abandoned", "abandoned: its worker died or lost the lease"

    id = models.UUIDField(primary_key=True, editable=False)
    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="passes")
    representation = models.ForeignKey(
        "memory.Representation", on_delete=models.PROTECT, null=True, blank=True, related_name="passes"
    )
    prompt_version = models.ForeignKey(
        "PromptVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="passes", db_index=False
    )
    run = models.ForeignKey(
        "Reprocess", on_delete=models.SET_NULL, null=True, blank=True, related_name="passes", db_index=False
    )
    task = models.CharField(max_length=16, choices=Work.Task, default=Work.Task.READ, db_default="read")
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.RUNNING)
    failure = models.CharField(max_length=20, choices=[(item.value, item.value) for item in Failure], blank=True)
    error = models.TextField(blank=True)
    raw = models.TextField(blank=True, help_text="What the model said, where it was not published.")
    provider = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=200, blank=True)
    covers_from = models.BigIntegerField(null=True, blank=True)
    covers_to = models.BigIntegerField(null=True, blank=True)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    cached_tokens = models.IntegerField(default=0)
    cost = models.DecimalField(
        max_digits=20,
        decimal_places=9,
        null=True,
        blank=True,
        help_text="In the currency of the prices. Empty: nobody knew the price.",
    )
    charged_tokens = models.IntegerField(default=0, db_default=0)
    charged_cost = models.DecimalField(max_digits=20, decimal_places=9, default=Decimal(0), db_default=Decimal(0))
    run_tokens = models.IntegerField(default=0, db_default=0)
    run_cost = models.DecimalField(max_digits=20, decimal_places=9, default=Decimal(0), db_default=Decimal(0))
    input_hash = models.CharField(max_length=64, blank=True, db_default="")
    worker = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "passes"
        indexes = [
            models.Index(fields=["-started_at"], name="pass_newest_first"),
            models.Index(fields=["line"], name="pass_running", condition=Q(outcome="running")),
            models.Index(fields=["run", "-started_at"], name="pass_of_run", condition=Q(run__isnull=False)),
            models.Index(fields=["prompt_version", "-started_at"], name="pass_of_prompt"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="running", ended_at=None) | ~Q(outcome="running") & Q(ended_at__isnull=False),
                name="pass_ends_with_an_outcome",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="published") | Q(representation__isnull=False),
                name="pass_published_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} at {self.started_at:%Y-%m-%d %H:%M:%S}"


class Worker(models.Model):
    """A drainer that was alive at ``beat_at``."""

    name = models.CharField(max_length=200, primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    in_flight = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name
