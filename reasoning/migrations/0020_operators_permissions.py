from django.db import migrations


class Migration(migrations.Migration):
    """Permissions of their own for what operators do. It changes no table."""

    dependencies = [
        ("reasoning", "0019_spending_on_answers_once"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="experiment",
            options={
                "permissions": [
                    ("run_experiments", "Can set up, start, ramp, pause and stop experiments, and review pairs")
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="promptversion",
            options={
                "permissions": [
                    ("edit_prompts", "Can write prompt versions, try them, and move labels that serve nobody"),
                    (
                        "promote_prompts",
                        "Can choose what serves: move the live label, promote experiments and reprocesses",
                    ),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="reprocess",
            options={
                "permissions": [("run_reprocesses", "Can start, pause, throttle, cancel and discard reprocesses")],
                "verbose_name_plural": "reprocesses",
            },
        ),
    ]
