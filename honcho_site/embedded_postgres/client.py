"""``manage.py dbshell`` on the embedded server, with the psql that comes with it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient as PostgresClient

from honcho_site.embedded_postgres import server


class DatabaseClient(PostgresClient):
    """Starts or joins the server, then opens psql on it."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """The command line of psql for these settings."""
        address = server.ensure_running(
            Path(settings_dict["DATA_DIR"]),
            settings=settings_dict.get("SERVER_SETTINGS"),
        )
        where = {**settings_dict, "HOST": address.host, "PORT": address.port, "USER": address.user}
        arguments, environment = super().settings_to_cmd_args_env(where, parameters)
        return [str(server.binary("psql")), *arguments[1:]], environment
