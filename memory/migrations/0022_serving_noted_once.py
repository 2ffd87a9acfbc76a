from django.db import migrations

NOTE = """
CREATE OR REPLACE FUNCTION memory_note_serving() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made timestamptz := (SELECT created_at FROM memory_representation WHERE id = NEW.current_id);
BEGIN
    {unless}
    INSERT INTO memory_serving (subject_id, since, representation_id, reason, "by")
    SELECT NEW.id,
           greatest(CASE WHEN made >= now() THEN made ELSE clock_timestamp() END,
                    max(since) + interval '1 microsecond'),
           NEW.current_id,
           coalesce(current_setting('memory.reason', true), ''), coalesce(current_setting('memory.by', true), '')
      FROM memory_serving WHERE subject_id = NEW.id;
    RETURN NULL;
END
$$;
"""

# What is imported brings its history with it: where that says already what is served, there is nothing to note.
UNLESS = """
    IF (SELECT representation_id FROM memory_serving WHERE subject_id = NEW.id ORDER BY since DESC LIMIT 1)
       IS NOT DISTINCT FROM NEW.current_id AND NEW.current_id IS NOT NULL THEN
        RETURN NULL;
    END IF;
"""


class Migration(migrations.Migration):
    """A move that is noted already is not noted twice. It replaces a function and touches no row."""

    dependencies = [("memory", "0021_erasure_indexes")]

    operations = [migrations.RunSQL(NOTE.format(unless=UNLESS), NOTE.format(unless=""))]
