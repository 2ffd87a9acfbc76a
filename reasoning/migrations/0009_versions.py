from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

KEPT = ("labelmove", "rollback", "rolledback", "experimentact", "comparison")


class Migration(migrations.Migration):
    """Labels, experiments, reprocessing, rollbacks, and which work is whose.

    New columns have constant defaults or none: no table is rewritten.
    """

    dependencies = [("memory", "0010_branch_indexes"), ("reasoning", "0008_work_constraints")]

    operations = [
        migrations.CreateModel(
            name="Arm",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("buckets", models.JSONField(blank=True, default=list)),
                ("paused", models.BooleanField(default=False)),
                ("paused_because", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("sending", "Sending"), ("sent", "Sent"), ("ended", "Ended"), ("failed", "Failed")],
                        default="sending",
                        max_length=16,
                    ),
                ),
                ("remote_id", models.CharField(blank=True, max_length=200)),
                ("passes", models.JSONField(default=list, help_text="The ids of its passes.")),
                ("error", models.TextField(blank=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Comparison",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "choice",
                    models.CharField(
                        choices=[("control", "Control"), ("candidate", "Candidate"), ("tie", "Tie")], max_length=16
                    ),
                ),
                ("by", models.TextField()),
                ("reason", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Experiment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("observed", "user as another sees them"),
                            ("session", "Session"),
                            ("project", "Project"),
                        ],
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "mode",
                    models.CharField(
                        choices=[("serve", "Serve"), ("shadow", "Shadow")], default="serve", max_length=16
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("stopped", "Stopped"),
                            ("promoted", "Promoted"),
                        ],
                        default="draft",
                        max_length=16,
                    ),
                ),
                ("salt", models.CharField(editable=False, max_length=64)),
                ("sample", models.IntegerField(default=0)),
                (
                    "guardrails",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="What must not happen to an arm: measure, limit, relative to the control or not, least passes.",
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ExperimentAct",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("act", models.CharField(max_length=16)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Label",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("observed", "user as another sees them"),
                            ("session", "Session"),
                            ("project", "Project"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        choices=[("live", "Live"), ("previous", "Previous"), ("candidate", "Candidate")], max_length=16
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LabelMove",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("observed", "user as another sees them"),
                            ("session", "Session"),
                            ("project", "Project"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        choices=[("live", "Live"), ("previous", "Previous"), ("candidate", "Candidate")], max_length=16
                    ),
                ),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Reprocess",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("subjects", models.JSONField(blank=True, default=list)),
                ("since", models.DateTimeField(blank=True, null=True)),
                (
                    "carrier",
                    models.CharField(choices=[("calls", "Calls"), ("batch", "Batch")], default="calls", max_length=16),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("promoted", "Promoted"),
                            ("discarded", "Discarded"),
                        ],
                        default="draft",
                        max_length=16,
                    ),
                ),
                (
                    "state_reason",
                    models.TextField(
                        blank=True, help_text="Why it is in this state, where somebody or something said."
                    ),
                ),
                ("passes_per_minute", models.IntegerField(blank=True, null=True)),
                ("token_budget", models.BigIntegerField(blank=True, null=True)),
                ("money_budget", models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                (
                    "tokens",
                    models.BigIntegerField(
                        default=0, help_text="What its passes have taken, or may take while under way."
                    ),
                ),
                ("cost", models.DecimalField(decimal_places=9, default=Decimal("0"), max_digits=20)),
                ("estimate", models.JSONField(blank=True, default=dict)),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "reprocesses",
            },
        ),
        migrations.CreateModel(
            name="Rollback",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("since", models.DateTimeField(blank=True, null=True)),
                (
                    "then",
                    models.CharField(
                        choices=[("stay", "Stay"), ("reason_again", "Reason Again")], default="stay", max_length=16
                    ),
                ),
                ("subjects", models.IntegerField(default=0)),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField()),
            ],
        ),
        migrations.AddField(
            model_name="pass",
            name="task",
            field=models.CharField(
                choices=[("read", "Read"), ("consolidate", "Consolidate")],
                db_default="read",
                default="read",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="work",
            name="bulk",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="work",
            name="follows",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="work",
            name="task",
            field=models.CharField(
                choices=[("read", "Read"), ("consolidate", "Consolidate")],
                db_default="read",
                default="read",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="work",
            name="unconsolidated",
            field=models.IntegerField(
                db_default=0, default=0, help_text="How many statements were added since the last consolidation."
            ),
        ),
        migrations.AddField(
            model_name="arm",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="arms", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="comparison",
            name="arm",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="comparisons", to="reasoning.arm"
            ),
        ),
        migrations.AddField(
            model_name="comparison",
            name="candidate",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memory.representation",
            ),
        ),
        migrations.AddField(
            model_name="comparison",
            name="control",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memory.representation",
            ),
        ),
        migrations.AddField(
            model_name="comparison",
            name="subject",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="memory.subject"),
        ),
        migrations.AddField(
            model_name="experiment",
            name="app",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="experiments",
                to="memory.app",
            ),
        ),
        migrations.AddField(
            model_name="experiment",
            name="control",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="controls", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="arm",
            name="experiment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="arms", to="reasoning.experiment"
            ),
        ),
        migrations.AddField(
            model_name="experimentact",
            name="arm",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="acts",
                to="reasoning.arm",
            ),
        ),
        migrations.AddField(
            model_name="experimentact",
            name="experiment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="acts", to="reasoning.experiment"
            ),
        ),
        migrations.AddField(
            model_name="label",
            name="app",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="memory.app"
            ),
        ),
        migrations.AddField(
            model_name="label",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="labels", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="labelmove",
            name="app",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="memory.app"
            ),
        ),
        migrations.AddField(
            model_name="labelmove",
            name="origin",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="reasoning.promptversion",
            ),
        ),
        migrations.AddField(
            model_name="labelmove",
            name="to",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="reasoning.promptversion",
            ),
        ),
        migrations.AddField(
            model_name="reprocess",
            name="app",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reprocesses",
                to="memory.app",
            ),
        ),
        migrations.AddField(
            model_name="reprocess",
            name="prompt_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reprocesses", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="batches", to="reasoning.reprocess"
            ),
        ),
        migrations.AddField(
            model_name="pass",
            name="run",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="passes",
                to="reasoning.reprocess",
            ),
        ),
        migrations.AddField(
            model_name="work",
            name="run",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="work",
                to="reasoning.reprocess",
            ),
        ),
        migrations.AddField(
            model_name="rollback",
            name="app",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="memory.app"
            ),
        ),
        migrations.AddField(
            model_name="rollback",
            name="live",
            field=models.ForeignKey(
                blank=True,
                help_text="Which prompt version became live by it, where that changed.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="reasoning.promptversion",
            ),
        ),
        migrations.AddField(
            model_name="rollback",
            name="prompt_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rollbacks", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="rollback",
            name="undoes",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="undone_by",
                to="reasoning.rollback",
            ),
        ),
        migrations.CreateModel(
            name="RolledBack",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rollback_id", "subject_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "before",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memory.representation",
                    ),
                ),
                (
                    "made",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memory.representation",
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="reasoning.rollback",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memory.subject",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReprocessItem",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "run_id", "subject_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("target", models.BigIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("reading", "Reading"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                            ("promoted", "Promoted"),
                            ("left", "left as it was"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                (
                    "base",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memory.representation",
                    ),
                ),
                (
                    "line",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reprocess_item",
                        to="memory.line",
                    ),
                ),
                (
                    "made",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memory.representation",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="reasoning.reprocess",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="memory.subject"
                    ),
                ),
                ("error", models.TextField(blank=True)),
            ],
        ),
        migrations.AddConstraint(
            model_name="comparison",
            constraint=models.UniqueConstraint(
                fields=("arm", "control", "candidate", "by"), name="comparison_once_by_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", False), ("state__in", ["running", "paused"])),
                fields=("app", "kind"),
                name="experiment_one_in_app",
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", True), ("state__in", ["running", "paused"])),
                fields=("kind",),
                name="experiment_one_for_site",
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.CheckConstraint(
                condition=models.Q(("sample__range", (0, 10000))), name="experiment_sample_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("started_at", None), ("state", "draft")),
                    models.Q(models.Q(("state", "draft"), _negated=True), ("started_at__isnull", False)),
                    _connector="OR",
                ),
                name="experiment_started",
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("state__in", ["stopped", "promoted"])),
                    models.Q(("ended_at", None), ("state__in", ["draft", "running", "paused"])),
                    _connector="OR",
                ),
                name="experiment_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="arm",
            constraint=models.UniqueConstraint(fields=("experiment", "version"), name="arm_one_for_version"),
        ),
        migrations.AddConstraint(
            model_name="label",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", False)), fields=("app", "kind", "name"), name="label_once_in_app"
            ),
        ),
        migrations.AddConstraint(
            model_name="label",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", True)), fields=("kind", "name"), name="label_once_for_site"
            ),
        ),
        migrations.AddIndex(
            model_name="labelmove",
            index=models.Index(fields=["app", "kind"], name="label_moves"),
        ),
        migrations.AddConstraint(
            model_name="labelmove",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="label_move_says_why"
            ),
        ),
        migrations.AddIndex(
            model_name="reprocess",
            index=models.Index(
                condition=models.Q(("state__in", ["running", "paused", "done"])),
                fields=["state"],
                name="reprocess_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="reprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="reprocess_says_why"
            ),
        ),
        migrations.AddConstraint(
            model_name="reprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost__gte", 0), ("tokens__gte", 0)), name="reprocess_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="reprocess",
            constraint=models.CheckConstraint(
                condition=models.Q(("passes_per_minute", None), ("passes_per_minute__gte", 1), _connector="OR"),
                name="reprocess_throttle_range",
            ),
        ),
        migrations.AddIndex(
            model_name="reprocessitem",
            index=models.Index(fields=["run", "state"], name="reprocess_items"),
        ),
        migrations.AddConstraint(
            model_name="rollback",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="rollback_says_why"
            ),
        ),
        AddConstraintNotValid(
            model_name="work",
            constraint=models.CheckConstraint(
                condition=models.Q(("run", None), ("bulk", True), _connector="OR"), name="work_of_a_run_is_bulk"
            ),
        ),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER refuse_change BEFORE UPDATE ON reasoning_{table}"
                f" FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('')",
                f"DROP TRIGGER refuse_change ON reasoning_{table}",
            )
            for table in KEPT
        ],
    ]
