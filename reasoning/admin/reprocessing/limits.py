"""The fields of what a run may take: those of its set-up and of the act that changes them."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from reasoning.reprocessing import lifecycle


class Limits(forms.Form):
    """How fast a run may go, and what it may take in all."""

    passes_per_minute = forms.IntegerField(
        required=False, min_value=1, max_value=lifecycle.MOST_PASSES_PER_MINUTE, help_text="Empty: as fast as it can."
    )
    token_budget = forms.IntegerField(
        required=False, min_value=0, max_value=lifecycle.MOST_TOKENS, help_text="The run pauses there. Empty: no limit."
    )
    money_budget = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_value=lifecycle.MOST_MONEY,
        decimal_places=6,
        help_text="In the currency of the prices. The run pauses there. Empty: no limit.",
    )
