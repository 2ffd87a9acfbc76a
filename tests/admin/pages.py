"""All pages and acts of the console, as the admin itself knows them: none can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model, UUIDField
from django.http import HttpRequest
from django.urls import reverse

from memory.admin.acts import Act
from memory.admin.base import HonchoAdmin
from memory.admin.pages import Page

NOBODY = UUID(int=0)

CONSOLE: list[HonchoAdmin[Any]] = [owner for owner in admin.site._registry.values() if isinstance(owner, HonchoAdmin)]
ACTS = [(owner, act) for owner in CONSOLE for act in owner.acts]
PAGES = [(owner, page) for owner in CONSOLE for page in (*owner.pages, *owner.object_pages)]


def url_of(owner: HonchoAdmin[Any], name: str, row: Model | None = None) -> str:
    """The address of a model's page, or of a row's."""
    key = [] if row is None else [quote(row.pk)]
    return reverse(f"admin:{owner.opts.app_label}_{owner.opts.model_name}_{name}", args=key)


def address(owner: HonchoAdmin[Any], item: type[Act] | type[Page], row: Model | None = None) -> str:
    """The address of an act or a page, of no row that there is unless one is named."""
    alone = issubclass(item, Page) and item in owner.pages
    return url_of(owner, item.name, None if alone else row or nobody(owner.model))


def addresses(owner: HonchoAdmin[Any]) -> Iterator[str]:
    """Every address of a model's admin, Django's own too, of no row that there is."""
    for name, of_row in named_urls(owner):
        yield reverse(f"admin:{name}", args=[quote(nobody(owner.model).pk)] if of_row else [])


def named_urls(owner: HonchoAdmin[Any]) -> list[tuple[str, bool]]:
    """The name of each address of a model's admin, and whether it is one of a row."""
    named = [pattern for pattern in owner.get_urls() if pattern.name]
    return [(str(pattern.name), "object_id" in pattern.pattern.converters) for pattern in named]


def nobody(model: type[Model]) -> Model:
    """A row that is not in the database."""
    return model(pk=NOBODY if isinstance(model._meta.pk, UUIDField) else 0)


def rows(owner: HonchoAdmin[Any], most: int = 30) -> list[Model]:
    """Some rows that a model's admin shows, the newest first."""
    return list(owner.get_queryset(HttpRequest()).order_by("-pk")[:most]) if owner.model._meta.managed else []


def every_page(user: Any, most: int) -> Iterator[str]:
    """The address of every list and form, and of so many rows of every model with all the pages that they lead to.

    Forms for new rows are left out where nobody like ``user`` makes one.
    """
    for owner in CONSOLE:
        adds = owner.has_add_permission(request_of(user))
        for name, of_row in named_urls(owner):
            if not of_row and (adds or not name.endswith("_add")):
                yield reverse(f"admin:{name}")
        for row in rows(owner, most):
            yield from pages_of(owner, row)


def pages_of(owner: HonchoAdmin[Any], row: Model) -> Iterator[str]:
    """The address of a row's page, and of the pages that it leads to."""
    shown = {"change", *(page.name for page in owner.object_pages if page.listed)}
    for name, of_row in named_urls(owner):
        if of_row and name.rpartition("_")[2] in shown:
            yield reverse(f"admin:{name}", args=[quote(row.pk)])


def done_to(owner: HonchoAdmin[Any], act: type[Act], user: Any) -> Iterator[Model]:
    """The rows of a model to which somebody may do an act now."""
    one, request = act(owner), request_of(user)
    return (row for row in rows(owner, 200) if one.may(request, row) and one.needs(request, row))


def forms_of_acts(user: Any) -> Iterator[tuple[type[Act], str]]:
    """Every act with the address of its form, of a row to which somebody may do it."""
    for owner, act in ACTS:
        for row in islice(done_to(owner, act, user), 1):
            yield act, address(owner, act, row)


def request_of(user: Any) -> HttpRequest:
    """A request of somebody, as it is asked for permissions."""
    request = HttpRequest()
    request.user = user
    return request
