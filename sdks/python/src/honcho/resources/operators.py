"""What operators do in the admin, for scripts: prompts, experiments, reprocessing, rollbacks. Takes operators' keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

from honcho import models
from honcho._call import JSON, Call, When, as_is, given
from honcho._operation import M, Resource, operation, paged
from honcho.resources import _places


class Prompts(Resource[M]):
    """The prompt versions of an app and of the site."""

    @paged
    def list(
        self, *, app_id: str, kind: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[models.Prompt]:
        """Return prompt versions, newest first, without their texts."""
        query = {"kind": kind, "cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "prompts"), models.Prompt, query=query)

    @operation
    def create(
        self,
        *,
        app_id: str,
        message: str,
        from_: Optional[str] = None,
        kind: Optional[str] = None,
        instructions: Optional[str] = None,
        model: Optional[str] = None,
        parameters: Optional[JSON] = None,
    ) -> Call[models.Prompt]:
        """Make the next version. With ``from_``, what is not given is that version's."""
        body = given(
            message=message, from_=from_, kind=kind, instructions=instructions, model=model, parameters=parameters
        )
        return Call("POST", _places.app(app_id, "prompts"), models.Prompt, body=body, writes=True)

    @operation
    def get(self, *, app_id: str, prompt_id: str) -> Call[models.Prompt]:
        """Return a prompt version with its text, by its id or name (``user-2``)."""
        return Call("GET", _places.app(app_id, "prompts", prompt_id), models.Prompt)

    @operation
    def diff(self, *, app_id: str, prompt_id: str, to: str) -> Call[dict[str, Any]]:
        """Return what changed from one version to another."""
        return Call("GET", _places.app(app_id, "prompts", prompt_id, "diff"), as_is, query={"to": to})

    @operation
    def dry_run(
        self,
        *,
        app_id: str,
        prompt_id: str,
        user: Optional[str] = None,
        session: Optional[str] = None,
        project: Optional[str] = None,
        observer: Optional[str] = None,
        events: Optional[int] = None,
    ) -> Call[dict[str, Any]]:
        """Return what a version would make of a subject; one model call, and nothing of it is kept."""
        body = given(user=user, session=session, project=project, observer=observer, events=events)
        address = _places.app(app_id, "prompts", prompt_id, "dry_run")
        return Call("POST", address, as_is, body=body, repeatable=False, patience=120.0)

    @operation
    def labels(
        self, *, app_id: str, kind: Optional[str] = None, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[dict[str, Any]]:
        """Return where the labels point, and a page of their ``moves``."""
        query = {"kind": kind, "cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "prompts", "labels"), as_is, query=query)

    @operation
    def move_label(self, *, app_id: str, kind: str, label: str, version: str, reason: str) -> Call[dict[str, Any]]:
        """Let ``live`` or ``candidate`` point at a version of the app."""
        address = _places.app(app_id, "prompts", "labels", kind, label)
        return Call("PUT", address, as_is, body={"version": version, "reason": reason}, writes=True)

    @operation
    def take_label_off(self, *, app_id: str, kind: str, label: str, reason: str) -> Call[dict[str, Any]]:
        """Take ``live`` or ``candidate`` off."""
        address = _places.app(app_id, "prompts", "labels", kind, label)
        return Call("DELETE", address, as_is, body={"reason": reason}, writes=True)


class Experiments(Resource[M]):
    """The experiments of an app."""

    @paged
    def list(
        self, *, app_id: str, cursor: Optional[str] = None, limit: Optional[int] = None
    ) -> Call[models.Experiment]:
        """Return experiments, newest first."""
        query = {"cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "experiments"), models.Experiment, query=query)

    @operation
    def create(
        self,
        *,
        app_id: str,
        name: str,
        candidates: Sequence[JSON],
        kind: Optional[str] = None,
        mode: Optional[str] = None,
        sample: Optional[float] = None,
        guardrails: Optional[Sequence[JSON]] = None,
        reason: Optional[str] = None,
    ) -> Call[models.Experiment]:
        """Make an experiment: ``candidates`` are ``{"version", "share"}``. Nothing changes before it is started."""
        body = given(
            name=name, candidates=candidates, kind=kind, mode=mode, sample=sample, guardrails=guardrails,
            reason=reason,
        )  # fmt: skip
        return Call("POST", _places.app(app_id, "experiments"), models.Experiment, body=body, writes=True)

    @operation
    def get(self, *, app_id: str, experiment_id: str) -> Call[models.Experiment]:
        """Return an experiment with all that was done to it."""
        return Call("GET", _places.app(app_id, "experiments", experiment_id), models.Experiment)

    @operation
    def measures(self, *, app_id: str, experiment_id: str) -> Call[dict[str, Any]]:
        """Return what each arm did, with intervals, and how it differs from the control."""
        return Call("GET", _places.app(app_id, "experiments", experiment_id, "measures"), as_is)

    @operation
    def start(self, *, app_id: str, experiment_id: str, reason: Optional[str] = None) -> Call[models.Experiment]:
        """Let subjects fall to the arms."""
        return _act(app_id, experiment_id, "start", reason=reason)

    @operation
    def ramp(
        self, *, app_id: str, experiment_id: str, arm: str, share: float, reason: Optional[str] = None
    ) -> Call[models.Experiment]:
        """Change an arm's share of the subjects."""
        return _act(app_id, experiment_id, "ramp", arm=arm, share=share, reason=reason)

    @operation
    def pause(
        self, *, app_id: str, experiment_id: str, arm: Optional[str] = None, reason: Optional[str] = None
    ) -> Call[models.Experiment]:
        """Let the subjects of one arm, or of all, go on with the control."""
        return _act(app_id, experiment_id, "pause", arm=arm, reason=reason)

    @operation
    def resume(
        self, *, app_id: str, experiment_id: str, arm: Optional[str] = None, reason: Optional[str] = None
    ) -> Call[models.Experiment]:
        """End a pause."""
        return _act(app_id, experiment_id, "resume", arm=arm, reason=reason)

    @operation
    def stop(self, *, app_id: str, experiment_id: str, reason: Optional[str] = None) -> Call[models.Experiment]:
        """End an experiment; everybody goes on with the control."""
        return _act(app_id, experiment_id, "stop", reason=reason)

    @operation
    def promote(self, *, app_id: str, experiment_id: str, arm: str, reason: str) -> Call[models.Experiment]:
        """End an experiment and make an arm's version live."""
        return _act(app_id, experiment_id, "promote", arm=arm, reason=reason)


class Reprocesses(Resource[M]):
    """Runs that read old events again, beside what is served."""

    @paged
    def list(self, *, app_id: str, cursor: Optional[str] = None, limit: Optional[int] = None) -> Call[models.Reprocess]:
        """Return runs, newest first."""
        query = {"cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "reprocesses"), models.Reprocess, query=query)

    @operation
    def create(
        self,
        *,
        app_id: str,
        prompt: str,
        reason: str,
        since: Optional[When] = None,
        subjects: Optional[Sequence[Union[str, JSON]]] = None,
        carrier: Optional[str] = None,
        passes_per_minute: Optional[int] = None,
        token_budget: Optional[int] = None,
        money_budget: Optional[str] = None,
    ) -> Call[models.Reprocess]:
        """Draft a run, with an estimate. Nothing is read before it is started."""
        body = given(
            prompt=prompt, reason=reason, since=since, subjects=subjects, carrier=carrier,
            passes_per_minute=passes_per_minute, token_budget=token_budget, money_budget=money_budget,
        )  # fmt: skip
        return Call("POST", _places.app(app_id, "reprocesses"), models.Reprocess, body=body, writes=True)

    @operation
    def get(self, *, app_id: str, reprocess_id: str) -> Call[models.Reprocess]:
        """Return a run and how far it has come."""
        return Call("GET", _places.app(app_id, "reprocesses", reprocess_id), models.Reprocess)

    @operation
    def update(self, *, app_id: str, reprocess_id: str, limits: JSON) -> Call[models.Reprocess]:
        """Set the limits that are given: ``passes_per_minute``, ``token_budget``, ``money_budget``; None is none."""
        address = _places.app(app_id, "reprocesses", reprocess_id)
        return Call("PUT", address, models.Reprocess, body=limits, writes=True)

    @paged
    def items(
        self,
        *,
        app_id: str,
        reprocess_id: str,
        state: Optional[str] = None,
        cursor: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Call[dict[str, Any]]:
        """Return the subjects of a run."""
        query = {"state": state, "cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "reprocesses", reprocess_id, "items"), as_is, query=query)

    @operation
    def sample(self, *, app_id: str, reprocess_id: str, limit: Optional[int] = None) -> Call[dict[str, Any]]:
        """Return what would change, for some subjects."""
        address = _places.app(app_id, "reprocesses", reprocess_id, "sample")
        return Call("GET", address, as_is, query={"limit": limit})

    @operation
    def start(self, *, app_id: str, reprocess_id: str, reason: Optional[str] = None) -> Call[models.Reprocess]:
        """Start a drafted run."""
        return _steer(app_id, reprocess_id, "start", reason=reason)

    @operation
    def pause(self, *, app_id: str, reprocess_id: str, reason: Optional[str] = None) -> Call[models.Reprocess]:
        """Pause a run."""
        return _steer(app_id, reprocess_id, "pause", reason=reason)

    @operation
    def resume(self, *, app_id: str, reprocess_id: str, reason: Optional[str] = None) -> Call[models.Reprocess]:
        """Let a paused run go on."""
        return _steer(app_id, reprocess_id, "resume", reason=reason)

    @operation
    def cancel(self, *, app_id: str, reprocess_id: str, reason: Optional[str] = None) -> Call[models.Reprocess]:
        """End a run that is not done."""
        return _steer(app_id, reprocess_id, "cancel", reason=reason)

    @operation
    def discard(self, *, app_id: str, reprocess_id: str, reason: Optional[str] = None) -> Call[models.Reprocess]:
        """Decide that nobody will read what a run has made."""
        return _steer(app_id, reprocess_id, "discard", reason=reason)

    @operation
    def promote(
        self,
        *,
        app_id: str,
        reprocess_id: str,
        only: str,
        percent: Optional[int] = None,
        subjects: Optional[Sequence[Any]] = None,
        end: Optional[bool] = None,
        reason: Optional[str] = None,
    ) -> Call[models.Reprocess]:
        """Let readers have what a run has made: ``all`` of it, or ``without_regressions``; a share of them, or some.

        With ``end=False`` the run stays open, and the others can be promoted later.
        """
        part = {"only": only, "percent": percent, "subjects": subjects, "end": end}
        return _steer(app_id, reprocess_id, "promote", **part, reason=reason)

    @operation
    def undo(self, *, app_id: str, reprocess_id: str, reason: str) -> Call[models.Reprocess]:
        """Give readers again what they were given before a run was promoted."""
        return _steer(app_id, reprocess_id, "undo", reason=reason)


class Rollbacks(Resource[M]):
    """The rollbacks of prompt versions in an app."""

    @paged
    def list(self, *, app_id: str, cursor: Optional[str] = None, limit: Optional[int] = None) -> Call[models.Rollback]:
        """Return rollbacks, newest first."""
        query = {"cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "rollbacks"), models.Rollback, query=query)

    @operation
    def create(
        self,
        *,
        app_id: str,
        prompt: str,
        reason: Optional[str] = None,
        since: Optional[When] = None,
        then: Optional[str] = None,
        live: Optional[str] = None,
        keep_live: Optional[bool] = None,
        dry_run: Optional[bool] = None,
    ) -> Call[models.Rollback]:
        """Take back all that a prompt version made in the app; with ``dry_run`` only say what that does."""
        body = given(
            prompt=prompt, reason=reason, since=since, then=then, live=live, keep_live=keep_live, dry_run=dry_run
        )
        return Call("POST", _places.app(app_id, "rollbacks"), models.Rollback, body=body, writes=True)

    @operation
    def get(self, *, app_id: str, rollback_id: str) -> Call[models.Rollback]:
        """Return a rollback."""
        return Call("GET", _places.app(app_id, "rollbacks", rollback_id), models.Rollback)

    @operation
    def undo(self, *, app_id: str, rollback_id: str, reason: str) -> Call[models.Rollback]:
        """Give readers again what they got before a rollback."""
        address = _places.app(app_id, "rollbacks", rollback_id, "undo")
        return Call("POST", address, models.Rollback, body={"reason": reason}, writes=True)


def _act(app_id: str, experiment_id: str, act: str, **fields: Any) -> Call[models.Experiment]:
    address = _places.app(app_id, "experiments", experiment_id, act)
    return Call("POST", address, models.Experiment, body=given(**fields), writes=True)


def _steer(app_id: str, reprocess_id: str, act: str, **fields: Any) -> Call[models.Reprocess]:
    address = _places.app(app_id, "reprocesses", reprocess_id, act)
    return Call("POST", address, models.Reprocess, body=given(**fields), writes=True)
