"""The schedules that django-q2 keeps for us."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import Schedule

from memory.models import KeptAnswer
from reasoning import wakeups
from reasoning.apps import _on_migrated

pytestmark = pytest.mark.django_db


def test_after_migrate_a_drain_starts_every_minute_and_a_prune_every_day():
    Schedule.objects.all().delete()
    wakeups.ensure_schedules()
    wakeups.ensure_schedules()
    found = Schedule.objects.order_by("name").values_list("name", "schedule_type", "minutes", "repeats")
    assert list(found) == [("honcho: drain", "I", 1, -1), ("honcho: prune", "D", None, -1)]
    for schedule in Schedule.objects.all():
        assert callable(import_string(schedule.func))


def test_an_operators_change_to_a_schedule_stays():
    wakeups.ensure_schedules()
    Schedule.objects.filter(name=wakeups.PRUNE_SCHEDULE).update(schedule_type="W")
    wakeups.ensure_schedules()
    assert Schedule.objects.get(name=wakeups.PRUNE_SCHEDULE).schedule_type == "W"


def test_the_prune_deletes_what_is_kept_no_longer():
    for hours in (1, 30):
        KeptAnswer.objects.create(
            scope="s", key=f"{hours}", request="r", status=200, created_at=timezone.now() - timedelta(hours=hours)
        )
    wakeups.prune()
    assert list(KeptAnswer.objects.values_list("key", flat=True)) == ["1"]


def test_to_migrate_one_app_alone_asks_for_no_table_of_another(django_assert_num_queries):
    Schedule.objects.all().delete()
    with django_assert_num_queries(0):
        _on_migrated(using="default", apps=Apps())
    _on_migrated(using="default", apps=apps)
    assert Schedule.objects.count() == 2
