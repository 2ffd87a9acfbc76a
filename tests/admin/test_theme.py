"""The console in a site whose admin has another theme: django-unfold, before all other apps as it asks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.admin import data, world
from tests.admin.browser import NEEDS, entered
from tests.admin.pages import every_page, forms_of_acts
from tests.loop.helpers import AT_ONCE

pytestmark = NEEDS

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60


@pytest.fixture
def themed(tmp_path: Path, transactional_db: None) -> Iterator[str]:
    """The address of a server of its own: a theme replaces the admin's site before anything is registered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.admin.themed_settings",
        "HONCHO_THEMED_DATABASE": str(connection.settings_dict["NAME"]),
    }
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--insecure", f"127.0.0.1:{port}"]
    said = tmp_path / "log"
    with said.open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
        try:
            give_up = time.monotonic() + PATIENCE
            while not listens(port):
                ended = process.poll() is not None or time.monotonic() > give_up
                assert not ended, said.read_text()[-4000:]
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_every_page_of_the_console_works_in_another_theme(
    themed: str, browser: Any, client: Client, settings: Any
) -> None:
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1}
    world.everything()
    user = data.superuser()
    client.force_login(user)
    cookies = {"sessionid": client.cookies["sessionid"].value}
    forms = {act.name: path for act, path in forms_of_acts(user)}
    paths = [reverse("admin:index"), *every_page(user, 1), *forms.values()]
    with httpx.Client(base_url=themed, cookies=cookies, timeout=PATIENCE) as asked:
        said = {path: asked.get(path) for path in paths}
    assert {path: answer.status_code for path, answer in said.items() if answer.status_code != 200} == {}
    assert "unfold/css" in said[paths[0]].text, "the theme is not there"
    with entered(browser, themed, "operator") as page:
        page.goto(f"{themed}{reverse('admin:app_list', args=['reasoning'])}overview/")
        assert page.locator("#overview .honcho-verdict-words").is_visible()
        page.goto(f"{themed}{forms['add-statement']}")
        edge = page.locator("textarea:visible").first.evaluate("field => getComputedStyle(field).borderTopWidth")
        assert edge == "1px", "nobody sees where to write"
        page.fill("textarea[name=content]", "They like tea.")
        page.fill("textarea[name=reason]", "They said so.")
        page.press("[type=submit].default", "Enter")
        assert page.get_by_text("What would come of it").is_visible()
