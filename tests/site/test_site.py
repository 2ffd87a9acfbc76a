"""The site as a browser, a program and a log see it."""

import io
import json
import logging
from pathlib import Path

import pytest
import structlog
from django.conf import settings
from django.db import IntegrityError, connection

from honcho_site import logs, metrics

pytestmark = pytest.mark.django_db


def test_the_home_page_says_what_this_is_and_leads_to_admin_and_api(client):
    page = client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 200
    text = page.content.decode()
    for link in ('href="/admin/"', 'href="/docs"', 'href="/schema"'):
        assert link in text


@pytest.mark.parametrize("path", ["/docs", "/schema", "/admin/login/"])
def test_pages_for_people_answer_offline(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert b"cdn." not in page.content
    assert b"//unpkg" not in page.content


def test_the_admin_is_found_with_and_without_its_slash(admin_client):
    assert admin_client.get("/admin").headers["Location"] == "/admin/"
    assert admin_client.get("/admin/").status_code == 200


def test_a_post_to_an_address_with_a_slash_too_many_is_refused_not_redirected(client):
    answer = client.post("/v1/apps/a/users/u/sessions/s/events/", data="[]", content_type="application/json")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_static_files_are_served_without_collecting_them(client):
    answer = client.get("/static/honcho_site/home.css")
    assert answer.status_code == 200
    assert b"font" in b"".join(answer.streaming_content)


def logged(config_format: str, write) -> list[str]:
    """What ``write`` sends to the site's handler, with a formatter made as the site makes it."""
    config = logs.logging_config(config_format, debug=False)["formatters"]["structured"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=config["foreign_pre_chain"], processors=config["processors"]
        )
    )
    logger = logging.getLogger("tests.logged")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        write(logger)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().splitlines()


def test_a_log_line_is_one_json_object_with_time_level_and_request_id():
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        (line,) = logged("json", lambda logger: logger.warning("it %s", "happened"))
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "it happened", "level": "warning", "logger": "tests.logged", "request_id": "r-1"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_database_error_is_logged_without_the_row_that_it_quotes(log_format, django_user_model):
    django_user_model.objects.create_user("a-private-name")

    def write(logger):
        try:
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO auth_user SELECT * FROM auth_user")
        except IntegrityError:
            logger.exception("failed")

    lines = logged(log_format, write)
    assert "IntegrityError" in "\n".join(lines)
    assert "a-private-name" not in "\n".join(lines)
    assert "Key (id)" not in "\n".join(lines)


def test_a_request_is_logged_by_its_path_without_its_query(client, rf):
    assert logs.RequestLog.format_request(rf.get("/v1/apps/a?query=private")) == "GET /v1/apps/a"


def test_no_pool_and_persistent_connections():
    database = settings.DATABASES["default"]
    assert database["CONN_MAX_AGE"] is None
    assert database["CONN_HEALTH_CHECKS"] is True
    assert "pool" not in database.get("OPTIONS", {})


def test_metrics_files_are_named_after_host_and_process(tmp_path):
    name = metrics.process_name()
    assert "_" not in name
    (tmp_path / f"counter_{name}.db").write_bytes(b"")
    (tmp_path / "other.txt").write_text("")
    metrics.forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]
    assert list(Path(settings.HONCHO_DATA_DIR).glob(f"metrics/*/*{name}.db"))
