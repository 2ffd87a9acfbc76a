"""Proposals: what one operator wants to promote, shown to another as it would be done now, to be decided about."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString

from memory import proposals
from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.base import ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, page_url, when
from memory.admin.permissions import allowed
from memory.errors import Conflict
from memory.models import Proposal

_REASON_KEPT = 1_700
"""So much of a long reason goes with the act, so that who proposed it has room; the proposal has all of it."""


class OptionalReasonForm(ReasonForm):
    """A word to it, if there is one to say."""

    reason = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}), label="Remark"
    )


class _Decision(Act):
    """What is decided about a proposal; by whoever may do what is proposed, and has not proposed it."""

    permission = "memory.view_proposal"

    def may(self, request: HttpRequest, obj: Proposal) -> bool:
        """Whoever may do the act itself."""
        act = self.proposed(obj)
        return act is not None and allowed(request, act.permission)

    def needs(self, request: HttpRequest, obj: Proposal) -> bool:
        """Only what is open, and somebody else's."""
        return obj.state == Proposal.State.OPEN and obj.by != request.user.get_username()

    def proposed(self, obj: Proposal) -> Act | None:
        """Return the act that is proposed, None where this site does not know it."""
        try:
            model_admin = self.model_admin.admin_site.get_model_admin(apps.get_model(obj.kind))
        except (LookupError, NotRegistered):
            return None
        found = [act for act in getattr(model_admin, "acts", ()) if act.name == obj.act]
        return found[0](model_admin) if found else None

    def filled_in(self, obj: Proposal) -> tuple[Act, Any, dict[str, Any]]:
        """Return the proposed act, what it is to be done to, and the data of its form.

        Raises :class:`Conflict` where it cannot be done any more.
        """
        act = self.proposed(obj)
        target = None if act is None else act.model_admin.model._default_manager.filter(pk=obj.object_id).first()
        if act is None or target is None:
            raise Conflict(f"{obj.what} is not there any more.")
        given = QueryDict(mutable=True)
        for name, values in obj.data.items():
            given.setlist(name, values)
        given["reason"] = f"{obj.reason[:_REASON_KEPT]} (proposed by {obj.by})"
        form = act.form(target, given)
        if not form.is_valid():
            problems = " ".join(f"{name}: {text}" for name, texts in form.errors.items() for text in texts)
            raise Conflict(f"It cannot be done as it was proposed any more. {problems}")
        return act, target, form.cleaned_data


class Confirm(_Decision):
    """Let what was proposed be done."""

    name, verb, form_class, preview_first = "confirm", "Confirm", OptionalReasonForm, True

    def about(self, obj: Proposal) -> str:
        """Say what it is to confirm."""
        return f"{obj.by} proposes this; it is done as soon as you confirm it. You see what would come of it now."

    def preview(self, obj: Proposal, data: dict[str, Any]) -> Preview:
        """Show what would come of it now."""
        act, target, filled_in = self.filled_in(obj)
        one = act.preview(target, filled_in)
        lines = [("Proposed by", obj.by), ("Because", obj.reason), *one.lines]
        return Preview(lines=lines, diffs=one.diffs, warning=one.warning, token=one.digest)

    def perform(self, obj: Proposal, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Confirm and do it at once."""
        act, target, filled_in = self.filled_in(obj)

        def do() -> Done:
            return act.perform(target, filled_in, by, act.preview(target, filled_in))

        done = proposals.confirm(obj, do, by=by, reason=data["reason"])
        return Done(message=f"Confirmed. {done.message}", undo=done.undo, made=done.made)


class Decline(_Decision):
    """Let it not be done."""

    name, verb = "decline", "Decline"

    def preview(self, obj: Proposal, data: dict[str, Any]) -> Preview:
        """Say what comes of it."""
        return Preview(lines=[("Proposed by", obj.by), ("Because", obj.reason), ("Then", "nothing is done")])

    def perform(self, obj: Proposal, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Decline it."""
        proposals.decline(obj, by=by, reason=data["reason"])
        return Done(message="Declined: nothing was done.")


class Withdraw(_Decision):
    """Take back what one has proposed."""

    name, verb, form_class, preview_first = "withdraw", "Withdraw", OptionalReasonForm, True

    def may(self, request: HttpRequest, obj: Proposal) -> bool:
        """Whoever has made it."""
        return obj.by == request.user.get_username()

    def needs(self, request: HttpRequest, obj: Proposal) -> bool:
        """Only what is open."""
        return obj.state == Proposal.State.OPEN

    def preview(self, obj: Proposal, data: dict[str, Any]) -> Preview:
        """Say what comes of it."""
        return Preview(lines=[("You proposed", str(obj)), ("Then", "nothing is done")])

    def perform(self, obj: Proposal, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Withdraw it."""
        proposals.withdraw(obj, by=by, reason=data["reason"])
        return Done(message="Withdrawn: nothing was done.")


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin[Proposal]):
    """What waits for a second person, and what was decided."""

    list_display = ("label", "state", "by", "made_at", "decided", "app_link")
    list_display_links = ("label",)
    list_select_related = ("app",)
    list_filter = ("state", AppFilter)
    ordering = ("-pk",)
    sortable_by = ()
    page_related = ("app",)
    acts = (Confirm, Decline, Withdraw)
    change_form_template = "admin/memory/proposal/change_form.html"

    @admin.display(description="proposal")
    def label(self, row: Proposal) -> str:
        """Show what is proposed."""
        return str(row)

    @admin.display(description="decided")
    def decided(self, row: Proposal) -> str:
        """Show who decided, and when."""
        return f"{row.decided_by}, {when(row.decided_at)}" if row.decided_by else "–"

    @admin.display(description="app")
    def app_link(self, row: Proposal) -> SafeString | str:
        """Link to the app, if it is not the site's."""
        return link(row.app) if row.app else "the site"

    def detail(self, request: HttpRequest, row: Proposal) -> dict[str, Any]:
        """Show what it is about, and what is asked of whoever looks."""
        try:
            target = apps.get_model(row.kind)(pk=row.object_id)
        except LookupError:
            target = None
        return {
            "subtitle": str(row),
            "target_url": page_url(target, self.admin_site.name) if target is not None else "",
            "mine": row.by == request.user.get_username(),
            "given": [(name, ", ".join(map(str, values))) for name, values in row.data.items() if any(values)],
        }
