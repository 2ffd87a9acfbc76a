import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models

IMMUTABLE = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_ruling
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('')
"""


class Migration(migrations.Migration):
    """What a quarantined version would have changed, and what a human decided about it.

    Neither column rewrites the table, and what runs the release before this one can go on writing versions.
    """

    dependencies = [("memory", "0003_idempotency")]

    operations = [
        migrations.AddField(
            model_name="representation",
            name="gate",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What stopped it, where it was quarantined.",
                max_length=50,
            ),
        ),
        migrations.AddField(
            model_name="representation",
            name="draft",
            field=models.JSONField(
                blank=True, help_text="What a quarantined version would have added and retired.", null=True
            ),
        ),
        migrations.CreateModel(
            name="Ruling",
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
                    "decision",
                    models.CharField(choices=[("published", "Published"), ("discarded", "Discarded")], max_length=16),
                ),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField()),
                (
                    "made",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="published_by",
                        to="memory.representation",
                    ),
                ),
                (
                    "representation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ruling",
                        to="memory.representation",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decision", "published"), ("made__isnull", False)),
                            models.Q(("decision", "discarded"), ("made", None)),
                            _connector="OR",
                        ),
                        name="ruling_made_what_it_published",
                    ),
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="ruling_says_why"),
                ],
            },
        ),
        migrations.RunSQL(IMMUTABLE, "DROP TRIGGER refuse_change ON memory_ruling"),
    ]
