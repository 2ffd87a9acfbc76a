"""``manage.py reprocess``: read old events again with another prompt version, beside what is served."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import diffs, tenants, validation
from memory.errors import Invalid, Refusal
from reasoning import prompt_versions, spending
from reasoning.models import Reprocess, ReprocessItem
from reasoning.reprocessing import lifecycle, outcome, undoing
from reasoning.reprocessing.parts import Part
from reasoning.reprocessing.progress import Progress, items, progress
from reasoning.reprocessing.scope import find_run, refs

BAR = 30
LOOK_SECONDS = 1.0

_STEPS: dict[str, tuple[str, Callable[..., Reprocess]]] = {
    "pause": ("Begin no more passes; those under way end.", lifecycle.pause),
    "resume": ("Go on with a paused run.", lifecycle.resume),
    "cancel": ("End a run that is not done; what it has made stays in the history.", lifecycle.cancel),
    "discard": ("Decide that nobody will read what a run has made.", lifecycle.discard),
}


class Command(BaseCommand):
    """Draft, start, steer, compare and promote runs."""

    help = "Read old events again with another prompt version, beside what is served, and promote what comes of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare a subcommand for each step."""
        acts = parser.add_subparsers(dest="act", required=True)
        create = acts.add_parser("create", help="Draft a run and show what it will take.")
        scope = create.add_mutually_exclusive_group(required=True)
        scope.add_argument("--app", help="Name or id of the app.")
        scope.add_argument("--site", action="store_true", help="All apps.")
        create.add_argument("--prompt", required=True, help="Id or name of the prompt version, such as user-2.")
        create.add_argument("--since", help="Where the window begins: a moment, or how long ago (30d, 12h).")
        create.add_argument(
            "--subject", action="append", default=[], help="Only this one (id or name); may be repeated."
        )
        create.add_argument("--reason", required=True, help="Why.")
        create.add_argument("--carrier", choices=Reprocess.Carrier.values, default=Reprocess.Carrier.CALLS)
        _add_limits(create)
        start = acts.add_parser("start", help="Start a drafted run.")
        start.add_argument("run")
        start.add_argument("--follow", action="store_true", help="Show how far it has come until it stops.")
        throttle = acts.add_parser("throttle", help="Set how fast a run may go and what it may take (none: no limit).")
        throttle.add_argument("run")
        _add_limits(throttle)
        for name, (text, _) in _STEPS.items():
            step = acts.add_parser(name, help=text)
            step.add_argument("run")
            step.add_argument("--reason", default="", help="Why.")
        show = acts.add_parser("show", help="Show a run and what went wrong in it; without one, list the last runs.")
        show.add_argument("run", nargs="?")
        show.add_argument("--follow", action="store_true", help="Show how far it has come until it stops.")
        sample = acts.add_parser("sample", help="Show what would change, for some subjects drawn by chance.")
        sample.add_argument("run")
        sample.add_argument("--limit", type=int, default=5)
        promote = acts.add_parser("promote", help="Let readers have what a run has made.")
        promote.add_argument("run")
        promote.add_argument("--only", required=True, choices=("all", "without-regressions"))
        promote.add_argument("--percent", type=int, default=100, help="Only so many of a hundred, drawn by chance.")
        promote.add_argument("--app", help="Only the subjects of this app.")
        promote.add_argument(
            "--keep-open", action="store_true", help="Do not end the run: the others can be promoted later."
        )
        promote.add_argument("--reason", default="", help="Why.")
        undo = acts.add_parser("undo", help="Give readers again what they were given before a run was promoted.")
        undo.add_argument("run")
        undo.add_argument("--reason", required=True, help="Why.")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        """Do what is asked; what the domain refuses ends the command with its words."""
        try:
            getattr(self, f"_{act}", self._step)(act=act, **options)
        except Invalid as error:
            where = ".".join(map(str, error.where))
            raise CommandError(f"{where}: {error.message}" if where else error.message) from error
        except Refusal as error:
            raise CommandError(error.message) from error

    def _create(self, **options: Any) -> None:
        app = tenants.find_app(options["app"]) if options["app"] else None
        version = prompt_versions.find(options["prompt"], app)
        run = lifecycle.create(
            version,
            app=app,
            since=None if options["since"] is None else validation.since(options["since"], ("since",)),
            subjects=refs(version.kind, options["subject"]),
            carrier=options["carrier"],
            reason=options["reason"],
            by="manage.py",
            **_limits(options),
        )
        told = run.estimate
        self.stdout.write(
            f"{told['subjects']:,} subjects with {told['events']:,} events ({told['event_tokens']:,} tokens)\n"
            f"{told['passes']:,} passes, {told['input_tokens']:,} tokens in and {told['output_tokens']:,} out\n"
            f"money   {told['money'] or 'unknown: nobody gave the price'}\n"
            f"time    {_duration(told['seconds'])}\n"
            f"this rests on {told['rests_on']}\n\n"
            f"Drafted; start it with: manage.py reprocess start {run.public_id}"
        )

    def _start(self, *, run: str, follow: bool, **options: Any) -> None:
        found = lifecycle.start(find_run(run), by="manage.py")
        self.stdout.write(f"Started {found.public_id}: {found.estimate['events']:,} events to read.")
        if follow:
            self._follow(found)

    def _throttle(self, *, run: str, **options: Any) -> None:
        found = lifecycle.change(find_run(run), by="manage.py", **_limits(options))
        self.stdout.write(
            f"passes a minute: {_limit(found.passes_per_minute)}; tokens: {_limit(found.token_budget)};"
            f" money: {_limit(found.money_budget)}"
        )

    def _step(self, *, act: str, run: str, reason: str, **options: Any) -> None:
        _, step = _STEPS[act]
        self.stdout.write(f"{run} is {step(find_run(run), reason=reason, by='manage.py').state}.")

    def _show(self, *, run: str | None, follow: bool, **options: Any) -> None:
        if run is None:
            for row in Reprocess.objects.select_related("prompt_version", "app").order_by("-pk")[:20]:
                name = prompt_versions.name_of(row.prompt_version)
                self.stdout.write(f"{row.public_id}  {row.state:<10} {row.app or 'all apps'}  {name}  {row.reason}")
            return
        found = find_run(run)
        self.stdout.write(f"{found.state}. {found.state_reason}".strip())
        told = progress(found)
        self.stdout.write(_line(told))
        for name, counted in (("subjects", told.items), ("passes", told.passes), ("work", told.work)):
            self.stdout.write(
                f"{name:<9}" + ", ".join(f"{count:,} {state}" for state, count in sorted(counted.items()))
            )
        self.stdout.write(f"took     {told.tokens:,} tokens, {told.cost.normalize():f} of money")
        for item in items(found, state=ReprocessItem.State.FAILED, limit=20):
            self.stdout.write(f"failed   {item.subject}: {item.error}")
        if follow:
            self._follow(found)

    def _sample(self, *, run: str, limit: int, **options: Any) -> None:
        for found in outcome.sample(find_run(run), max(limit, 1)):
            self.stdout.write(f"{found.item.subject}: {diffs.tell(found.diff) if found.diff else 'nothing was made'}")
            for problem in found.regressions:
                self.stdout.write(f"  worse: {problem}")

    def _promote(self, *, run: str, only: str, keep_open: bool, reason: str, **options: Any) -> None:
        app = tenants.find_app(options["app"]) if options["app"] else None
        part = Part(only != "all", options["percent"], None if app is None else app.pk)
        found = lifecycle.promote(find_run(run), part, end=not keep_open, reason=reason, by="manage.py")
        self.stdout.write(f"{found.promoted:,} promoted, {found.left:,} left as they are.")

    def _undo(self, *, run: str, reason: str, **options: Any) -> None:
        count = undoing.undo(find_run(run), reason=reason, by="manage.py")
        self.stdout.write(f"Readers of {count:,} subjects get what they were given before.")

    def _follow(self, run: Reprocess) -> None:
        """Show how far a run has come, on one line of a terminal, until it runs no more."""
        shown = ""
        while True:
            run = find_run(run.public_id)
            line = _line(progress(run))
            if self.stdout.isatty():
                self.stdout.write(f"\r{line:<100}", ending="")
            elif line != shown:
                self.stdout.write(line)
            shown = line
            if run.state != Reprocess.State.RUNNING:
                break
            time.sleep(LOOK_SECONDS)
        self.stdout.write(f"\n{run.state}. {run.state_reason}".rstrip())


def _add_limits(parser: ArgumentParser) -> None:
    parser.add_argument("--per-minute", metavar="N", help="At most so many passes a minute.")
    parser.add_argument("--tokens", metavar="N", help="At most so many tokens in all.")
    parser.add_argument("--money", metavar="AMOUNT", help="At most so much money in all.")


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    """Return the limits that are given."""
    kinds: dict[str, tuple[str, Callable[[str], int | Decimal]]] = {
        "per_minute": ("passes_per_minute", int),
        "tokens": ("token_budget", int),
        "money": ("money_budget", Decimal),
    }
    found: dict[str, Any] = {}
    for option, (name, kind) in kinds.items():
        if options[option] is not None:
            try:
                found[name] = None if options[option] == "none" else kind(options[option])
            except (ValueError, InvalidOperation):
                raise CommandError(f"--{option.replace('_', '-')} takes a number, or none.") from None
    return found


def _limit(value: int | Decimal | None) -> str:
    return "no limit" if value is None else spending.amount(value)


def _line(told: Progress) -> str:
    done = round(told.share * BAR)
    parts = [f"[{'#' * done}{'.' * (BAR - done)}] {told.share:4.0%} {told.events_read:,} of {told.events:,} events"]
    if told.rate is not None:
        parts.append(f"{told.rate:,.0f} a minute")
    if told.eta_seconds is not None:
        parts.append(f"{_duration(told.eta_seconds)} left")
    if told.failures:
        parts.append(f"{told.failures:,} passes failed")
    return ", ".join(parts)


def _duration(seconds: int | None) -> str:
    return "unknown" if seconds is None else str(timedelta(seconds=seconds))
