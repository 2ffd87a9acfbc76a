"""The site's addresses: the API at the root, the admin, the schema and its browser page, health, metrics."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView, TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from honcho_site.openapi import OncePerProcess

urlpatterns = [
    path("", TemplateView.as_view(template_name="home.html"), name="home"),
    re_path(r"^admin$", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("schema", SpectacularAPIView.as_view(generator_class=OncePerProcess), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("", include("memory.api.urls")),
    path("", include("reasoning.urls")),
    path("", include("memory.api.apps_era.unprefixed")),
    path("", include("reasoning.api.unprefixed")),
]


handler400 = "memory.api.errors.bad_request"
handler403 = "memory.api.errors.forbidden"
handler404 = "memory.api.errors.not_found"
handler500 = "memory.api.errors.server_error"
