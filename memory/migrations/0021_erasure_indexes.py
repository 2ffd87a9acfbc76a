from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


def of(model: str, column: str, name: str, *, partial: bool = False) -> AddIndexConcurrently:
    """Find the rows that refer to one; ``partial`` leaves out those that refer to none."""
    condition = models.Q((f"{column}__isnull", False)) if partial else None
    return AddIndexConcurrently(model, models.Index(condition=condition, fields=[column], name=name))


class Migration(migrations.Migration):
    """Of each row that is deleted the database asks who refers to it. Built while events and versions are written."""

    atomic = False
    dependencies = [("memory", "0020_erasure")]

    operations = [
        ValidateConstraint("representation", "representation_erased_says_nothing"),
        of("event", "author", "event_of_author", partial=True),
        of("feedback", "subject", "feedback_of_subject"),
        of("line", "head", "line_head", partial=True),
        of("premise", "representation", "premise_found_by"),
        of("representation", "parent", "representation_of_parent", partial=True),
        of("representation", "restores", "representation_restoring", partial=True),
        of("serving", "representation", "serving_of_version"),
        of("span", "replaced_by", "span_replaced_by", partial=True),
        of("subject", "line", "subject_served_by", partial=True),
        of("subject", "current", "subject_serving", partial=True),
    ]
