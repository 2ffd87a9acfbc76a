"""The page that shows the API, in a browser that reaches nothing but the site."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.admin.browser import NEEDS, browser, complains  # noqa: F401 - `browser` is a fixture

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = NEEDS


@pytest.fixture
def page(browser: Any) -> Any:  # noqa: F811
    """A page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def test_the_api_is_shown_without_a_request_that_leaves_the_host(page: Any, live_server: Any) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if complains(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_server.url}/docs")
    expect(page.locator(".info .title")).to_contain_text("Honcho for Django", timeout=30_000)
    shown = page.locator('[data-path="/v1/apps/{app}/search"]')
    operation = page.locator(".opblock", has=shown)
    operation.locator(".opblock-summary").click()
    expect(operation.locator(".opblock-body")).to_contain_text("What was written a moment ago is found")
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(live_server.url).netloc}
    assert not complaints
