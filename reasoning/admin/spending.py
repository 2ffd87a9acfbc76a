"""What model calls may cost and have cost: prices, budgets and spending, and their part of other pages."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import audit
from memory.admin.base import BoundedChangeList, HonchoAdmin, M, ReadOnlyAdmin
from memory.admin.filters import AppFilter, asked_id
from memory.admin.links import link, may_view
from memory.admin.sections import Section, section_of
from memory.models import App
from reasoning import budgets
from reasoning.admin.amounts import Spent, cost, money, used
from reasoning.models import Budget, Label, Price, PromptVersion, Spend

LOOKED_AT = 1_000
"""Filters offer what the newest so many rows hold."""

SHOWN = 20
SUMS = {name: Sum(name) for name in Spent.__slots__}


class AuditedAdmin(HonchoAdmin[M]):
    """Rows that people write and delete; the history tells what each value was before."""

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Whether this user may delete: nothing is derived from these rows."""
        opts = self.opts
        return request.user.has_perm(f"{opts.app_label}.delete_{opts.model_name}")

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        """Save, and note what each changed value was and is."""
        names = form.changed_data if change else form.fields
        before = {name: _said(form, name, form.initial.get(name)) for name in names} if change else {}
        after = {name: _said(form, name, form.cleaned_data[name]) for name in names}
        super().save_model(request, obj, form, change)
        act = f"{'change' if change else 'make'} {self.opts.verbose_name}"
        audit.note(act, obj, by=request.user.get_username(), before=before, after=after)

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        """Delete, and note what it was."""
        self._note_deletion(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        """Delete several, and note what they were."""
        with transaction.atomic():
            for obj in queryset:
                self._note_deletion(request, obj)
            super().delete_queryset(request, queryset)

    def _note_deletion(self, request: HttpRequest, obj: M) -> None:
        form = self.get_form(request, obj)(instance=obj)
        before = {name: _said(form, name, form.initial.get(name)) for name in form.fields}
        audit.note(f"delete {self.opts.verbose_name}", obj, by=request.user.get_username(), before=before)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Say what each changed value was and is."""
        given = form.cleaned_data
        if add:
            return f"Added: {', '.join(f'{name} {_said(form, name, given[name])}' for name in form.fields)}."
        changes = [
            f"{name} {_said(form, name, form.initial.get(name))} → {_said(form, name, given[name])}"
            for name in form.changed_data
        ]
        return f"Changed: {', '.join(changes)}." if changes else "Nothing changed."


class ModelFilter(admin.SimpleListFilter):
    """Rows of one model."""

    title, parameter_name = "model", "of_model"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the models of the newest rows, and the chosen one."""
        newest = model_admin.get_queryset(request).order_by("-pk").values_list("model", flat=True)[:LOOKED_AT]
        return [(name, name) for name in sorted({*newest, self.value() or ""} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen model's."""
        return queryset.filter(model=self.value()) if self.value() else queryset


class PromptFilter(admin.SimpleListFilter):
    """Rows of one prompt version."""

    title, parameter_name = "prompt version", "prompt_version"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the site's live versions, and the chosen one."""
        offered = Q(pk__in=Label.objects.filter(app=None, name=Label.Name.LIVE).values("version"))
        if self.value():
            offered |= Q(pk=asked_id(self.value()))
        found = PromptVersion.objects.filter(offered).defer("instructions").order_by("kind", "-number")
        return [(str(version.pk), str(version)) for version in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen version's."""
        return queryset.filter(prompt_version=asked_id(self.value())) if self.value() else queryset


class Days(admin.SimpleListFilter):
    """The days of this month, unless others are asked for. Days are those of UTC."""

    title, parameter_name = "days", "days"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the ranges."""
        return [
            ("today", "Today"), ("7", "The last 7 days"), ("30", "The last 30 days"), ("last_month", "Last month"),
            ("year", "This year"), ("any", "Any"),
        ]  # fmt: skip

    def choices(self, changelist: ChangeList) -> Any:
        """Offer what shows when nothing is chosen under its own name."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "This month"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen days; a range in the address (``day__gte``, ``day__lte``) stands alone."""
        value = self.value()
        if value == "any" or (value is None and any(name.startswith("day__") for name in request.GET)):
            return queryset
        today = _today()
        this_month = today.replace(day=1)
        if value == "last_month":
            last = this_month - timedelta(days=1)
            return queryset.filter(day__gte=last.replace(day=1), day__lte=last)
        since = {
            "today": today,
            "7": today - timedelta(days=6),
            "30": today - timedelta(days=29),
            "year": this_month.replace(month=1),
        }
        return queryset.filter(day__gte=since.get(str(value), this_month))


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A price from a day on."""

    class Meta:
        model = Price
        fields = ("model", "provider", "since", "input_price", "cached_price", "output_price")

    def clean(self) -> dict[str, Any]:
        """Refuse what is below nothing."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        _refuse_negative(self, values, ("input_price", "cached_price", "output_price"))
        return values


@admin.register(Price)
class PriceAdmin(AuditedAdmin[Price]):
    """What tokens cost. A new price is a new row with a later day; correcting a row changes no cost of before."""

    form = PriceForm
    list_display = ("model", "of_provider", "from_day", "input_shown", "cached_shown", "output_shown")
    list_filter = (ModelFilter,)
    search_fields = ("model",)
    search_help_text = "A part of the model's name. Prices are for a million tokens."
    ordering = ("-since", "model", "provider")
    sortable_by = ("model", "since")
    change_form_template = "admin/reasoning/price/change_form.html"

    @admin.display(description="provider")
    def of_provider(self, row: Price) -> str:
        """Show whose price it is."""
        return row.provider or "any"

    @admin.display(description="since", ordering="since")
    def from_day(self, row: Price) -> str:
        """Show its first day."""
        return row.since.isoformat()

    @admin.display(description="input")
    def input_shown(self, row: Price) -> str:
        """Show the price of input."""
        return money(row.input_price)

    @admin.display(description="cached input")
    def cached_shown(self, row: Price) -> str:
        """Show the price of input that the provider had cached."""
        return "as input" if row.cached_price is None else money(row.cached_price)

    @admin.display(description="output")
    def output_shown(self, row: Price) -> str:
        """Show the price of output."""
        return money(row.output_price)


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A limit of tokens, of money, or of both."""

    class Meta:
        model = Budget
        fields = ("app", "prompt_version", "period", "tokens", "money")

    def clean(self) -> dict[str, Any]:
        """Say in words what the database would refuse, and what no call would fall under."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        _refuse_negative(self, values, ("tokens", "money"))
        if "tokens" in values and "money" in values and values["tokens"] is None and values["money"] is None:
            self.add_error("tokens", "Limit tokens, money or both.")
        app, version = values.get("app"), values.get("prompt_version")
        if app is not None and version is not None and version.app_id not in (None, app.pk):
            self.add_error("prompt_version", "This prompt version belongs to another app.")
        if "period" in values and not self.errors.keys() & {"app", "prompt_version"}:
            same = Budget.objects.filter(app=app, prompt_version=version, period=values["period"])
            if (found := same.exclude(pk=self.instance.pk).first()) is not None:
                self.add_error("period", f"There is one already: {found}.")
        return values


class BudgetChangeList(BoundedChangeList):
    """The budgets of one page, with what is used of each: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Ask what is used of the rows that are shown."""
        super().get_results(request)
        found = budgets.uses(list(self.result_list))
        for row in self.result_list:
            row.uses = found[row.pk]


@admin.register(Budget)
class BudgetAdmin(AuditedAdmin[Budget]):
    """How much may be spent. Where two apply to a call, both must have room for it."""

    form = BudgetForm
    list_display = ("label", "used_now", "app_link", "prompt_link")
    list_display_links = ("label",)
    list_select_related = ("app", "prompt_version")
    list_filter = ("period", AppFilter)
    ordering = ("app__name", "prompt_version", "period")
    sortable_by = ()
    autocomplete_fields = ("app", "prompt_version")
    page_related = ("app", "prompt_version")
    change_form_template = "admin/reasoning/budget/change_form.html"

    class Media:
        css = {"all": ["memory/forms.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows what is used."""
        return BudgetChangeList

    def for_list(self, rows: QuerySet[Budget]) -> QuerySet[Budget]:
        """Leave the prompts' texts where they are."""
        return rows.defer("prompt_version__instructions")

    @admin.display(description="of")
    def label(self, row: Budget) -> str:
        """Show what it limits."""
        return str(row)

    @admin.display(description="used now")
    def used_now(self, row: Budget) -> SafeString:
        """Show what counts against it in the period that runs."""
        return used(row.uses)  # type: ignore[attr-defined]  # the list's

    @admin.display(description="app")
    def app_link(self, row: Budget) -> SafeString | str:
        """Link to the app."""
        return link(row.app) if row.app else "all"

    @admin.display(description="prompt version")
    def prompt_link(self, row: Budget) -> SafeString | str:
        """Link to the prompt version."""
        return link(row.prompt_version) if row.prompt_version else "all"

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        """Save; say so where its money cannot be counted."""
        super().save_model(request, obj, form, change)
        if obj.money is not None and (models := budgets.unpriced_models(obj.app_id, obj.prompt_version_id)):
            named = ", ".join(models)
            self.message_user(
                request, f"Nobody knows what {named} costs: its calls wait until you add a price.", messages.WARNING
            )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Name the models whose money no budget can count."""
        row: Budget | None = context.get("original")
        context["unpriced"] = budgets.unpriced_models(*(row.app_id, row.prompt_version_id) if row else ())
        return super().render_change_form(request, context, *args, **kwargs)

    def detail(self, request: HttpRequest, row: Budget) -> dict[str, Any]:
        """Show what is used of it."""
        return {"used": used(budgets.uses([row])[row.pk]), "subtitle": str(row)}


class SpendChangeList(BoundedChangeList):
    """The rows of one page, and what all that are filtered come to."""

    def get_results(self, request: HttpRequest) -> None:
        """Sum up what the filters leave."""
        super().get_results(request)
        self.spent = _sums(self.queryset)


@admin.register(Spend)
class SpendAdmin(ReadOnlyAdmin[Spend]):
    """What was spent: a row for each day, app, prompt version and model."""

    list_display = (
        "on",
        "app_link",
        "prompt_link",
        "asked",
        "calls",
        "in_and_out",
        "shown_cost",
        "counted",
    )
    list_select_related = ("app", "prompt_version")
    list_filter = (Days, AppFilter, PromptFilter, ModelFilter)
    ordering = ("-day", "-pk")
    sortable_by = ()
    page_related = ("app", "prompt_version")
    change_list_template = "admin/reasoning/spend/change_list.html"
    change_form_template = "admin/reasoning/spend/change_form.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that has sums."""
        return SpendChangeList

    def for_list(self, rows: QuerySet[Spend]) -> QuerySet[Spend]:
        """Leave the prompts' texts where they are."""
        return rows.defer("prompt_version__instructions")

    @admin.display(description="app")
    def app_link(self, row: Spend) -> SafeString | str:
        """Link to the app."""
        return link(row.app)

    @admin.display(description="prompt")
    def prompt_link(self, row: Spend) -> SafeString | str:
        """Link to the prompt version; answers to questions have none."""
        return link(row.prompt_version) if row.prompt_version else "answers"

    @admin.display(description="model")
    def asked(self, row: Spend) -> SafeString:
        """Show which model was asked, and below of which provider."""
        return format_html('{}<div class="honcho-meta">{}</div>', row.model, row.provider)

    @admin.display(description="day")
    def on(self, row: Spend) -> str:
        """Show the day."""
        return row.day.isoformat()

    @admin.display(description="tokens in, out")
    def in_and_out(self, row: Spend) -> str:
        """Show what ended calls took."""
        return f"{row.input_tokens:,}, {row.output_tokens:,}"

    @admin.display(description="budgets count")
    def counted(self, row: Spend) -> str:
        """Show what budgets count: calls under way are in it."""
        return f"{row.tokens:,}"

    @admin.display(description="cost")
    def shown_cost(self, row: Spend) -> str:
        """Show the money, as far as it is known."""
        return cost(row.cost, row.unpriced_tokens)

    def detail(self, request: HttpRequest, row: Spend) -> dict[str, Any]:
        """Show what it cost."""
        return {"cost": cost(row.cost, row.unpriced_tokens)}


@section_of(App)
def of_app(request: HttpRequest, row: App) -> Section | None:
    """Show what an app has spent, and the budgets that its calls fall under."""
    if not may_view(request, Spend):
        return None
    return _section(request, row, Spend.objects.filter(app=row.pk), Q(app=None) | Q(app=row.pk))


@section_of(PromptVersion)
def of_prompt_version(request: HttpRequest, row: PromptVersion) -> Section | None:
    """Show what a prompt version has cost, and its own budgets."""
    if not may_view(request, Spend):
        return None
    rows = Spend.objects.filter(prompt_version=row.pk)
    return _section(request, row, rows, Q(prompt_version=row.pk), in_all=True)


def _section(
    request: HttpRequest, row: Model, rows: QuerySet[Spend], fallen_under: Q, *, in_all: bool = False
) -> Section:
    today = _today()
    periods = [("Today", rows.filter(day=today)), ("This month", rows.filter(day__gte=today.replace(day=1)))]
    if in_all:
        periods.append(("In all", rows))
    limits = []
    if may_view(request, Budget):
        found = Budget.objects.filter(fallen_under).select_related("app", "prompt_version").order_by("pk")[:SHOWN]
        known = budgets.uses(list(found))
        limits = [{"budget": budget, "used": used(known[budget.pk])} for budget in found]
    return Section(
        title="Spending",
        template="admin/reasoning/includes/spending.html",
        context={
            "periods": [(name, _sums(each)) for name, each in periods],
            "budgets": limits,
            "row": row,
            "by_prompt": in_all,
        },
    )


def _sums(rows: QuerySet[Spend]) -> Spent:
    found: dict[str, Any] = {name: value or 0 for name, value in rows.order_by().aggregate(**SUMS).items()}
    return Spent(**found)


def _today() -> date:
    """Return the day of UTC; to whoever only looks, this machine's clock will do."""
    return timezone.now().astimezone(UTC).date()


def _refuse_negative(form: forms.ModelForm[Any], values: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if values.get(name) is not None and values[name] < 0:
            form.add_error(name, ValidationError("This cannot be below 0."))


def _said(form: Any, name: str, value: object) -> str:
    """Return a field's value for the history; what a form begins with is the key of a row, not the row."""
    value = form.fields[name].to_python(value)
    return "–" if value in (None, "") else money(value) if isinstance(value, Decimal) else str(value)
