"""Apps, users, projects and sessions: made through the domain's functions; names stay, metadata may change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Model, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import audit, tenants, validation
from memory.admin.base import CappedCount, HonchoAdmin, M
from memory.admin.conversation import Conversation
from memory.admin.erasing import Erase
from memory.admin.filters import AppFilter, ChosenOwner, ChosenParticipant, ChosenProject
from memory.admin.links import link
from memory.conf import MemorySettings
from memory.errors import Refusal
from memory.models import App, Participant, Project, Session, Subject, User

SHOWN = 20
WINDOW = 50_000
"""How many related rows a page lists; the rest is behind a link to the list."""


JSON_TEXT = forms.Textarea(attrs={"class": "vLargeTextField", "rows": 4})


class PrettyJSONField(forms.JSONField):
    """JSON as indented text."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text to edit; what was typed wrongly comes back as it was typed."""
        if isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2, cls=self.encoder)


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Refuses what the API would refuse."""

    def clean_name(self) -> str | None:
        """Check the name as the API does."""
        value = self.cleaned_data["name"]
        if not value:
            return None
        _or_form_error(lambda: validation.name(value, ("name",)))
        return str(value)

    def clean_metadata(self) -> dict[str, Any]:
        """Check that the metadata is an object that can be stored."""
        value: dict[str, Any] = {} if self.cleaned_data["metadata"] is None else self.cleaned_data["metadata"]
        _or_form_error(lambda: validation.metadata(value, ("metadata",), most=MemorySettings.load().data_bytes))
        return value

    def clean(self) -> dict[str, Any]:
        """Check that what a new row names belongs to its app."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        app = values.get("app")
        for part in ("owner", "project"):
            named = values.get(part)
            if app is not None and named is not None and named.app_id != app.pk:
                self.add_error(part, f"This {part} belongs to another app.")
        return values


class TenantAdmin(HonchoAdmin[M]):
    """What apps and their contents have in common."""

    form = TenantForm
    ordering = ("-pk",)
    sortable_by = ("name", "made_at")
    search_fields = ("name",)
    search_help_text = (
        "A part of the name, or an id. "
        f"Search, filters other than the app, and orders other than the newest first look at the newest {WINDOW:,}."
    )
    window = WINDOW
    indexed = {"app": "app"}
    formfield_overrides = {
        models.JSONField: {"form_class": PrettyJSONField, "widget": JSON_TEXT, "help_text": "A JSON object."}
    }
    acts = (Erase,)
    kept: tuple[str, ...] = ()
    """Fields that are given once."""

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> tuple[str, ...]:
        """Keep what is given once."""
        return () if obj is None else (*self.kept, "indented")

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        """Show metadata indented to who may not change it; a new session is active."""
        shown = [str(field) for field in self.fields or ()]
        if obj is None:
            return [name for name in shown if name != "is_active"]
        if self.has_change_permission(request, obj):
            return shown
        return [name if name != "metadata" else "indented" for name in shown]

    @admin.display(description="metadata")
    def indented(self, row: Any) -> SafeString:
        """Show the metadata as indented JSON."""
        return format_html("<pre>{}</pre>", json.dumps(row.metadata, ensure_ascii=False, indent=2))

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        """Make a row through the domain, with its subject; save a changed one.

        It is noted here: through the API apps, users and sessions come and change all the time.
        """
        by = request.user.get_username()
        if change:
            super().save_model(request, obj, form, change)
            audit.note(f"change {obj._meta.verbose_name}", obj, by=by, after={"changed": form.changed_data})
        else:
            obj.pk = self.make(obj).pk
            obj.refresh_from_db()
            audit.note(f"make {obj._meta.verbose_name}", obj, by=by)

    def make(self, row: M) -> Model:
        """Make what the form describes, by the domain's function."""
        raise NotImplementedError


@admin.register(App)
class AppAdmin(TenantAdmin[App]):
    """Tenants."""

    list_display = ("name", "made_at", "public_id")
    fields = ("name", "metadata")
    kept = ("name",)
    change_form_template = "admin/memory/app/change_form.html"

    def make(self, row: App) -> Model:
        """Make the app."""
        return tenants.make_app(row.name, row.metadata)[0]

    def detail(self, request: HttpRequest, row: App) -> dict[str, Any]:
        """Show its newest subjects."""
        return {"subjects": _joined(row.subjects.order_by("-pk"))[:SHOWN]}


@admin.register(User)
class UserAdmin(TenantAdmin[User]):
    """Who is remembered."""

    list_display = ("name", "app_link", "made_at", "public_id")
    list_select_related = ("app",)
    list_filter = (AppFilter,)
    autocomplete_fields = ("app",)
    fields = ("app", "name", "metadata")
    kept = ("app", "name")
    page_related = ("app",)
    change_form_template = "admin/memory/user/change_form.html"
    object_pages = (Conversation,)

    @admin.display(description="app")
    def app_link(self, row: User) -> SafeString | str:
        """Link to the app."""
        return link(row.app)

    def make(self, row: User) -> Model:
        """Make the user and the subject of their memory."""
        return tenants.make_user(row.app, row.name, row.metadata)[0]

    def detail(self, request: HttpRequest, row: User) -> dict[str, Any]:
        """Show what is known of them, who else observes them, and where they take part."""
        subjects = list(_joined(row.subjects.order_by("pk"))[: SHOWN + 1])
        own = next((subject for subject in subjects if subject.kind == Subject.Kind.USER), None)
        return {
            "subject": own,
            "observed": [subject for subject in subjects if subject is not own],
            "participations": row.participations.select_related("session").order_by("-pk")[:SHOWN],
        }


@admin.register(Project)
class ProjectAdmin(TenantAdmin[Project]):
    """Pieces of work that span sessions."""

    list_display = ("name", "app_link", "made_at", "public_id")
    list_select_related = ("app",)
    list_filter = (AppFilter,)
    autocomplete_fields = ("app",)
    fields = ("app", "name", "metadata")
    kept = ("app", "name")
    page_related = ("app",)
    change_form_template = "admin/memory/project/change_form.html"
    object_pages = (Conversation,)

    @admin.display(description="app")
    def app_link(self, row: Project) -> SafeString | str:
        """Link to the app."""
        return link(row.app)

    def make(self, row: Project) -> Model:
        """Make the project and its subject."""
        return tenants.make_project(row.app, row.name, row.metadata)[0]

    def detail(self, request: HttpRequest, row: Project) -> dict[str, Any]:
        """Show what is known of it and its newest sessions."""
        return {
            "subject": _joined(row.subjects.all()).first(),
            "sessions_shown": row.sessions.select_related("owner").order_by("-pk")[:SHOWN],
        }


@admin.register(Session)
class SessionAdmin(TenantAdmin[Session]):
    """Conversations."""

    list_display = ("label", "app_link", "owner_link", "taking_part", "is_active", "made_at")
    list_select_related = ("app", "owner")
    list_filter = (AppFilter, "is_active", ChosenOwner, ChosenParticipant, ChosenProject)
    indexed = {"app": "app", "owner": "owner", "project": "project", "participant": ""}
    autocomplete_fields = ("app", "owner", "project")
    fields = ("app", "owner", "project", "name", "is_active", "metadata")
    kept = ("app", "owner", "project", "name")
    page_related = ("app", "owner", "project")
    change_form_template = "admin/memory/session/change_form.html"
    object_pages = (Conversation,)

    def for_list(self, rows: QuerySet[Session]) -> QuerySet[Session]:
        """Count who takes part."""
        taking_part = Participant.objects.filter(session=OuterRef("pk")).values("pk")[:1001]
        return rows.annotate(participant_count=CappedCount(taking_part))

    @admin.display(description="name")
    def label(self, row: Session) -> str:
        """Show the name, or the id of one without."""
        return str(row)

    @admin.display(description="app")
    def app_link(self, row: Session) -> SafeString | str:
        """Link to the app."""
        return link(row.app)

    @admin.display(description="owner")
    def owner_link(self, row: Session) -> SafeString | str:
        """Link to the owner."""
        return link(row.owner)

    @admin.display(description="participants")
    def taking_part(self, row: Session) -> int:
        """Show how many take part."""
        count: int = getattr(row, "participant_count")  # noqa: B009 - an annotation
        return count

    def make(self, row: Session) -> Model:
        """Make the session; its owner takes part in it."""
        return tenants.make_session(row.app, row.owner, row.name, row.metadata, project=row.project)[0]

    def detail(self, request: HttpRequest, row: Session) -> dict[str, Any]:
        """Show who takes part and what is known of it."""
        taking_part = row.participations.select_related("user").order_by("pk")
        return {
            "subject": _joined(row.subjects.all()).first(),
            "participations": taking_part[: SHOWN * 5],
        }


def _joined(rows: QuerySet[Subject]) -> QuerySet[Subject]:
    """Return subjects with what a table or a fenced text of them shows."""
    return rows.select_related("user", "observer", "session", "project", "current")


def _or_form_error(check: Callable[[], object]) -> None:
    try:
        check()
    except Refusal as refusal:
        raise forms.ValidationError(refusal.message) from None
