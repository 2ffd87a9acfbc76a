"""The groups that operators are put into, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction

APPS = ("memory", "reasoning")

GROUPS: dict[str, tuple[str, ...]] = {
    "memory viewer": (),
    "memory prompt engineer": ("reasoning.edit_prompts",),
    "memory experimenter": ("reasoning.run_experiments", "reasoning.run_reprocesses", "reasoning.promote_prompts"),
    "memory operator": (
        "memory.correct_statements",
        "memory.roll_back_versions",
        "reasoning.change_work",
        "reasoning.change_providerstate",
        "reasoning.publish_quarantined",
        "reasoning.discard_quarantined",
    ),
    "memory privacy officer": ("memory.erase",),
}
"""By group, what its members may do beside seeing everything. (A site may well have an "operator" of its own.)"""

ADMINISTRATOR = "memory administrator"
"""This group may do all there is to do in the two apps."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one group: permissions that it was given, and those that it has besides and keeps."""

    name: str
    made: bool
    given: list[str]
    besides: list[str]


@transaction.atomic
def ensure() -> list[Change]:
    """Make the groups that are missing and give each what it lacks; return what changed, a row for each group.

    Nothing is taken from a group: a site may have given it more.
    """
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    seeing = {name for name in known if name.split(".")[1].startswith("view_")}
    wanted = {name: {*seeing, *more} for name, more in GROUPS.items()} | {ADMINISTRATOR: set(known)}
    return [_ensure(name, {item: known[item] for item in sorted(items)}) for name, items in wanted.items()]


def _ensure(name: str, wanted: dict[str, Permission]) -> Change:
    group, made = Group.objects.get_or_create(name=name)
    has = {f"{row.content_type.app_label}.{row.codename}" for row in group.permissions.select_related("content_type")}
    lacking = [row for item, row in wanted.items() if item not in has]
    group.permissions.add(*lacking)
    return Change(
        name,
        made,
        given=[item for item in wanted if item not in has],
        besides=sorted(has.difference(wanted)),
    )
