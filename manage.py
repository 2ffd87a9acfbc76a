#!/usr/bin/env python
"""Django's command line for this site: ``python manage.py help``."""

import os
import sys


def main() -> None:
    """Run a command; a setting that is wrong is told without a traceback, unless ``--traceback`` asks for it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "honcho_site.settings")
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as error:
        sys.exit(f"Django is missing here ({error}). Run `make run`, or: pip install -r requirements.txt")
    try:
        settings.configured or settings.INSTALLED_APPS  # noqa: B018 (reads them)
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
