from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The answer to a write whose client counts how often it sends it is found among those of the last minutes."""

    atomic = False
    dependencies = [("memory", "0014_collections_same_app")]

    operations = [
        AddIndexConcurrently(
            model_name="keptanswer",
            index=models.Index(
                condition=models.Q(("tries__isnull", False)),
                fields=["created_at", "request"],
                name="kept_answer_tries",
            ),
        ),
    ]
