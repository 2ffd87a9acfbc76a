from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Apps take turns. Built while the loop goes on."""

    atomic = False
    dependencies = [("reasoning", "0003_provider_state")]

    operations = [
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["app", "due_at"], name="work_app_due"
            ),
        ),
    ]
