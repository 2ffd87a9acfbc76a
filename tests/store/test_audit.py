"""What is noted of what people did: it cannot be rewritten, and goes with what is erased."""

from __future__ import annotations

from typing import Any

import pytest

from memory import audit, keys
from memory.erasure import act
from memory.errors import Invalid
from memory.models import Audit, Conclusion, Event, Line, Session, Subject
from memory.webhooks import endpoints
from tests.erasure.helpers import assert_nowhere
from tests.factories import AppFactory, EventFactory, UserFactory
from tests.store.helpers import refused

pytestmark = pytest.mark.django_db


def acts() -> list[str]:
    return list(Audit.objects.order_by("pk").values_list("act", flat=True))


def test_a_note_says_who_did_what_to_which_row_why_and_what_changed():
    user = UserFactory()
    subject = Subject.objects.get(user=user)
    audit.note("try", subject, by="ana", reason="To see", before={"version": 1}, after={"version": 2})
    row = Audit.objects.get()
    assert (row.act, row.by, row.reason) == ("try", "ana", "To see")
    assert (row.kind, row.object_id) == ("memory.subject", str(subject.pk))
    assert (row.app, row.subject) == (user.app, subject)
    assert (row.before, row.after) == ({"version": 1}, {"version": 2})
    assert row.created_at is not None


def test_a_note_finds_the_app_and_the_subject_of_its_row():
    event = EventFactory()
    subject = Subject.objects.get(user=event.user)
    line = Line.objects.create(subject=subject, recipe="x")
    for row in (event.app, event.user, line, subject):
        audit.note("try", row, by="ana")
    audit.note("try", None, by="ana", app=event.app)
    audit.note("try", None, by="")
    found = list(Audit.objects.order_by("pk").values_list("app", "subject"))
    app, about = event.app_id, subject.pk
    assert found == [(app, None), (app, None), (app, about), (app, about), (app, None), (None, None)]


def test_one_statement_notes_many_rows(django_assert_num_queries: Any):
    subjects = [Subject.objects.get(user=UserFactory()) for _ in range(5)]
    with django_assert_num_queries(1):
        audit.note_each("try", subjects, by="ana", after={"state": "waiting"})
    assert Audit.objects.count() == 5


@pytest.mark.parametrize("change", ["UPDATE memory_audit SET reason = 'x'", "DELETE FROM memory_audit"])
def test_nobody_rewrites_what_was_noted(change: str):
    audit.note("try", None, by="ana")
    assert "it is kept as it was written" in refused(change)
    assert acts() == ["try"]


def test_with_a_user_goes_what_was_noted_of_them_and_nothing_else():
    event = EventFactory()
    other = UserFactory(app=event.app)
    subject = Subject.objects.get(user=event.user)
    conclusion = Conclusion.objects.create(subject=subject, content="Zuleika sails.", fingerprint="x", importance=3)
    for row in (event.user, subject, conclusion, event, event.session):
        audit.note("gone", row, by="ana", reason="Zuleika")
    audit.note("stays", other, by="ana")
    audit.note("stays", event.app, by="ana")
    receipt = act.erase(event.user, by="officer")
    assert acts() == ["stays", "stays", "erase"]
    assert receipt.counts["audit"] == 5
    assert not Event.objects.exists()
    assert not Session.objects.exists()
    assert_nowhere("Zuleika", str(event.user_id))


def test_an_erasure_is_noted_under_its_receipt():
    event = EventFactory()
    receipt = act.erase(event.user, by="officer", reason="Asked")
    row = Audit.objects.get()
    assert (row.act, row.by, row.reason, row.app) == ("erase", "officer", "Asked", event.app)
    assert (row.kind, row.object_id) == ("memory.erasure", str(receipt.pk))


def test_an_app_goes_with_all_that_was_noted_in_it():
    event = EventFactory()
    audit.note("gone", event.app, by="ana")
    audit.note("gone", None, by="ana", app=event.app)
    audit.note("stays", None, by="ana")
    act.erase(event.app, by="officer")
    assert acts() == ["stays", "erase"]
    assert_nowhere(str(event.app_id), event.app.public_id)


def test_keys_and_webhooks_leave_a_trace_without_their_secrets():
    app = AppFactory()
    row, key = keys.create("bot", "app", app=app, created_by="ana")
    keys.revoke(row, reason="It has retired.", by="olga")
    keys.revoke(row, reason="Again.", by="olga")
    hook = endpoints.create(app, "https://hooks.example/token-x", ["pass.parked"], by="ana")
    endpoints.change(hook, enabled=False, by="olga")
    secret = endpoints.rotate(hook, reason="It leaked.", by="olga").secret
    endpoints.delete(hook, by="olga")
    assert acts() == [
        "make key", "revoke key", "make webhook", "change webhook", "give new secret", "delete webhook",
    ]  # fmt: skip
    changed = Audit.objects.get(act="change webhook")
    assert (changed.before["enabled"], changed.after["enabled"], changed.app) == (True, False, app)
    kept = str(list(Audit.objects.values()))
    for hidden in (key, row.prefix, secret, "token-x"):
        assert hidden not in kept


def test_what_is_refused_leaves_no_trace():
    with pytest.raises(Invalid):
        endpoints.create(AppFactory(), "http://10.0.0.1", ["pass.parked"], by="ana")
    with pytest.raises(Invalid):
        keys.create("bot", "app", created_by="ana")
    assert not Audit.objects.exists()
