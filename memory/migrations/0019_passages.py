from django.db import migrations

BATCH = 10_000

EVENTS = """
INSERT INTO memory_passage (app_id, event_id, at)
SELECT app_id, id, occurred_at FROM memory_event WHERE id > %s AND id <= %s ORDER BY id ON CONFLICT DO NOTHING
"""
CONCLUSIONS = """
INSERT INTO memory_passage (app_id, conclusion_id, at)
SELECT subject.app_id, conclusion.id, conclusion.created_at
  FROM memory_conclusion conclusion JOIN memory_subject subject ON subject.id = conclusion.subject_id
 WHERE conclusion.id > %s AND conclusion.id <= %s ORDER BY conclusion.id ON CONFLICT DO NOTHING
"""
UP_TO = "SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT 1 OFFSET %s"
LAST = "SELECT id FROM {table} ORDER BY id DESC LIMIT 1"
NONE = "00000000-0000-0000-0000-000000000000"


def add(apps, schema_editor):
    """Add a passage for each row, a batch a transaction; begun again, it goes on."""
    for table, statement in (("memory_event", EVENTS), ("memory_conclusion", CONCLUSIONS)):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(LAST.format(table=table))
            row, after = cursor.fetchone(), NONE
            last = row and row[0]
            while last and str(after) < str(last):
                cursor.execute(UP_TO.format(table=table), [after, BATCH - 1])
                up_to = (cursor.fetchone() or [last])[0]
                cursor.execute(statement, [after, up_to])
                after = up_to


class Migration(migrations.Migration):
    """What was written before can be found too, once it is indexed in the background."""

    atomic = False
    dependencies = [("memory", "0018_search")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
