from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Lines that have something to consolidate are found by an index, built while they are written.

    A consolidation may find that nothing is to be changed.
    """

    atomic = False
    dependencies = [("reasoning", "0013_experiments")]

    operations = [
        migrations.AlterField(
            model_name="pass",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("running", "Running"),
                    ("published", "Published"),
                    ("unchanged", "unchanged: there was nothing to consolidate"),
                    ("quarantined", "Quarantined"),
                    ("failed", "Failed"),
                    ("abandoned", "abandoned: its worker died or lost the lease"),
                ],
                default="running",
                max_length=16,
            ),
        ),
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(
                condition=models.Q(("state", "idle"), ("unconsolidated__gt", 0)),
                fields=["unconsolidated", "last_pass_at"],
                name="work_to_consolidate",
            ),
        ),
    ]
