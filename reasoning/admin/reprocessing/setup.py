"""Setting up a run: one form that says what it would take before anything is begun."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.timezone import make_aware

from memory import clock
from memory.admin.acts import REASON_LENGTH, add_refusal
from memory.admin.pages import Page
from memory.errors import Refusal
from memory.models import App
from reasoning import prompt_versions
from reasoning.admin.reprocessing import showing
from reasoning.admin.reprocessing.acts import RUN, app_named
from reasoning.admin.reprocessing.limits import Limits
from reasoning.conf import ReasoningSettings
from reasoning.models import PromptVersion, Reprocess
from reasoning.reprocessing import lifecycle, scope

OFFERED = 200
"""The most prompt versions, and apps, that a form offers: the newest, and the first by name."""

AGES = {"1": "the last 24 hours", "7": "the last 7 days", "30": "the last 30 days", "90": "the last 90 days"}


class RunForm(Limits):
    """What to read again, by which prompt version, how fast, for how much and why."""

    required_css_class = "required"

    prompt = forms.ModelChoiceField(
        PromptVersion.objects.none(),
        label="Prompt version",
        help_text="It reads all subjects of its kind: users, users as others see them, sessions or projects.",
    )
    app = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "list": "honcho-apps", "autocomplete": "off"}),
        help_text="Name or id. Empty: all apps.",
    )
    window = forms.ChoiceField(
        label="Read again",
        choices=[("all", "everything"), *AGES.items(), ("since", "everything since a day")],
        initial="30",
    )
    since = forms.DateField(
        label="Since", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Only where you read again since a day. It begins at 00:00 UTC.",
    )  # fmt: skip
    subjects = forms.CharField(
        label="Only these subjects",
        required=False,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="Names or ids, one a line; a user as another sees them is observer/user. Empty: all of the app's.",
    )
    carrier = forms.ChoiceField(
        label="By",
        choices=Reprocess.Carrier.choices,
        widget=forms.RadioSelect,
        initial=Reprocess.Carrier.CALLS,
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 2}),
        help_text="It is kept with the run, for whoever asks later.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = PromptVersion.objects.order_by("-pk").values("pk")[:OFFERED]
        chosen = self.data.get("prompt") or self.initial.get("prompt")
        wanted = PromptVersion.objects.filter(pk__in=[*(row["pk"] for row in offered), *_keys(chosen)])
        field = self.fields["prompt"]
        field.queryset = wanted.select_related("app").defer("instructions").order_by("-pk")  # type: ignore[attr-defined]
        field.label_from_instance = _named  # type: ignore[attr-defined]
        self.fields["carrier"].choices = _carriers()  # type: ignore[attr-defined]

    def clean_app(self) -> App | None:
        """Find the app that is named."""
        return app_named(self.cleaned_data["app"])

    def clean(self) -> dict[str, Any]:
        """Ask for the day where it is needed."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("window") == "since" and not values.get("since"):
            self.add_error("since", "Give the day.")
        return values

    def options(self) -> dict[str, Any]:
        """Return what the form means, as ``lifecycle.plan`` takes it; raises :class:`Refusal`."""
        given = self.cleaned_data
        named = [line.strip() for line in given["subjects"].splitlines() if line.strip()]
        return {
            "version": given["prompt"],
            "app": given["app"],
            "since": _since(given["window"], given["since"]),
            "subjects": scope.refs(given["prompt"].kind, named),
            "carrier": given["carrier"],
            "reason": given["reason"],
            **{name: given[name] for name in lifecycle.LIMITS},
        }

    @property
    def digest(self) -> str:
        """What stands for what was typed: only what was estimated is begun."""
        return hashlib.sha256(repr(sorted(self.cleaned_data.items(), key=lambda item: item[0])).encode()).hexdigest()


class NewRun(Page):
    """The form; then, under what was typed, what it would take, with the buttons that begin it."""

    name, title, permission, template = "new", "New run", RUN, "admin/reasoning/reprocess/new.html"

    class Media:
        css = {"all": showing.STYLES}

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Show the form, begun with what a link gives: ``?prompt=`` and ``?app=``."""
        return _shown(RunForm(initial={**request.GET.dict()}))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Estimate what was typed, or begin what was estimated."""
        form = RunForm(request.POST)
        planned = None
        if form.is_valid():
            try:
                options = form.options()
                if constant_time_compare(request.POST.get("token", ""), form.digest) and "estimate" not in request.POST:
                    return self._begin(request, options, start="start" in request.POST)
                planned = lifecycle.plan(**options)
            except Refusal as refusal:
                add_refusal(form, refusal)
        return self.render(request, **_shown(form, planned))

    def _begin(self, request: HttpRequest, options: dict[str, Any], *, start: bool) -> HttpResponse:
        """Keep the run as a draft, and start it."""
        by = request.user.get_username()
        with transaction.atomic():
            run = lifecycle.create(by=by, **options)
            if start:
                lifecycle.start(run, reason=run.reason, by=by)
        said = "started." if start else "drafted: nothing is read before it is started."
        messages.success(request, f"The run is {said}")
        url = reverse(
            "admin:reasoning_reprocess_change", args=[quote(run.pk)], current_app=self.model_admin.admin_site.name
        )
        return HttpResponseRedirect(url)


def _shown(form: RunForm, planned: Reprocess | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "form": form,
        "what": [form[name] for name in ("prompt", "app", "window", "since", "subjects")],
        "how": [form[name] for name in ("carrier", "passes_per_minute", "token_budget", "money_budget", "reason")],
        "apps": App.objects.order_by("name").values_list("name", flat=True)[:OFFERED],
        "planned": None,
    }
    if planned is not None and not form.errors:
        shown |= {
            "planned": planned,
            "digest": form.digest,
            "expected": showing.expected(planned.estimate),
            "beyond": showing.beyond_budget(planned),
            "nothing": not planned.estimate["subjects"],
            "unpriced": planned.estimate["money"] is None,
        }
    return shown


def _since(window: str, day: Any) -> datetime | None:
    """Return where the window begins."""
    if window in AGES:
        return clock.now() - timedelta(days=int(window))
    return make_aware(datetime.combine(day, datetime.min.time())) if window == "since" else None


def _keys(chosen: Any) -> list[UUID]:
    """Return the id of a chosen prompt version, if it is one."""
    try:
        return [UUID(str(chosen))]
    except ValueError:
        return []


def _named(version: PromptVersion) -> str:
    whose = version.app.name if version.app else "the site"
    return f"{prompt_versions.name_of(version)} · {whose} · {version.message}"[:120]


def _carriers() -> list[tuple[str, str]]:
    """Return how a run may be carried, and what it means."""
    settings = ReasoningSettings.load()
    batch = f"the provider's batches: {settings.batch_discount:.0%} cheaper, each answered within 24 hours"
    if settings.provider == "local":
        batch += " (the built-in reasoner takes none)"
    return [
        (Reprocess.Carrier.CALLS, "calls: one after the other, beside what comes in"),
        (Reprocess.Carrier.BATCH, batch),
    ]
