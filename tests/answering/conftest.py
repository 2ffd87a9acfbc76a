"""An agent at the API, a model that answers as it is told, and somebody to ask about."""

from collections.abc import Iterator
from typing import Any

import pytest

from memory import keys, publishing
from tests.api.conftest import Agent
from tests.factories import ApiKeyFactory
from tests.loopback.server import LoopbackModel
from tests.store.helpers import concluded, person, said

ANA = "/v1/apps/harbour/users/ana"
QUESTION = "Where does Ana sail on Sundays?"


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


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as running:
        yield running


@pytest.fixture
def model(server: LoopbackModel, settings: Any) -> LoopbackModel:
    server.reset()
    server.go.clear()
    settings.HONCHO = settings.HONCHO | {
        "PROVIDER": "openai",
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": server.url,
        "MODEL": "loopback",
        "MODEL_TIMEOUT": 20,
    }
    return server


@pytest.fixture
def ana(operator: Agent) -> Agent:
    """Somebody who asks about Ana, of whom two things are known."""
    concluded(
        publishing.open_line(person(), "recipe"),
        "Ana sails in the harbour on Sundays.",
        "Ana is allergic to shellfish.",
        evidence=said("I sail in the harbour on Sundays.", "No shellfish for me, I am allergic."),
    )
    return operator
