from django.db import migrations

LABEL = """
INSERT INTO reasoning_label (app_id, kind, name, version_id)
SELECT app_id, kind, 'live', id FROM reasoning_promptversion WHERE is_live
"""

MARK = """
UPDATE reasoning_promptversion SET is_live = true
 WHERE id IN (SELECT version_id FROM reasoning_label WHERE name = 'live')
"""


class Migration(migrations.Migration):
    """What is live has the label."""

    dependencies = [("reasoning", "0009_versions")]

    operations = [migrations.RunSQL(LABEL, MARK)]
