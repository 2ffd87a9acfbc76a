"""What is to be told is told: at least once, signed, under one id, until it has arrived or there is no hope."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime, timedelta

import httpcore
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from standardwebhooks import Webhook, WebhookVerificationError

from memory import clock, ids, tenants
from memory.models import WebhookDelivery, WebhookEndpoint
from memory.webhooks import delivery, endpoints, sending, signing
from memory.webhooks.sending import Answer
from tests.store.helpers import together, until
from tests.webhooks.helpers import endpoint, make_due, states, tell
from tests.webhooks.receiver import receiving, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def private(settings):
    settings.HONCHO = {"WEBHOOK_ALLOW_PRIVATE": True}


@pytest.fixture
def app():
    return tenants.make_app("harbour")[0]


def verified(heard, *secrets):
    """What a receiver makes of a request with each of these secrets."""
    return [Webhook(secret).verify(heard.body, heard.headers) for secret in secrets]


def test_a_delivery_arrives_signed_once(app):
    with receiving() as receiver:
        hook = endpoint(app, receiver.url())
        tell(app, attempts=3)
        assert delivery.deliver_due() == 1
        assert delivery.deliver_due() == 0
    [heard] = receiver.heard
    row = WebhookDelivery.objects.get()
    [told] = verified(heard, hook.secret)
    assert set(told) == {"type", "timestamp", "data"}
    assert (told["type"], told["data"]) == ("pass.parked", {"app_id": app.public_id, "attempts": 3})
    assert heard.headers["webhook-id"] == ids.encode(row.event_id)
    assert heard.headers["content-type"] == "application/json"
    assert (row.state, row.attempts, row.status, row.error, row.due_at) == ("delivered", 1, 204, "", None)
    with pytest.raises(WebhookVerificationError):
        verified(heard, signing.new_secret())


def test_what_is_refused_is_tried_again_later_under_the_same_id(app):
    with receiving(status(500), status(503, Retry_After="3600"), status(200)) as receiver:
        hook = endpoint(app, receiver.url())
        tell(app)
        for wait, next_state in ((5, "waiting"), (3_600, "waiting"), (None, "delivered")):
            assert delivery.deliver_due() == 1
            assert states() == [next_state]
            row = WebhookDelivery.objects.get()
            if wait:
                assert row.status in (500, 503)
                assert row.error == "http_status"
                assert wait * 0.7 < (row.due_at - clock.now()).total_seconds() < wait * 1.3
            make_due()
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert len({heard.body for heard in receiver.heard}) == 1
    for heard in receiver.heard:
        verified(heard, hook.secret)
    hook.refresh_from_db()
    assert (hook.failures, hook.failing_since, hook.enabled) == (0, None, True)


def test_after_the_last_attempt_it_has_failed(app):
    with receiving(status(404)) as receiver:
        hook = endpoint(app, receiver.url())
        tell(app)
        for _ in range(delivery.MOST_ATTEMPTS + 2):
            delivery.deliver_due()
            make_due()
    assert len(receiver.heard) == delivery.MOST_ATTEMPTS
    row = WebhookDelivery.objects.get()
    assert (row.state, row.status, row.due_at) == ("failed", 404, None)
    hook.refresh_from_db()
    assert (hook.failures, hook.enabled) == (delivery.MOST_ATTEMPTS, True)
    assert 24 * 3_600 < sum(delivery.SCHEDULE) < 36 * 3_600


def test_a_process_that_dies_after_sending_has_it_sent_again_under_the_same_id(app):
    with receiving() as receiver:
        endpoint(app, receiver.url())
        tell(app)
        [parcel] = delivery.claim(8)
        assert sending.post(parcel.url, parcel.headers, parcel.body).error == ""
        assert delivery.deliver_due() == 0, "the lease of who died holds"
        make_due()
        assert delivery.deliver_due() == 1
        delivery.record(parcel, Answer(500, "http_status"))
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert len(receiver.heard) == 2
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.status) == ("delivered", 2, 204), "who lost the lease notes nothing"


def test_one_that_kills_whoever_sends_it_is_given_up(app):
    endpoint(app, "http://127.0.0.1:1/")
    tell(app)
    for _ in range(delivery.MOST_ATTEMPTS):
        assert len(delivery.claim(8)) == 1
        make_due()
    assert delivery.deliver_due() == 1
    row = WebhookDelivery.objects.get()
    assert (row.state, row.error) == ("failed", "lost")


def test_deliverers_at_once_send_nothing_twice(app):
    with receiving() as receiver:
        hooks = [endpoint(app, receiver.url(f"/{number}")) for number in range(4)]
        for _ in range(8):
            tell(app)
        counts = together(*[delivery.deliver_due] * 3)
    assert sum(counts) == 32
    assert len({(heard.path, heard.headers["webhook-id"]) for heard in receiver.heard}) == len(receiver.heard) == 32
    assert set(states()) == {"delivered"}
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 8, "an event has one id for all endpoints"
    assert len(hooks) == 4


def test_an_endpoint_with_much_to_hear_leaves_room_for_the_others(app):
    busy, quiet = endpoint(app, "http://127.0.0.1:1/busy"), tenants.make_app("quiet")[0]
    for _ in range(30):
        tell(app)
    other = endpoint(quiet, "http://127.0.0.1:1/quiet")
    tell(quiet)
    claimed = delivery.claim(8)
    assert sorted(parcel.endpoint_id for parcel in claimed) == sorted([busy.pk] * delivery.AT_ONCE + [other.pk])
    assert delivery.claim(8) == []


def test_receivers_that_stall_keep_nobody_elses_from_being_told(app):
    stalled = {endpoint(app, f"http://127.0.0.1:1/stalled-{number}").pk for number in range(8)}
    for _ in range(8):
        tell(app)
    taken = delivery.claim(8)
    assert {parcel.endpoint_id for parcel in taken} <= stalled
    quiet = tenants.make_app("quiet")[0]
    others = [endpoint(quiet, f"http://127.0.0.1:1/quiet-{number}").pk for number in range(2)]
    tell(quiet)
    claimed = []
    for parcel in taken[:2]:  # a thread is free again, and one more
        delivery.record(parcel, Answer(None, "timeout"))
        claimed += delivery.claim(1)
    assert sorted(parcel.endpoint_id for parcel in claimed) == others


def test_a_redirect_is_not_followed(app):
    with receiving() as elsewhere, receiving(status(307, Location=elsewhere.url())) as receiver:
        endpoint(app, receiver.url())
        tell(app)
        delivery.deliver_due()
    assert (len(receiver.heard), elsewhere.heard) == (1, [])
    row = WebhookDelivery.objects.get()
    assert (row.state, row.status, row.error) == ("waiting", 307, "redirect")


def test_a_receiver_that_is_gone_is_told_no_more(app):
    with receiving(status(410)) as receiver:
        hook = endpoint(app, receiver.url())
        tell(app)
        tell(app)
        delivery.claim(1)
        delivery.deliver_due()
        tell(app)
        make_due()
        delivery.deliver_due()
    hook.refresh_from_db()
    assert (hook.enabled, hook.disabled_reason) == (False, "It answered that it is gone (410).")
    assert len(receiver.heard) == 1
    told = list(WebhookDelivery.objects.order_by("pk").values_list("state", "error"))
    assert sorted(told) == [("failed", "endpoint_disabled"), ("failed", "gone")]


def test_an_endpoint_where_nothing_arrives_for_days_is_disabled(app):
    with receiving(status(500)) as receiver:
        hook = endpoint(app, receiver.url())
        tell(app)
        for _ in range(delivery.MOST_FAILURES - 1):
            delivery.deliver_due()
            make_due()
        WebhookEndpoint.objects.update(failing_since=F("failing_since") - timedelta(days=4))
        assert WebhookEndpoint.objects.get().enabled, "a quiet endpoint is not given up after a few attempts"
        delivery.deliver_due()
    hook.refresh_from_db()
    assert (hook.enabled, hook.disabled_reason) == (False, "Nothing has arrived for 3 days.")
    hook = endpoints.change(hook, enabled=True)
    assert (hook.enabled, hook.disabled_reason, hook.failures, hook.failing_since) == (True, "", 0, None)


def test_a_short_outage_of_a_busy_endpoint_disables_nothing(app):
    with receiving(status(500)) as receiver:
        endpoint(app, receiver.url())
        for _ in range(3 * delivery.MOST_FAILURES):
            tell(app)
        delivery.deliver_due()
    hook = WebhookEndpoint.objects.get()
    assert (hook.enabled, hook.failures) == (True, 3 * delivery.MOST_FAILURES)


def test_a_receiver_that_answers_byte_by_byte_is_not_waited_for(app, monkeypatch):
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.4)

    def dribble(handler):
        for _ in range(200):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            stopped.wait(0.05)

    stopped = threading.Event()
    with receiving(dribble) as receiver:
        endpoint(app, receiver.url())
        tell(app)
        delivery.deliver_due()
        stopped.set()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.status) == ("waiting", None)
    assert row.error in ("timeout", "network")


def test_a_huge_answer_is_not_read(app):
    sent: list[str] = []

    def flood(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        try:
            while len(sent) < 10_000:
                handler.wfile.write(b"secret " * 10_000)
                sent.append("some")
        except OSError:
            sent.append("cut off")

    with receiving(flood) as receiver:
        endpoint(app, receiver.url())
        tell(app)
        delivery.deliver_due()
        until(lambda: sent and sent[-1] == "cut off", "the receiver to be cut off")
    assert len(sent) < 1_000
    assert states() == ["delivered"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM memory_webhookdelivery t WHERE t::text LIKE '%secret%'")
        assert cursor.fetchone() == (0,)


def test_no_connection_is_held_while_it_is_sent(app):
    seen = []

    def look(handler):
        seen.extend(backends())
        status(204)(handler)

    def backends():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend' AND xact_start IS NOT NULL"
            )
            found = cursor.fetchall()
        connection.close()
        return found

    with receiving(look) as receiver:
        endpoint(app, receiver.url())
        tell(app)
        delivery.deliver_due()
    assert len(receiver.heard) == 1
    assert seen == []


def test_a_new_secret_signs_beside_the_one_before_for_a_day(app):
    with receiving() as receiver:
        hook = endpoint(app, receiver.url())
        first = hook.secret
        second = endpoints.rotate(hook).secret
        tell(app)
        delivery.deliver_due()
        verified(receiver.heard[0], first, second)
        third = endpoints.rotate(hook).secret
        tell(app)
        delivery.deliver_due()
        verified(receiver.heard[1], second, third)
        with pytest.raises(WebhookVerificationError):
            verified(receiver.heard[1], first)
        WebhookEndpoint.objects.update(previous_until=clock.now() - timedelta(seconds=1))
        tell(app)
        delivery.deliver_due()
        verified(receiver.heard[2], third)
        with pytest.raises(WebhookVerificationError):
            verified(receiver.heard[2], second)


def test_a_replay_comes_under_the_same_id_and_a_test_is_told_of_nothing(app):
    with receiving() as receiver:
        hook = endpoint(app, receiver.url())
        tell(app)
        delivery.deliver_due()
        endpoints.replay(WebhookDelivery.objects.get())
        delivery.deliver_due()
        endpoints.test(hook)
        delivery.deliver_due()
    one, again, test = receiver.heard
    assert one.headers["webhook-id"] == again.headers["webhook-id"] != test.headers["webhook-id"]
    assert json.loads(test.body)["type"] == "webhook.test"
    assert json.loads(test.body)["data"] == {"app_id": app.public_id, "endpoint_id": hook.public_id}


def test_the_command_sends_what_is_due(app):
    with receiving() as receiver:
        endpoint(app, receiver.url())
        tell(app)
        said = io.StringIO()
        call_command("deliver_webhooks", "--once", stdout=said)
    assert said.getvalue() == "1 attempt made.\n"
    assert len(receiver.heard) == 1


def test_a_loop_begins_what_is_due_and_does_not_wait_for_it(app):
    with receiving() as receiver:
        endpoint(app, receiver.url())
        tell(app)
        assert delivery.start_due() is True
        until(lambda: states() == ["delivered"], "it to arrive")
        assert delivery.start_due() is False
    assert len(receiver.heard) == 1


def test_what_became_of_old_deliveries_is_forgotten_and_what_waits_is_not(app):
    endpoint(app)
    for _ in range(3):
        tell(app)
    old = datetime(2020, 1, 1, tzinfo=UTC)
    rows = list(WebhookDelivery.objects.order_by("pk"))
    WebhookDelivery.objects.filter(pk__in=[rows[0].pk, rows[1].pk]).update(created_at=old)
    WebhookDelivery.objects.filter(pk__in=[rows[0].pk, rows[2].pk]).update(due_at=None, state="failed")
    assert delivery.prune() == 1
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == {rows[1].pk, rows[2].pk}


def test_an_endpoint_is_not_deleted_under_what_is_being_told(app):
    hook = endpoint(app)

    def delete():
        endpoints.delete(WebhookEndpoint.objects.get(pk=hook.pk))

    def tell_slowly():
        with transaction.atomic():
            tell(app)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.1)")

    together(tell_slowly, delete, tell_slowly)
    assert WebhookDelivery.objects.filter(endpoint=hook.pk).count() == 0


def test_what_breaks_while_it_is_sent_is_logged_without_its_words_and_tried_again(app, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise RuntimeError("the URL and the secret")

    endpoint(app, "http://127.0.0.1:1/")
    tell(app)
    with monkeypatch.context() as patch:
        patch.setattr(httpcore, "ConnectionPool", broken)
        assert delivery.deliver_due() == 1
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    assert states() == ["sending"]
    make_due()
    assert delivery.deliver_due() == 1
    assert WebhookDelivery.objects.get().error == "connect"
