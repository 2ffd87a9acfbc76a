"""Making prompt versions. Which one is live, ``reasoning.labels`` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User as SiteUser
from django.db import connection, transaction
from django.db.models import Max

from memory import ids
from memory.errors import Invalid
from memory.models import App, Subject
from reasoning import labels
from reasoning.models import PromptVersion
from reasoning.prompts.library import check_template, default_instructions
from reasoning.providers.base import Kind
from reasoning.providers.openai import check_parameters


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
) -> PromptVersion:
    """Make the next version of a kind's prompt; it is not live yet.

    Raises :class:`Invalid` for a template that names what does not exist, or without a message that says what is new.
    """
    if problems := check_template(Kind(kind), instructions):
        raise Invalid(" ".join(problems), ("instructions",))
    if problems := check_parameters(dict(parameters or {})):
        raise Invalid(" ".join(problems), ("parameters",))
    if not message.strip():
        raise Invalid("Say what is new in this version, and why.", ("message",))
    with connection.cursor() as cursor:  # two at once get two numbers
        cursor.execute(f"LOCK TABLE {PromptVersion._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
    versions = PromptVersion.objects.filter(app=app, kind=kind)
    number = (versions.aggregate(last=Max("number"))["last"] or 0) + 1
    return PromptVersion.objects.create(
        app=app,
        kind=kind,
        number=number,
        instructions=instructions,
        model=model,
        parameters=dict(parameters or {}),
        message=message,
        author=author,
    )


def of_recipe(recipe: str) -> PromptVersion:
    """Return the version whose lines are kept under ``recipe``; raises ``PromptVersion.DoesNotExist``."""
    key = ids.decode(recipe)
    if key is None:
        raise PromptVersion.DoesNotExist(f"{recipe!r} names no prompt version")
    return PromptVersion.objects.get(pk=key)


def ensure_defaults() -> None:
    """Make the shipped prompts the first versions where there are none."""
    for kind in Subject.Kind.values:
        if not PromptVersion.objects.filter(app=None, kind=kind).exists():
            message = "The prompt that ships with Honcho."
            shipped = create(kind, default_instructions(Kind(kind)), message=message)
            labels.move(labels.Name.LIVE, shipped, reason=message)
