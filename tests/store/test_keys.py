"""API keys: kept as a hash, ended for good, verified from a cache that forgets soon."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from memory import keys, tenants
from memory.errors import Invalid
from memory.models import ApiKey, Collection
from tests.store.helpers import together


@pytest.fixture(autouse=True)
def nothing_remembered():
    keys.forget()
    yield
    keys.forget()


class Clock:
    """What the cache takes for the time."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(keys, "time", clock)
    return clock


@pytest.fixture
def place(db):
    app, _ = tenants.make_app("harbour")
    ana, _ = tenants.make_user(app, "ana")
    session, _ = tenants.make_session(app, ana, "s1")
    return app, ana, session


def test_only_the_hash_is_kept(place):
    row, key = keys.create("laptop", "app", app=place[0])
    assert key.startswith("hk_")
    assert len(key) == 46
    assert row.digest == hashlib.sha256(key.encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(k)::text FROM memory_apikey k")
        [(stored,)] = cursor.fetchall()
    assert key not in stored
    assert key[12:] not in stored
    assert row.prefix == key[:10]
    assert key not in str(row)


def test_no_two_keys_are_the_same(place):
    made = [keys.create("laptop", "operator")[1] for _ in range(20)]
    assert len(set(made)) == 20


@pytest.mark.parametrize("scope", ["operator", "app", "user", "session"])
def test_a_key_opens_what_its_scope_says(place, scope):
    app, ana, session = place
    row, key = keys.create("laptop", scope, app=app, user=ana, session=session, read_only=True)
    grant = keys.verify(key)
    in_app = scope != "operator"
    of_user, of_session = scope in {"user", "session"}, scope == "session"  # a session's owner comes with it
    assert grant == keys.Grant(
        row.pk,
        scope,
        app.pk if in_app else None,
        "harbour" if in_app else None,
        ana.pk if of_user else None,
        "ana" if of_user else None,
        session.pk if of_session else None,
        session_name="s1" if of_session else None,
        read_only=True,
    )


@pytest.mark.parametrize(
    ("scope", "given", "missing"),
    [
        ("app", (), "app"),
        ("user", ("app",), "user"),
        ("user", ("user",), "app"),
        ("session", ("app", "user"), "session"),
        ("everything", ("app",), "scope"),
    ],
)
def test_a_scope_without_what_it_names_is_refused(place, scope, given, missing):
    parts = dict(zip(("app", "user", "session"), place, strict=True))
    with pytest.raises(Invalid) as refusal:
        keys.create("laptop", scope, **{part: parts[part] for part in given})
    assert refusal.value.where == (missing,)
    assert not ApiKey.objects.exists()


def test_a_user_of_another_app_is_refused_by_the_database(place):
    other, _ = tenants.make_app("market")
    with pytest.raises(IntegrityError, match="memory_apikey_user_id_same_app"), transaction.atomic():
        keys.create("laptop", "user", app=other, user=place[1])


@pytest.mark.parametrize("wrong", ["", "hk_", "hk_" + "A" * 43, "Bearer x", "\ud800", "x" * 10_000, "\x00"])
def test_what_is_no_key_opens_nothing(place, wrong):
    keys.create("laptop", "operator")
    assert keys.verify(wrong) is None


def test_a_revoked_key_opens_nothing_at_once_here_and_soon_everywhere(place, settings, clock):
    settings.HONCHO = {"KEY_CACHE_SECONDS": 5}
    row, key = keys.create("laptop", "operator")
    assert keys.verify(key) is not None
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=timezone.now())  # by another process
    clock.now += 4.9
    assert keys.verify(key) is not None
    clock.now += 0.2
    assert keys.verify(key) is None
    row, key = keys.create("laptop", "operator")
    assert keys.verify(key) is not None
    keys.revoke(row)
    assert keys.verify(key) is None
    first = ApiKey.objects.get(pk=row.pk).revoked_at
    keys.revoke(row)
    assert ApiKey.objects.get(pk=row.pk).revoked_at == first, "when it was revoked is not rewritten"


def test_a_key_expires_even_where_it_is_remembered(place, settings):
    settings.HONCHO = {"KEY_CACHE_SECONDS": 1_000}
    now = timezone.now()
    _, key = keys.create("laptop", "operator", expires_at=now + timedelta(seconds=60))
    with time_machine.travel(now, tick=False) as clock:
        assert keys.verify(key) is not None
        clock.shift(59.9)
        assert keys.verify(key) is not None
        clock.shift(0.2)
        assert keys.verify(key) is None


def test_a_verified_key_costs_no_statement_until_it_is_forgotten(place, settings, clock, django_assert_num_queries):
    settings.HONCHO = {"KEY_CACHE_SECONDS": 5}
    _, key = keys.create("laptop", "user", app=place[0], user=place[1])
    for statements, seconds in ((1, 4.9), (0, 0.2), (1, 0)):
        with django_assert_num_queries(statements):
            keys.verify(key)
        clock.now += seconds
    keys.forget()
    with django_assert_num_queries(1):
        keys.verify(key)


def test_unknown_keys_are_not_remembered(place, django_assert_num_queries):
    for _ in range(2):
        with django_assert_num_queries(1):
            assert keys.verify("hk_nothing") is None


def test_the_cache_has_a_bound(place, monkeypatch):
    monkeypatch.setattr(keys, "_CACHE_SIZE", 3)
    made = [keys.create("laptop", "operator")[1] for _ in range(8)]
    assert all(keys.verify(key) for key in made)
    assert len(keys._cache) <= 3


def test_the_last_use_is_noted_with_the_look_up_and_at_most_once_a_minute(place, django_assert_num_queries):
    row, key = keys.create("laptop", "app", app=place[0])

    def used():
        return ApiKey.objects.values_list("last_used_at", flat=True).get(pk=row.pk)

    assert used() is None
    with django_assert_num_queries(1):
        keys.verify(key)
    first = used()
    assert first is not None
    keys.forget()
    keys.verify(key)
    assert used() == first
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    keys.forget()
    keys.verify(key)
    assert used() >= first


@pytest.mark.parametrize("why", ["revoked", "expired"])
def test_a_key_that_opens_nothing_is_not_noted_as_used_and_takes_the_work_of_an_unknown_one(
    place, why, django_assert_num_queries
):
    past = timezone.now() - timedelta(days=1)
    row, key = keys.create("laptop", "app", app=place[0], expires_at=past if why == "expired" else None)
    if why == "revoked":
        keys.revoke(row)
    for wrong in (key, key, "hk_nothing", "hk_nothing"):
        with django_assert_num_queries(1):
            assert keys.verify(wrong) is None
    assert ApiKey.objects.get(pk=row.pk).last_used_at is None


def test_a_key_that_is_looked_up_while_it_is_revoked_is_not_remembered(place, monkeypatch):
    row, key = keys.create("laptop", "app", app=place[0])
    look_up = keys._look_up

    def slow(digest):
        found = look_up(digest)
        keys.revoke(row)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(keys, "_look_up", slow)
        keys.verify(key)
    assert keys.verify(key) is None


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_used_before_its_revocation_is_committed_is_refused_after_it():
    row, key = keys.create("laptop", "operator")
    with transaction.atomic():
        keys.revoke(row)
        assert together(lambda: keys._cache.update({row.digest: (1e18, keys.EVERYTHING)}))
    assert keys.verify(key) is None


def test_keys_of_projects_and_collections_open_those(place):
    app, ana, _ = place
    project, _ = tenants.make_project(app, "pier")
    collection = Collection.objects.create(app=app, user=ana, name="notes")
    grant = keys.verify(keys.create("a", "project", app=app, project=project)[1])
    assert (grant.project_id, grant.project_name, grant.user_id) == (project.pk, "pier", None)
    grant = keys.verify(keys.create("b", "collection", app=app, collection=collection)[1])
    assert (grant.collection_id, grant.collection_name, grant.user_id) == (collection.pk, "notes", ana.pk)


@pytest.mark.parametrize("part", ["project", "collection"])
def test_a_thing_of_another_app_is_refused_by_the_database(place, part):
    app, ana, _ = place
    other, _ = tenants.make_app("market")
    things = {
        "project": tenants.make_project(app, "pier")[0],
        "collection": Collection.objects.create(app=app, user=ana, name="notes"),
    }
    with pytest.raises(IntegrityError, match=f"memory_apikey_{part}_id_same_app"), transaction.atomic():
        keys.create("laptop", part, app=other, **{part: things[part]})


@pytest.mark.parametrize(
    ("values", "where"),
    [({"name": ""}, "name"), ({"name": "x" * 201}, "name"), ({"rate_per_minute": 0}, "rate_per_minute")],
)
def test_values_that_cannot_be_are_refused(place, values, where):
    with pytest.raises(Invalid) as refusal:
        keys.create(**{"name": "laptop", "scope": "operator"} | values)
    assert refusal.value.where == (where,)


def test_a_key_gives_no_more_than_it_has():
    soon = timezone.now() + timedelta(hours=1)
    later = soon + timedelta(hours=1)
    free = keys.EVERYTHING
    bound = dataclasses.replace(free, expires_at=soon, rate_per_minute=10)
    assert keys.within(free, None, None) == (None, None)
    assert keys.within(free, later, 99) == (later, 99)
    assert keys.within(bound, None, None) == (soon, 10)
    assert keys.within(bound, soon, 5) == (soon, 5)
    for asked, where in (((later, None), "expires_at"), ((None, 11), "rate_per_minute")):
        with pytest.raises(Invalid) as refusal:
            keys.within(bound, *asked)
        assert refusal.value.where == (where,)
