"""Filters of lists. None of them reads a whole table to offer its choices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from memory import ids
from memory.models import App, Event, Project, Session, Subject, User

CHOICES = 30
"""The most apps that a filter offers; one that is chosen by a link is always among them."""


class AppFilter(admin.SimpleListFilter):
    """Rows of one app."""

    title = "app"
    parameter_name = "app"
    path: ClassVar[str] = "app"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the first apps by name, and the chosen one."""
        found = list(App.objects.order_by("name").values_list("pk", "name")[:CHOICES])
        chosen = as_id(self.value())
        if chosen is not None and chosen not in dict(found):
            found += App.objects.filter(pk=chosen).values_list("pk", "name")
        return [(str(pk), name) for pk, name in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen app's."""
        return queryset.filter(**{self.path: asked_id(self.value())}) if self.value() else queryset


class AppOfSubject(AppFilter):
    """Rows of one app's subjects."""

    path = "subject__app"


class Chosen(admin.SimpleListFilter):
    """What a link on another page has chosen; shows which, and lets go of it. It offers nothing by itself."""

    model: ClassVar[type[Model]]
    path: ClassVar[str]
    related: ClassVar[tuple[str, ...]] = ()
    """What the row's name needs joined."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the chosen row alone."""
        value = self.value()
        if not value:
            return []
        rows = self.model._default_manager.all()
        rows = rows.select_related(*self.related) if self.related else rows
        row = rows.filter(pk=pk).first() if (pk := as_id(value)) is not None else None
        return [(value, f"unknown {self.title}" if row is None else str(row))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the chosen one."""
        return queryset.filter(**{self.path: asked_id(self.value())}) if self.value() else queryset


class ChosenUser(Chosen):
    """Rows of one user."""

    title, parameter_name, path, model = "user", "user", "user", User


class ChosenOwner(Chosen):
    """Sessions that one user owns."""

    title, parameter_name, path, model = "owner", "owner", "owner", User


class ChosenParticipant(Chosen):
    """Sessions in which one user takes part."""

    title, parameter_name, path, model = "participant", "participant", "participations__user", User


class ChosenAuthor(Chosen):
    """Events that one user wrote."""

    title, parameter_name, path, model = "author", "author", "author", User


class ChosenSession(Chosen):
    """Rows of one session."""

    title, parameter_name, path, model = "session", "session", "session", Session


class ChosenProject(Chosen):
    """Rows of one project."""

    title, parameter_name, path, model = "project", "project", "project", Project


class ChosenSubject(Chosen):
    """Rows of one subject."""

    title, parameter_name, path, model = "subject", "subject", "subject", Subject
    related = ("user", "observer", "session", "project")


class EventKind(admin.SimpleListFilter):
    """Events of a built-in kind, or of the callers' own."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the built-in kinds and all others together."""
        built_in = ["message", "tool_call", "tool_result", "correction"]
        return [*((kind, kind.replace("_", " ")) for kind in built_in), (".", "custom")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Keep the chosen kind; a caller's own has a dot in its name."""
        if self.value() == ".":
            return queryset.filter(kind__contains=".")
        return queryset.filter(kind=self.value()) if self.value() else queryset


class Recorded(admin.SimpleListFilter):
    """Events recorded lately. Ids follow time, so that this is a range of the primary key."""

    title = "recorded"
    parameter_name = "recorded"
    spans: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "hour": ("in the past hour", timedelta(hours=1)),
        "day": ("in the past 24 hours", timedelta(days=1)),
        "week": ("in the past 7 days", timedelta(days=7)),
        "month": ("in the past 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Offer the spans of time."""
        return [(key, text) for key, (text, _) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what has an id of that time."""
        if (value := self.value()) not in self.spans:
            return queryset
        since = timezone.now() - self.spans[value][1]
        return queryset.filter(pk__gte=ids.first_at(since))


def as_id(value: str | None) -> UUID | None:
    """Return the id in a parameter, None where it is none."""
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def asked_id(value: str | None) -> UUID:
    """Return the id in a filter's parameter; what is none sends the user back to the list."""
    found = as_id(value)
    if found is None:
        raise IncorrectLookupParameters(f"{value!r} is no id")
    return found
