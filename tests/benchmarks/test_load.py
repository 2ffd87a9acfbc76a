"""The load benchmark: its client, its sums, its tables, and that its requests are ones that the API answers."""

import json
import random
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.accounting import Spent
from benchmarks.load import client, measuring, report
from benchmarks.load.client import Driven, Failed
from benchmarks.load.paths import PGBENCH, READ, ROW_FLOOR, all_of, targets_of_contexts
from benchmarks.load.plot import plot


class Echo(BaseHTTPRequestHandler):
    """Answers with what was sent; 304 and 503 on demand."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, int]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Authorization"], len(body)))
        self.answer(200, body)

    def do_GET(self):
        status = int(self.path.strip("/"))
        self.answer(status, b"" if status == 304 else b"{}")

    def answer(self, status, body):
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def port():
    Echo.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_every_request_is_sent_once_over_kept_connections(port):
    requests = [client.request("POST", "/", f"key-{number}", {"n": number}) for number in range(20)]
    driven = client.drive(port, requests, clients=3)
    assert sorted(key for key, _ in Echo.seen) == sorted(f"Bearer key-{number}" for number in range(20))
    assert len(driven.seconds) == 20
    assert driven.size == len(b'{"n": 19}')


def test_a_body_larger_than_a_socket_takes_at_once_arrives_whole(port):
    body = {"content": "x" * 5_000_000}
    driven = client.drive(port, [client.request("POST", "/", "", body)] * 2, clients=2)
    assert [size for _, size in Echo.seen] == [len(json.dumps(body))] * 2
    assert driven.size == len(json.dumps(body))


def test_an_answer_without_a_body_is_whole_with_its_head(port):
    assert len(client.drive(port, [client.request("GET", "/304")] * 4, clients=2).seconds) == 4


def test_an_error_ends_the_run_with_what_the_server_said(port):
    with pytest.raises(Failed, match=r"503: \{\}"):
        client.drive(port, [client.request("GET", "/503")], clients=1)


def test_a_server_that_hangs_up_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        with pytest.raises((Failed, ConnectionResetError)):
            client.drive(server.getsockname()[1], [client.request("GET", "/")], clients=1)
        thread.join()


def a_round(web, database, seconds=(0.001, 0.002), elapsed=0.01):
    driven = Driven(list(seconds), elapsed, 10)
    return measuring.Round(driven, Spent(web=web, database=database))


def test_a_path_is_compared_with_the_floor_round_by_round():
    own = [a_round(0.002, 0.002), a_round(0.02, 0.02), a_round(0.004, 0.002)]
    bare = [a_round(0.001, 0.001), a_round(0.01, 0.01), a_round(0.002, 0.001)]
    found = measuring.figures(own, bare)
    assert found["ratio"] == 2.0
    assert (found["web_ms"], found["database_ms"], found["cpu_ms"]) == (2.0, 1.0, 3.0)
    assert found["requests_per_second"] == 200.0
    assert found["p50_ms"] == 1.5


def cell(cpu, ratio=1.0):
    return {
        "requests_per_second": 1_000.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0,
        "web_ms": cpu - 0.1, "database_ms": 0.1, "cpu_ms": cpu, "worker_ms": 0.0, "ratio": ratio,
    }  # fmt: skip


def result(cpu, ratio=1.5):
    common = {"kind": READ, "statements": 1, "bytes": 4_000, "budget_ms": None}

    def both(found):
        return {"1": found, "8": found}

    return {
        "at": "2026-01-02T03:04:05+00:00", "requests": 10, "rounds": 1, "clients": [1, 8],
        "machine": {"processors": 2, "memory_gib": 4, "load": 0.5, "python": "3.12", "postgres": "18.1"},
        "paths": [
            {**common, "name": ROW_FLOOR, "by_clients": both(cell(0.5))},
            {**common, "name": "context", "budget_ms": 1.0, "by_clients": both(cell(cpu, ratio))},
            {**common, "name": PGBENCH, "bytes": None, "by_clients": both(cell(0.2))},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cpu", "ratio", "said"),
    [
        (0.9, 1.8, "1: met"),
        (1.25, 1.7, "1: missed by 0.25"),
        (0.9, 1.9, "1: above 1.8 × floor"),
    ],
)
def test_a_budget_is_met_or_missed(cpu, ratio, said):
    [_, path, _] = result(cpu, ratio)["paths"]
    assert report.verdict(path, path["by_clients"]["1"]) == said
    assert f"| {said} |" in report.table(result(cpu, ratio))


def test_two_results_can_be_compared():
    rows = report.comparison(result(2.0), result(1.0)).splitlines()
    assert "| context | 1 | 2.00 → 1.00 | -50 % |" in rows[4]
    assert len(rows) == 2 + 6, "each path at each number of clients"


def test_the_plot_shows_each_path_and_its_budget():
    drawn = plot(result(1.0))
    assert drawn.count("<rect") == 1 + 2 + 2 * 3
    assert "context" in drawn
    assert len(re.findall("<line", drawn)) == 2


def test_the_requests_of_every_path_are_well_formed():
    tags = dict.fromkeys(targets_of_contexts(), '"u1"')
    for path in all_of(tags):
        for made in measuring.made(path, "secret", 3, random.Random(1)):
            head, _, body = made.partition(b"\r\n\r\n")
            assert head.startswith(f"{path.method} /".encode())
            assert (b"Bearer secret" in head) == (not path.keyless)
            if path.method == "POST":
                assert f"Content-Length: {len(body)}".encode() in head
                json.loads(body or b"null")
