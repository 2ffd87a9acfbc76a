"""Erasing in the admin: a look first, then a reason, and only who may."""

from __future__ import annotations

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client
from django.urls import reverse

from memory import publishing
from memory.erasure import act as erasing
from memory.models import Audit, Conclusion, Erasure, Event, User
from tests.admin import data
from tests.admin.acting import act, preview
from tests.factories import EventFactory
from tests.store.helpers import PATIENCE, concluded, is_waited_for, person, said, together, until

pytestmark = pytest.mark.django_db


def erase_page(row) -> str:
    return reverse(f"admin:memory_{row._meta.model_name}_erase", args=[row.pk])


def page(row) -> str:
    return reverse(f"admin:memory_{row._meta.model_name}_change", args=[row.pk])


def test_what_can_be_erased_leads_to_a_count_of_what_would_go(client):
    client.force_login(data.superuser())
    event = EventFactory(project="work")
    for row in (event, event.session, event.user, event.project, event.app):
        assert erase_page(row) in client.get(page(row)).content.decode()
        looked = preview(client, erase_page(row))
        assert looked.status_code == 200
        assert '<th scope="row">Events</th><td>1 erased</td>' in looked.content.decode()
        assert "There is no way back" in looked.content.decode()
    assert Event.objects.exists()


def test_it_is_erased_for_a_reason_without_the_name_and_leads_to_the_receipt(client):
    client.force_login(data.superuser())
    event = EventFactory()
    where = erase_page(event.user)
    for reason in ("", f"{event.user.name} asked"):
        assert 'name="token"' not in preview(client, where, reason).content.decode()
        assert User.objects.exists()
    done = act(client, where, "Asked")
    receipt = Erasure.objects.get()
    assert not User.objects.exists()
    assert (receipt.by, receipt.reason) == ("operator", "Asked")
    assert done.redirect_chain == [(page(receipt), 302)]
    assert receipt.public_id in done.content.decode()
    assert "feed entries" in done.content.decode()
    assert client.get(reverse("admin:memory_erasure_changelist")).status_code == 200
    assert client.get(where).status_code == 404
    assert client.get(reverse("admin:memory_user_erase", args=["x"])).status_code == 404


def test_no_log_of_the_admin_names_what_was_erased(client):
    client.force_login(data.superuser())
    event = EventFactory()
    act(client, erase_page(event.user))
    assert not LogEntry.objects.exists()
    assert list(Audit.objects.filter(by="operator").values_list("act", flat=True)) == ["erase"]


def sent_while_it_is_erased(what, url: str, **fields: str) -> int:
    """The status of an answer to somebody who had to wait until an erasure ended."""
    operator, erased = data.superuser(), threading.Event()

    def erases() -> None:
        with transaction.atomic():
            erasing.erase(what)
            erased.set()
            until(is_waited_for, "the other waits for the erasure")

    def sends() -> int:
        client = Client(raise_request_exception=False)
        client.force_login(operator)
        assert erased.wait(PATIENCE)
        return client.post(url, fields).status_code

    return together(erases, sends)[1]


@pytest.mark.django_db(transaction=True)
def test_who_saves_what_is_being_erased_does_not_write_it_anew():
    user = person().user
    assert sent_while_it_is_erased(user, page(user), metadata='{"a": 1}') == 404
    assert not User.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["pin", "retract", "correct"])
def test_who_corrects_what_is_being_erased_is_told_that_it_is_gone(name):
    ana = person()
    line = publishing.open_line(ana, "recipe")
    concluded(line, "Ana lives in Lisbon.", evidence=said("I live in Lisbon."))
    url = reverse(f"admin:memory_conclusion_{name}", args=[Conclusion.objects.get().pk])
    fields = {"step": "preview", "reason": "So she said", "content": "Ana lives in Oslo."}
    assert sent_while_it_is_erased(ana.user, url, **fields) == 200
    assert not Conclusion.objects.exists()


def test_who_may_not_erase_finds_no_way_to_it_and_who_may_sees_the_receipt(client):
    event = EventFactory()
    client.force_login(data.staff("view_event", "change_event"))
    assert erase_page(event) not in client.get(page(event)).content.decode()
    assert client.get(erase_page(event)).status_code == 403
    assert preview(client, erase_page(event)).status_code == 403
    assert Event.objects.exists()
    client.force_login(data.staff("erase", name="officer"))
    assert act(client, erase_page(event)).status_code == 200
    assert not Event.objects.exists()
