import uuid

from django.db import migrations

BATCH = 1_000

# Until now only publishing and rolling back moved what readers get, and each made a version that goes on from the one
# before: whatever was served is an ancestor of what is served now. Where a clock jumped back, what comes later counts.
FILL = """
WITH RECURSIVE served AS (
    SELECT subject.id AS subject_id, version.id, version.parent_id, version.created_at,
           'infinity'::timestamptz AS ended
      FROM memory_subject subject JOIN memory_representation version ON version.id = subject.current_id
     WHERE subject.id = ANY(%(batch)s)
    UNION ALL
    SELECT served.subject_id, parent.id, parent.parent_id, parent.created_at, least(served.created_at, served.ended)
      FROM served JOIN memory_representation parent ON parent.id = served.parent_id
)
INSERT INTO memory_serving (subject_id, since, representation_id, reason, "by")
SELECT subject_id, created_at, id, '', '' FROM served
 WHERE created_at < ended AND NOT EXISTS (
       SELECT FROM memory_serving noted
        WHERE noted.subject_id = served.subject_id
          AND (noted.representation_id = served.id OR noted.since <= served.created_at))
"""


def fill(apps, schema_editor):
    """Note what was served before the database did, some subjects at a time; can be run again."""
    with schema_editor.connection.cursor() as cursor:
        last = uuid.UUID(int=0)
        while True:
            cursor.execute(
                "SELECT id FROM memory_subject WHERE id > %s AND current_id IS NOT NULL ORDER BY id LIMIT %s",
                [last, BATCH],
            )
            batch = [row[0] for row in cursor.fetchall()]
            if not batch:
                return
            cursor.execute(FILL, {"batch": batch})
            last = batch[-1]


class Migration(migrations.Migration):
    """What was served before, while versions are written: each batch is a transaction of its own, and locks nothing."""

    atomic = False
    dependencies = [("memory", "0006_serving")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
