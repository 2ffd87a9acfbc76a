import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    """What one person proposes and another confirms."""

    dependencies = [
        ("memory", "0029_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="Proposal",
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
                ("act", models.CharField(max_length=50)),
                ("verb", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=100)),
                ("object_id", models.CharField(max_length=64)),
                ("what", models.CharField(max_length=300)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("reason", models.TextField()),
                ("by", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("confirmed", "Confirmed"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("decided_because", models.TextField(blank=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "app",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="memory.app",
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["kind", "object_id"], name="proposal_object"),
                    models.Index(condition=models.Q(("state", "open")), fields=["created_at"], name="proposal_open"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at", None), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("decided_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="proposal_decided",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["confirmed", "declined"]), _negated=True),
                            models.Q(
                                models.Q(("decided_by", ""), _negated=True),
                                models.Q(("decided_by", models.F("by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="proposal_decided_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("used_at", None), ("state", "confirmed"), _connector="OR"),
                        name="proposal_used",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("kind", "object_id", "act"),
                        name="proposal_one_open",
                    ),
                ],
            },
        ),
    ]
