"""How many requests of a process work at a time, and that any number may wait beside them."""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from honcho_site import processes
from honcho_site.launcher import free_port
from memory import keys, log, slots
from memory.models import Event
from memory.transfer import exporting
from tests.crash.site import until
from tests.loop.helpers import others_connected

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20


@pytest.fixture
def one_slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    connections.close_all()  # what this thread had gives way to the slot's
    own = {alias: connections[alias] for alias in connections}
    monkeypatch.setattr(slots, "_free", None)
    slots.limit(1)
    yield
    connections.close_all()
    for alias, wrapper in own.items():  # the run's end closes these, and drops the database
        connections[alias] = wrapper
    made = slots._free.get_nowait()
    for wrapper in made.values():
        wrapper.close()


def backend() -> int:
    """The server process of this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def working_backend() -> int:
    with slots.work():
        return backend()


def test_threads_that_take_turns_use_the_slots_one_connection(one_slot):
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        pids = {threads.submit(working_backend).result(PATIENCE) for threads in (first, second, first)}
    assert len(pids) == 1
    assert pids == {pid for pid, *_ in others_connected()}, "it stays open for the next"
    assert not connections.all(initialized_only=True) or backend() not in pids


def test_a_connection_that_broke_while_somebody_rested_fails_nobody_who_comes_back_to_it(one_slot):
    def breaks() -> None:
        with slots.work():
            with psycopg.connect(**connection.get_connection_params()) as beside:
                beside.execute("SELECT pg_terminate_backend(%s)", [backend()])
            with pytest.raises(OperationalError):
                backend()

    with slots.work(), ThreadPoolExecutor(1) as other:
        backend()
        with slots.rest():
            other.submit(breaks).result(PATIENCE)
        assert backend()


def test_nobody_works_without_a_slot_and_who_rests_leaves_his(one_slot):
    resting, go_on, worked = threading.Event(), threading.Event(), []

    def rests():
        with slots.work():
            with slots.rest():
                resting.set()
                assert go_on.wait(PATIENCE)
            worked.append("the one who rested")

    def works():
        with slots.work():
            worked.append("another")

    with ThreadPoolExecutor(2) as threads:
        with slots.work():
            waits = threads.submit(works)
            assert not waits.done()
            assert worked == []
        waits.result(PATIENCE)
        rested = threads.submit(rests)
        assert resting.wait(PATIENCE)
        threads.submit(works).result(PATIENCE)
        go_on.set()
        rested.result(PATIENCE)
    assert worked == ["another", "another", "the one who rested"]


def test_who_had_to_wait_for_a_slot_is_counted(one_slot):
    before = slots.WAITED._value.get(), slots.WAITED_SECONDS._value.get()
    occupied, go_on = threading.Event(), threading.Event()

    def occupy():
        with slots.work():
            occupied.set()
            go_on.wait(PATIENCE)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(occupy)
        occupied.wait(PATIENCE)
        second = threads.submit(working_backend)
        with contextlib.suppress(TimeoutError):
            second.result(0.2)
        go_on.set()
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert slots.WAITED._value.get() - before[0] == 1, "the first found it free"
    assert slots.WAITED_SECONDS._value.get() - before[1] >= 0.1


def test_a_slot_is_kept_within_a_transaction(one_slot):
    with slots.work(), transaction.atomic():
        before = backend()
        with slots.rest():
            assert slots._free.empty()
        assert backend() == before
    assert not slots._free.empty()


def test_an_error_gives_the_slot_back(one_slot):
    with pytest.raises(ZeroDivisionError), slots.work():
        1 / 0  # noqa: B018
    assert not slots._free.empty()


def test_between_two_pieces_of_a_stream_no_slot_is_occupied(one_slot):
    ended = []

    def pieces():
        try:
            for number in range(3):
                assert slots._free.empty(), "a piece is made in a slot"
                yield number
        finally:
            ended.append(slots._free.empty())

    made = slots.working(pieces())
    for number in range(2):
        assert next(made) == number
        assert not slots._free.empty()
    made.close()
    assert ended == [True], "and so is its end, which may note what came of it"
    assert list(slots.working(pieces())) == [0, 1, 2]
    assert not slots._free.empty()


def test_without_slots_whoever_rests_gives_the_connection_back():
    with slots.work():
        before = backend()
        with slots.rest():
            assert connection.connection is None
        assert backend() != before


# --- the server


@contextlib.contextmanager
def web_without_a_worker(told: Path) -> Iterator[int]:
    """The web server on this database, as one process: its port. Nobody reasons over anything."""
    known, port = connection.get_connection_params(), free_port()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "honcho_site.settings",
        "DATABASE_URL": f"postgres://{known['user']}@/{known['dbname']}?host={known['host']}&port={known['port']}",
        "HONCHO_DATA_DIR": str(told.parent / "data"),
        "HONCHO_ENV_FILE": os.devnull,
        "SECRET_KEY": "a key that signs nothing but tests",
    }
    with told.open("ab") as output, subprocess.Popen(
        processes.web(port, 1, "127.0.0.1"), env=environment, cwd=processes.CHECKOUT, stdout=output, stderr=output
    ) as process:  # fmt: skip
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}"), "the server answers")
            yield port
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=PATIENCE).is_success
    except httpx.HTTPError:
        return False


def test_reads_are_answered_while_more_wait_than_can_work(tmp_path):
    log.append("harbour", [log.NewEvent(content="I row.")], user="ana")
    _, key = keys.create("slots", "operator")
    path, waiting = "/v1/apps/harbour/users/ana/context", 3 * processes.SLOTS
    asked = f"GET {path}?wait=30 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    with web_without_a_worker(tmp_path / "log") as port, contextlib.ExitStack() as stack:
        waiters = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(waiting)]
        for waiter in waiters:
            waiter.sendall(asked)
        with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as reader:
            for _ in range(2 * processes.SLOTS):
                found = reader.get(f"http://127.0.0.1:{port}{path}")
                assert found.json()["behind"]["events"] == 1
        for waiter in waiters:
            waiter.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiter.recv(1)  # still waiting: neither served nor sent away
        assert len(others_connected()) <= processes.SLOTS + 1, "a connection for each slot, and one that looks for all"


@pytest.mark.parametrize("more", ["", "Idempotency-Key: k-%d\r\n", "X-Stainless-Retry-Count: 0\r\n"])
def test_reads_are_answered_while_more_send_slowly_than_can_work(tmp_path, more):
    log.append("harbour", [log.NewEvent(content="I row.")], user="ana")
    _, key = keys.create("slots", "operator")
    path, body = "/v1/apps/harbour/users/ana", b'{"content": "I swim."}'
    head = f"POST {path}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    with web_without_a_worker(tmp_path / "log") as port, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2 * processes.SLOTS)]
        for place, writer in enumerate(slow):
            own = more % place if "%" in more else more
            writer.sendall(
                f"{head}{own}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:9]
            )
        with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as reader:
            for _ in range(processes.SLOTS):
                assert reader.get(f"http://127.0.0.1:{port}{path}/context").status_code == 200
        for writer in slow:
            writer.sendall(body[9:])
            assert b" 200 OK" in writer.recv(100)
    assert Event.objects.filter(content="I swim.").count() == len(slow)


def test_exports_that_nobody_reads_take_few_connections_and_the_next_ones_hear_to_come_later(tmp_path):
    log.append("harbour", [log.NewEvent(content="word " * 9_000) for _ in range(200)], user="ana")  # 10 MB
    _, key = keys.create("slots", "operator")
    path = "/v1/apps/harbour/export"
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    with web_without_a_worker(tmp_path / "log") as port, contextlib.ExitStack() as stack:
        heard = []
        for _ in range(2 * processes.SLOTS):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.settimeout(PATIENCE)
            reader.connect(("127.0.0.1", port))
            reader.sendall(asked)
            heard.append(reader.recv(12))
        assert heard.count(b"HTTP/1.1 200") == exporting.MOST_AT_ONCE
        assert heard.count(b"HTTP/1.1 503") == len(heard) - exporting.MOST_AT_ONCE
        assert len(others_connected()) <= processes.SLOTS + 1 + exporting.MOST_AT_ONCE
        stack.close()
        with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:
            url = f"http://127.0.0.1:{port}{path}"
            until(lambda: client.get(url).status_code == 200, "those who have left make room")
