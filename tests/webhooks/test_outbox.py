"""What is written for whom, in the transaction in which it happens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from memory import corrections, log, previews, publishing, restoring, tenants
from memory.erasure.act import erase
from memory.models import Line, Subject, WebhookDelivery, WebhookEndpoint
from memory.webhooks import endpoints, outbox
from tests.store.helpers import concluded, draft_on, person, said
from tests.webhooks.helpers import endpoint

pytestmark = pytest.mark.django_db

PUBLISHED = "representation.published"


def told() -> list[dict[str, Any]]:
    """What is to be told of published versions, oldest first."""
    return [row.payload["data"] for row in WebhookDelivery.objects.filter(type=PUBLISHED).order_by("pk")]


@pytest.fixture
def ana() -> Subject:
    return person("ana")


@pytest.fixture
def line(ana) -> Line:
    return publishing.open_line(ana, "recipe")


def test_a_published_version_is_told_by_ids_and_numbers(ana, line):
    hook = endpoint(ana.app)
    events = said("I keep bees.")
    version = concluded(line, "Keeps bees.", evidence=events, made_by={"pass": "x", "model": "m"})
    row = WebhookDelivery.objects.get()
    assert (row.endpoint_id, row.type, row.state, row.attempts) == (hook.pk, PUBLISHED, "waiting", 0)
    assert set(row.payload) == {"type", "timestamp", "data"}
    assert row.payload["data"] == {
        "app_id": ana.app.public_id,
        "subject": {
            "kind": "user",
            "user_id": ana.user.public_id,
            "observer_id": None,
            "session_id": None,
            "project_id": None,
        },
        "version": 1,
        "previous": None,
        "as_of": version.as_of.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "made_by": "pass",
    }
    assert "bees" not in json.dumps(row.payload)
    concluded(Line.objects.get(pk=line.pk), "Keeps ten hives.", evidence=said("Ten hives."))
    assert [(each["version"], each["previous"], each["made_by"]) for each in told()] == [
        (1, None, "pass"),
        (2, 1, "other"),
    ]


def test_what_made_a_version_is_told_in_a_word(ana, line):
    endpoint(ana.app)
    concluded(line, "Keeps bees.", evidence=said("I keep bees."))
    concluded(Line.objects.get(pk=line.pk), "Keeps cows.", evidence=said("I keep cows."))
    corrections.add(ana, "Keeps goats.", by="ann")
    assert told()[-1]["made_by"] == "correction"
    restoring.roll_back(ana, 1, reason="Cows were wrong")
    assert told()[-1]["made_by"] == "rollback"
    assert told()[-1]["version"] == Subject.objects.get(pk=ana.pk).current.number


def test_who_does_not_ask_is_not_told(ana, line):
    endpoint(tenants.make_app("market")[0])
    endpoint(ana.app, events=["pass.parked"])
    endpoints.change(endpoint(ana.app), enabled=False)
    concluded(line, "Keeps bees.", evidence=said("I keep bees."))
    assert told() == []


def test_one_event_has_one_id_for_all_who_ask(ana, line):
    hooks = [endpoint(ana.app), endpoint(ana.app)]
    concluded(line, "Keeps bees.", evidence=said("I keep bees."))
    rows = list(WebhookDelivery.objects.all())
    assert {row.endpoint_id for row in rows} == {hook.pk for hook in hooks}
    assert len({row.event_id for row in rows}) == 1


def test_a_version_that_nobody_gets_is_not_told(ana, line):
    endpoint(ana.app)
    events = said("I keep bees.")
    beside = publishing.open_line(ana, "another recipe")
    concluded(beside, "Keeps bees.", evidence=events)
    publishing.quarantine(line.pk, draft_on(line), "It smells.")
    basis = previews.newest(ana)
    added = [publishing.NewConclusion(content="Keeps bees.", evidence=events)]
    draft = publishing.Draft(parent_id=None, covers_from=0, covers_to=1, added=added)
    previews.preview(ana, basis, draft)
    assert told() == []


def test_what_is_rolled_back_is_not_told(ana, line):
    endpoint(ana.app)
    with transaction.atomic():
        concluded(line, "Keeps bees.", evidence=said("I keep bees."))
        assert len(told()) == 1
        transaction.set_rollback(True)
    assert told() == []


def test_where_nobody_asks_a_version_costs_one_statement_and_many_restored_ones_no_more(ana, line):
    def asked(action) -> int:
        with CaptureQueriesContext(connection) as captured:
            action()
        return sum("memory_webhook" in query["sql"] for query in captured)

    events = said("I keep bees.")
    assert asked(lambda: concluded(line, "Keeps bees.", evidence=events)) == 1
    others = []
    for number in range(5):
        other = person(f"user-{number}")
        made = publishing.open_line(other, "recipe")
        others.append((other, concluded(made, "Rows.", evidence=said("I row.", user=f"user-{number}"))))
    targets = {subject.pk: None for subject, _ in others}
    onward = restoring.Onward.STAY
    assert asked(lambda: restoring.restore(targets, onward=onward, reason="x")) == 1
    assert WebhookDelivery.objects.count() == 0


def test_what_people_say_costs_nothing(ana):
    endpoint(ana.app)
    with CaptureQueriesContext(connection) as captured:
        log.append("harbour", [log.NewEvent(content="x")], user="ana")
    assert not any("memory_webhook" in query["sql"] for query in captured)


def test_other_events_are_told_to_who_asks(ana):
    endpoint(ana.app, events=["reprocess.finished"])
    endpoint(ana.app, events=["pass.parked"])
    outbox.add(ana.app_id, outbox.Event.PARKED, {"subject": outbox.about(ana), "attempts": 3})
    [row] = WebhookDelivery.objects.all()
    assert (row.type, row.payload["data"]["attempts"]) == ("pass.parked", 3)
    assert row.payload["data"]["subject"]["user_id"] == ana.user.public_id


@pytest.mark.django_db(transaction=True)
def test_an_erasure_is_told_and_that_of_an_app_ends_its_webhooks():
    ana = person("ana")
    endpoint(ana.app)
    other = endpoint(tenants.make_app("market")[0])
    receipt = erase(ana.user)
    [row] = WebhookDelivery.objects.filter(type="erasure.completed")
    assert row.payload["data"] == {
        "app_id": ana.app.public_id,
        "erasure_id": receipt.public_id,
        "what": "user",
        "subjects": {"unreadable": receipt.unreadable, "rebuilding": receipt.rebuilding},
    }
    erase(ana.app)
    assert [hook.pk for hook in WebhookEndpoint.objects.all()] == [other.pk]
    assert not WebhookDelivery.objects.exists()
