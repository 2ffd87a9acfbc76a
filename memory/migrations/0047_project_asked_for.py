from importlib import import_module

from django.db import migrations

BEFORE = import_module("memory.migrations.0042_find_and_append").PLACE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
AFTER = BEFORE.replace("name = project), p);", "name = project));")


class Migration(migrations.Migration):
    """A project that is asked for and is not there is made, also where the session is of another."""

    dependencies = [("memory", "0046_archived_evidence")]

    operations = [migrations.RunSQL(AFTER, BEFORE)]
