from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def of(model: str, column: str, name: str, *, partial: bool = False) -> AddIndexConcurrently:
    """Find the rows that refer to one; ``partial`` leaves out those that refer to none."""
    condition = models.Q((f"{column}__isnull", False)) if partial else None
    return AddIndexConcurrently(model, models.Index(condition=condition, fields=[column], name=name))


class Migration(migrations.Migration):
    """Of each row that an erasure deletes the database asks who refers to it. Built while rows are written."""

    atomic = False
    dependencies = [("reasoning", "0016_batches")]

    operations = [
        of("comparison", "control", "comparison_control"),
        of("comparison", "candidate", "comparison_candidate"),
        of("reprocessitem", "base", "reprocess_base", partial=True),
        of("reprocessitem", "made", "reprocess_made", partial=True),
        of("rolledback", "subject", "rolledback_subject"),
        of("rolledback", "before", "rolledback_before"),
        of("rolledback", "made", "rolledback_made"),
    ]
