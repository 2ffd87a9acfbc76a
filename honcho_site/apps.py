"""The site as a Django app: it has commands, and no models."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """The site's own app."""

    name = "honcho_site"
    verbose_name = "Site"

    def ready(self) -> None:
        """Give the admin its name."""
        from django.contrib import admin

        admin.site.site_header = admin.site.site_title = "Honcho"
        admin.site.index_title = "Memory and reasoning"
