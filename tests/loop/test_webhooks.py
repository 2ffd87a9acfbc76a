"""What the loop has webhooks told: that an operator must act, and that a run has read everything."""

from __future__ import annotations

from typing import Any

import pytest

from memory import log, tenants
from memory.models import App, WebhookDelivery
from memory.webhooks import delivery
from reasoning import prompt_versions
from reasoning.chores import Chores, everything
from reasoning.models import PromptVersion, Reprocess, Work
from reasoning.providers.base import Failure, ProviderError
from reasoning.reprocessing import advance, lifecycle
from tests.loop.helpers import AT_ONCE, FakeProvider, drain
from tests.store.helpers import person, say
from tests.webhooks.helpers import endpoint
from tests.webhooks.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE | {"MAX_ATTEMPTS": 1, "WEBHOOK_ALLOW_PRIVATE": True}


def told(kind: str) -> list[dict[str, Any]]:
    return [row.payload["data"] for row in WebhookDelivery.objects.filter(type=kind).order_by("pk")]


def refusing(request):
    raise ProviderError(Failure.NONSENSE, "It said: I like bees.")


def test_a_parked_line_is_told_by_ids_and_numbers():
    subject = person()
    endpoint(subject.app, "http://127.0.0.1:1/")
    say("I like bees.")
    drain(FakeProvider(refusing))
    work = Work.objects.get()
    assert work.state == Work.State.PARKED
    [data] = told("pass.parked")
    assert data["subject"]["user_id"] == subject.user.public_id
    assert (data["line_id"], data["failure"], data["waiting_events"]) == (work.line.public_id, work.last_failure, 1)
    assert "bees" not in str(data)


def test_a_run_that_has_read_everything_is_told_once():
    subject = person()
    say("I like bees.")
    drain()
    endpoint(subject.app, "http://127.0.0.1:1/", ["reprocess.finished"])
    first = PromptVersion.objects.get(kind="user", app=None, number=1)
    version = prompt_versions.create("user", f"{first.instructions}\nAgain.", message="Reads better")
    run = lifecycle.start(lifecycle.create(version, app=subject.app, reason="Try"))
    drain()
    advance.advance()
    assert Reprocess.objects.get().state == Reprocess.State.DONE
    expected = {"app_id": subject.app.public_id, "reprocess_id": run.public_id, "subjects": 1, "failed": 0}
    assert told("reprocess.finished") == [expected]


def test_a_worker_sends_what_is_told():
    app, _ = tenants.make_app("harbour")
    with receiving() as receiver:
        endpoint(app, receiver.url())
        log.append("harbour", [log.NewEvent(content="I like bees.")], user="ana")
        drain()
        assert WebhookDelivery.objects.count() == 1
        drain()
        chores = [chore for chore in everything() if chore.run is delivery.start_due]
        assert len(chores) == 1
        Chores(chores).run(now=True)
        delivery._couriers.popitem()[1].close()
    assert [heard.path for heard in receiver.heard] == ["/hook"]
    assert App.objects.count() == 1
