"""Budgets, prices and what was spent; work that is held for one of them; a chain of providers."""

from decimal import Decimal

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0003_idempotency"),
        ("reasoning", "0006_quarantined"),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "period",
                    models.CharField(
                        choices=[("day", "Day"), ("month", "Month"), ("total", "Total")], default="day", max_length=8
                    ),
                ),
                (
                    "tokens",
                    models.BigIntegerField(
                        blank=True,
                        help_text="The most tokens, input and output together. Empty: as many as the money buys.",
                        null=True,
                    ),
                ),
                (
                    "money",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="The most money, in the currency of the prices. Calls of a model without a price wait for one.",
                        max_digits=14,
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "provider",
                    models.CharField(
                        blank=True,
                        help_text="The provider's name, as passes show it. Empty: whichever serves the model.",
                        max_length=50,
                    ),
                ),
                (
                    "model",
                    models.CharField(help_text="The name that the site or a prompt version asks for.", max_length=200),
                ),
                ("since", models.DateField(help_text="The first day (UTC) of this price.")),
                (
                    "input_price",
                    models.DecimalField(decimal_places=6, max_digits=12, verbose_name="input, per million tokens"),
                ),
                (
                    "cached_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="Empty: as other input.",
                        max_digits=12,
                        null=True,
                        verbose_name="cached input, per million tokens",
                    ),
                ),
                (
                    "output_price",
                    models.DecimalField(decimal_places=6, max_digits=12, verbose_name="output, per million tokens"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Spend",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("provider", models.CharField(max_length=50)),
                ("model", models.CharField(max_length=200)),
                ("calls", models.IntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("cached_tokens", models.BigIntegerField(default=0)),
                ("unpriced_tokens", models.BigIntegerField(default=0)),
                ("tokens", models.BigIntegerField(default=0)),
                ("cost", models.DecimalField(decimal_places=9, default=Decimal("0"), max_digits=20)),
            ],
            options={
                "verbose_name_plural": "spending",
            },
        ),
        migrations.RemoveConstraint(
            model_name="work",
            name="work_fits_its_state",
        ),
        migrations.RemoveConstraint(
            model_name="work",
            name="work_counts_not_negative",
        ),
        migrations.AddField(
            model_name="pass",
            name="charged_cost",
            field=models.DecimalField(db_default=Decimal("0"), decimal_places=9, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="pass",
            name="charged_tokens",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pass",
            name="cost",
            field=models.DecimalField(
                blank=True,
                decimal_places=9,
                help_text="In the currency of the prices. Empty: nobody knew the price.",
                max_digits=20,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="pass",
            name="input_hash",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="providerstate",
            name="ailing_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="work",
            name="step",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="pass",
            name="failure",
            field=models.CharField(
                blank=True,
                choices=[
                    ("transient", "transient"),
                    ("rate_limited", "rate_limited"),
                    ("quota", "quota"),
                    ("refused", "refused"),
                    ("nonsense", "nonsense"),
                    ("gated", "gated"),
                    ("over_budget", "over_budget"),
                    ("no_price", "no_price"),
                    ("ours", "ours"),
                    ("lost_lease", "lost_lease"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="work",
            name="last_failure",
            field=models.CharField(
                blank=True,
                choices=[
                    ("transient", "transient"),
                    ("rate_limited", "rate_limited"),
                    ("quota", "quota"),
                    ("refused", "refused"),
                    ("nonsense", "nonsense"),
                    ("gated", "gated"),
                    ("over_budget", "over_budget"),
                    ("no_price", "no_price"),
                    ("ours", "ours"),
                    ("lost_lease", "lost_lease"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="work",
            name="state",
            field=models.CharField(
                choices=[
                    ("idle", "Idle"),
                    ("waiting", "Waiting"),
                    ("leased", "Leased"),
                    ("held", "Held"),
                    ("parked", "Parked"),
                ],
                default="idle",
                max_length=16,
            ),
        ),
        migrations.RunSQL(
            migrations.RunSQL.noop,
            "UPDATE reasoning_work SET state = 'waiting', due_at = coalesce(due_at, now()) WHERE state = 'held'",
        ),
        # Not valid until the next migration has looked: the table stays in use meanwhile.
        AddConstraintNotValid(
            model_name="work",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at__isnull", False), ("lease_token__isnull", False), ("state", "leased")),
                    models.Q(("due_at__isnull", False), ("lease_token", None), ("state", "waiting")),
                    models.Q(("lease_token", None), ("state", "held")),
                    models.Q(("due_at", None), ("lease_token", None), ("state__in", ["idle", "parked"])),
                    _connector="OR",
                ),
                name="work_fits_its_state",
            ),
        ),
        AddConstraintNotValid(
            model_name="work",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("attempts__gte", 0), ("step__gte", 0), ("waiting_events__gte", 0), ("waiting_tokens__gte", 0)
                ),
                name="work_counts_not_negative",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="app",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: all apps together.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="memory.app",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="prompt_version",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: all prompts together.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="reasoning.promptversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(fields=("provider", "model", "since"), name="price_one_a_day"),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("input_price__gte", 0),
                    ("output_price__gte", 0),
                    models.Q(("cached_price", None), ("cached_price__gte", 0), _connector="OR"),
                ),
                name="price_not_negative",
            ),
        ),
        migrations.AddField(
            model_name="spend",
            name="app",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="memory.app"
            ),
        ),
        migrations.AddField(
            model_name="spend",
            name="prompt_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="spending", to="reasoning.promptversion"
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("tokens__isnull", False), ("money__isnull", False), _connector="OR"),
                name="budget_limits_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("tokens", None), ("tokens__gte", 0), _connector="OR"),
                    models.Q(("money", None), ("money__gte", 0), _connector="OR"),
                ),
                name="budget_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", False), ("prompt_version__isnull", False)),
                fields=("app", "prompt_version", "period"),
                name="budget_one_for_prompt_in_app",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app__isnull", False), ("prompt_version", None)),
                fields=("app", "period"),
                name="budget_one_for_app",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app", None), ("prompt_version__isnull", False)),
                fields=("prompt_version", "period"),
                name="budget_one_for_prompt",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("app", None), ("prompt_version", None)),
                fields=("period",),
                name="budget_one_for_site",
            ),
        ),
        migrations.AddIndex(
            model_name="spend",
            index=models.Index(fields=["day"], name="spend_day"),
        ),
        migrations.AddConstraint(
            model_name="spend",
            constraint=models.UniqueConstraint(
                fields=("app", "day", "prompt_version", "provider", "model"), name="spend_one_row_a_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="spend",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost__gte", 0), ("tokens__gte", 0)), name="spend_not_negative"
            ),
        ),
    ]
