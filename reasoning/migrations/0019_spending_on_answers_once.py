from django.db import migrations, models

NAME = "spend_on_answers_one_row_a_day"


class Migration(migrations.Migration):
    """One row a day for what answers cost, too. Built while calls are charged."""

    atomic = False
    dependencies = [("reasoning", "0018_spending_on_answers")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # Going back, the column takes no empty value any more: what was spent on answers goes with it.
                migrations.RunSQL(
                    migrations.RunSQL.noop, "DELETE FROM reasoning_spend WHERE prompt_version_id IS NULL"
                ),
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON reasoning_spend (app_id, day, provider, model)"
                    " WHERE prompt_version_id IS NULL",
                    f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="spend",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("prompt_version", None)),
                        fields=("app", "day", "provider", "model"),
                        name=NAME,
                    ),
                ),
            ],
        ),
    ]
