"""The site as a Django app: it has commands, and no models."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """The site's own app."""

    name = "honcho_site"
    verbose_name = "Site"
