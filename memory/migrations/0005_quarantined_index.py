from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits for a decision is found without a look at all versions. Built while versions are written."""

    atomic = False
    dependencies = [("memory", "0004_rulings")]

    operations = [
        AddIndexConcurrently(
            model_name="representation",
            index=models.Index(
                condition=models.Q(("status", "quarantined")), fields=["id"], name="representation_quarantined"
            ),
        ),
    ]
