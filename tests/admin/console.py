"""A site's own stock admin with a model of the store, a page of it and of its rows, and an act on them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

from memory import proposals
from memory.admin.acts import Act, Done, Preview, ReasonForm
from memory.admin.base import HonchoAdmin
from memory.admin.erasure import ErasureAdmin
from memory.admin.pages import Page
from memory.admin.proposals import ProposalAdmin
from memory.errors import Conflict, Invalid
from memory.models import App, Erasure, Proposal
from memory.worddiff import Diff


class Totals(Page):
    """A page of the model, which takes what is sent to it."""

    name, title, permission, template = (
        "totals",
        "Totals",
        ("memory.erase", "memory.view_app"),
        "admin/memory/test.html",
    )

    def context(self, request: Any) -> dict[str, Any]:
        """The number of apps."""
        return {"said": f"{App.objects.count()} apps"}

    def post(self, request: Any) -> HttpResponse:
        """Go back to the page."""
        return HttpResponseRedirect(self.url())


class Story(Page):
    """A page of a row."""

    name, title, permission, template = "story", "Story", "memory.view_app", "admin/memory/test.html"

    def context(self, request: Any, obj: App) -> dict[str, Any]:
        """What it is called."""
        return {"said": f"The story of {obj.name}"}


class RenameForm(ReasonForm):
    """A new name."""

    to = forms.CharField(max_length=50)
    field_order = ("to", "reason")


class Rename(Act):
    """Give an app another name."""

    name, verb, permission, form_class = "rename", "Rename", "memory.change_app", RenameForm
    bulk = "Rename selected apps"

    def needs(self, request: Any, obj: App) -> bool:
        """Some names stay."""
        return obj.name != "fixed"

    def about(self, obj: Any) -> str:
        """What it does."""
        return "An app can have another name."

    def preview(self, obj: App, data: dict[str, Any]) -> Preview:
        """The names now and then."""
        if data["to"] == "taken":
            raise Invalid("This name is taken.", ("to",))
        if data["to"] == "never":
            raise Conflict("Nobody is called so.")
        if obj.name == "held":
            raise Conflict("It is held.")
        warning = "It is short." if len(data["to"]) < 3 else ""
        diffs = [Diff("Name", obj.name, data["to"])]
        return Preview(lines=[("Now", obj.name), ("Then", data["to"])], diffs=diffs, warning=warning)

    def perform(self, obj: App, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Set it."""
        old = obj.name
        App.objects.filter(pk=obj.pk).update(name=f"{data['to']} {old} by {by}")
        return Done(
            message=f"<b>{old}</b> has another name.",
            undo=("Undo", f"{self.url(obj)}?to={old}"),
            made=[("The app", f"/admin/memory/app/{obj.pk}/change/")],
        )


class Bless(Rename):
    """Give it another name that two people agree about."""

    name, verb, four_eyes, bulk = "bless", "Bless", True, "Bless selected apps"

    @transaction.atomic
    def perform(self, obj: App, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Ask for the second person, as a function of the domain does."""
        proposals.demand(obj)
        return super().perform(obj, data, by, preview)


class AppAdmin(HonchoAdmin[App]):
    """Apps with everything that a page can have."""

    fields = ("metadata",)
    pages = (Totals,)
    object_pages = (Story,)
    acts = (Rename, Bless)
    change_form_template = "admin/memory/page.html"


site = admin.AdminSite()
site.register(App, AppAdmin)
site.register(Proposal, ProposalAdmin)
site.register(Erasure, ErasureAdmin)  # a section of an app's page leads there
urlpatterns = [path("admin/", site.urls)]
