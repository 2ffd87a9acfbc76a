from django.db import migrations, models

KEPT = "salt, app_id, kind, mode, control_id, sample, started_at"


def row(version: str) -> str:
    return "(" + ", ".join(f"{version}.{column.strip()}" for column in KEPT.split(",")) + ")"


class Migration(migrations.Migration):
    """Names of experiments, what an arm has given back, and who falls to which arm: settled once it is started."""

    dependencies = [("reasoning", "0012_not_live_by_itself")]

    operations = [
        migrations.AddField(
            model_name="arm",
            name="given_back",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", False)), fields=("app", "name"), name="experiment_name_in_app"
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", True)), fields=("name",), name="experiment_name_for_site"
            ),
        ),
        migrations.RunSQL(
            "CREATE TRIGGER refuse_change BEFORE UPDATE ON reasoning_experiment FOR EACH ROW"
            f" WHEN (OLD.started_at IS NOT NULL AND {row('OLD')} IS DISTINCT FROM {row('NEW')})"
            " EXECUTE FUNCTION memory_refuse_change('')",
            "DROP TRIGGER refuse_change ON reasoning_experiment",
        ),
    ]
