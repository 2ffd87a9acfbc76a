from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What stands in a line, and what ended with a version, are found however long its history is."""

    atomic = False
    dependencies = [("memory", "0032_read")]

    operations = [
        AddIndexConcurrently(
            model_name="span",
            index=models.Index(
                condition=models.Q(("until__isnull", False)), fields=["line", "until"], name="span_line_until"
            ),
        ),
        AddIndexConcurrently(
            model_name="span",
            index=models.Index(condition=models.Q(("until__isnull", True)), fields=["line"], name="span_standing"),
        ),
    ]
