from django.db import migrations

# Rows that change with every event and every version: room on their pages lets an update stay on its page and write to
# no index. Entries of feeds get their positions after they are written, so that there are as many dead rows as
# entries; these tables are vacuumed once a fiftieth is dead, not a fifth. No row is rewritten.
ROOM = """
ALTER TABLE memory_subject SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE memory_line SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE memory_span SET (fillfactor = 95);
ALTER TABLE memory_feedentry SET (autovacuum_vacuum_scale_factor = 0.02);
"""
NO_ROOM = """
ALTER TABLE memory_feedentry RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE memory_span RESET (fillfactor);
ALTER TABLE memory_line RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE memory_subject RESET (fillfactor, autovacuum_vacuum_scale_factor);
"""


class Migration(migrations.Migration):
    """Updates of subjects, lines and spans stay on their pages."""

    dependencies = [("memory", "0034_versions_of_a_subject")]
    operations = [migrations.RunSQL(ROOM, NO_ROOM)]
