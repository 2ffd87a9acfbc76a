"""Tags for admin pages: links that know what the user may see, times, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.apps import apps
from django.db.models import Model
from django.db.models.options import Options
from django.template import Context
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst

from memory.admin import links, menu
from memory.models import Representation

register = template.Library()


@register.simple_tag(takes_context=True)
def to(context: Context, row: Model | None, text: object = None, words: int = 0) -> SafeString | str:
    """Link to a row's page; plain text for a user who may not see it, a dash where there is no row."""
    if row is None:
        return "–"
    shown = str(row) if text is None else str(text)
    if words:
        shown = Truncator(shown).words(words)
    request = context["request"]
    url = links.page_url(row, getattr(request, "current_app", "admin"))
    if not url or not links.may_view(request, type(row)):
        return shown
    return format_html('<a href="{}">{}</a>', url, shown)


@register.simple_tag(takes_context=True)
def to_version(context: Context, version: Representation | None) -> SafeString | str:
    """Link to a version by its number."""
    return to(context, version, None if version is None else f"version {version.number}")


@register.inclusion_tag("admin/memory/includes/menu.html", takes_context=True)
def console_menu(context: Context) -> dict[str, Any]:
    """Show the console's menu, as far as this user may see what it leads to; nothing in a window that pops up."""
    if context.get("is_popup"):
        return {}
    main, more = menu.entries(context.get("available_apps") or (), context["request"].path)
    return {"main": main, "more": more, "more_current": any(entry["current"] for entry in more)}


@register.simple_tag(takes_context=True)
def crumb(context: Context, opts: Options[Model]) -> SafeString | str:
    """Link to a model's list by the model's name; plain text for a user who may not see it."""
    name = str(capfirst(opts.verbose_name_plural))
    return listing(context, opts.label, name) or name


@register.simple_tag(takes_context=True)
def listing(context: Context, model: str, text: str, **filters: Any) -> SafeString | str:
    """Link to a model's list with filters; nothing for a user who may not see it."""
    request = context["request"]
    found = apps.get_model(model)
    url = links.list_url(found, getattr(request, "current_app", "admin"), **filters)
    if not url or not links.may_view(request, found):
        return ""
    return format_html('<a href="{}">{}</a>', url, text)


@register.simple_tag(takes_context=True)
def may_view(context: Context, model: str) -> bool:
    """Whether this user may see rows of a model."""
    return links.may_view(context["request"], apps.get_model(model))


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Show a date and time, with the exact moment in its attribute."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        value.isoformat(),
        date_format(local, "Y-m-d H:i:s"),
    )


@register.filter
def pretty(value: Any) -> str:
    """Show JSON as indented text, to be escaped like any other."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str)


@register.filter
def lines(text: str) -> str:
    """Say how many lines a text has."""
    count = len(text.splitlines())
    return f"{count} line" if count == 1 else f"{count} lines"


@register.filter
def duration(seconds: float | None) -> str:
    """Show a number of seconds in the unit that people would say: 0.4 s, 12 s, 3 min, 5 h, 2 days."""
    if seconds is None:
        return "–"
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or not seconds % 1 else f"{seconds:.1f} s"


@register.filter
def lasting(value: datetime, now: datetime | None = None) -> str:
    """Show for how long something has gone on, in whole seconds or in what is longer."""
    return duration(max(((now or timezone.now()) - value).total_seconds(), 0.0) // 1)


@register.filter
def ago(value: datetime | None, now: datetime | None = None) -> SafeString | str:
    """Show how long ago a moment was, with the exact moment in its title."""
    if value is None:
        return "–"
    shown = lasting(value, now)
    exact = date_format(value.astimezone(UTC), "Y-m-d H:i:s")
    return format_html('<time datetime="{}" title="{} UTC">{} ago</time>', value.isoformat(), exact, shown)


@register.filter
def kind_of(row: Model) -> str:
    """Say what kind of thing a row is, in one or two words."""
    return str(row._meta.verbose_name)


@register.filter
def percent(share: float | None) -> str:
    """Show a share of 0 to 1 in per cent, with a digit more where it is small."""
    if share is None:
        return "–"
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


@register.filter
def at(found: Mapping[Any, Any], key: Any) -> Any:
    """Return what a mapping has under a key; nothing where it has none."""
    return found.get(key, ())
