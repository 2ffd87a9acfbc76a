"""See that the rows keep what 0007 demands of new ones; nobody is locked out for it."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reasoning", "0007_spending")]

    operations = [
        ValidateConstraint(model_name="work", name="work_fits_its_state"),
        ValidateConstraint(model_name="work", name="work_counts_not_negative"),
    ]
