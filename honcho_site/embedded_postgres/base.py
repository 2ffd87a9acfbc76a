"""The engine: Django's PostgreSQL backend, on a server that it starts or joins by itself.

It reads two keys of ``DATABASES[alias]`` beside the usual ones: ``DATA_DIR``, the folder of the data, and
``SERVER_SETTINGS``, a dict of PostgreSQL settings for the server's start (``{"fsync": "off"}`` for tests).
"""

import time
from pathlib import Path
from typing import Any

import psycopg

from honcho_site.embedded_postgres import server
from honcho_site.embedded_postgres.client import DatabaseClient
from honcho_site.postgres import base

PATIENCE_SECONDS = 60
#: What a client hears of a server that is away for the moment: killed, starting, recovering or stopping.
PASSING = (
    "Connection refused",
    "No such file or directory",
    "Connection reset by peer",
    "Broken pipe",
    "server closed the connection unexpectedly",
    "the database system is",  # starting up, in recovery mode, shutting down, not yet accepting connections
)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """The usual parameters, with the address of the server, which runs when this returns."""
        return {**super().get_connection_params(), **self._address()}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; if the server has gone away, bring it back or wait until it has recovered."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except psycopg.OperationalError as error:
                away = any(text in str(error) for text in PASSING)
                if not away or time.monotonic() > give_up:
                    raise
            time.sleep(0.1)
            conn_params = {**conn_params, **self._address(verify=True)}

    def _address(self, *, verify: bool = False) -> dict[str, str]:
        address = server.ensure_running(
            Path(self.settings_dict["DATA_DIR"]),
            settings=self.settings_dict.get("SERVER_SETTINGS"),
            verify=verify,
        )
        return {"host": address.host, "port": address.port, "user": address.user}
