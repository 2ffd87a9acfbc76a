from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The answer to a write whose client counts how often it sends it is found by the request."""

    atomic = False
    dependencies = [("memory", "0014_collections_same_app")]

    operations = [
        AddIndexConcurrently(
            model_name="keptanswer",
            index=models.Index(
                condition=models.Q(("tries__isnull", False)),
                fields=["request", "created_at"],
                name="kept_answer_tries",
            ),
        ),
    ]
