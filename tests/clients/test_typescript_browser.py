"""The TypeScript client in a browser, in a page of another site than the server's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from memory.models import Event
from tests.admin import data
from tests.admin.browser import NEEDS, browser  # noqa: F401 - `browser` is a fixture
from tests.factories import ApiKeyFactory

pytestmark = NEEDS

READ = """async ([baseURL, apiKey]) => {
    const { Honcho } = await import("/dist/index.js");
    const honcho = new Honcho({ baseURL, apiKey, maxRetries: 0 });
    return String(await honcho.apps.users.getContext({ appId: "trip-planner", userId: "ana" }));
}"""
ADD = """async ([baseURL, apiKey]) => {
    const { Honcho } = await import("/dist/index.js");
    const place = { appId: "trip-planner", userId: "ana", sessionId: "page" };
    const buffer = new Honcho({ baseURL, apiKey }).buffer({ ...place, maxDelay: 600_000 });
    for (let number = 0; number < 5; number++) await buffer.add({ content: `said ${number}`, isUser: true });
    return buffer.pending;
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def other_site(typescript: Path) -> Iterator[str]:
    """The address of a site of its own that has the built package."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(typescript)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser: Any, other_site: str) -> Iterator[Any]:  # noqa: F811
    """A page of the other site."""
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{other_site}/README.md")
    yield opened
    context.close()


@pytest.fixture(autouse=True)
def ana() -> None:
    """Ana, of whom something is known."""
    data.ana()


@pytest.fixture
def open_server(other_site: str, settings: Any, request: pytest.FixtureRequest) -> str:
    """The address of a server that lets pages of the other site use it."""
    settings.CORS_ALLOWED_ORIGINS = [other_site]
    return str(request.getfixturevalue("server"))


def test_a_page_of_a_site_that_is_named_reads_a_context(page: Any, open_server: str) -> None:
    assert "Lea loves tiles and trams" in page.evaluate(READ, [open_server, ApiKeyFactory().key])
    assert "401 invalid_token" in page.evaluate(f"(given) => ({READ})(given).catch(String)", [open_server, "wrong"])


def test_a_page_of_any_other_site_does_not(page: Any, server: str) -> None:
    said = page.evaluate(f"(given) => ({READ})(given).catch(String)", [server, ApiKeyFactory().key])
    assert said.startswith("APIConnectionError")


def test_what_a_page_has_not_sent_yet_arrives_when_it_is_left(page: Any, open_server: str) -> None:
    assert page.evaluate(ADD, [open_server, ApiKeyFactory().key]) == 5
    assert not Event.objects.filter(session__name="page").exists()
    page.goto("about:blank")
    said = Event.objects.filter(session__name="page").order_by("pk").values_list("content", flat=True)
    until = time.monotonic() + 20
    while len(said.all()) < 5 and time.monotonic() < until:
        time.sleep(0.05)  # the browser does not tell of requests of a page that is gone
    assert list(said) == [f"said {number}" for number in range(5)]
