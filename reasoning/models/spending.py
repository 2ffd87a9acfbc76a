"""What model calls may cost, and what they have cost."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from memory.models import App
from reasoning.models.prompts import PromptVersion


class Price(models.Model):
    """What a model's tokens cost from a day on, per million, in the currency of all prices and budgets of the site."""

    provider = models.CharField(
        max_length=50,
        blank=True,
        help_text="The provider's name, as passes show it. Empty: whichever serves the model.",
    )
    model = models.CharField(max_length=200, help_text="The name that the site or a prompt version asks for.")
    since = models.DateField(help_text="The first day (UTC) of this price.")
    input_price = models.DecimalField("input, per million tokens", max_digits=12, decimal_places=6)
    cached_price = models.DecimalField(
        "cached input, per million tokens",
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="Empty: as other input.",
    )
    output_price = models.DecimalField("output, per million tokens", max_digits=12, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "since"], name="price_one_a_day"),
            models.CheckConstraint(
                condition=Q(input_price__gte=0, output_price__gte=0) & (Q(cached_price=None) | Q(cached_price__gte=0)),
                name="price_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} since {self.since}"


class Budget(models.Model):
    """How much an app, a prompt version or the whole site may spend in a period.

    It is checked with what the next call may cost before the call is made; what does not fit waits until the period
    ends or somebody raises the budget. All budgets that a call falls under must have room for it.
    """

    class Period(models.TextChoices):
        """When spending begins anew; days and months are those of UTC."""

        DAY = "day"
        MONTH = "month"
        TOTAL = "total"

    app = models.ForeignKey(
        App, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: all apps together."
    )
    prompt_version = models.ForeignKey(
        PromptVersion,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: all prompts together.",
    )
    period = models.CharField(max_length=8, choices=Period, default=Period.DAY)
    tokens = models.BigIntegerField(
        null=True, blank=True, help_text="The most tokens, input and output together. Empty: as many as the money buys."
    )
    money = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="The most money, in the currency of the prices. Calls of a model without a price wait for one.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tokens__isnull=False) | Q(money__isnull=False), name="budget_limits_something"
            ),
            models.CheckConstraint(
                condition=(Q(tokens=None) | Q(tokens__gte=0)) & (Q(money=None) | Q(money__gte=0)),
                name="budget_not_negative",
            ),
            models.UniqueConstraint(
                fields=["app", "prompt_version", "period"],
                condition=Q(app__isnull=False, prompt_version__isnull=False),
                name="budget_one_for_prompt_in_app",
            ),
            models.UniqueConstraint(
                fields=["app", "period"], condition=Q(app__isnull=False, prompt_version=None), name="budget_one_for_app"
            ),
            models.UniqueConstraint(
                fields=["prompt_version", "period"],
                condition=Q(app=None, prompt_version__isnull=False),
                name="budget_one_for_prompt",
            ),
            models.UniqueConstraint(
                fields=["period"], condition=Q(app=None, prompt_version=None), name="budget_one_for_site"
            ),
        ]

    def __str__(self) -> str:
        scope = [str(part) for part in (self.app, self.prompt_version) if part]
        return f"{' and '.join(scope) or 'the site'}, {'in all' if self.period == 'total' else f'a {self.period}'}"


class Spend(models.Model):
    """What one app spent on one day (UTC) with one prompt version and model, or on answering questions with a model.

    ``tokens`` and ``cost`` are what budgets count: of calls that have ended what they took, of calls under way (and
    of calls that nobody heard from again) what they may take. The other counts are of ended calls, as the provider
    told them. ``unpriced_tokens`` are those whose price nobody knew.
    """

    day = models.DateField()
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+", db_index=False)
    prompt_version = models.ForeignKey(
        PromptVersion,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="spending",
        help_text="Empty: questions were answered.",
    )
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=200)
    calls = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    unpriced_tokens = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=20, decimal_places=9, default=Decimal(0))

    class Meta:
        verbose_name_plural = "spending"
        constraints = [
            models.UniqueConstraint(
                fields=["app", "day", "prompt_version", "provider", "model"], name="spend_one_row_a_day"
            ),
            models.UniqueConstraint(
                fields=["app", "day", "provider", "model"],
                condition=Q(prompt_version=None),
                name="spend_on_answers_one_row_a_day",
            ),
            models.CheckConstraint(condition=Q(tokens__gte=0, cost__gte=0), name="spend_not_negative"),
        ]
        indexes = [models.Index(fields=["day"], name="spend_day")]

    def __str__(self) -> str:
        return f"{self.app} on {self.day}: {self.tokens:,} tokens"
