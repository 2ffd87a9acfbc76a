"""The site in a process of its own, on the test's database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from django.db import connection

CHECKOUT = Path(__file__).resolve().parents[4]
PATIENCE = 60.0

SERVER = """
import sys
from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application
run("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), threading=True)
"""


class ServerProcess:
    """Listens at ``url`` between ``start`` and ``kill``, always at the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return once requests are answered."""
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "server_settings",
            "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(Path(__file__).parent)]),
        }
        command = [sys.executable, "-W", "ignore", "-c", SERVER, str(self.port)]
        self._process = subprocess.Popen(
            command, env=environment, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < give_up, "the server did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None
