import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """Dry runs that a worker makes; and who made a prompt version, whether a user of the site or a key."""

    dependencies = [
        ("memory", "0028_room_for_postings"),
        ("reasoning", "0022_reprocess_run"),
    ]

    operations = [
        migrations.CreateModel(
            name="Trial",
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
                ("events", models.IntegerField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("lease", models.UUIDField(blank=True, editable=False, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.JSONField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                ("by", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "dry run",
            },
        ),
        migrations.AddField(
            model_name="promptversion",
            name="by",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Who made it: a user of the site, a key, someone at a shell.",
            ),
        ),
        migrations.AddField(
            model_name="trial",
            name="prompt_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="trials", to="reasoning.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="trial",
            name="subject",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="memory.subject"),
        ),
        migrations.AddIndex(
            model_name="trial",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])), fields=["id"], name="trial_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("lease", None), ("started_at", None), ("state", "waiting")),
                    models.Q(
                        ("ended_at", None),
                        ("lease__isnull", False),
                        ("started_at__isnull", False),
                        ("state", "running"),
                    ),
                    models.Q(("ended_at__isnull", False), ("state__in", ["done", "failed"])),
                    _connector="OR",
                ),
                name="trial_fits_its_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome__isnull", False), ("state", "done")),
                    models.Q(models.Q(("state", "done"), _negated=True), ("outcome__isnull", True)),
                    _connector="OR",
                ),
                name="trial_done_has_outcome",
            ),
        ),
    ]
