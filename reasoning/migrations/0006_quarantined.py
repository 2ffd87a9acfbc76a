from django.db import migrations


class Migration(migrations.Migration):
    """A proxy: no table of its own, but permissions of its own."""

    dependencies = [
        ("memory", "0003_idempotency"),
        ("reasoning", "0005_smaller_batches"),
    ]

    operations = [
        migrations.CreateModel(
            name="Quarantined",
            fields=[],
            options={
                "verbose_name": "quarantined version",
                "verbose_name_plural": "quarantine",
                "permissions": (
                    ("publish_quarantined", "Can publish a quarantined version"),
                    ("discard_quarantined", "Can discard a quarantined version"),
                ),
                "default_permissions": ("view",),
                "indexes": [],
                "constraints": [],
                "proxy": True,
            },
            bases=("memory.representation",),
        ),
    ]
