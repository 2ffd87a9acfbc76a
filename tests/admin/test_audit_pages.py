"""The page that tells who did what, when and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from memory import audit, keys
from memory.admin import audit as page
from memory.models import Audit, Subject, WebhookEndpoint
from memory.webhooks import endpoints
from reasoning.models import Price, PromptVersion
from tests.admin import acting, data
from tests.factories import AppFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/memory/audit/"


@pytest.fixture
def auditor(client: Any) -> Any:
    """Somebody who may see the audit and users, and nothing else."""
    client.force_login(data.staff("view_audit", "view_user", "view_apikey"))
    return client


def shown(client: Any, **filters: Any) -> str:
    """What the page says, with white space folded."""
    answer = client.get(LIST, filters)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_it_tells_who_did_what_to_whom_why_and_what_changed(auditor: Any):
    user = UserFactory(name="zuleika")
    audit.note("rename", user, by="olga", reason=data.HOSTILE, before={"number": 3}, after={"number": 4, "on": True})
    text = shown(auditor)
    assert "<strong>olga</strong>" in text
    assert reverse("admin:memory_user_change", args=[user.pk]) in text
    assert "zuleika" in text
    assert "<del>3</del>" in text
    assert "<ins>4</ins>" in text
    assert "<ins>yes</ins>" in text
    assert data.HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_a_name_that_one_may_not_see_is_an_id(auditor: Any):
    subject = Subject.objects.get(user=UserFactory(name="zuleika"))
    audit.note("rename", subject, by="olga")
    assert "zuleika" not in shown(auditor)
    assert subject.public_id in shown(auditor)


def test_it_is_filtered_by_who_act_object_and_day(auditor: Any):
    first, second = UserFactory(), UserFactory()
    audit.note("rename", first, by="olga")
    audit.note("retry", second, by="pete")
    audit.note("retry", Subject.objects.get(user=first), by="pete")

    def acts(**filters: Any) -> list[tuple[str, str]]:
        found = auditor.get(LIST, filters).context["days"]
        return [(one.row.act, one.row.by) for _, entries in found for one in entries]

    assert acts() == [("retry", "pete"), ("retry", "pete"), ("rename", "olga")]
    assert acts(by="olga") == [("rename", "olga")]
    assert acts(act="rename") == [("rename", "olga")]
    assert acts(id=first.public_id) == [("rename", "olga")]
    assert acts(kind="memory.user", id=str(second.pk)) == [("retry", "pete")]
    assert acts(subject=Subject.objects.get(user=first).pk) == [("retry", "pete")]
    today = timezone.now().date()
    assert len(acts(since=today, until=today)) == 3
    assert acts(since=today + timedelta(days=1)) == []
    assert acts(until=today - timedelta(days=1)) == []
    assert len(acts(since="nonsense", subject="nonsense", before="nonsense")) == 3


def test_it_says_what_changed_in_words_and_leaves_out_what_is_empty(auditor: Any):
    before: dict[str, Any] = {"shares": {}, "budget": None}
    after = {"shares": {"one": 0.5, "two": 0.1}, "budget": None}
    audit.note("start experiment", UserFactory(), by="olga", before=before, after=after)
    ((_, (entry,)),) = auditor.get(LIST).context["days"]
    assert entry.changes == [("shares", "none", "one 0.5, two 0.1")]


def test_it_pages_through_all_of_it_without_a_gap(auditor: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "SHOWN", 3)
    audit.note_each("retry", [UserFactory() for _ in range(4)], by="pete")
    for _ in range(3):
        audit.note("rename", None, by="olga")
    found, query = [], ""
    while True:
        context = auditor.get(f"{LIST}?{query}").context
        found += [one.row.pk for _, entries in context["days"] for one in entries]
        query = context["older"]
        if not query:
            break
    assert found == list(Audit.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))


def test_an_entry_names_the_key_that_did_it_and_what_is_gone_is_said_to_be(auditor: Any):
    row, _ = keys.create("laptop", "operator", created_by="olga")
    user = UserFactory()
    audit.note("rename", user, by=f"key {row.public_id}")
    audit.note("rename", PromptVersion(pk=user.pk), by="olga")
    text = shown(auditor)
    assert "API key laptop" in text
    entry = Audit.objects.get(by="olga", act="rename")
    auditor.force_login(data.superuser())
    one = auditor.get(reverse("admin:memory_audit_change", args=[entry.pk])).content.decode()
    assert "gone" in one
    assert "No reason was given." in one


def test_nobody_without_the_permission_sees_it_and_nobody_edits_it(client: Any):
    audit.note("rename", None, by="olga")
    row = Audit.objects.get()
    client.force_login(data.staff("view_user"))
    assert client.get(LIST).status_code == 403
    assert client.get(reverse("admin:memory_audit_change", args=[row.pk])).status_code == 403
    client.force_login(data.superuser())
    assert client.post(reverse("admin:memory_audit_change", args=[row.pk]), {"by": "pete"}).status_code == 403
    assert client.post(reverse("admin:memory_audit_delete", args=[row.pk])).status_code == 403
    assert client.get("/admin/memory/audit/add/").status_code == 403


def test_a_users_page_leads_to_what_was_done_to_them(auditor: Any):
    user = UserFactory()
    text = auditor.get(reverse("admin:memory_user_change", args=[user.pk])).content.decode()
    assert f"{LIST}?kind=memory.user&amp;id={user.pk}" in text


def test_the_page_takes_as_many_queries_for_thirty_entries_as_for_three(auditor: Any):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            shown(auditor)
        return len(caught)

    def done(count: int) -> None:
        for _ in range(count):
            user = UserFactory()
            audit.note("rename", user, by="olga")
            audit.note("retry", Subject.objects.get(user=user), by="pete")

    done(3)
    few = queries()
    done(27)
    assert queries() == few <= 12


def test_what_is_made_changed_and_deleted_in_forms_is_noted_with_what_it_was(client: Any):
    client.force_login(data.superuser())
    made = {"model": "m", "since": "2026-01-01", "input_price": "1", "output_price": "2"}
    client.post(reverse("admin:reasoning_price_add"), made)
    price = Price.objects.get(model="m")
    client.post(reverse("admin:reasoning_price_change", args=[price.pk]), made | {"output_price": "3"})
    client.post(reverse("admin:reasoning_price_delete", args=[price.pk]), {"post": "yes"})
    client.post(reverse("admin:memory_app_add"), {"name": "harbour", "metadata": "{}"})
    found = {row.act: row for row in Audit.objects.all()}
    assert list(found) == ["make price", "change price", "delete price", "make app"]
    assert found["make price"].after["output_price"] == "2"
    assert (found["change price"].before, found["change price"].after) == ({"output_price": "2"}, {"output_price": "3"})
    assert found["delete price"].before["output_price"] == "3"
    assert {row.by for row in found.values()} == {"operator"}


def test_a_webhook_is_deleted_once_it_was_shown_what_goes(client: Any):
    client.force_login(data.superuser())
    hook = endpoints.create(AppFactory(), "https://hooks.example/x", ["pass.parked"])
    done = acting.act(client, reverse("admin:memory_webhookendpoint_remove", args=[hook.pk]), "Nobody listens.")
    assert "The endpoint is deleted." in done.content.decode()
    assert not WebhookEndpoint.objects.exists()
    assert Audit.objects.get(act="delete webhook").reason == "Nobody listens."


def test_keys_are_listed_by_whether_they_work(client: Any):
    client.force_login(data.superuser())
    past = timezone.now() - timedelta(days=1)
    rows = {
        "works": keys.create("a", "operator")[0],
        "expired": keys.create("b", "operator", expires_at=past)[0],
        "revoked": keys.create("c", "operator", expires_at=past)[0],
    }
    keys.revoke(rows["revoked"])
    for state, row in rows.items():
        answer = client.get(reverse("admin:memory_apikey_changelist"), {"key_state": state})
        assert list(answer.context["cl"].queryset) == [row], state
