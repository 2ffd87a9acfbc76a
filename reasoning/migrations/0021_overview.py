from django.db import migrations


class Migration(migrations.Migration):
    """A proxy: no table of its own, but a permission of its own."""

    dependencies = [
        ("reasoning", "0020_operators_permissions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Overview",
            fields=[],
            options={
                "verbose_name": "overview",
                "verbose_name_plural": "overview",
                "default_permissions": ("view",),
                "indexes": [],
                "constraints": [],
                "proxy": True,
            },
            bases=("reasoning.work",),
        ),
    ]
