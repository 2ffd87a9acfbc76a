"""An agent at the API, as the API's own tests know it."""

from collections.abc import Iterator

import pytest

from memory import keys
from tests.api.conftest import Agent
from tests.factories import ApiKeyFactory


@pytest.fixture(autouse=True)
def _no_remembered_keys() -> Iterator[None]:
    keys.forget()
    yield
    keys.forget()


@pytest.fixture
def operator(request: pytest.FixtureRequest) -> Agent:
    """An agent that may do everything, in whichever way the test uses the database."""
    request.getfixturevalue("transactional_db" if "transactional_db" in request.fixturenames else "db")
    return Agent(ApiKeyFactory().key)
