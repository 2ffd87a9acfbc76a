from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The index of words has nothing of what is not indexed yet: that was an entry for every event."""

    atomic = False
    dependencies = [("memory", "0042_find_and_append")]

    operations = [
        AddIndexConcurrently(
            "passage",
            GinIndex(
                condition=models.Q(("text__isnull", False)), fastupdate=False, fields=["text"], name="passage_words"
            ),
        ),
        RemoveIndexConcurrently("passage", "passage_text"),
    ]
