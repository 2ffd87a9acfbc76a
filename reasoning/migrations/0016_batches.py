from decimal import Decimal

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    """A batch is taken up by another process: what its passes are charged, and when it was asked after, are in rows."""

    dependencies = [("reasoning", "0015_consolidation")]

    operations = [
        migrations.AddField(
            model_name="pass",
            name="run_tokens",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pass",
            name="run_cost",
            field=models.DecimalField(db_default=Decimal(0), decimal_places=9, default=Decimal(0), max_digits=20),
        ),
        migrations.AddField(
            model_name="batch",
            name="asked_at",
            field=models.DateTimeField(db_default=Now(), editable=False),
        ),
        migrations.AlterModelOptions(name="batch", options={"verbose_name_plural": "batches"}),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("state__in", ["sending", "sent"])), fields=["asked_at"], name="batch_open"
            ),
        ),
    ]
