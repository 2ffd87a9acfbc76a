"""``manage.py demo``: the whole way of a conversation, from the first message to what an agent reads, in one minute."""

import io
import os
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from honcho_site import conversations, launcher, processes
from honcho_site.conversations import Line, Server
from honcho_site.demo import __file__ as demo_file

PATIENCE = {"local": 60.0, "openai": 300.0}  # seconds
FOLDER = Path(demo_file).parent


class Command(BaseCommand):
    """Starts web and worker, plays a conversation, shows what is known, adds to it, shows what changed, and ends."""

    help = "Play a conversation that ships with the project, and show what an agent would know."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo; whatever goes wrong ends with a text that says where to look."""
        log = settings.HONCHO_DATA_DIR / "demo.log"
        log.write_bytes(b"")
        self.title("Starting")
        launcher.prepare()
        port = launcher.free_port()
        os.environ.setdefault("REASONING_INTERVAL", "0")  # who watches would rather not wait between two passes
        try:
            with (
                launcher.only_one_clears_metrics(),
                launcher.group(port, "127.0.0.1", self.say, log) as running,
            ):
                url = f"http://127.0.0.1:{port}"
                launcher.wait_until_answering(running, url)
                self.say(f"Web and worker run at {url}; what they log is in {log}.")
                if settings.HONCHO["PROVIDER"] == "local":
                    self.say("No OPENAI_API_KEY is set: the built-in reasoner does the reasoning, offline.")
                self.play(url, running)
        except processes.Stopped:
            raise CommandError("Stopped before the end.", returncode=130) from None
        except conversations.Refused as error:
            raise CommandError(f"{error}\nThe log of web and worker is {log}.") from error
        self.say("Keep it running with: make run    (the same data, the admin, and the API's pages)")

    def play(self, url: str, running: processes.Group) -> None:
        """Play both parts of the conversation against a server that runs."""
        key = create_key()
        # Each demo has an app of its own, so that it can be run again.
        app = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        first = conversations.read(FOLDER / "conversation.jsonl")
        later = conversations.read(FOLDER / "later.jsonl")
        user = first[0].author
        with Server(url, key, app) as server:
            self.title("A conversation goes in")
            self.send(server, user, first)
            before = self.reasoned(server, user, first[-1].session, running)
            old = server.representation(user)["version"]
            self.title(f"What an agent gets now (version {before['version']}, {freshness(before)})")
            self.quote(before["context"])

            self.title("Two weeks later")
            self.send(server, user, later)
            after = self.reasoned(server, user, later[-1].session, running)
            new = server.representation(user)["version"]
            self.title(f"What an agent gets now (version {after['version']}, {freshness(after)})")
            self.quote(after["context"])

            self.title(f"What changed in what is known of {user}, from version {old} to {new}")
            for number in range(old + 1, new + 1):
                version = server.version(user, number)
                for sign, name in (("+", "added"), ("-", "retired")):
                    for conclusion in version[name]:
                        self.say(
                            textwrap.fill(
                                conclusion["content"], 96, initial_indent=f"  {sign} ", subsequent_indent="    "
                            )
                        )
            self.say("")

    def send(self, server: Server, user: str, lines: list[Line]) -> None:
        """Send messages, and show them."""
        for batch in conversations.batches(lines, 100):
            self.say(self.style.MIGRATE_LABEL(f"  {(batch[0].occurred_at or '')[:10]}  session {batch[0].session}"))
            for line in batch:
                self.say(
                    textwrap.fill(
                        line.content, 96, initial_indent=f"  {line.author + ':':<11}", subsequent_indent=" " * 13
                    )
                )
            server.send(user, batch[0].session, batch)
        self.say("")

    def reasoned(self, server: Server, user: str, session: str, running: processes.Group) -> dict[str, Any]:
        """Wait until every event is reasoned over; returns the context."""
        began = time.monotonic()
        patience = PATIENCE[settings.HONCHO["PROVIDER"]]
        while True:
            context = server.context(user, session)
            if context["version"] and not context["behind"]["events"]:
                self.say(f"Reasoned over after {time.monotonic() - began:.1f} s.\n")
                return context
            code = running.mend()
            if code is not None:
                raise CommandError("A part of the site ended; its log says why.", returncode=code)
            if time.monotonic() - began > patience:
                raise conversations.Refused(
                    f"After {patience:g} s {context['behind']['events']} events still wait to be reasoned over. "
                    "Look for errors of the worker, and, with a model, check OPENAI_API_KEY and OPENAI_BASE_URL."
                )
            time.sleep(0.2)

    def title(self, text: str) -> None:
        """A heading."""
        self.say(self.style.MIGRATE_HEADING(f"== {text}"))

    def quote(self, text: str) -> None:
        """A text of the server, indented, within the width of a terminal."""
        for paragraph in text.splitlines():
            self.say(textwrap.fill(paragraph, 96, initial_indent="  | ", subsequent_indent="  |   ") or "  |")
        self.say("")

    def say(self, text: str) -> None:
        """Print at once, also into a pipe."""
        self.stdout.write(text + "\n")
        self.stdout.flush()


def create_key() -> str:
    """Make an API key for this demo: the command's last line is the key."""
    output = io.StringIO()
    call_command("create_api_key", f"demo {os.getpid()}", scope="operator", stdout=output)
    connection.close()
    return output.getvalue().strip().splitlines()[-1]


def freshness(context: dict[str, Any]) -> str:
    """How fresh a context is, in words."""
    behind = context["behind"]
    if not behind["events"]:
        return f"as of {context['as_of']}, nothing waits"
    return f"as of {context['as_of']}, {behind['events']} events behind for {behind['seconds']} s"
