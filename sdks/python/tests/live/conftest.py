"""A server to talk to, over a loopback network: the site itself, in a thread or in a process that can be killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memory import keys
from processes import ServerProcess
from proxy import DroppingProxy
from tests.factories import ApiKeyFactory

from honcho import Honcho


@pytest.fixture(autouse=True)
def _no_remembered_keys() -> Iterator[None]:
    keys.forget()
    yield
    keys.forget()


@pytest.fixture
def key(transactional_db: None) -> str:
    """An operator's key."""
    return str(ApiKeyFactory().key)


@pytest.fixture
def url(key: str, live_server: Any) -> str:
    """The address of the site."""
    return str(live_server.url)


@pytest.fixture
def honcho(url: str, key: str) -> Iterator[Honcho]:
    """A client of the site with an operator's key."""
    with Honcho(url, key) as client:
        yield client


@pytest.fixture
def proxy(url: str) -> Iterator[DroppingProxy]:
    """A proxy before the site, which drops replies."""
    with DroppingProxy(url, seed=4) as made:
        yield made


@pytest.fixture
def process(key: str) -> Iterator[ServerProcess]:
    """The site in a process that can be killed."""
    made = ServerProcess()
    try:
        yield made
    finally:
        made.kill()
