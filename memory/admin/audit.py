"""Who did what, when and why: one list of all acts, which nobody can edit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, QueryDict

from memory import audit, ids
from memory.admin.base import ReadOnlyAdmin
from memory.admin.links import may_view, page_url
from memory.admin.pages import Page
from memory.models import ApiKey, Audit

SHOWN = 50

_KEY = "key "
"""How the name of somebody begins who came with an API key; its id follows."""


@dataclass(frozen=True, slots=True)
class Named:
    """What an entry names, as far as it may be shown: what it is, its name (or id), and where its page is."""

    what: str
    text: str
    url: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as the list shows it."""

    row: Audit
    who: Named
    obj: Named | None
    changes: list[tuple[str, str, str]]
    """What it was about: a name, and its value before and after; empty where there was none."""


class AuditForm(forms.Form):
    """Which acts to show."""

    by = forms.CharField(
        label="Who", required=False, max_length=audit.BY_LENGTH, widget=forms.TextInput(attrs={"list": "audit-people"})
    )
    act = forms.ChoiceField(label="Did what", required=False)
    id = forms.CharField(
        label="To what", required=False, max_length=64, widget=forms.TextInput(attrs={"placeholder": "an id"})
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    kind = forms.CharField(required=False, widget=forms.HiddenInput)
    subject = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, acts: Sequence[str]) -> None:
        super().__init__(data)
        chosen = data.get("act", "")
        offered = sorted({*acts, chosen} - {""})
        self.fields["act"].choices = [("", "anything"), *((act, act) for act in offered)]  # type: ignore[attr-defined]

    def clean_id(self) -> str:
        """Return the id as it is kept, whichever form it was given in."""
        given: str = self.cleaned_data["id"].strip()
        found = ids.decode(given)
        return given if found is None else str(found)

    def asked(self) -> dict[str, Any]:
        """Return what :func:`memory.audit.entries` is asked for; a field that is wrong asks for nothing."""
        self.is_valid()
        given = self.cleaned_data
        until = given.get("until")
        kind, object_id = given.get("kind", ""), given.get("id", "")
        return {
            "by": given.get("by", ""),
            "act": given.get("act", ""),
            "kind": kind,
            "object_id": object_id,
            "subject_id": given.get("subject"),
            "since": given.get("since") and _midnight(given["since"]),
            "until": until and _midnight(until + timedelta(days=1)),
        }


class AuditPage(Page):
    """The list of all acts, by day."""

    name, title, permission = "log", "Audit", "memory.view_audit"
    template = "admin/memory/audit/list.html"

    class Media:
        css = {"all": ["memory/audit.css"]}

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the entries that are asked for, by day, and where older ones are."""
        form = AuditForm(request.GET, audit.names("act"))
        found = audit.entries(**form.asked(), before=_entry(request.GET.get("before", "")))
        rows = list(found[: SHOWN + 1])
        shown = shown_entries(request, rows[:SHOWN])
        asked = {name: str(value) for name, value in request.GET.items() if value and name != "before"}
        older = urlencode(asked | {"before": str(rows[SHOWN - 1].pk)}) if len(rows) > SHOWN else ""
        return {
            "form": form,
            "people": audit.names("by"),
            "days": [(day, list(entries)) for day, entries in groupby(shown, key=lambda one: _day(one.row))],
            "older": older,
            "newest": urlencode(asked) if "before" in request.GET else None,
            "asked": asked,
            "about": self._about(request, asked),
        }

    def _about(self, request: HttpRequest, asked: dict[str, str]) -> Named | None:
        """Return the one row that the list was narrowed to by a link."""
        kind, key = ("memory.subject", asked["subject"]) if "subject" in asked else (asked.get("kind"), asked.get("id"))
        if not kind or not key:
            return None
        return _named(request, [Audit(kind=kind, object_id=key)]).get((kind, key))


@admin.register(Audit)
class AuditAdmin(ReadOnlyAdmin[Audit]):
    """All acts, newest first."""

    page_related = ("app",)
    change_form_template = "admin/memory/audit/change_form.html"

    class Media:
        css = {"all": ["memory/audit.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list of this module instead of Django's."""
        return AuditPage(self).view(request)

    def detail(self, request: HttpRequest, row: Audit) -> dict[str, Any]:
        """Show one entry."""
        return {"entry": shown_entries(request, [row])[0], "subtitle": str(row)}


def shown_entries(request: HttpRequest, rows: Sequence[Audit]) -> list[Shown]:
    """Return entries with the names of what they name; a query for each kind of it."""
    named = _named(request, rows)
    keys = _keys(request, rows)
    return [
        Shown(
            row=row,
            who=keys.get(row.by) or Named("", row.by or "nobody known"),
            obj=named.get((row.kind, row.object_id)),
            changes=_changes(row),
        )
        for row in rows
    ]


def _named(request: HttpRequest, rows: Sequence[Audit]) -> dict[tuple[str, str], Named]:
    """Return by kind and id what entries were about."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.kind:
            wanted[row.kind].add(row.object_id)
    return {(kind, key): one for kind, keys in wanted.items() for key, one in _of_kind(request, kind, keys).items()}


def _of_kind(request: HttpRequest, kind: str, keys: set[str]) -> dict[str, Named]:
    try:
        model = apps.get_model(kind)
    except (LookupError, ValueError):
        return {key: Named(kind, key) for key in keys}
    what = str(model._meta.verbose_name)
    if not may_view(request, model):
        return {key: Named(what, _short(key)) for key in keys}
    rows = model._default_manager.filter(pk__in=_known(model, keys))
    page = admin.site._registry.get(model)
    related = getattr(page, "page_related", ())
    found = {str(row.pk): row for row in (rows.select_related(*related) if related else rows)}
    return {
        key: Named(what, str(row), page_url(row)) if (row := found.get(key)) else Named(what, _short(key), gone=True)
        for key in keys
    }


def _keys(request: HttpRequest, rows: Sequence[Audit]) -> dict[str, Named]:
    """Return by whom something was done the API keys that it was done with."""
    wanted = {row.by: pk for row in rows if row.by.startswith(_KEY) and (pk := ids.decode(row.by[len(_KEY) :]))}
    if not wanted or not may_view(request, ApiKey):
        return {}
    found = ApiKey.objects.in_bulk(list(wanted.values()))
    return {by: Named("API key", found[pk].name, page_url(found[pk])) for by, pk in wanted.items() if pk in found}


def _known(model: type[Model], keys: set[str]) -> list[Any]:
    """Return the keys that can be those of a model."""
    field, known = model._meta.pk, []
    for key in keys:
        try:
            known.append(field.to_python(key))
        except ValidationError:
            continue
    return known


def _changes(row: Audit) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*row.before, *row.after])
    said = ((name.replace("_", " "), _said(row.before.get(name)), _said(row.after.get(name))) for name in names)
    return [change for change in said if change[1] or change[2]]


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "" if value is None else str(value)


def _short(key: str) -> str:
    try:
        return ids.encode(UUID(key))
    except ValueError:
        return key


def _entry(key: str) -> Audit | None:
    try:
        return Audit.objects.filter(pk=UUID(key)).first() if key else None
    except ValueError:
        return None


def _day(row: Audit) -> datetime:
    return _midnight(row.created_at.astimezone(UTC).date())


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), UTC)
