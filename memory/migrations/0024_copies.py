import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """An event may repeat another one. The new column is empty, so that nothing is written anew or looked through."""

    dependencies = [("memory", "0023_webhooks")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="copied_from",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text=(
                    "The event of another session that this one repeats. Where that is erased, this one goes too."
                ),
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="copies",
                to="memory.event",
            ),
        ),
    ]
