"""Erasing in the admin: a look first, then a reason, and only who may."""

from __future__ import annotations

import pytest
from django.urls import reverse

from memory.models import Erasure, Event, User
from tests.admin import data
from tests.factories import EventFactory

pytestmark = pytest.mark.django_db


def erase_page(row) -> str:
    return reverse("admin:memory_erase", args=[row._meta.model_name, row.pk])


def page(row) -> str:
    return reverse(f"admin:memory_{row._meta.model_name}_change", args=[row.pk])


def test_what_can_be_erased_leads_to_a_look_at_what_would_go(client):
    client.force_login(data.superuser())
    event = EventFactory(project="work")
    for row in (event, event.session, event.user, event.project, event.app):
        assert erase_page(row) in client.get(page(row)).content.decode()
        looked = client.get(erase_page(row))
        assert looked.status_code == 200
        assert "feed_entries" in looked.content.decode()
    assert Event.objects.exists()


def test_it_is_erased_for_a_reason_without_the_name_and_leaves_a_receipt(client):
    client.force_login(data.superuser())
    event = EventFactory()
    where = erase_page(event.user)
    for reason in ("", f"{event.user.name} asked"):
        assert client.post(where, {"reason": reason}).status_code == 200
        assert User.objects.exists()
    assert client.post(where, {"reason": "Asked"}).status_code == 302
    assert not User.objects.exists()
    receipt = Erasure.objects.get()
    assert receipt.by == "operator"
    shown = client.get(reverse("admin:memory_erasure_change", args=[receipt.pk])).content.decode()
    assert "feed_entries" in shown
    assert client.get(reverse("admin:memory_erasure_changelist")).status_code == 200
    assert client.get(where).status_code == 404
    assert client.get(reverse("admin:memory_erase", args=["key", event.pk])).status_code == 404
    assert client.get(reverse("admin:memory_erase", args=["user", "x"])).status_code == 404


def test_only_who_has_the_permission_may(client):
    event = EventFactory()
    client.force_login(data.staff("view_event", "view_user", "change_user"))
    assert erase_page(event) not in client.get(page(event)).content.decode()
    for asked in (client.get, client.post):
        assert asked(erase_page(event), {"reason": "x"}).status_code == 403
    assert Event.objects.exists()
