"""django-q2's own pages, for superusers only: whoever may edit a schedule there can have any function called."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class SuperusersOnly:
    """Refuses everybody but superusers, whatever their permissions. Goes before a ModelAdmin."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the index shows the pages."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether rows are shown."""
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether a row can be made, where django-q2 allows it."""
        return _is_superuser(request) and super().has_add_permission(request)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a row can be changed."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a row can be deleted."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def restrict(site: admin.AdminSite) -> None:
    """Put the check before each of django-q2's registered pages."""
    models: list[type[Model]] = [model for model in site._registry if model._meta.app_label == "django_q"]
    for model in models:
        stock = type(site._registry[model])
        if not issubclass(stock, SuperusersOnly):
            site.unregister(model)
            site.register(model, type(f"Restricted{stock.__name__}", (SuperusersOnly, stock), {}))


if apps.is_installed("django_q"):
    from django_q import admin as _stock  # noqa: F401  # registers; must come first

    restrict(admin.site)
