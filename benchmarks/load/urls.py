"""The site's addresses, and the floors'."""

from __future__ import annotations

from django.urls import include, path

from benchmarks.load import floors
from honcho_site.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    path("floor/nothing", floors.nothing),
    path("floor/row/<int:number>", floors.row),
    path("floor/insert", floors.insert),
    path("", include("honcho_site.urls")),
]
