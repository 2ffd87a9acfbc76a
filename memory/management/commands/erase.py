"""Erase for good, look what is left, and let dead rows go."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import ids, places, tenants
from memory.erasure import act, proof, scope, vacuum
from memory.errors import NotFound, Refusal
from memory.models import App, Erasure, Event, Project, Session, User


class Command(BaseCommand):
    """``erase --app my-app --user ana``: counts what would go; with ``--yes`` it goes."""

    help = (
        "Erase an event, a session, a user, a project or an app with all that was made of it. Without --yes it is only"
        " counted. --find and --verify look through every table for what is left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        for part in ("app", "user", "session", "project"):
            parser.add_argument(f"--{part}", help=f"Name or id of the {part}.")
        parser.add_argument("--event", metavar="ID", help="The event's id; needs its user, session or project.")
        parser.add_argument("--yes", action="store_true", help="Do it. There is no way back.")
        parser.add_argument("--reason", default="", help="Why; it is kept with the receipt: leave out names.")
        parser.add_argument("--by", default="", help="Who asked for it; kept with the receipt.")
        parser.add_argument("--find", metavar="TEXT", help="Say in which columns this text still stands.")
        parser.add_argument("--verify", metavar="RECEIPT", help="Say where what was erased is still named.")
        parser.add_argument("--receipts", action="store_true", help="List the receipts, of all apps or of --app.")
        parser.add_argument(
            "--rewrite",
            action="store_true",
            help="Write every table anew, so that no page holds an old byte. Locks each table meanwhile.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked."""
        try:
            if options["find"]:
                self._tell(proof.mentions([options["find"]]))
            elif options["verify"]:
                self._verify(options["verify"])
            elif options["receipts"]:
                self._list(options["app"])
            elif options["rewrite"]:
                refused = vacuum.rewrite_all()
                self.stdout.write(f"Not the owner of: {', '.join(refused)}." if refused else "Every table is new.")
            else:
                self._erase(_thing(options), options)
        except Refusal as error:
            raise CommandError(error.message) from error

    def _erase(self, thing: Any, options: dict[str, Any]) -> None:
        if not options["yes"]:
            plan = act.plan(thing)
            self._count(plan.counts, plan.unreadable, plan.rebuilding)
            self.stdout.write("Nothing was changed. With --yes it goes, and there is no way back.")
            return
        row = act.erase(thing, reason=options["reason"], by=options["by"])
        self._count(row.counts, row.unreadable, row.rebuilding)
        self.stdout.write(f"Receipt {row.public_id}")

    def _count(self, counts: dict[str, int], unreadable: int, rebuilding: int) -> None:
        for name, count in counts.items():
            self.stdout.write(f"{count:>10,} {name.replace('_', ' ')}")
        self.stdout.write(
            f"{unreadable:>10,} subjects lose what was known, {rebuilding:,} of those that stay are read again"
        )

    def _verify(self, ref: str) -> None:
        receipt_id = ids.decode(ref)
        row = None if receipt_id is None else Erasure.objects.filter(pk=receipt_id).first()
        if row is None:
            raise NotFound("There is no such receipt.")
        self._tell(proof.left_of(row))

    def _tell(self, found: dict[str, int]) -> None:
        for column, count in found.items():
            self.stdout.write(f"{count:>10,} {column}")
        if found:
            raise CommandError("It still stands there.")
        self.stdout.write("It stands in no table.")

    def _list(self, app: str | None) -> None:
        rows = Erasure.objects.order_by("-pk")
        if app is not None:
            rows = rows.filter(app=ids.decode(app) or tenants.find_app(app).pk)
        for row in rows.iterator():
            counts = json.dumps(row.counts)
            self.stdout.write(
                f"{row.public_id} {row.created_at:%Y-%m-%d %H:%M} {row.what} {ids.encode(row.target)} {counts}"
            )


def _thing(options: dict[str, Any]) -> Event | Session | User | Project | App:
    """Return what the arguments name."""
    if not options["app"]:
        raise CommandError("Say of which --app.")
    app = tenants.find_app(options["app"])
    parts = {part: options[part] for part in ("user", "session", "project")}
    if options["event"]:
        place = places.find(app.public_id, **parts)
        if place is None or not any(parts.values()):
            raise CommandError("Say whose event it is: a user's, a user's session's, or a project's.")
        return scope.find_event(place, options["event"])
    if options["project"]:
        return tenants.find_project(app.pk, options["project"])
    if options["session"]:
        if not options["user"]:
            raise CommandError("Say of which --user the session is.")
        return tenants.find_session(tenants.find_user(app.pk, options["user"]), options["session"])
    if options["user"]:
        return tenants.find_user(app.pk, options["user"])
    return app
