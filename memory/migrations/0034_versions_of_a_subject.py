import django.db.models.deletion
from django.db import migrations, models

# What a subject serves, and where a line stands, changes with each version. An index of it would make each such update
# write to all indexes of the row; the reference is checked by the subject instead, whose version it has to be anyway.
KEYED = """
CREATE UNIQUE INDEX CONCURRENTLY representation_unique_in_subject ON memory_representation (subject_id, id);
"""
NOT_KEYED = """
DROP INDEX CONCURRENTLY IF EXISTS representation_unique_in_subject;  -- the constraint took it along
"""

REFERRED = """
ALTER TABLE memory_representation
  ADD CONSTRAINT representation_unique_in_subject UNIQUE USING INDEX representation_unique_in_subject;
ALTER TABLE memory_subject
  ADD CONSTRAINT subject_current_is_its_own FOREIGN KEY (id, current_id)
      REFERENCES memory_representation (subject_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE memory_line
  ADD CONSTRAINT line_head_is_its_subjects FOREIGN KEY (subject_id, head_id)
      REFERENCES memory_representation (subject_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID;
"""
NOT_REFERRED = """
ALTER TABLE memory_line DROP CONSTRAINT line_head_is_its_subjects;
ALTER TABLE memory_subject DROP CONSTRAINT subject_current_is_its_own;
ALTER TABLE memory_representation DROP CONSTRAINT representation_unique_in_subject;
"""

CHECKED = """
ALTER TABLE memory_subject VALIDATE CONSTRAINT subject_current_is_its_own;
ALTER TABLE memory_line VALIDATE CONSTRAINT line_head_is_its_subjects;
"""


class Migration(migrations.Migration):
    """A version that is served is the subject's own: the database holds that, and needs no index of what changes."""

    atomic = False
    dependencies = [("memory", "0033_span_indexes")]

    operations = [
        migrations.RunSQL(KEYED, NOT_KEYED),
        migrations.RunSQL(
            REFERRED,
            NOT_REFERRED,
            state_operations=[
                migrations.AddConstraint(
                    model_name="representation",
                    constraint=models.UniqueConstraint(
                        fields=("subject", "id"), name="representation_unique_in_subject"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(CHECKED, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="subject",
            name="current",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memory.representation",
            ),
        ),
        migrations.AlterField(
            model_name="line",
            name="head",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memory.representation",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY subject_serving",
            "CREATE INDEX CONCURRENTLY subject_serving ON memory_subject (current_id) WHERE current_id IS NOT NULL",
            state_operations=[migrations.RemoveIndex(model_name="subject", name="subject_serving")],
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY line_head",
            "CREATE INDEX CONCURRENTLY line_head ON memory_line (head_id) WHERE head_id IS NOT NULL",
            state_operations=[migrations.RemoveIndex(model_name="line", name="line_head")],
        ),
    ]
