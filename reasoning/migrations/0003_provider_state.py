from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reasoning", "0002_promises")]

    operations = [
        migrations.CreateModel(
            name="ProviderState",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("failures", models.IntegerField(default=0)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("needs_operator", models.BooleanField(default=False)),
                ("slots", models.IntegerField(blank=True, null=True)),
                ("reason", models.TextField(blank=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("failures__gte", 0)), name="provider_failures_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("slots__isnull", True), ("slots__gte", 1), _connector="OR"),
                        name="provider_slots_positive",
                    ),
                ],
            },
        ),
    ]
