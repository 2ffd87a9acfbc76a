from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NAME = "line_unique_in_subject"


class Migration(migrations.Migration):
    """A subject may have several lines of one recipe, of different branches. Built while lines are written."""

    atomic = False
    dependencies = [("memory", "0009_branches")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON memory_line (subject_id, recipe, branch)",
                    f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}",
                ),
                # Backwards this drops the constraint, and its index with it.
                migrations.RunSQL(
                    f"ALTER TABLE memory_line ADD CONSTRAINT {NAME} UNIQUE USING INDEX {NAME}",
                    f"ALTER TABLE memory_line DROP CONSTRAINT {NAME}",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="line",
                    constraint=models.UniqueConstraint(fields=["subject", "recipe", "branch"], name=NAME),
                ),
            ],
        ),
        migrations.RemoveConstraint(model_name="line", name="line_unique_for_recipe"),
        AddIndexConcurrently(model_name="line", index=models.Index(fields=["recipe"], name="line_recipe")),
    ]
