"""``manage.py run``: the whole site in one terminal, web and worker."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from honcho_site import launcher, processes


class Command(BaseCommand):
    """Runs web and worker until it is told to stop.

    A web server or worker that dies is started again; if it dies five times within a minute, the other one is
    stopped and the command ends with the exit code of the dead one. Ctrl-C or SIGTERM: both stop, exit code
    0.
    """

    help = "Migrate, make an admin login if there is none, and run web server and worker until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Host and port."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port (default: PORT, or 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, start, say where it is, and watch."""
        host, port = options["host"], options["port"]
        url = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"  # noqa: S104
        launcher.check_port(host, port)
        launcher.prepare()
        password = launcher.ensure_admin()
        code = 0
        with launcher.only_one_clears_metrics():
            try:
                with launcher.group(port, host, self.say) as running:
                    launcher.wait_until_answering(running, f"http://127.0.0.1:{port}")
                    self.announce(url, password)
                    code = running.watch()
            except processes.Stopped:
                self.say("Stopped.")
        sys.exit(code)

    def announce(self, url: str, password: str | None) -> None:
        """Say where everything is."""
        kept = settings.HONCHO_DATA_DIR / "admin_password"
        login = "with the login that you made"
        if password:
            login = f"user admin, password {password} (kept in {kept})"
        elif kept.exists():
            login = f"user admin, first password kept in {kept}"
        reasoner = f"the model {settings.HONCHO['MODEL']}"
        if settings.HONCHO["PROVIDER"] == "local":
            reasoner = "the built-in reasoner (set OPENAI_API_KEY to use a model)"
        lines = {
            "Site": f"{url}/",
            "Admin": f"{url}/admin/  {login}",
            "API": f"{url}/docs  (OpenAPI: {url}/schema)",
            "Data": str(settings.HONCHO_DATA_DIR),
            "Reasoning": reasoner,
            "API key": f"{sys.executable} manage.py create_api_key NAME --scope operator",
        }
        self.say("\nHoncho is running. Ctrl-C stops it.\n")
        for name, text in lines.items():
            self.say(f"  {name + ':':<11}{text}")
        self.say("")

    def say(self, text: str) -> None:
        """Print at once, also into a pipe."""
        self.stdout.write(text + "\n")
        self.stdout.flush()
