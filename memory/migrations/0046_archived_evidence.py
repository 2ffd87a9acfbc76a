import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """On whose archived events a statement rests. Of what was archived before nothing is known any more."""

    dependencies = [("memory", "0045_what_stands")]

    operations = [
        migrations.CreateModel(
            name="ArchivedEvidence",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "conclusion_id", "thing", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("thing", models.UUIDField(db_index=True)),
                (
                    "conclusion",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="archived_evidence",
                        to="memory.conclusion",
                    ),
                ),
            ],
        ),
    ]
