"""A wrong setting is an error at start that says what to do; nothing falls back in silence."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.db import connection

from memory import checks, conf
from memory.conf import MemorySettings
from reasoning.conf import ReasoningSettings

VALUES = {"memory.E001", "memory.E002", "memory.E003"}


def found(settings, honcho) -> list[tuple[str, str, str]]:
    settings.HONCHO = honcho
    return [(each.id, each.msg, each.hint) for each in run_checks() if each.id in VALUES]


def test_the_defaults_and_the_sites_own_settings_are_in_order(settings):
    assert [each for each in run_checks() if each.id in VALUES] == []
    assert found(settings, {}) == []
    assert found(settings, conf.defaults()) == []


@pytest.mark.parametrize("honcho", [None, [], "AUTH", 5])
def test_honcho_is_a_dict(settings, honcho):
    [(number, message, _)] = found(settings, honcho)
    assert (number, message) == ("memory.E001", "HONCHO is not a dict.")


@pytest.mark.parametrize(
    ("key", "meant"),
    [("AUHT", "AUTH"), ("auth", "AUTH"), ("MAX_WAIT_SECOND", "MAX_WAIT_SECONDS"), ("Lease_Seconds", "LEASE_SECONDS")],
)
def test_a_misspelt_key_is_an_error_that_names_the_right_one(settings, key, meant):
    assert found(settings, {key: True}) == [
        ("memory.E002", f"HONCHO has a key that nothing reads: {key!r}.", f"Did you mean {meant!r}?")
    ]


def test_a_key_like_no_other_gets_the_list(settings):
    [(number, _, hint)] = found(settings, {"XYZZY": 1})
    assert number == "memory.E002"
    assert hint == f"It can hold {', '.join(sorted(conf.known_keys()))}."


WRONG = {
    "AUTH": ("yes", 1, None),
    "FOUR_EYES": ("yes", 1, None),
    "WEBHOOK_ALLOW_PRIVATE": ("no", 0, None),
    "REPRESENTATION_TOKENS": (0, -1, 2.5, "2000", True),
    "BATCH_EVENTS": (0, None),
    "BATCH_BYTES": ("5MB",),
    "WAITING_REQUESTS": (0, "8"),
    "DATA_BYTES": (0,),
    "KEY_CACHE_SECONDS": (-1, "5", True),
    "RATE_PER_MINUTE": (0, "60", True, 1.5),
    "CLOCK_SKEW_SECONDS": (-0.1,),
    "IDEMPOTENCY_HOURS": (0, -1, "24", True, float("nan"), float("inf")),
    "PROVIDER": ("openia", None),
    "MODEL_TIMEOUT": (0, -1, "60"),
    "CONTEXT_TOKENS": (-1, 5_999, "8192", True),
    "WORKER_CONCURRENCY": (0, 2.5, True),
    "CALLS_PER_CONNECTION": (0,),
    "POLL_INTERVAL": (0,),
    "PASS_EVENTS": (0,),
    "PASS_TOKENS": (0, "8000"),
    "KNOWN_TOKENS": (0,),
    "ENOUGH_TOKENS": (0,),
    "MAX_ATTEMPTS": (0, 1.5),
    "SAME_FAILURE_LIMIT": (0, 1.5),
    "OUTPUT_TOKENS": (0, 2.5, True),
    "FALLBACK_AFTER_SECONDS": (-1, "60", True),
    "FALLBACKS": (
        "local",
        ["local"],
        [{"PROVIDER": "openia"}],
        [{"PROVIDER": "local"}],
        [{"PROVIDER": "openai", "KEY": "any"}],
        [{"PROVIDER": "openai", "AFTER_SECONDS": "60"}],
        [{"PROVIDER": "openai", "NAME": "b"}, {"PROVIDER": "openai", "NAME": "b"}],
    ),
    "GATE_SHRINK_PERCENT": (-1, 101, "60", True, float("nan")),
    "GATE_MERGE_PERCENT": (-1, 101, "80", True, float("nan")),
    "CONSOLIDATE": ("yes", 1, None),
    "CONSOLIDATE_STATEMENTS": (0, 2.5, True),
    "CONSOLIDATE_QUIET_STATEMENTS": (0, "8"),
    "CONSOLIDATE_QUIET_SECONDS": (0, -1, "6h"),
    "CONSOLIDATE_TOKENS": (0, "4000"),
    "GATE_GROWTH_RATIO": (-0.1, "4", True),
    "SEARCH_LANGUAGES": ("english", ("English; --",), (5,), 5),
    "EMBEDDER": ("cuda", "no.such.Thing", 5),
    "EMBED_QUERY_SECONDS": (-1, "2"),
    "HISTORY_DAYS": (0, "30", True),
    "LOG_PARTITIONS": ("week", 1, True),
    "BULK_SHARE": (0, 1.1, "half", True),
    "BATCH_DISCOUNT": (-0.1, 1.1, "half", True),
    "BATCH_PASSES": (0, 2.5, True),
    "BATCH_SECONDS": (-1, 901, "30", True),
    "GATE_EMPTY_TOKENS": (-1, 2.5, "200", True),
    "GATE_GROWTH_TOKENS": (-1, 2.5, "400", True),
    "GATE_INSTRUCTIONS": ("yes", 1, None),
    "GATE_SECRETS": ("yes", 1, None),
    "GATE_LANGUAGE": ("yes", 1, None),
    "SETTLE_SECONDS": (-0.1, "0"),
    "AWAITED_SECONDS": (-0.1, "0"),
    "MAX_WAIT_SECONDS": (0,),
    "LEASE_SECONDS": (0, True),
    "DRAIN_SECONDS": (0,),
    "WORKER_SILENCE_SECONDS": (0, "90"),
    "INTERVAL_SECONDS": (
        5,
        {},
        {"user": 1},
        {"user": 1, "observed": 1, "session": 1, "project": -1},
        {"user": 1, "observed": 1, "session": 1, "project": "1"},
    ),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in WRONG for value in WRONG[key]], ids=str)
def test_a_value_that_cannot_be_used_is_an_error_that_says_what_to_do(settings, key, value):
    [(number, message, hint)] = found(settings, {key: value})
    assert (number, message) == ("memory.E003", f"HONCHO[{key!r}] cannot be used.")
    assert hint.endswith(".")


def test_the_openai_provider_needs_a_key(settings):
    [(number, message, _)] = found(settings, {"PROVIDER": "openai"})
    assert (number, message) == ("memory.E003", "HONCHO['OPENAI_API_KEY'] cannot be used.")
    assert found(settings, {"PROVIDER": "openai", "OPENAI_API_KEY": "any"}) == []


def test_every_key_with_a_rule_is_tried_here():
    free = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL"}
    free |= {"EMBEDDING_MODEL", "EMBEDDING_BASE_URL", "EMBEDDING_API_KEY"}
    assert conf.known_keys() == set(WRONG) | free


def test_what_is_given_is_what_is_in_force(settings):
    settings.HONCHO = {"AUTH": False, "LEASE_SECONDS": 7}
    assert MemorySettings.load().auth is False
    assert MemorySettings.load().batch_events == 1_000
    assert ReasoningSettings.load().lease_seconds == 7


def test_the_key_of_a_model_is_not_in_the_settings_repr(settings):
    settings.HONCHO = {"OPENAI_API_KEY": "sk-secret"}
    assert "sk-secret" not in repr(ReasoningSettings.load())


@pytest.mark.parametrize(
    ("queue", "database", "ids"),
    [
        ({"timeout": 240, "catch_up": False}, {}, []),
        ({"timeout": 240}, {}, ["reasoning.W001"]),
        ({"timeout": 194, "catch_up": False}, {}, ["reasoning.E002"]),
        ({"timeout": 240, "catch_up": False}, {"pool": True}, ["reasoning.E001"]),
    ],
)
def test_what_would_break_the_worker_in_silence_is_said_at_start(settings, monkeypatch, queue, database, ids):
    settings.Q_CLUSTER = queue
    settings.HONCHO = {}
    monkeypatch.setitem(settings.DATABASES, "default", settings.DATABASES["default"] | {"OPTIONS": database})
    assert [each.id for each in run_checks() if str(each.id).startswith("reasoning.")] == ids


def test_another_database_than_postgresql_is_refused(monkeypatch):
    class Other:
        vendor = "sqlite"

    monkeypatch.setattr(checks, "connection", Other())
    assert [each.id for each in checks.check_database(None)] == ["memory.E004"]


@pytest.mark.django_db
def test_a_server_without_pgvector_is_told_of_before_migrating():
    assert checks.check_extension(None, ["default"]) == []
    assert connection.connection is not None
    if connection.connection.info.server_version < 18_00_00:
        pytest.skip("extensions cannot be hidden from this server")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL extension_control_path = '/nowhere'")
    assert checks.check_extension(None) == []
    assert [each.id for each in checks.check_extension(None, ["default"])] == ["memory.E005"]
