"""Making prompt versions. Which one is live, ``reasoning.labels`` says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User as SiteUser
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet

from memory import audit, ids, statements
from memory.errors import Invalid, NotFound
from memory.models import App, Subject
from memory.statements import Columns
from reasoning import __version__, labels
from reasoning.models import PromptVersion
from reasoning.prompts.library import check_template, default_instructions
from reasoning.providers.base import Kind
from reasoning.providers.openai import check_parameters

COUNTED = 1_000
"""How far the passes of a version are counted."""

_NAME = re.compile(rf"(?P<site>site-)?(?P<kind>{'|'.join(Subject.Kind.values)})-(?P<number>[0-9]{{1,9}})")
_USES = """
SELECT version.id, (SELECT count(*) FROM (
           SELECT FROM reasoning_pass WHERE prompt_version_id = version.id LIMIT %(most)s) counted)
  FROM unnest(%(versions)s::uuid[]) AS version (id)
"""


@transaction.atomic
def create(
    kind: str,
    instructions: str,
    *,
    message: str,
    app: App | None = None,
    model: str = "",
    parameters: Mapping[str, Any] | None = None,
    author: SiteUser | None = None,
    by: str = "",
) -> PromptVersion:
    """Make the next version of a kind's prompt; it is not live yet. ``by`` says who makes it, by default ``author``.

    Raises :class:`Invalid` for a template that names what does not exist, or without a message that says what is new.
    """
    if problems := check_template(Kind(kind), instructions):
        raise Invalid(" ".join(problems), ("instructions",))
    if problems := check_parameters(dict(parameters or {})):
        raise Invalid(" ".join(problems), ("parameters",))
    if not message.strip():
        raise Invalid("Say what is new in this version, and why.", ("message",))
    by = by or (author.get_username() if author else "")
    made = _add(
        kind,
        instructions,
        message=message,
        app=app,
        model=model,
        parameters=dict(parameters or {}),
        author=author,
        by=by,
    )
    audit.note("make prompt version", made, by=by, after={"kind": kind, "number": made.number, "model": model})
    return made


def _add(kind: str, instructions: str, *, app: App | None = None, **fields: Any) -> PromptVersion:
    """Add the next version of a kind's prompt."""
    with connection.cursor() as cursor:  # two at once get two numbers
        cursor.execute(f"LOCK TABLE {PromptVersion._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
    versions = PromptVersion.objects.filter(app=app, kind=kind)
    number = (versions.aggregate(last=Max("number"))["last"] or 0) + 1
    return PromptVersion.objects.create(app=app, kind=kind, number=number, instructions=instructions, **fields)


def name_of(version: PromptVersion) -> str:
    """Return what a version is called within its app: ``user-3``; ``site-user-3`` where it is the site's."""
    return f"{'site-' if version.app_id is None else ''}{version.kind}-{version.number}"


def find(ref: str, app: App | None = None) -> PromptVersion:
    """Return the version that an id or a name (:func:`name_of`) means in an app; raises :class:`NotFound`.

    Without an app, a name is one of the site's, with or without ``site-``, and an id may be any app's.
    """
    known = known_to(app) if app else PromptVersion.objects.all()
    found = None
    if named := _NAME.fullmatch(ref):
        own = None if named["site"] else app
        found = known.filter(app=own, kind=named["kind"], number=int(named["number"])).first()
    elif key := ids.decode(ref):
        found = known.filter(pk=key).first()
    if found is None:
        raise NotFound("Prompt version not found: give an id, or a name such as user-2 or site-user-1")
    return found


def known_to(app: App | None) -> QuerySet[PromptVersion]:
    """Return the versions that can be used in an app: its own and the site's (None: the latter), newest first."""
    return PromptVersion.objects.filter(Q(app=None) | Q(app=app)).order_by("-pk")


def uses(versions: Collection[PromptVersion]) -> dict[UUID, int]:
    """Return by version how many passes it made, counted up to ``COUNTED``. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_USES, {"versions": [version.pk for version in versions], "most": COUNTED})
        return dict(cursor.fetchall())


_VERSION = Columns(PromptVersion)
_OF_RECIPE = f"""
SELECT {_VERSION.of("version")} FROM reasoning_promptversion version
 WHERE id = %s AND (app_id IS NULL OR app_id = %s)
"""  # noqa: S608 - columns of our own models


def of_recipe(recipe: str, app_id: UUID) -> PromptVersion:
    """Return the version whose lines are kept under ``recipe``, the app's own or the site's.

    Raises ``PromptVersion.DoesNotExist`` where there is none: the line was imported from another server.
    """
    key = ids.decode(recipe)
    if key is None:
        raise PromptVersion.DoesNotExist(f"{recipe!r} names no prompt version")
    for row in statements.rows(_OF_RECIPE, [key, app_id]):
        return _VERSION.read(iter(row))
    raise PromptVersion.DoesNotExist


def ensure_defaults() -> None:
    """Make versions of the shipped prompts where the site has none with their text."""
    for kind in Subject.Kind.values:
        ship(kind, default_instructions(Kind(kind)))


@transaction.atomic
def ship(kind: str, instructions: str) -> None:
    """Make a version of a shipped prompt where the site has none with its text.

    Only the first of a kind is made live: what a site reasons by changes when somebody there moves the label.
    """
    versions = PromptVersion.objects.filter(app=None, kind=kind)
    if not versions.exists():
        message = "The prompt that ships with Honcho."
        labels.move(labels.Name.LIVE, _add(kind, instructions, message=message), reason=message, settled=True)
    elif not versions.filter(instructions=instructions).exists():
        _add(kind, instructions, message=f"The prompt that ships with Honcho {__version__}.")
