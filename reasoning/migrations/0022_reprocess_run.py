from django.db import migrations

_PERMISSIONS = [("run_reprocesses", "Can start, pause, throttle, cancel and discard reprocesses")]


class Migration(migrations.Migration):
    """What a reprocess is called in the admin. The table stays as it is."""

    dependencies = [
        ("reasoning", "0021_overview"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="reprocess",
            options={"permissions": _PERMISSIONS, "verbose_name": "reprocess run"},
        ),
    ]
