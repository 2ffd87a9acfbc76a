import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What is spent on answering questions is no prompt version's."""

    dependencies = [("reasoning", "0017_erasure_indexes")]

    operations = [
        migrations.AlterField(
            model_name="spend",
            name="prompt_version",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: questions were answered.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="spending",
                to="reasoning.promptversion",
            ),
        ),
    ]
