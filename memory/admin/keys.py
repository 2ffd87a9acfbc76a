"""API keys: made here and shown once, listed by prefix, revoked; never edited, never deleted."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import keys
from memory.admin import once
from memory.admin.acts import Act, Done, Preview
from memory.admin.base import HonchoAdmin
from memory.admin.filters import AppFilter, ChosenSession, ChosenUser
from memory.admin.links import link, list_url, when
from memory.conf import MemorySettings
from memory.errors import Conflict
from memory.models import ApiKey

OPENS = {
    ApiKey.Scope.OPERATOR: "Everything on this server, and what is done over apps. For operators' own scripts",
    ApiKey.Scope.APP: "One app and all that belongs to it",
    ApiKey.Scope.USER: "One user: their sessions, events and memory",
    ApiKey.Scope.SESSION: "One session",
    ApiKey.Scope.PROJECT: "One project",
    ApiKey.Scope.COLLECTION: "The documents of one collection",
}


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What a new key opens, and until when."""

    scope = forms.ChoiceField(
        choices=[(scope.value, words) for scope, words in OPENS.items()],
        widget=forms.RadioSelect(attrs={"class": "honcho-choices", "data-names": json.dumps(keys.NAMED)}),
    )

    class Meta:
        model = ApiKey
        fields = (
            "name", "scope", "app", "user", "session", "project", "collection", "read_only", "rate_per_minute",
            "expires_at",
        )  # fmt: skip
        help_texts = {
            "name": "What it is for, and where it lives: “invoice bot, production”.",
            "collection": "Its id.",
            "read_only": "It may read, and write nothing.",
            "expires_at": "In UTC. Empty: it holds until it is revoked.",
        }

    def clean(self) -> dict[str, Any]:
        """Check that the scope and what it names fit together."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        scope, app = values.get("scope"), values.get("app")
        if scope is None:
            return values
        for part in ("app", "user", "session", "project", "collection"):
            named = values.get(part)
            if part in keys.NAMED[scope] and named is None and part not in self.errors:
                self.add_error(part, f"A key of scope {scope} needs the {part}.")
            elif part not in keys.NAMED[scope] and named is not None:
                self.add_error(part, f"A key of scope {scope} names no {part}; leave it empty.")
            elif part != "app" and named is not None and app is not None and named.app_id != app.pk:
                self.add_error(part, f"This {part} belongs to another app.")
        if not 1 <= (values.get("rate_per_minute") or 1) <= keys.MOST_A_MINUTE:
            self.add_error("rate_per_minute", f"Give a number of 1 to {keys.MOST_A_MINUTE:,}.")
        if (expires_at := values.get("expires_at")) is not None and expires_at <= timezone.now():
            self.add_error("expires_at", "This lies in the past.")
        return values


class KeyState(admin.SimpleListFilter):
    """Keys that work, or that do not any more."""

    title, parameter_name = "state", "key_state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the states."""
        return [("works", "Works"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """Keep those in the chosen state."""
        over = Q(expires_at__isnull=False, expires_at__lte=Now())
        standing = Q(revoked_at=None)
        chosen = {"works": standing & ~over, "expired": standing & over, "revoked": ~standing}
        return queryset.filter(chosen[value]) if (value := self.value()) in chosen else queryset


class Revoke(Act):
    """End a key."""

    name, verb, permission, bulk = "revoke", "Revoke", "memory.change_apikey", "Revoke selected keys"

    def needs(self, request: HttpRequest, obj: ApiKey) -> bool:
        """Whether it can still open something."""
        return obj.revoked_at is None

    def about(self, obj: Any) -> str:
        """Say what it means."""
        seconds = MemorySettings.load().key_cache_seconds
        return (
            "A revoked key opens nothing any more, for good: whoever uses it needs another one. Every process refuses "
            f"it within {seconds:g} seconds. What was done with it stays."
        )

    def preview(self, obj: ApiKey, data: dict[str, Any]) -> Preview:
        """Say what it opens, and when it was last used. Raises :class:`memory.errors.Conflict` for an ended one."""
        if obj.revoked_at is not None:
            raise Conflict("It was revoked already.")
        return Preview(
            lines=[("Key", f"{obj.prefix}…"), ("Opens", opened(obj)), ("Last used", when(obj.last_used_at))],
            token=f"{obj.pk}",
        )

    def perform(self, obj: ApiKey, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Revoke it."""
        keys.revoke(obj, reason=data["reason"], by=by)
        return Done(message=f"The key {obj.name} is revoked.")


@admin.register(ApiKey)
class ApiKeyAdmin(HonchoAdmin[ApiKey]):
    """Who may call the agent API."""

    form = ApiKeyForm
    list_display = ("named", "opens", "state", "used", "expires")
    list_display_links = ("named",)
    list_select_related = ("app", "user", "session", "project", "collection")
    list_filter = (KeyState, "scope", AppFilter, ChosenUser, ChosenSession)
    search_fields = ("name", "prefix__startswith")
    untold = ("digest",)
    search_help_text = "A part of the name, or how the key begins."
    ordering = ("-pk",)
    sortable_by = ("named", "used", "expires")
    autocomplete_fields = ("app", "user", "session", "project")
    raw_id_fields = ("collection",)
    acts = (Revoke,)
    page_related = ("app", "user", "session", "project", "collection")
    change_form_template = "admin/memory/apikey/change_form.html"

    class Media:
        css = {"all": ["memory/forms.css"]}
        js = ["memory/keys.js"]

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """A key is never edited. To revoke one needs the permission to change it."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Show a form for a new key only; the hash is never shown."""
        if obj is not None:
            return [(None, {"fields": ()})]
        return [
            (None, {"fields": ("name",)}),
            ("What it opens", {"fields": ("scope", "app", "user", "session", "project", "collection")}),
            ("Limits", {"fields": ("read_only", "rate_per_minute", "expires_at")}),
        ]

    @admin.display(description="key", ordering="name")
    def named(self, row: ApiKey) -> SafeString:
        """Show what it is for, and below how it begins and when it was made."""
        made = f"{row.prefix}… · made {when(row.created_at)}{f' by {row.created_by}' if row.created_by else ''}"
        return format_html('{}<div class="honcho-meta">{}</div>', row.name, made)

    @admin.display(description="opens")
    def opens(self, row: ApiKey) -> SafeString:
        """Link to what it opens."""
        thing = _thing(row)
        shown = "everything" if thing is None else link(thing)
        beside = f"{row.get_scope_display().lower()}{', read only' if row.read_only else ''}"
        return format_html('{}<div class="honcho-meta">{}</div>', shown, beside)

    @admin.display(description="state")
    def state(self, row: ApiKey) -> SafeString:
        """Show whether it works."""
        said = state(row)
        return format_html(
            '<span class="honcho-badge {}">{}</span>', "honcho-good" if said == "works" else "honcho-bad", said
        )

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, row: ApiKey) -> str:
        """Show when it was last used."""
        return when(row.last_used_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, row: ApiKey) -> str:
        """Show until when it works."""
        return when(row.expires_at)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make the key; it is kept for the answer to this request and nowhere else."""
        given = {name: form.cleaned_data[name] for name in ApiKeyForm.Meta.fields if name not in ("name", "scope")}
        made, key = keys.create(obj.name, obj.scope, **given, created_by=request.user.get_username())
        obj.pk, obj.prefix = made.pk, made.prefix
        request.honcho_key = key  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once: it is in this answer, not in a message that a cookie or session would hold."""
        shown = once.Once(
            what="this key",
            why="It is shown only this once: what is kept is a hash, from which nobody can tell the key.",
            id="made-key",
            text=request.honcho_key,  # type: ignore[attr-defined]
            back=list_url(ApiKey, self.admin_site.name),
            leads_to="Back to the keys",
            facts=[("Name", obj.name), ("Opens", opened(obj)), ("Until", until(obj))],
        )
        return once.answer(self, request, "API key made", shown)

    def detail(self, request: HttpRequest, row: ApiKey) -> dict[str, Any]:
        """Show whether it works."""
        return {"state": state(row)}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one way to save: it leads to the page that shows the key."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)


def opened(row: ApiKey) -> str:
    """Say in words what a key opens."""
    thing = _thing(row)
    what = "everything on this server" if thing is None else f"the {row.scope} {thing}"
    return f"{what}{', to read only' if row.read_only else ''}"


def _thing(row: ApiKey) -> Model | None:
    return row.collection or row.project or row.session or row.user or row.app


def until(row: ApiKey) -> str:
    """Say until when a key holds."""
    return "it is revoked" if row.expires_at is None else f"{when(row.expires_at)} UTC, or it is revoked"


def state(row: ApiKey) -> str:
    """Say whether a key works."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= timezone.now():
        return "expired"
    return "works"
