"""Setting an experiment up: one form, and a preview of who falls where before anything is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.core import signing
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from memory import ids, tenants
from memory.admin.links import page_url
from memory.admin.pages import Page
from memory.errors import Invalid, NotFound, Refusal
from memory.models import App, Subject
from reasoning import labels, prompt_versions
from reasoning.admin.experiments.figures import TITLES
from reasoning.experiments import falling, guardrails, lifecycle
from reasoning.experiments.lifecycle import MOST_CANDIDATES, NAME_LENGTH, REASON_LENGTH, Candidate
from reasoning.experiments.split import BUCKETS
from reasoning.models import Experiment, PromptVersion

M = TypeVar("M", bound=Model)

OFFERED = 100
"""So many of an app's newest prompt versions are offered as candidates."""

APPS_OFFERED = 100
LEFT_OUT_SHOWN = 10
MOST_GUARDRAILS = 10

_SALT = "honcho.experiment"
_NUMBER = forms.NumberInput(attrs={"step": "any", "class": "honcho-short"})


class PercentField(forms.DecimalField):
    """A share of 0 to 100 per cent, to two places."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=100, decimal_places=2, max_digits=5, widget=_NUMBER, **kwargs)


class SetUpForm(forms.Form):
    """What an experiment is called, where it counts, and how it goes about it."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="What people will call it. It names the experiment in commands and over HTTP too.",
    )
    app = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "list": "apps", "autocomplete": "off"}),
        help_text="Name or id of one app. Empty: the whole site, every app without a prompt or experiment of its own.",
    )
    kind = forms.ChoiceField(
        choices=Subject.Kind.choices,
        initial=Subject.Kind.USER,
        label="Of what",
        help_text="What the prompts are about. One experiment goes on for an app and kind at a time.",
    )
    mode = forms.ChoiceField(
        choices=[
            (Experiment.Mode.SERVE, "Serve: who falls to a candidate reads what it makes"),
            (Experiment.Mode.SHADOW, "Shadow: candidates are made beside, and nobody reads them"),
        ],
        initial=Experiment.Mode.SERVE,
        widget=forms.RadioSelect(attrs={"class": "honcho-radios"}),
    )
    sample = PercentField(
        required=False,
        initial=5,
        label="Compared, in per cent",
        help_text=(
            "For so many of a candidate's subjects the control's versions are made beside, to be compared blind. "
            "It costs a second pass each. Not for shadow mode, which compares everybody."
        ),
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 2}),
        help_text="What you want to find out. It is kept, for whoever asks later.",
    )

    def clean_app(self) -> App | None:
        """Return the app that was named, None for the site."""
        ref = self.cleaned_data["app"].strip()
        try:
            return tenants.find_app(ref) if ref else None
        except NotFound:
            raise forms.ValidationError("There is no such app. Leave it empty for the whole site.") from None

    def clean_sample(self) -> float:
        """Return the share that is compared, 0 to 1."""
        return float(self.cleaned_data["sample"] or 0) / 100


class CandidateForm(forms.Form):
    """A prompt version to try, and for how many."""

    version = forms.ChoiceField(required=False, label="Prompt version")
    share = PercentField(required=False, initial=10, label="Share in per cent")

    def __init__(self, *args: Any, versions: Sequence[PromptVersion] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.versions = {version.public_id: version for version in versions}
        offered = [(key, _offered(version)) for key, version in self.versions.items()]
        self.fields["version"].choices = [("", "Choose a version"), *offered]  # type: ignore[attr-defined]

    def candidate(self) -> Candidate | None:
        """Return what was chosen, None where nothing was."""
        version = self.versions.get(self.cleaned_data.get("version", ""))
        return Candidate(version, float(self.cleaned_data.get("share") or 0) / 100) if version else None


class GuardrailForm(forms.Form):
    """A limit that pauses an arm by itself."""

    measure = forms.ChoiceField(
        required=False, choices=[("", "None"), *((name, TITLES[name]) for name in guardrails.GUARDED)]
    )
    limit = forms.FloatField(required=False, widget=_NUMBER)
    relative = forms.ChoiceField(
        required=False, choices=[("", "as it is"), ("yes", "times the control's")], label="Counted"
    )

    def guardrail(self) -> dict[str, Any] | None:
        """Return the limit as the experiment keeps it, None where no measure was chosen."""
        given = self.cleaned_data
        if not given.get("measure"):
            return None
        return {"measure": given["measure"], "limit": given.get("limit"), "relative": given.get("relative") == "yes"}


CandidateForms = forms.formset_factory(CandidateForm, extra=1, max_num=MOST_CANDIDATES, absolute_max=MOST_CANDIDATES)
GuardrailForms = forms.formset_factory(GuardrailForm, extra=2, max_num=MOST_GUARDRAILS, absolute_max=MOST_GUARDRAILS)


@dataclass(frozen=True)
class Plan:
    """What the forms ask for, as ``lifecycle.create`` takes it; ``places`` are the candidates' rows in the form."""

    kind: str
    name: str
    reason: str
    candidates: list[Candidate]
    options: dict[str, Any]
    places: dict[str, list[int]]

    @property
    def digest(self) -> str:
        """What decides who falls where."""
        falls = [(str(item.version.pk), item.share) for item in self.candidates]
        app = self.options["app"]
        told = repr((self.kind, app and str(app.pk), falls, self.options["mode"], self.options["sample"]))
        return hashlib.sha256(told.encode()).hexdigest()


class SetUp(Page):
    """One form with its preview. Nothing is kept, and nobody moves, before a draft is made and then started."""

    name = "set-up"
    title = "Set up an experiment"
    permission = "reasoning.run_experiments"
    template = "admin/reasoning/experiment/set_up.html"

    class Media:
        css = {"all": ["reasoning/experiments.css"]}
        js = ("reasoning/set_up.js",)

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Show the empty form, or one that begins with what a link names: an experiment or a prompt version."""
        initial, candidates, rails = _beginning(request)
        form = SetUpForm(initial=initial)
        app = App.objects.filter(name=initial.get("app", "")).first()
        versions, control = _versions(app, initial.get("kind", Subject.Kind.USER))
        return {
            "form": form,
            "candidates": CandidateForms(prefix="candidates", initial=candidates, form_kwargs={"versions": versions}),
            "guardrails": GuardrailForms(
                prefix="guardrails", initial=[{**rail, "relative": "yes" if rail["relative"] else ""} for rail in rails]
            ),
            "control": control,
            "apps": App.objects.order_by("-pk").values_list("name", flat=True)[:APPS_OFFERED],
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        """Show who would fall where, or make the draft that was shown."""
        sent = request.POST.copy()
        for rows, most in (("candidates", MOST_CANDIDATES), ("guardrails", MOST_GUARDRAILS)):
            if f"_more_{rows}" in sent:
                _add_row(sent, rows, most)
        form = SetUpForm(sent)
        form.full_clean()
        app = form.cleaned_data.get("app")
        versions, control = _versions(app, form.cleaned_data.get("kind", Subject.Kind.USER))
        candidates = CandidateForms(sent, prefix="candidates", form_kwargs={"versions": versions})
        rails = GuardrailForms(sent, prefix="guardrails")
        shown: dict[str, Any] = {"form": form, "candidates": candidates, "guardrails": rails, "control": control}
        if "_preview" not in sent and "_create" not in sent:
            _be_quiet(form, candidates, rails)
        elif form.is_valid() and candidates.is_valid() and rails.is_valid():
            plan = _plan(form, candidates, rails)
            try:
                answer = self._go_on(request, plan, sent)
            except Refusal as refusal:
                _add_refusal(refusal, plan, form, candidates, rails)
            else:
                if isinstance(answer, HttpResponse):
                    return answer
                shown |= answer
        return self.render(request, **shown)

    def _go_on(self, request: HttpRequest, plan: Plan, sent: QueryDict) -> HttpResponse | dict[str, Any]:
        """Make the draft where what is sent is what was shown; else return what the preview shows."""
        known = _shown_before(sent.get("shown", ""))
        asked = "_create" in sent
        if asked and known.get("plan") == plan.digest:
            by, reason = request.user.get_username(), plan.reason
            made = lifecycle.create(
                plan.kind, plan.name, plan.candidates, salt=known["salt"], by=by, reason=reason, **plan.options
            )
            messages.success(request, f"“{made}” is a draft: nothing changes before you start it.")
            return HttpResponseRedirect(page_url(made, self.model_admin.admin_site.name))
        salt = known.get("salt", "") if known.get("kind") == plan.kind else ""
        experiment, arms = lifecycle.drafted(plan.kind, plan.name, plan.candidates, salt=salt, **plan.options)
        token = {"plan": plan.digest, "salt": experiment.salt, "kind": plan.kind}
        return {
            "falls": falling.who(experiment, arms),
            "sampled": experiment.sample / BUCKETS,
            "shown": signing.dumps(token, salt=_SALT),
            "changed": asked,
            "left_out": [] if experiment.app else list(falling.left_out(plan.kind)[: LEFT_OUT_SHOWN + 1]),
            "left_out_shown": LEFT_OUT_SHOWN,
        }


def _offered(version: PromptVersion) -> str:
    return f"{prompt_versions.name_of(version)}: {' '.join(version.message.split())[:80]}"


def _versions(app: App | None, kind: str) -> tuple[list[PromptVersion], PromptVersion | None]:
    """Return the versions that may be tried, newest first, and the one that is live: the control."""
    control = labels.live(app.pk, kind) if app else labels.pointed(labels.Name.LIVE, None, kind)
    known = prompt_versions.known_to(app).filter(kind=kind).defer("instructions")
    return list((known.exclude(pk=control.pk) if control else known)[:OFFERED]), control


def _beginning(request: HttpRequest) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the form begins with: what ``from`` (an experiment) or ``version`` (to be tried) was."""
    experiments = Experiment.objects.select_related("app").prefetch_related("arms__version")
    like = _named(experiments, request.GET.get("from", ""))
    if like is not None:
        initial = {
            "app": like.app.name if like.app else "",
            "kind": like.kind,
            "mode": like.mode,
            "sample": like.sample * 100 / BUCKETS,
        }
        arms = [{"version": arm.version.public_id, "share": arm.share * 100} for arm in like.arms.all()]
        return initial, arms, like.guardrails
    version = _named(PromptVersion.objects.select_related("app"), request.GET.get("version", ""))
    if version is not None:
        initial = {"app": version.app.name if version.app else "", "kind": version.kind}
        return initial, [{"version": version.public_id, "share": 10}], []
    kind = request.GET.get("kind", "")
    return {"app": request.GET.get("app", ""), **({"kind": kind} if kind in Subject.Kind.values else {})}, [], []


def _named(rows: QuerySet[M], ref: str) -> M | None:
    key = ids.decode(ref)
    return rows.filter(pk=key).first() if key else None


def _add_row(sent: QueryDict, rows: str, most: int) -> None:
    """Let the form come back with one more row."""
    count = sent.get(f"{rows}-TOTAL_FORMS", "")
    sent[f"{rows}-TOTAL_FORMS"] = str(min(int(count) + 1 if count.isdecimal() else 1, most))


def _be_quiet(*given: Any) -> None:
    """Drop what is wrong with forms that were not sent to be judged: somebody is still at them."""
    for form in given:
        for each in getattr(form, "forms", [form]):
            each.full_clean()
            each.errors.clear()


def _plan(form: SetUpForm, candidates: Any, rails: Any) -> Plan:
    given = form.cleaned_data
    tried = [(place, row.candidate()) for place, row in enumerate(candidates.forms)]
    guarded = [(place, row.guardrail()) for place, row in enumerate(rails.forms)]
    shadow = given["mode"] == Experiment.Mode.SHADOW
    return Plan(
        kind=given["kind"],
        name=given["name"],
        reason=given["reason"],
        candidates=[item for _, item in tried if item],
        options={
            "app": given["app"],
            "mode": given["mode"],
            "sample": 0.0 if shadow else given["sample"],
            "guarded": [item for _, item in guarded if item],
        },
        places={
            "candidates": [place for place, item in tried if item],
            "guardrails": [place for place, item in guarded if item],
        },
    )


def _shown_before(token: str) -> dict[str, str]:
    """Return what the last preview was of; nothing where there was none, or somebody else made it up."""
    try:
        found: dict[str, str] = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return {}
    return found


def _add_refusal(refusal: Refusal, plan: Plan, form: SetUpForm, candidates: Any, rails: Any) -> None:
    """Say what was refused at the field that it is about."""
    where = refusal.where if isinstance(refusal, Invalid) else ()
    target, field = form, str(where[0]) if where else None
    if len(where) > 1 and where[0] in plan.places:
        row = plan.places[str(where[0])][int(where[1])]
        target, field = {"candidates": candidates, "guardrails": rails}[str(where[0])].forms[row], str(where[-1])
    target.add_error(field if field in target.fields else None, refusal.message)
