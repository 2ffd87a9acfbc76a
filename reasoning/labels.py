"""Which prompt version is in use: labels that point at versions, and who moved them, when and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from memory import audit, proposals
from memory.errors import Invalid, NotFound
from memory.models import App
from reasoning.models import Label, LabelMove, PromptVersion

Name = Label.Name


def live(app_id: UUID, kind: str) -> PromptVersion:
    """Return the version that an app's new passes are made by: the app's own, or else the site's."""
    [version] = live_of([app_id], kind).values()
    return version


def live_of(app_ids: Iterable[UUID], kind: str) -> dict[UUID, PromptVersion]:
    """Return by app the version of a kind that is live in it. One statement."""
    wanted = set(app_ids)
    labels = Label.objects.filter(Q(app=None) | Q(app__in=wanted), kind=kind, name=Name.LIVE).select_related("version")
    found = {label.app_id: label.version for label in labels}
    return {app_id: found.get(app_id) or found[None] for app_id in wanted}


def pointed(name: str, app: App | UUID | None, kind: str) -> PromptVersion | None:
    """Return the version that a label of this very app (None: of the site) points at, None where it is not in use."""
    label = Label.objects.filter(app=app, kind=kind, name=name).select_related("version").first()
    return None if label is None else label.version


def versions(name: str) -> QuerySet[PromptVersion]:
    """Return the versions that a label points at, whosever it is."""
    return PromptVersion.objects.filter(labels__name=name)


def in_use(app: App | None, kind: str | None = None) -> QuerySet[Label]:
    """Return the labels that count in an app: its own and the site's (None: the site's alone)."""
    found = Label.objects.filter(Q(app=None) | Q(app=app)).select_related("version")
    return (found if kind is None else found.filter(kind=kind)).order_by("kind", "name", "app")


def was_live(version: PromptVersion | UUID) -> bool:
    """Say whether a version is live, or was once."""
    return LabelMove.objects.filter(to=version, name=Name.LIVE).exists()


def moves(app: App | None, kind: str | None = None) -> QuerySet[LabelMove]:
    """Return how the labels that count in an app were moved (None: the site's alone), newest first."""
    found = LabelMove.objects.filter(Q(app=None) | Q(app=app)).select_related("origin", "to")
    return (found if kind is None else found.filter(kind=kind)).order_by("-pk")


@transaction.atomic
def move(name: str, version: PromptVersion, *, reason: str, by: str = "", settled: bool = False) -> LabelMove | None:
    """Let a label of a version's app and kind point at it; return the move, None where it does already.

    The version that was live becomes ``previous``. ``reason`` is required; raises :class:`Invalid` without one, for an
    unknown label, and for ``previous``, which follows ``live``. Where four eyes are asked for, what goes live must have
    been confirmed (:class:`Conflict` otherwise), unless it is ``settled``: part of a rollback or of a promotion.
    """
    _check(name, reason)
    _lock()
    label = Label.objects.filter(app=version.app_id, kind=version.kind, name=name).select_related("version").first()
    before = None if label is None else label.version
    if before == version:
        return None
    if name == Name.LIVE and not settled:
        proposals.demand(version)
    if name == Name.LIVE and before is not None:
        _point(Name.PREVIOUS, before, reason, by)
    if not settled:  # what it is a part of is noted itself
        audit.note("move label", version, by=by, reason=reason, before=_said(name, before), after=_said(name, version))
    return _point(name, version, reason, by)


@transaction.atomic
def take_off(
    name: str, app: App | UUID | None, kind: str, *, reason: str, by: str = "", settled: bool = False
) -> LabelMove:
    """Take a label off: ``candidate``, or ``live`` from an app that then goes by the site's live version.

    Raises :class:`NotFound` where it is not in use and :class:`Invalid` without a reason or for what must stay; four
    eyes as for :func:`move`.
    """
    _check(name, reason)
    if name == Name.LIVE and app is None:
        raise Invalid("The site must have a live prompt of each kind: move the label to another version.", ("name",))
    _lock()
    label = Label.objects.filter(app=app, kind=kind, name=name).select_related("version").first()
    if label is None:
        raise NotFound(f"No version is labelled {name}")
    if name == Name.LIVE:
        if not settled:
            proposals.demand(label.version)
        _point(Name.PREVIOUS, label.version, reason, by)
    label.delete()
    if not settled:
        before, after = _said(name, label.version), _said(name, None)
        audit.note("take label off", label.version, by=by, reason=reason, before=before, after=after)
    return LabelMove.objects.create(
        app_id=label.app_id, kind=kind, name=name, origin=label.version, to=None, reason=reason, by=by
    )


def _check(name: str, reason: str) -> None:
    if name not in (Name.LIVE, Name.CANDIDATE):
        raise Invalid("Use live or candidate; previous follows live by itself.", ("name",))
    if not reason.strip():
        raise Invalid("Say why.", ("reason",))


def _lock() -> None:
    """Let one move be made after the other: two at once would note the same origin."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Label._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


def _said(name: str, version: PromptVersion | None) -> dict[str, Any]:
    """Return what the audit says of where a label points."""
    return {"label": name, "version": version and version.public_id, "number": version and version.number}


def _point(name: str, version: PromptVersion, reason: str, by: str) -> LabelMove:
    before = pointed(name, version.app_id, version.kind)
    Label.objects.update_or_create(app=version.app, kind=version.kind, name=name, defaults={"version": version})
    return LabelMove.objects.create(
        app_id=version.app_id, kind=version.kind, name=name, origin=before, to=version, reason=reason, by=by
    )
