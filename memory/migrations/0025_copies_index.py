from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What repeats an event is found without a look at all events. Built while events are written."""

    atomic = False
    dependencies = [("memory", "0024_copies")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(("copied_from__isnull", False)), fields=["copied_from"], name="event_copies"
            ),
        ),
    ]
