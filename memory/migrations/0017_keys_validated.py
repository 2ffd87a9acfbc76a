from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """What keys promise since the migration before holds for the old ones too. Looked at while keys are made."""

    atomic = False
    dependencies = [("memory", "0016_keys")]

    operations = [
        ValidateConstraint(model_name="apikey", name="api_key_fits_its_scope"),
        *(
            migrations.RunSQL(
                f"ALTER TABLE memory_apikey VALIDATE CONSTRAINT memory_apikey_{part}_id_same_app",
                migrations.RunSQL.noop,
            )
            for part in ("project", "collection")
        ),
        *(
            AddIndexConcurrently(
                model_name="apikey",
                index=models.Index(
                    condition=models.Q((f"{part}__isnull", False)), fields=[part], name=f"api_key_of_{part}"
                ),
            )
            for part in ("project", "collection")
        ),
    ]
