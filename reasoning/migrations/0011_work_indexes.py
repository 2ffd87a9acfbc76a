from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """Bulk work has an index of its own, so that other work is found without looking past it. Built while both run."""

    atomic = False
    dependencies = [("reasoning", "0010_labels")]

    operations = [
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(
                condition=models.Q(("bulk", False), ("due_at__isnull", False)),
                fields=["app", "due_at"],
                name="work_app_due_first",
            ),
        ),
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(
                condition=models.Q(("bulk", False), ("due_at__isnull", False)),
                fields=["due_at"],
                name="work_due_first",
            ),
        ),
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(
                condition=models.Q(("bulk", True), ("due_at__isnull", False)),
                fields=["run", "due_at"],
                name="work_bulk_due",
            ),
        ),
        AddIndexConcurrently(
            model_name="work",
            index=models.Index(condition=models.Q(("run__isnull", False)), fields=["run"], name="work_of_run"),
        ),
        AddIndexConcurrently(
            model_name="pass",
            index=models.Index(
                condition=models.Q(("run__isnull", False)), fields=["run", "-started_at"], name="pass_of_run"
            ),
        ),
        RemoveIndexConcurrently(model_name="work", name="work_due"),
        RemoveIndexConcurrently(model_name="work", name="work_app_due"),
        ValidateConstraint(model_name="work", name="work_of_a_run_is_bulk"),
    ]
