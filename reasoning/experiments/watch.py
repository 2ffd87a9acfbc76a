"""Holding the arms of running experiments to their guardrails."""

from __future__ import annotations

import structlog

from memory.errors import Conflict
from reasoning.experiments import guardrails, lifecycle, measures
from reasoning.experiments.measures import OF_VERSIONS, Figures
from reasoning.models import Experiment

BY = "guardrail"

log = structlog.get_logger("honcho.reasoning")


def pause_arms_that_breach() -> bool:
    """Pause every arm that breaches a guardrail, and say why; return whether there was one."""
    paused = False
    running = Experiment.objects.filter(state=Experiment.State.RUNNING).exclude(guardrails=[])
    for experiment in running.select_related("app", "control"):
        rails = guardrails.of(experiment.guardrails)
        versions = any(rail.measure in OF_VERSIONS for rail in rails)
        paused |= _pause(measures.of(experiment, versions=versions, compared=0), rails)
    return paused


def _pause(figures: Figures, rails: list[guardrails.Guardrail]) -> bool:
    paused = False
    for arm in figures.arms:
        if arm.arm is None or arm.arm.paused:
            continue
        sentence = next(filter(None, (guardrails.breach(figures, arm, rail) for rail in rails)), "")
        if sentence:
            try:
                lifecycle.pause(figures.experiment, arm.arm, by=BY, reason=sentence)
            except Conflict:  # somebody was quicker
                continue
            log.warning("arm_paused", experiment=figures.experiment.public_id, arm=arm.arm.public_id, reason=sentence)
            paused = True
    return paused
