from django.db import migrations, transaction

BATCH = 10_000

ADD = """
INSERT INTO memory_clientid (app_id, scope, client_id, event_id)
SELECT app_id, coalesce(session_id, user_id, project_id), client_id, id FROM memory_event
 WHERE id > %s AND id <= %s AND client_id IS NOT NULL ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
UP_TO = "SELECT id FROM memory_event WHERE id > %s ORDER BY id LIMIT 1 OFFSET %s"
LAST = "SELECT id FROM memory_event ORDER BY id DESC LIMIT 1"
# An erasure that has begun ends first: an id that is added of what it takes would stay, and refuse its client for ever.
WAIT = "LOCK TABLE memory_erasure IN SHARE MODE"
NONE = "00000000-0000-0000-0000-000000000000"


def add(apps, schema_editor):
    """Add the client's id of each event, a batch a transaction; begun again, it goes on."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(LAST)
        row, after = cursor.fetchone(), NONE
        last = row and row[0]
        while last and str(after) < str(last):
            cursor.execute(UP_TO, [after, BATCH - 1])
            up_to = (cursor.fetchone() or [last])[0]
            with transaction.atomic(schema_editor.connection.alias):
                cursor.execute(WAIT)
                cursor.execute(ADD, [after, up_to])
            after = up_to


class Migration(migrations.Migration):
    """The clients' ids of what was written before, while events are written."""

    atomic = False
    dependencies = [("memory", "0036_client_ids")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
