"""A flood in one app: its writes succeed, its reads say how far behind they are, and no other app waits for it."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from memory import log
from memory.log import NewEvent
from memory.models import Representation
from reasoning import circuit
from reasoning.models import Work
from reasoning.providers.base import Failure, ProviderError
from tests.crash.site import until
from tests.loop.helpers import AT_ONCE, FakeProvider, draining

pytestmark = pytest.mark.django_db(transaction=True)

FLOOD, SMALL, AT_A_TIME = 1_000, 10, 16


def write(app: str, subjects: int, content: str) -> None:
    with transaction.atomic():  # one commit is quicker than a thousand
        for number in range(subjects):
            log.append(app, [NewEvent(content=content)], user=f"user-{number}")


def test_1000_subjects_of_one_app_do_not_delay_10_of_another(settings):
    settings.HONCHO = AT_ONCE | {"WORKER_CONCURRENCY": 4, "CALLS_PER_CONNECTION": AT_A_TIME // 4}
    write("flood", FLOOD, "flood")
    provider = FakeProvider(delay=0.02)
    with draining(provider):
        until(lambda: len(provider.requests) > 100, "the flood is being worked on")
        before = len(provider.requests)
        write("small", SMALL, "small")
        arrived = len(provider.requests)
        until(lambda: Representation.objects.filter(subject__app__name="small").count() == SMALL, "the small app")
        asked = [request.events[0].content for request in provider.requests]
    assert asked[before:].count("small") == SMALL
    last = max(place for place, content in enumerate(asked) if content == "small")
    # What was in flight already, then turn about: no more than so many calls of the flood go before the last.
    assert last - arrived <= AT_A_TIME + 2 * SMALL + AT_A_TIME
    assert asked.count("flood") < FLOOD, "the flood was still going on"


def test_behind_a_deep_backlog_writes_succeed_and_reads_say_how_far_behind_they_are(settings):
    settings.HONCHO = AT_ONCE | {"AUTH": False, "POLL_INTERVAL": 0.2}
    client = Client()
    messages = "/v1/apps/flood/users/ana/sessions/s/messages/batch"
    context = "/v1/apps/flood/users/ana/sessions/s/context"

    def post(count: int) -> int:
        body = {"messages": [{"content": f"Line {number}.", "is_user": True} for number in range(count)]}
        return client.post(messages, body, content_type="application/json").status_code

    assert post(1) == 200
    with draining(FakeProvider()):
        until(lambda: Work.objects.filter(state="idle").count() == 2, "the first is read")
    circuit.failed("fake", ProviderError(Failure.QUOTA, "Nobody has paid."))
    assert [post(100) for _ in range(30)] == [200] * 30
    with draining(FakeProvider()):
        until(lambda: Work.objects.filter(waiting_events=3_000).count() == 2, "what waits is counted")
        assert post(1) == 200
        read = client.get(context).json()
        assert "Line 0" in read["context"]
        assert read["behind"]["events"] >= 3_000
        assert read["behind"]["seconds"] > 0
        queue = client.get("/v1/apps/flood/queue").json()
        assert queue["waiting"] == 2
        assert queue["events"] + queue["not_taken_in"] >= 6_000
        circuit.resume("fake")
        until(lambda: Work.objects.filter(state="idle").count() == 2, "once somebody has paid, it drains")
    assert client.get(context).json()["behind"]["events"] == 0
