import django.db.models.deletion
from django.db import migrations, models

# A passage has its app from the event or conclusion that it is of.
BACK = """
ALTER TABLE memory_passage ADD CONSTRAINT passage_app FOREIGN KEY (app_id) REFERENCES memory_app ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE memory_passage VALIDATE CONSTRAINT passage_app;
"""


class Migration(migrations.Migration):
    """Check no key twice: of the checks that a write of 1,000 events waits for, two in five said what others say."""

    dependencies = [("memory", "0039_partitioned_log")]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="app",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="events",
                to="memory.app",
            ),
        ),
        migrations.RunSQL("ALTER TABLE memory_passage DROP CONSTRAINT passage_app", BACK),
    ]
