from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What may be thinned is found by its age. Built while versions are written."""

    atomic = False
    dependencies = [("memory", "0011_retention")]

    operations = [
        AddIndexConcurrently(
            model_name="representation",
            index=models.Index(
                condition=models.Q(("thinned", False)), fields=["created_at"], name="representation_whole"
            ),
        ),
    ]
