"""``manage.py prompts``: prompt versions from the shell, by the same functions as the API and the admin."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import diffs, reading, tenants
from memory.errors import Invalid, Refusal
from memory.models import App, Subject
from reasoning import dry_runs, labels, prompt_diff, prompt_versions
from reasoning.models import LabelMove

_LISTED = 200

Act = Callable[[App | None, dict[str, Any]], Iterator[str]]


class Command(BaseCommand):
    """Read, compare, make, label and try prompt versions."""

    help = (
        "Prompt versions. PROMPT is an id or a name: user-2 is the second for users, of the app if --app is given and "
        "of the site otherwise; site-user-2 is the site's."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare a parser for each act."""
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")

        def add(name: str, run: Act, text: str) -> ArgumentParser:
            act = acts.add_parser(name, help=text, description=text)
            act.add_argument("--app", help="Name or id of the app; without it, the site's versions.")
            act.set_defaults(run=run)
            return act

        act = add("list", self._list, "List versions, newest first, and where the labels point.")
        act.add_argument("--kind", choices=Subject.Kind.values)
        act = add("show", self._show, "Show one version whole.")
        act.add_argument("prompt")
        act = add("diff", self._diff, "Show what changed from one version to another.")
        act.add_argument("prompt")
        act.add_argument("to")
        act.add_argument("--words", action="store_true", help="Word by word: [-removed-] {+added+}.")
        act = add("create", self._create, "Make the next version; it is not in use before a label is put on it.")
        act.add_argument("kind", choices=Subject.Kind.values)
        act.add_argument("file", help="The file with its text; - for standard input.")
        act.add_argument("--message", required=True, help="What is new in it, and why.")
        act.add_argument("--model", default="", help="Default: the site's.")
        act.add_argument("--parameters", default="{}", help="A JSON object, such as '{\"temperature\": 0}'.")
        act = add(
            "label", self._label, "Point a label at a version, or take it off; without one of them, show its history."
        )
        act.add_argument("name", choices=["live", "candidate"])
        act.add_argument("prompt", nargs="?", help="The version that it shall point at.")
        act.add_argument("--take-off", metavar="KIND", choices=Subject.Kind.values, help="Take it off this kind.")
        act.add_argument("--reason", default="", help="Why; kept in the history.")
        act = add(
            "dry_run",
            self._dry_run,
            "Show what a version would make of a subject; one model call, and nothing is published.",
        )
        act.add_argument("prompt")
        for part in ("user", "session", "project", "observer"):
            act.add_argument(f"--{part}", help=f"Name or id of the {part}.")
        act.add_argument("--events", type=int, help="How many events it reads, at most.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do one act; what is refused ends with an error."""
        try:
            app = None if options["app"] is None else tenants.find_app(options["app"])
            for line in options["run"](app, options):
                self.stdout.write(line)
        except Invalid as error:
            where = f"{'.'.join(map(str, error.where))}: " if error.where else ""
            raise CommandError(f"{where}{error.message}") from error
        except Refusal as error:
            raise CommandError(error.message) from error

    def _list(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        found = prompt_versions.known_to(app).defer("instructions").prefetch_related("labels")
        if options["kind"]:
            found = found.filter(kind=options["kind"])
        rows = list(found[:_LISTED])
        used = prompt_versions.uses(rows)
        for row in rows:
            pointed = ",".join(sorted(label.name for label in row.labels.all()))
            more = "+" if used[row.pk] == prompt_versions.COUNTED else ""
            columns = (
                f"{prompt_versions.name_of(row):<20}",
                f"{pointed or '-':<18}",
                f"{used[row.pk]:,}{more} passes".ljust(14),
                f"{row.model or '-':<20}",
                row.message,
            )
            yield " ".join(columns)

    def _show(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        row = prompt_versions.find(options["prompt"], app)
        yield f"{prompt_versions.name_of(row)}  {row.public_id}"
        yield f"made {row.created_at:%Y-%m-%d %H:%M} UTC by {row.maker or 'nobody known'}: {row.message}"
        yield f"model: {row.model or 'the default of the site'}"
        yield f"parameters: {json.dumps(row.parameters)}"
        yield ""
        yield row.instructions

    def _diff(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        start, end = (prompt_versions.find(options[name], app) for name in ("prompt", "to"))
        found = prompt_diff.compare(start, end)
        for item in found.settings:
            yield f"{item.name}: {json.dumps(item.before)} -> {json.dumps(item.after)}"
        if options["words"]:
            marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
            yield "".join(marks[piece.act].format(piece.text) for piece in found.words)
        else:
            yield found.unified or "The text is the same."

    def _create(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        made = prompt_versions.create(
            options["kind"],
            _text_of(options["file"]),
            message=options["message"],
            app=app,
            model=options["model"],
            parameters=_parameters(options["parameters"]),
            by=_me(),
        )
        yield f"{prompt_versions.name_of(made)}  {made.public_id}"

    def _label(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        name, ref, kind = options["name"], options["prompt"], options["take_off"]
        if ref and kind:
            raise CommandError("Give a version or --take-off, not both.")
        how = {"reason": options["reason"], "by": _me()}
        if ref:
            version = prompt_versions.find(ref, app)
            if version.app_id != (app.pk if app else None):
                whose = "the site's: leave --app out" if version.app_id is None else "an app's: name it with --app"
                raise CommandError(f"{ref} is {whose} to label it there.")
            move = labels.move(name, version, **how)
            yield f"{name} points at {ref} already." if move is None else _told(move)
        elif kind:
            yield _told(labels.take_off(name, app, kind, **how))
        else:
            for move in labels.moves(app).filter(name=name)[:_LISTED]:
                yield _told(move)

    def _dry_run(self, app: App | None, options: dict[str, Any]) -> Iterator[str]:
        if app is None:
            raise CommandError("Give --app: a subject belongs to one.")
        named = {part: options[part] for part in ("user", "session", "project", "observer")}
        if bool(named["user"]) == bool(named["project"]):
            raise CommandError("Give --user, --user and --session, or --project.")
        subject = reading.subject(app.public_id, **named)
        found = dry_runs.run(prompt_versions.find(options["prompt"], app), subject, events=options["events"])
        yield from _report(found)


def _text_of(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The text cannot be read: {error}") from error


def _parameters(given: str) -> dict[str, Any]:
    try:
        value = json.loads(given)
    except ValueError as error:
        raise CommandError(f"--parameters is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CommandError("--parameters takes a JSON object.")
    return value


def _me() -> str:
    """Return who runs the command, for the history."""
    try:
        return f"{getpass.getuser()} at a shell"
    except (KeyError, OSError):  # a container's user has no name
        return "a shell"


def _told(move: LabelMove) -> str:
    to = prompt_versions.name_of(move.to) if move.to else "nothing"
    origin = prompt_versions.name_of(move.origin) if move.origin else "nothing"
    by = f" by {move.by}" if move.by else ""
    return f"{move.created_at:%Y-%m-%d %H:%M} {move.kind} {move.name}: {origin} -> {to}{by}: {move.reason}"


def _report(found: dry_runs.DryRun) -> Iterator[str]:
    window, diff, made = found.window, found.would_be.diff, found.would_be.version
    basis = f"version {window.basis.version.number}" if window.basis.version else "nothing"
    how = "new" if window.unread else "read again"
    name = prompt_versions.name_of(found.prompt_version)
    yield f"{name} on {found.subject}: events {window.start + 1} to {window.end}, {how}, after {basis}"
    cost = "an unknown price" if found.cost is None else f"{found.cost.normalize():f}"
    tokens = f"{found.usage.input_tokens:,} tokens in, {found.usage.output_tokens:,} out"
    yield f"{found.provider} {found.model}: {tokens}, for {cost}"
    for warning in found.warnings:
        yield f"Note: {warning}"
    for problem in found.verdict.refused:
        yield f"It would be quarantined ({problem.gate}): {problem.text}"
    for problem in found.verdict.withheld:
        yield f"A part would be withheld ({problem.gate}): {problem.text}"
    yield ""
    stands = f"version {diff.start.version.number}" if diff.start.version else "nothing"
    yield f"Beside what stands now ({stands}):"
    yield from _changes(diff)
    yield ""
    yield made.text


def _changes(diff: diffs.Diff) -> Iterator[str]:
    for kept in diff.kept:
        yield f"  {kept.conclusion.content}"
    for pair in diff.reworded:
        yield f"- {pair.before.conclusion.content}"
        yield f"+ {pair.after.conclusion.content}"
    for gone in diff.retired:
        yield f"- {gone.conclusion.content}"
    for new in diff.added:
        yield f"+ {new.conclusion.content}"
