"""The processor time of processes that somebody starts."""

import os
import subprocess
import sys

import psycopg
import pytest
from django.db import connection

from benchmarks.accounting import Accounts, Spent, processor_seconds, tree_bytes, tree_seconds

BUSY = """
import subprocess, sys, time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
if len(sys.argv) > 1:
    burn(0.2)
else:
    burn(0.2)
    subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split(chr(0))[2], "child"])
    print("done", flush=True)
    sys.stdin.read()
"""


def test_a_process_is_charged_with_its_children_even_when_they_have_ended():
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "done\n"
        alone, tree = processor_seconds(process.pid), tree_seconds(process.pid)
        assert alone >= 0.2
        assert tree >= alone + 0.2
        assert tree_bytes([process.pid]) > 1_000_000
        process.communicate()
    assert (processor_seconds(process.pid), tree_seconds(process.pid)) == (0.0, 0.0)


def test_what_serves_workers_is_the_workers_and_what_looks_is_nobodys(db):
    known = connection.get_connection_params()
    address = " ".join(f"{name}={known[name]}" for name in ("host", "port", "user", "dbname"))
    with Accounts(address, os.getpid()) as accounts, psycopg.connect(address, application_name="worker") as worker:
        assert accounts.backends("worker") == [worker.info.backend_pid]
        before = accounts.spent()
        worker.execute("SELECT count(*) FROM generate_series(1, 2000000)")
        spent = accounts.spent() - before
        assert spent.worker > 0.02
        worker.close()
        assert accounts.spent().worker >= before.worker + spent.worker, "what it has spent is not forgotten"


@pytest.mark.parametrize(("count", "web"), [(1, 2_000.0), (4, 500.0)])
def test_what_was_spent_is_shared_among_the_requests(count, web):
    spent = Spent(3.0, 1.0, 0.5) - Spent(1.0, 1.0, 0.5)
    assert spent.each(count) == {"web_ms": web, "database_ms": 0.0, "worker_ms": 0.0}
