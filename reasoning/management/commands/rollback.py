"""Take back all that a prompt version made: see what that would do, do it, list what was done, undo it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memory import ids, tenants, validation
from memory.errors import Refusal
from memory.restoring import Onward
from reasoning import prompt_versions, rollbacks
from reasoning.models import Rollback


class Command(BaseCommand):
    """Roll back a deployment."""

    help = "Take readers back from all that a prompt version made to what it replaced."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do, and with what."""
        acts = parser.add_subparsers(dest="act", required=True)
        for name, text in (("plan", "Say what it would do; change nothing."), ("make", "Do it.")):
            act = acts.add_parser(name, help=text)
            act.add_argument("prompt", help="Id or name of the prompt version: user-2, site-user-1.")
            act.add_argument("--app", help="Only in this app.")
            act.add_argument("--since", help="Only what it made since: a moment, or an age such as 7d.")
            if name == "make":
                act.add_argument("--then", choices=["stay", "reason_again"], default="stay",
                                 help="What becomes of the events that were read since.")  # fmt: skip
                act.add_argument("--live", help="Which version shall be live instead; else the one before.")
                act.add_argument("--keep-live", action="store_true", help="Leave labels, experiments and runs alone.")
                act.add_argument("--reason", required=True)
        acts.add_parser("list", help="What was taken back.").add_argument("--app")
        undo = acts.add_parser("undo", help="Give readers again what they got before.")
        undo.add_argument("rollback", help="Its id.")
        undo.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked, or say why not."""
        try:
            getattr(self, options["act"])(options)
        except Refusal as error:
            raise CommandError(error.message) from None

    def plan(self, options: dict[str, Any]) -> None:
        """Say what a rollback would do."""
        found = rollbacks.plan(**_asked(options))
        live = prompt_versions.name_of(found.live) if found.live else "unchanged"
        for text, value in (
            ("subjects", len(found.affected)), ("versions taken back", found.versions),
            ("subjects with nothing before", found.nothing_before), ("events read since", found.events),
            ("experiments touched", found.experiments), ("runs ended", found.runs),
        ):  # fmt: skip
            self.stdout.write(f"{value:>10,}  {text}")
        self.stdout.write(f"live then: {live}")

    def make(self, options: dict[str, Any]) -> None:
        """Make a rollback."""
        asked = _asked(options)
        live = options["live"] and prompt_versions.find(options["live"], asked["app"])
        made = rollbacks.roll_back(
            **asked,
            then=Onward(options["then"]),
            live=live or None,
            keep_live=options["keep_live"],
            reason=options["reason"],
            by="manage.py",
        )
        self._tell(made)

    def list(self, options: dict[str, Any]) -> None:
        """List rollbacks, newest first."""
        app = tenants.find_app(options["app"]) if options["app"] else None
        for row in rollbacks.of_app(app):
            self._tell(row)

    def undo(self, options: dict[str, Any]) -> None:
        """Undo a rollback."""
        key = ids.decode(options["rollback"])
        found = Rollback.objects.filter(pk=key).first() if key else None
        if found is None:
            raise CommandError("There is no such rollback.")
        self._tell(rollbacks.undo(found, reason=options["reason"], by="manage.py"))

    def _tell(self, row: Rollback) -> None:
        what = "undone" if row.undoes_id else "taken back"
        live = f", live now: {prompt_versions.name_of(row.live)}" if row.live else ""
        self.stdout.write(
            f"{row.public_id}  {row.created_at:%Y-%m-%d %H:%M}  {prompt_versions.name_of(row.prompt_version)} {what}"
            f" in {row.subjects:,} subjects ({row.then}{live}): {row.reason}"
        )


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    app = tenants.find_app(options["app"]) if options["app"] else None
    since = validation.since(options["since"], ("since",)) if options["since"] else None
    return {"version": prompt_versions.find(options["prompt"], app), "app": app, "since": since}
