import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models


def immutable(table: str) -> migrations.RunSQL:
    """Refuse UPDATE and DELETE of a table's rows."""
    return migrations.RunSQL(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('')",
        f"DROP TRIGGER refuse_change ON {table}",
    )


class Migration(migrations.Migration):
    """Branches of lines, versions that repeat others, statements that rest on statements, and feedback.

    New columns have constant defaults or none: no table is rewritten, and what runs the release before goes on.
    """

    dependencies = [("memory", "0008_corrections")]

    operations = [
        migrations.CreateModel(
            name="Feedback",
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
                ("score", models.FloatField()),
                ("comment", models.TextField(blank=True)),
                ("by", models.TextField(blank=True)),
            ],
            options={
                "verbose_name_plural": "feedback",
            },
        ),
        migrations.AddField(
            model_name="line",
            name="branch",
            field=models.CharField(blank=True, db_default="", default="", max_length=50),
        ),
        migrations.AddField(
            model_name="representation",
            name="restores",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The version that this one repeats: where readers were taken back, or on, to it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memory.representation",
            ),
        ),
        migrations.AddField(
            model_name="feedback",
            name="representation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="feedback", to="memory.representation"
            ),
        ),
        migrations.AddField(
            model_name="feedback",
            name="subject",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="feedback",
                to="memory.subject",
            ),
        ),
        migrations.CreateModel(
            name="Premise",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "conclusion_id", "premise_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "conclusion",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="premises",
                        to="memory.conclusion",
                    ),
                ),
                (
                    "premise",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="premise_of", to="memory.conclusion"
                    ),
                ),
                (
                    "representation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="premises_added",
                        to="memory.representation",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="feedback",
            constraint=models.CheckConstraint(
                condition=models.Q(("score__range", (-1, 1))), name="feedback_score_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="premise",
            constraint=models.CheckConstraint(
                condition=models.Q(("conclusion", models.F("premise")), _negated=True), name="premise_is_another"
            ),
        ),
        immutable("memory_premise"),
        immutable("memory_feedback"),
    ]
