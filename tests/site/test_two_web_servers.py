"""Two web servers on one database, each a process of its own: what one publishes, the other reads at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from honcho_site import processes
from honcho_site.launcher import free_port
from tests.crash.site import Site, site, until

KEY = "hk_a_key_for_these_tests"
ANA = "/v1/apps/harbour/users/ana"
TALK = f"{ANA}/sessions/s1"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[httpx.Client]]:
    """A client of each server."""
    with site("http://127.0.0.1:9/v1") as place, ExitStack() as clients:
        place.ask(
            "INSERT INTO memory_apikey (id, name, prefix, digest, scope, read_only)"
            " VALUES (gen_random_uuid(), 'tests', 'hk_', %s, 'operator', FALSE) RETURNING id",
            hashlib.sha256(KEY.encode()).hexdigest(),
        )
        started = [clients.enter_context(start(place)) for _ in range(2)]
        for client in started:
            until(partial(answers, client), f"the web server at {client.base_url} answers")
        yield started


def start(place: Site) -> httpx.Client:
    port = free_port()
    place.start(*processes.web(port, 1, "127.0.0.1")[1:])
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {KEY}"}, timeout=30)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def test_a_version_is_read_at_once_from_another_process_and_no_tag_hides_it(servers: list[httpx.Client]) -> None:
    here, there = servers
    said = {"content": "I live by the harbour.", "is_user": True}
    here.post(f"{TALK}/messages", json=said).raise_for_status()
    for number in range(1, 5):
        publisher, reader = (here, there) if number % 2 else (there, here)
        paths = (f"{ANA}/context", f"{TALK}/context", f"{ANA}/representation")
        tags = {path: reader.get(path).headers["ETag"] for path in paths}
        for path, tag in tags.items():
            assert reader.get(path, headers={"If-None-Match": tag}).status_code == 304
        made = publisher.post(f"{ANA}/conclusions", json={"content": f"Ana has {number} boats."})
        assert made.is_success, made.text
        for path, tag in tags.items():
            answer = reader.get(path, headers={"If-None-Match": tag})
            assert answer.status_code == 200, f"{path} is still {tag} after version {number}"
            assert answer.json()["version"] == number
            assert answer.headers["ETag"] != tag
            assert f"{number} boats" in answer.text


def test_a_message_is_seen_by_another_process_at_once(servers: list[httpx.Client]) -> None:
    here, there = servers
    for number in range(4):
        writer, reader = (here, there) if number % 2 else (there, here)
        content = f"This is line {number}."
        writer.post(f"{TALK}/messages", json={"content": content, "is_user": True}).raise_for_status()
        seen = reader.get(f"{TALK}/context", params={"include": "pending"}).json()["pending"]
        assert seen[-1]["content"] == content
