"""The groups that operators are put into."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from reasoning import groups

pytestmark = pytest.mark.django_db


def may(group: str) -> set[str]:
    """What a member of a group may do, beside seeing things."""
    user, _ = get_user_model().objects.get_or_create(username=group.replace(" ", "_"))
    user.groups.set([Group.objects.get(name=group)])
    return {name for name in user.get_all_permissions() if ".view_" not in name}


def test_each_group_may_do_its_own_and_see_everything():
    groups.ensure()
    assert may("memory viewer") == set()
    for name, wanted in groups.GROUPS.items():
        assert may(name) == set(wanted)
    viewer = Group.objects.get(name="memory viewer")
    shown = set(viewer.permissions.values_list("codename", flat=True))
    assert {"view_audit", "view_event", "view_pass", "view_quarantined", "view_reprocess"} <= shown


def test_an_administrator_may_do_all_there_is_to_do():
    groups.ensure()
    wanted = {"memory.erase", "memory.add_apikey", "reasoning.promote_prompts", "reasoning.change_budget"}
    assert wanted <= may("memory administrator")
    assert not {name for name in may("memory administrator") if name.startswith("auth.")}


def test_run_again_it_gives_what_is_missing_and_takes_nothing(capsys: pytest.CaptureFixture[str]):
    call_command("operator_groups")
    assert "memory viewer: made, with" in capsys.readouterr().out
    call_command("operator_groups")
    assert capsys.readouterr().out.count("as it should be") == len(groups.GROUPS) + 1
    officer = Group.objects.get(name="memory privacy officer")
    officer.permissions.remove(Permission.objects.get(codename="erase"))
    officer.permissions.add(Permission.objects.get(codename="add_apikey"))
    call_command("operator_groups")
    out = capsys.readouterr().out
    assert "privacy officer: given memory.erase" in out
    assert "privacy officer: keeps memory.add_apikey" in out
    assert may("memory privacy officer") == {"memory.erase", "memory.add_apikey"}
