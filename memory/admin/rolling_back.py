"""Taking the readers of one subject back to an earlier version."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from memory import restoring
from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.outcomes import preview_of
from memory.models import Representation, Subject
from memory.restoring import Onward

THEN = [
    (Onward.STAY.value, "They stay read: what was concluded from them since is gone"),
    (Onward.REASON_AGAIN.value, "They are read again, going on from that version"),
]


class RollBackForm(ReasonForm):
    """What becomes of the events since, and why."""

    then = forms.ChoiceField(
        label="Events read since",
        choices=THEN,
        widget=forms.RadioSelect(attrs={"class": "radiolist"}),
        initial=Onward.STAY.value,
    )
    field_order = ("then", "reason")


class RollBack(Act):
    """Give readers a new version that says what an earlier one said, but for what humans have said since."""

    name = "roll-back"
    verb = "Roll back to here"
    permission = "memory.roll_back_versions"
    form_class = RollBackForm

    def needs(self, request: HttpRequest, obj: Representation) -> bool:
        """Readers can be taken to any published version but the one that they get."""
        return obj.status == Representation.Status.PUBLISHED and obj.pk != obj.subject.current_id

    def about(self, obj: Representation) -> str:
        """Say what it does."""
        return (
            f"Readers get a new version that says what version {obj.number} said, but for what humans have said since. "
            "Nothing is lost: the versions between stay, and this can be undone."
        )

    def preview(self, obj: Representation, data: dict[str, Any]) -> Preview:
        """Show what readers would get."""
        subject = obj.subject
        events = max(subject.current.covers_to - obj.covers_to, 0) if subject.current else 0
        again = data["then"] == Onward.REASON_AGAIN
        lines = [(
            "Events read since",
            f"{events:,} {'are read again' if again else 'stay read'}" if events else "none",
        )]  # fmt: skip
        return preview_of(subject, lambda: self._roll_back(obj, data, ""), lines)

    def perform(self, obj: Representation, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Roll back, as the API does."""
        before = Subject.objects.values_list("current", flat=True).get(pk=obj.subject_id)
        made = self._roll_back(obj, data, by)
        site = self.model_admin.admin_site.name
        undo = reverse("admin:memory_representation_roll-back", args=[before], current_app=site) if before else None
        return Done(
            message=f"Readers get version {made.number}, which says what version {obj.number} said.",
            undo=("undo: go back to what they got before", undo) if undo else None,
            made=[
                (
                    f"version {made.number}",
                    reverse("admin:memory_representation_change", args=[made.pk], current_app=site),
                )
            ],
            url=reverse("admin:memory_subject_change", args=[obj.subject_id], current_app=site),
        )

    def _roll_back(self, obj: Representation, data: dict[str, Any], by: str) -> Representation:
        return restoring.roll_back(obj.subject, obj.number, reason=data["reason"], by=by, then=Onward(data["then"]))
