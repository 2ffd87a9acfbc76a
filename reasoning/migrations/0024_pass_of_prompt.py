import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

OWN = "reasoning_pass_prompt_version_id_fd9555a1"


class Migration(migrations.Migration):
    """The newest passes of a prompt version, without reading all of them. Built while passes are made."""

    atomic = False
    dependencies = [("reasoning", "0023_trials")]

    operations = [
        AddIndexConcurrently(
            model_name="pass",
            index=models.Index(fields=["prompt_version", "-started_at"], name="pass_of_prompt"),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX CONCURRENTLY IF EXISTS {OWN}",
                    f"CREATE INDEX CONCURRENTLY {OWN} ON reasoning_pass (prompt_version_id)",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="pass",
                    name="prompt_version",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="passes",
                        to="reasoning.promptversion",
                    ),
                )
            ],
        ),
    ]
