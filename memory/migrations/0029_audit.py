import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_audit
    FOR EACH ROW EXECUTE FUNCTION memory_refuse_change()
"""


class Migration(migrations.Migration):
    """Who did what, when and why, in a table that only grows; and the permissions to correct and to roll back."""

    dependencies = [
        ("memory", "0028_room_for_postings"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="conclusion",
            options={"permissions": [("correct_statements", "Can correct, pin and retract statements")]},
        ),
        migrations.AlterModelOptions(
            name="representation",
            options={"permissions": [("roll_back_versions", "Can roll back subjects and deployments")]},
        ),
        migrations.CreateModel(
            name="Audit",
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
                ("kind", models.CharField(blank=True, max_length=100)),
                ("object_id", models.CharField(blank=True, max_length=64)),
                ("by", models.CharField(blank=True, max_length=200)),
                ("reason", models.TextField(blank=True)),
                ("before", models.JSONField(blank=True, default=dict)),
                ("after", models.JSONField(blank=True, default=dict)),
                (
                    "app",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="memory.app",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="memory.subject",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["created_at"], name="audit_time"),
                    models.Index(fields=["by", "created_at"], name="audit_by"),
                    models.Index(fields=["act", "created_at"], name="audit_act"),
                    models.Index(fields=["kind", "object_id", "created_at"], name="audit_object"),
                    models.Index(
                        condition=models.Q(("app__isnull", False)), fields=["app", "created_at"], name="audit_app"
                    ),
                    models.Index(
                        condition=models.Q(("subject__isnull", False)),
                        fields=["subject", "created_at"],
                        name="audit_subject",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("act", ""), _negated=True), name="audit_names_the_act")
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER refuse_change ON memory_audit"),
    ]
