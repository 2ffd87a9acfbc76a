"""The settings of the apps: one ``HONCHO`` dict in the site's settings, with the defaults here.

``memory`` and ``reasoning`` each declare a section; a key that no section declares is an error at start
(``memory.checks``).
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

from django.conf import settings as site_settings

SETTING = "HONCHO"
_HOURS_OF_A_YEAR = 8_760
_LANGUAGE = re.compile(r"[a-z_]+")


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings of one app, read from ``HONCHO`` with this class's defaults."""

    sections: ClassVar[list[type[Section]]] = []
    _loaded: ClassVar[tuple[dict[str, Any], Any] | None] = None
    """What the settings were when they were read last, and what was made of them."""

    def __init_subclass__(cls) -> None:
        """Remember the section, so that the check knows every key."""
        Section.sections.append(cls)

    @classmethod
    def load(cls) -> Self:
        """Return the settings in force now."""
        given = getattr(site_settings, SETTING, {})
        if cls._loaded is None or cls._loaded[0] != given:
            known = {item.name.upper(): item.name for item in fields(cls)}
            cls._loaded = dict(given), cls(**{known[key]: value for key, value in given.items() if key in known})
        loaded: Self = cls._loaded[1]
        return loaded

    def problems(self) -> list[tuple[str, str]]:
        """Return (key, what to do) for each value that cannot be used."""
        return []


def known_keys() -> set[str]:
    """Return every key that ``HONCHO`` may hold."""
    return {item.name.upper() for section in Section.sections for item in fields(section)}


def defaults() -> dict[str, Any]:
    """Return each key with its default value."""
    found = {}
    for section in Section.sections:
        for item in fields(section):
            default = item.default_factory() if item.default_factory is not MISSING else item.default
            found[item.name.upper()] = default
    return found


@dataclass(frozen=True, kw_only=True)
class MemorySettings(Section):
    """What the store itself can be told."""

    auth: bool = True
    """Whether the API asks for keys. Turn off on a laptop only."""

    key_cache_seconds: float = 5.0
    """How long a process trusts a key that it has verified: a revoked key works at most this long."""

    four_eyes: bool = False
    """Whether what one person promotes (a prompt's label, an experiment, a reprocess) another must confirm first."""

    rate_per_minute: int | None = None
    """How many requests a key may make a minute that says nothing of it itself. None: as many as it likes."""

    webhook_allow_private: bool = False
    """Whether webhooks may go to private addresses, and by http. For a network of one's own."""

    representation_tokens: int = 2_000
    """The most tokens that a stored representation's text may have."""

    batch_events: int = 1_000
    """The most events that one write may hold."""

    batch_bytes: int = 5 * 1024 * 1024
    """The most bytes that the body of one write may have."""

    data_bytes: int = 256 * 1024
    """The most bytes that an event's data, or any metadata, may have as JSON."""

    waiting_requests: int = 8
    """How many requests of one process may wait at a time, for reasoning to catch up or for a model's answer. Keep it
    below the threads of a web process: the others stay free for those that only read. With ``memory.slots`` these need
    no connections, and may be hundreds."""

    clock_skew_seconds: float = 86_400.0
    """How far in the future ``occurred_at`` may lie."""

    idempotency_hours: float = 24.0
    """How long the answer to a write with an ``Idempotency-Key`` is kept."""

    history_days: float | None = None
    """For how long versions are kept whole; of older ones only the statements stay. None: for ever."""

    log_partitions: str | None = None
    """Of what time a partition of the log holds the events: ``month``, ``quarter`` or ``year``. None: one for all."""

    search_languages: tuple[str, ...] = ("english",)
    """Whose word forms search knows, as PostgreSQL calls them; words as they are written are found in any language."""

    embedder: str = ""
    """What makes vectors for search: nothing, ``cpu``, ``provider``, or a class of your own by its dotted path."""

    embed_query_seconds: float = 2.0
    """How long a search waits for the vector of its query before it looks for words alone."""

    def problems(self) -> list[tuple[str, str]]:
        """Return (key, what to do) for each value that cannot be used."""
        found = []
        given: dict[str, Any] = vars(self)
        languages = given["search_languages"]
        if not isinstance(languages, list | tuple) or not all(_LANGUAGE.fullmatch(str(name)) for name in languages):
            found.append(("SEARCH_LANGUAGES", 'List languages that PostgreSQL knows: ("english", "german").'))
        for key in ("auth", "four_eyes", "webhook_allow_private"):
            if not isinstance(given[key], bool):
                found.append((key.upper(), "Set it to True or False."))
        for key in ("representation_tokens", "batch_events", "batch_bytes", "data_bytes", "waiting_requests"):
            value = given[key]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                found.append((key.upper(), "Set it to a whole number of at least 1."))
        rate = given["rate_per_minute"]
        if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate < 1):
            found.append(("RATE_PER_MINUTE", "Set it to a whole number of at least 1, or to None."))
        for key in ("key_cache_seconds", "clock_skew_seconds", "embed_query_seconds"):
            value = given[key]
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
                found.append((key.upper(), "Set it to a number of seconds, 0 or more."))
        days = given["history_days"]
        if days is not None and (not isinstance(days, int | float) or isinstance(days, bool) or days < 1):
            found.append(("HISTORY_DAYS", "Set it to a number of days, at least 1, or to None."))
        if given["log_partitions"] not in (None, "month", "quarter", "year"):
            found.append(("LOG_PARTITIONS", 'Set it to "month", "quarter" or "year", or to None.'))
        hours = given["idempotency_hours"]
        if not isinstance(hours, int | float) or isinstance(hours, bool) or not 0 < hours <= _HOURS_OF_A_YEAR:
            found.append(("IDEMPOTENCY_HOURS", f"Set it to a number of hours above 0, at most {_HOURS_OF_A_YEAR:,}."))
        return found
