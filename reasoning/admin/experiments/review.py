"""Blind review: which of two versions of one subject is better, asked before it is told which arm made which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from memory import ids, worddiff
from memory.admin.pages import Page
from memory.admin.permissions import demand
from memory.errors import Refusal
from memory.models import Representation, Subject
from memory.worddiff import Piece
from reasoning.experiments import pairwise
from reasoning.experiments.pairwise import Revealed, Shown
from reasoning.models import Arm, Comparison, Experiment

SAMPLES = 10

Marked = list[tuple[bool, str]]
"""Parts of a text, with whether the other text has none such."""


class ChoiceForm(forms.Form):
    """The verdict on a pair."""

    subject = forms.CharField(widget=forms.HiddenInput)
    covers_to = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    choice = forms.ChoiceField(choices=[(choice, choice) for choice in pairwise.CHOICES])
    reason = forms.CharField(
        required=False,
        max_length=pairwise.REASON_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        label="Why, if you want to say",
    )

    def clean_subject(self) -> UUID:
        """Return the subject's id."""
        key = ids.decode(self.cleaned_data["subject"])
        if key is None:
            raise forms.ValidationError("There is no such subject.")
        return key


class Review(Page):
    """Pair after pair. Which side an arm stands on is decided by a hash of the reviewer and the two versions."""

    name = "review"
    title = "Blind review"
    permission = "reasoning.run_experiments"
    template = "admin/reasoning/experiment/review.html"

    class Media:
        css = {"all": ["reasoning/experiments.css"]}
        js = ("reasoning/review.js",)

    def context(self, request: HttpRequest, experiment: Experiment) -> dict[str, Any]:
        """Show the next pair, and what the last one was."""
        demand(request, "memory.view_representation")
        arms, by = _arms(experiment), request.user.get_username()
        after = ids.decode(request.GET.get("after", ""))
        pair = pairwise.next_pair(arms, by, after=after)
        return {
            "pair": pair,
            "subject": _subject(pair) if pair else None,
            "sides": _sides(pair.first, pair.second) if pair else None,
            "form": ChoiceForm(initial={"subject": ids.encode(pair.subject_id), "covers_to": pair.covers_to})
            if pair
            else None,
            "skip": f"?{urlencode({'after': ids.encode(pair.subject_id)})}" if pair else "",
            "skipped": after is not None,
            "judged": Comparison.objects.filter(arm__in=arms, by=by).count(),
            "last": self._last(request, arms, by),
            "shadow": experiment.mode == Experiment.Mode.SHADOW,
        }

    def post(self, request: HttpRequest, experiment: Experiment) -> HttpResponse:
        """Keep a verdict and go on to the next pair."""
        demand(request, "memory.view_representation")
        form = ChoiceForm(request.POST)
        onward: dict[str, str] = {}
        if not form.is_valid():
            messages.error(request, "That was no verdict: choose A, B or neither.")
            return HttpResponseRedirect(self.url(experiment))
        given = form.cleaned_data
        try:
            kept = pairwise.choose(
                _arms(experiment), given["subject"], given["covers_to"], given["choice"],
                by=request.user.get_username(), reason=given["reason"],
            )  # fmt: skip
            onward["judged"] = kept.public_id
        except Refusal as refusal:
            messages.warning(request, refusal.message)
        if skipped := ids.decode(request.GET.get("after", "")):
            onward["after"] = ids.encode(skipped)
        return HttpResponseRedirect(f"{self.url(experiment)}?{urlencode(onward)}")

    def _last(self, request: HttpRequest, arms: list[Arm], by: str) -> Revealed | None:
        """Return what the pair was that was just judged: it is told to its reviewer alone."""
        key = ids.decode(request.GET.get("judged", ""))
        kept = Comparison.objects.filter(pk=key, arm__in=arms, by=by).first() if key else None
        return None if kept is None else pairwise.revealed(kept)


class Samples(Page):
    """The same subjects by both arms, side by side."""

    name = "samples"
    title = "Samples of both"
    permission = ("reasoning.view_experiment", "reasoning.run_experiments")
    template = "admin/reasoning/experiment/samples.html"

    class Media:
        css = {"all": ["reasoning/experiments.css"]}

    def context(self, request: HttpRequest, experiment: Experiment) -> dict[str, Any]:
        """Show some pairs; those that whoever asks has not judged yet are folded, so that a review stays blind."""
        demand(request, "memory.view_representation")
        arms, by = _arms(experiment), request.user.get_username()
        found = pairwise.pairs(arms, SAMPLES, by=by)
        versions = Representation.objects.in_bulk([pk for pair in found for pk in (pair.control_id, pair.candidate_id)])
        rows = Subject.objects.select_related("user", "observer", "session", "project")
        subjects = rows.in_bulk([pair.subject_id for pair in found])
        judged = {
            (kept.control_id, kept.candidate_id): kept.choice
            for kept in Comparison.objects.filter(by=by, control__in=[pair.control_id for pair in found])
        }
        named = {arm.pk: arm for arm in arms}
        samples = [
            {
                "subject": subjects[pair.subject_id],
                "arm": named[pair.arm_id],
                "verdict": judged.get((pair.control_id, pair.candidate_id), ""),
                "control": versions[pair.control_id],
                "candidate": versions[pair.candidate_id],
                "sides": _sides(versions[pair.control_id], versions[pair.candidate_id]),
            }
            for pair in found
        ]
        return {"samples": samples, "control": experiment.control}


def _arms(experiment: Experiment) -> list[Arm]:
    """Return the arms of an experiment; none of a draft, which has made nothing."""
    if experiment.started_at is None:
        return []
    return list(experiment.arms.select_related("version", "experiment__control").order_by("pk"))


def _subject(pair: Shown) -> Subject:
    rows = Subject.objects.select_related("app", "user", "observer", "session", "project")
    return rows.get(pk=pair.subject_id)


def _sides(first: Representation, second: Representation) -> tuple[Marked, Marked]:
    """Return both texts, with what only one of them says marked."""
    pieces = worddiff.words(first.text, second.text)
    return _side(pieces, "removed"), _side(pieces, "added")


def _side(pieces: Sequence[Piece], own: str) -> Marked:
    """Return one of two texts; the white space after what is marked is not."""
    side: Marked = []
    for act, text in pieces:
        if act == own:
            side += [(True, text.rstrip()), (False, text[len(text.rstrip()) :])]
        elif act == "same":
            side.append((False, text))
    return [part for part in side if part[1]]
