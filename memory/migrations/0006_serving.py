import django.db.models.deletion
from django.db import migrations, models

# The row of the subject is locked by the move itself, so that moves of one subject note themselves one after the
# other. A version that this transaction makes is served from when it was made, any other from now. A clock that jumps
# back, or two moves in one microsecond, must not turn their order around.
NOTE = """
CREATE FUNCTION memory_note_serving() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made timestamptz := (SELECT created_at FROM memory_representation WHERE id = NEW.current_id);
BEGIN
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
CREATE TRIGGER note_serving AFTER UPDATE ON memory_subject FOR EACH ROW
  WHEN (OLD.current_id IS DISTINCT FROM NEW.current_id) EXECUTE FUNCTION memory_note_serving();
CREATE TRIGGER note_first_serving AFTER INSERT ON memory_subject FOR EACH ROW
  WHEN (NEW.current_id IS NOT NULL) EXECUTE FUNCTION memory_note_serving();
"""

FORGET = """
DROP TRIGGER note_first_serving ON memory_subject;
DROP TRIGGER note_serving ON memory_subject;
DROP FUNCTION memory_note_serving();
"""

IMMUTABLE = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_serving
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('')
"""


class Migration(migrations.Migration):
    """What was served from when, noted by the database whenever it changes.

    It makes an empty table and triggers, and waits for no row. What runs the release before this one goes on
    publishing, and is noted too; what was served before is filled in by the next migration.
    """

    dependencies = [("memory", "0005_quarantined_index")]

    operations = [
        migrations.CreateModel(
            name="Serving",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subject_id", "since", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateTimeField()),
                ("reason", models.TextField(blank=True, db_default="")),
                ("by", models.TextField(blank=True, db_default="")),
                (
                    "representation",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="servings",
                        to="memory.representation",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="servings",
                        to="memory.subject",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(IMMUTABLE, "DROP TRIGGER refuse_change ON memory_serving"),
        migrations.RunSQL(NOTE, FORGET),
    ]
