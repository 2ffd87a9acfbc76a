"""Which run is meant, and which subjects it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from memory import ids, tenants, validation
from memory.branching import Scope
from memory.errors import Invalid, NotFound
from memory.models import App, Session, Subject
from reasoning.models import Reprocess

MOST_SUBJECTS = 10_000


def scope_of(run: Reprocess) -> Scope:
    """Return which subjects a run is about, and where its window begins."""
    listed = tuple(key for key in map(ids.decode, run.subjects) if key) if run.subjects else None
    return Scope(run.prompt_version.kind, run.app_id, listed, run.since)


def find_run(ref: str, app: App | None = None) -> Reprocess:
    """Return a run (of an app, where one is given) by its id, or raise :class:`NotFound`."""
    runs = Reprocess.objects.select_related("prompt_version", "app")
    if app is not None:
        runs = runs.filter(app=app)
    key = ids.decode(ref)
    found = None if key is None else runs.filter(pk=key).first()
    if found is None:
        raise NotFound("Reprocess not found")
    return found


def find_subjects(app: App, kind: str, refs: Sequence[Any]) -> list[str]:
    """Return the public ids of an app's subjects of a kind.

    Each is named by the id or name of its user, session or project; one user as another sees them by
    ``{"user": …, "observer": …}``. Raises :class:`Invalid` for one that is not there.
    """
    if len(refs) > MOST_SUBJECTS:
        raise Invalid(f"List at most {MOST_SUBJECTS:,} subjects, or leave them out to mean all.", ("subjects",))
    found = []
    for place, ref in enumerate(refs):
        try:
            found.append(_subject(app, kind, ref, ("subjects", place)).public_id)
        except NotFound:
            raise Invalid(f"There is no such {kind} in this app.", ("subjects", place), "subject") from None
    return list(dict.fromkeys(found))


def refs(kind: str, names: Sequence[str]) -> list[Any]:
    """Return typed names as :func:`find_subjects` takes them: one user as another sees them is ``observer/user``."""
    if kind != Subject.Kind.OBSERVED:
        return list(names)
    return [dict(zip(("observer", "user"), name.split("/", 1), strict=False)) for name in names]


def named_subjects(run: Reprocess, refs: Sequence[Any]) -> frozenset[UUID]:
    """Return the ids of subjects of a run's app that are named as in :func:`find_subjects`, which see."""
    if run.app is None:
        raise Invalid("This run is over all apps: no subject can be named in it.", ("subjects",), "subject")
    found = find_subjects(run.app, run.prompt_version.kind, refs)
    return frozenset(key for key in map(ids.decode, found) if key)


def _subject(app: App, kind: str, ref: Any, where: tuple[str | int, ...]) -> Subject:
    if kind == Subject.Kind.OBSERVED:
        if not isinstance(ref, Mapping) or set(ref) != {"user", "observer"}:
            raise Invalid('Give {"user": …, "observer": …}.', where, "dict_type")
        user, observer = (
            tenants.find_user(app.pk, validation.name(ref[part], (*where, part))) for part in ("user", "observer")
        )
        return tenants.subject_of(user, observer)
    named = validation.name(ref, where)
    if kind == Subject.Kind.USER:
        return tenants.subject_of(tenants.find_user(app.pk, named))
    if kind == Subject.Kind.PROJECT:
        return tenants.subject_of(tenants.find_project(app.pk, named))
    return tenants.subject_of(_session(app, named))


def _session(app: App, ref: str) -> Session:
    """Return a session by its id, or by its name where only one in the app is called so."""
    of_app = Session.objects.filter(app=app)
    key = ids.decode(ref)
    found = None if key is None else of_app.filter(pk=key).first()
    if found is not None:
        return found
    called = list(of_app.filter(name=ref)[:2])
    if len(called) > 1:
        raise Invalid("Several sessions have this name; give the id.", ("subjects",), "subject")
    if not called:
        raise NotFound("Session not found")
    return called[0]
