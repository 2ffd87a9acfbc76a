"""What tests of the console share."""

from tests.admin.browser import browser, page, site

__all__ = ["browser", "page", "site"]
