"""``manage.py experiments``: experiments from the shell, by the same functions as the API."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory import tenants
from memory.errors import Invalid, Refusal
from memory.models import App, Subject
from reasoning import prompt_versions
from reasoning.experiments import guardrails, lifecycle, measures
from reasoning.experiments.estimates import Estimate
from reasoning.experiments.lifecycle import Candidate
from reasoning.experiments.measures import COMPARED, MEASURES, ArmFigures, Figures
from reasoning.models import Arm, Experiment

BY = "manage.py"
_LISTED = 200

Act = Callable[[App | None, dict[str, Any]], Iterator[str]]


class Command(BaseCommand):
    """Begin, steer, measure and end experiments."""

    help = (
        "Experiments: prompt versions that share subjects. EXPERIMENT is an id or a name, ARM the id or the name of "
        "its prompt version, such as user-2. Shares go from 0 to 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare a parser for each act."""
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")

        def add(name: str, run: Act, text: str, *named: str) -> ArgumentParser:
            act = acts.add_parser(name, help=text, description=text)
            act.add_argument("--app", help="Name or id of the app; without it, the site's experiments.")
            for argument in named:
                act.add_argument(argument)
            act.set_defaults(run=run)
            return act

        add("list", _list, "List experiments, newest first.")
        add("show", _show, "Show an experiment with what each arm did.", "experiment")
        act = add("create", _create, "Make an experiment; nothing changes before it is started.", "name")
        act.add_argument("candidates", nargs="+", metavar="PROMPT[=SHARE]", help="Such as user-2=0.1.")
        act.add_argument("--kind", choices=Subject.Kind.values, default=Subject.Kind.USER)
        act.add_argument("--mode", choices=Experiment.Mode.values, default=Experiment.Mode.SERVE)
        act.add_argument("--sample", type=float, default=0.0, help="Share of the arms' subjects to compare beside.")
        act.add_argument(
            "--guardrail",
            action="append",
            default=[],
            metavar="MEASURE=LIMIT",
            help=f"Such as cost=1.5x: 1.5 times the control's. MEASURE: {', '.join(guardrails.GUARDED)}.",
        )
        add("start", _start, "Let subjects fall to the arms.", "experiment")
        add("ramp", _ramp, "Change an arm's share.", "experiment", "arm").add_argument("share", type=float)
        for name, run in (("pause", _pause), ("resume", _resume)):
            act = add(name, run, f"{name.capitalize()} an arm, or all.", "experiment")
            act.add_argument("arm", nargs="?")
        add("stop", _stop, "End an experiment: subjects go on with what is live.", "experiment")
        add("promote", _promote, "End an experiment and make an arm's version live.", "experiment", "arm")
        for name, act in acts.choices.items():
            if name not in ("list", "show"):
                act.add_argument("--reason", default="", required=name == "promote", help="Why; it is kept.")

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


def _list(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    for row in lifecycle.of_app(app)[:_LISTED]:
        yield _line(row)


def _show(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = measures.of(lifecycle.find(app, options["experiment"]))
    yield _line(found.experiment)
    for arm in found.arms:
        yield from _table(found, arm)


def _create(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    candidates = []
    for given in options["candidates"]:
        ref, _, share = given.partition("=")
        candidates.append(Candidate(prompt_versions.find(ref, app), _number(share or "0", given)))
    made = lifecycle.create(
        options["kind"],
        options["name"],
        candidates,
        app=app,
        mode=options["mode"],
        sample=options["sample"],
        guarded=[_guardrail(given) for given in options["guardrail"]],
        by=BY,
        reason=options["reason"],
    )
    yield _line(made)


def _start(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    yield _line(lifecycle.start(found, by=BY, reason=options["reason"]))


def _ramp(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    arm = lifecycle.find_arm(found, options["arm"])
    yield _line(lifecycle.ramp(found, arm, options["share"], by=BY, reason=options["reason"]))


def _pause(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    yield _line(lifecycle.pause(found, _arm(found, options), by=BY, reason=options["reason"]))


def _resume(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    yield _line(lifecycle.resume(found, _arm(found, options), by=BY, reason=options["reason"]))


def _stop(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    yield _line(lifecycle.stop(found, by=BY, reason=options["reason"]))


def _promote(app: App | None, options: dict[str, Any]) -> Iterator[str]:
    found = lifecycle.find(app, options["experiment"])
    arm = lifecycle.find_arm(found, options["arm"])
    yield _line(lifecycle.promote(found, arm, by=BY, reason=options["reason"]))


def _arm(experiment: Experiment, options: dict[str, Any]) -> Arm | None:
    return lifecycle.find_arm(experiment, options["arm"]) if options["arm"] else None


def _guardrail(given: str) -> dict[str, Any]:
    measure, _, limit = given.partition("=")
    relative = limit.endswith("x")
    return {"measure": measure, "limit": _number(limit.removesuffix("x"), given), "relative": relative}


def _number(text: str, given: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CommandError(f"{given}: {text!r} is no number.") from None


def _line(row: Experiment) -> str:
    arms = []
    for arm in row.arms.select_related("version").order_by("pk"):
        paused = f" (paused: {arm.paused_because or 'no reason given'})" if arm.paused else ""
        arms.append(f"{prompt_versions.name_of(arm.version)} {arm.share:.2%}{paused}")
    control = prompt_versions.name_of(row.control)
    return f"{row.public_id}  {row.state:<9} {row.mode:<7} {row.name}: {', '.join(arms)} against {control}"


def _table(found: Figures, arm: ArmFigures) -> Iterator[str]:
    control = found.control
    yield ""
    titles = (prompt_versions.name_of(control.version), prompt_versions.name_of(arm.version), "difference")
    yield f"{'':<24}{titles[0]:<32}{titles[1]:<32}{titles[2]}"
    yield _row("target", *(f"{each.target:.2%}" for each in (control, arm)))
    yield _row("split", *(_told(each.split) for each in (control, arm)))
    yield _row("passes", *(f"{each.passes:,}" for each in (control, arm)))
    yield _row("events", *(f"{each.events:,}" for each in (control, arm)))
    for name, measure in MEASURES.items():
        theirs = "" if name in COMPARED else _told(control.estimate(name))
        against = "" if name in COMPARED else _told(arm.against(control, name))
        yield _row(name, theirs, _told(arm.estimate(name)), against, f"({measure.unit})")


def _row(name: str, control: str, arm: str, difference: str = "", unit: str = "") -> str:
    return f"{name:<24}{control:<32}{arm:<32}{difference:<32}{unit}".rstrip()


def _told(found: Estimate) -> str:
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3g}"
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
