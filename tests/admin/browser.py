"""The live site in chromium: one browser for a module, pages in which somebody is logged in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse

from tests.admin import data

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

NEEDS = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium; name one in CHROMIUM"),
    pytest.mark.django_db(transaction=True),
]
"""What a module of such tests is marked with."""


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Any]:
    """One chromium for the module.

    Playwright's loop runs in this thread; Django must not take what the tests ask of the database for asynchronous.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with pytest.MonkeyPatch.context() as patch, playwright.sync_playwright() as engine:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The site's address."""
    # Each request gives its connection back, so that none is open when the database is dropped.
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
    return str(request.getfixturevalue("live_server").url)


@pytest.fixture
def page(browser: Any, site: str, ana: Any) -> Iterator[Any]:
    """A page in which somebody who may do everything is logged in, once a module's ``ana`` is there."""
    data.superuser()
    with entered(browser, site, "operator") as opened:
        yield opened


@contextmanager
def entered(browser: Any, site: str, name: str, **options: Any) -> Iterator[Any]:
    """A page in which somebody is logged in; whatever the browser complains about fails the test."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if complains(message) else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        opened.goto(f"{site}{reverse('admin:index')}")
        opened.fill("#id_username", name)
        opened.fill("#id_password", data.PASSWORD)
        opened.press("#id_password", "Enter")
        yield opened
    finally:
        context.close()
    assert not complaints, complaints


def complains(message: Any) -> bool:
    """Whether a message of the console is an error of ours; a site need not have an icon."""
    return message.type == "error" and not message.location.get("url", "").endswith("/favicon.ico")


def heading(page: Any) -> Any:
    """The page's title."""
    return page.locator("#content h1")
