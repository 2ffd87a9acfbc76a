"""Links from one admin page to another."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from memory import audit
from memory.models import Audit, Subject


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the admin shows this model to this user."""
    label, name = model._meta.app_label, model._meta.model_name
    return request.user.has_perm(f"{label}.view_{name}") or request.user.has_perm(f"{label}.change_{name}")


def page_url(row: Model, site: str = "admin") -> str:
    """Return the address of a row's page; empty where the site has none for its model."""
    meta = row._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(row.pk)], current_app=site)
    except NoReverseMatch:
        return ""


def list_url(model: type[Model], site: str = "admin", **filters: Any) -> str:
    """Return the address of a model's list with these filters; empty where the site has none."""
    meta = model._meta
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist", current_app=site)
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(filters)}" if filters else url


def audit_url(request: HttpRequest, row: Model, site: str = "admin") -> str:
    """Return where it is shown what was done to a row; empty for who may not see it."""
    if isinstance(row, Audit) or not may_view(request, Audit):
        return ""
    if isinstance(row, Subject):
        return list_url(Audit, site, subject=row.pk)
    return list_url(Audit, site, kind=audit.kind_of(type(row)), id=row.pk)


def when(value: datetime | None, seconds: bool = False) -> str:
    """Return a moment in the short form that columns of lists have room for."""
    if value is None:
        return "–"
    return date_format(timezone.localtime(value), "Y-m-d H:i:s" if seconds else "Y-m-d H:i")


def link(row: Model | None, text: object = None) -> SafeString | str:
    """Return a link to a row's page, for a column of a list."""
    if row is None:
        return "–"
    shown = str(row) if text is None else str(text)
    url = page_url(row)
    return format_html('<a href="{}">{}</a>', url, shown) if url else shown
