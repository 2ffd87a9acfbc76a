from django.db import migrations

# A work row changes three times with every pass.
ROOM = "ALTER TABLE reasoning_work SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02)"
NO_ROOM = "ALTER TABLE reasoning_work RESET (fillfactor, autovacuum_vacuum_scale_factor)"


class Migration(migrations.Migration):
    """Updates of work rows find room on their pages, and what they leave is vacuumed soon."""

    dependencies = [("reasoning", "0024_pass_of_prompt")]
    operations = [migrations.RunSQL(ROOM, NO_ROOM)]
