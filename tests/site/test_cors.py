"""Which pages of other sites may use the API from the browser."""

import pytest

PAGE = "https://app.example.org"
ADDRESS = "/v1/apps/a/users/u/context"
QUESTION = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

pytestmark = pytest.mark.django_db


def cors(answer):
    """The headers of an answer that browsers look at."""
    return {name for name in answer.headers if name.startswith("Access-Control-")}


@pytest.fixture
def one_site(settings):
    """One other site is allowed."""
    settings.CORS_ALLOWED_ORIGINS = [PAGE]


def test_no_other_site_is_allowed_unless_told(client):
    assert not cors(client.get(ADDRESS, headers={"Origin": PAGE}))
    asked = client.options(ADDRESS, headers={"Origin": PAGE, **QUESTION})
    assert asked.status_code >= 400
    assert not cors(asked)


def test_a_page_that_is_allowed_may_ask_with_a_key_and_read_the_answer(client, one_site):
    asked = client.options(ADDRESS, headers={"Origin": PAGE, **QUESTION})
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in asked["Access-Control-Allow-Headers"]
    assert {"POST", "PATCH", "DELETE"} <= set(asked["Access-Control-Allow-Methods"].split(", "))
    refused = client.get(ADDRESS, headers={"Origin": PAGE})
    assert refused.status_code == 401  # the page may read an error too
    assert refused["Access-Control-Allow-Origin"] == PAGE
    assert "Access-Control-Allow-Credentials" not in refused
    assert "Origin" in refused["Vary"]


@pytest.mark.parametrize("origin", [f"{PAGE}.evil.org", "http://app.example.org", "https://example.org", "null", ""])
def test_any_other_page_is_not(client, one_site, origin):
    for answer in (
        client.get(ADDRESS, headers={"Origin": origin}),
        client.options(ADDRESS, headers={"Origin": origin, **QUESTION}),
    ):
        assert not cors(answer)
        assert "Origin" in answer["Vary"]  # what is kept for one page is not shown to another


def test_nothing_but_the_api_is_opened(client, one_site):
    for path in ("/", "/admin/login/", "/docs", "/metrics"):
        assert not cors(client.get(path, headers={"Origin": PAGE}))
