from importlib import import_module

from django.db import migrations

BEFORE = import_module("memory.migrations.0032_read").STATEMENTS.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)

# An index of what began by a version holds nearly all of a long line; those of what is open, and of what ended later,
# hold what is asked for. So that the planner cannot choose the first, it is shown no column to look it up by.
AFTER = BEFORE.replace("since <= known.number", "since + 0 <= known.number")


class Migration(migrations.Migration):
    """What stands in a version is found however long its line is: with 40,000 spans, most of them were looked at."""

    dependencies = [("memory", "0044_search_in_less")]

    operations = [migrations.RunSQL(AFTER, BEFORE)]
