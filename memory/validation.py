"""What text and JSON the store can hold; every write passes through here, from HTTP and from the host's own code."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from memory import clock
from memory.errors import Invalid, TooLarge
from memory.models.tenants import NAME_LENGTH

Where = Sequence[str | int]

MOST_LEVELS = 100
"""How deep JSON may be nested: far below where reading it again would exhaust Python's stack."""

_AGE = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_OLDEST = timedelta(days=36_500)
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def text(value: Any, where: Where, *, most: int, least: int = 0) -> str:
    """Return ``value`` if it is text of ``least`` to ``most`` characters that PostgreSQL can hold.

    Raises :class:`Invalid` otherwise. Nothing is trimmed or normalised.
    """
    if not isinstance(value, str):
        raise Invalid("Give a string.", where, "string_type")
    if len(value) < least:
        raise Invalid(f"Give at least {least} character{'s' if least > 1 else ''}.", where, "string_too_short")
    if len(value) > most:
        raise Invalid(f"Give at most {most:,} characters; this has {len(value):,}.", where, "string_too_long")
    if "\x00" in value:
        raise Invalid("A NUL character cannot be stored; remove it.", where, "nul_character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid("This is not valid Unicode: it holds half of a surrogate pair.", where, "unicode") from None
    return value


def name(value: Any, where: Where, *, most: int = NAME_LENGTH) -> str:
    """Return ``value`` if it can name an app, user, session or project: no ``/`` and no control characters."""
    checked = text(value, where, most=most, least=1)
    if "/" in checked or any(ord(character) < 32 or ord(character) == 127 for character in checked):
        raise Invalid("A name holds no '/' and no control characters.", where, "name")
    if checked in {".", ".."}:
        raise Invalid("A name is not '.' or '..': HTTP clients drop those from a path.", where, "name")
    return checked


def json_value(value: Any, where: Where, *, most: int) -> str:
    """Return ``value`` as JSON text of at most ``most`` bytes that PostgreSQL can hold as ``jsonb``."""
    try:
        dumped = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(dumped.encode())
    except UnicodeEncodeError:
        raise Invalid("This is not valid Unicode: it holds half of a surrogate pair.", where, "unicode") from None
    except (TypeError, ValueError, RecursionError):
        raise Invalid("This cannot be written as JSON (NaN, too deep, or not JSON at all).", where, "json") from None
    if size > most:
        raise TooLarge(
            f"{'.'.join(str(part) for part in where)} has {size:,} bytes as JSON; at most {most:,} are taken."
        )
    if dumped.count("[") + dumped.count("{") > MOST_LEVELS and _levels(value) > MOST_LEVELS:
        raise Invalid(f"This is nested more than {MOST_LEVELS} levels deep.", where, "json_depth")
    if _ESCAPED_NUL.search(dumped):
        raise Invalid("A NUL character cannot be stored; remove it.", where, "nul_character")
    return dumped


def _levels(value: Any) -> int:
    """Return how deep lists and objects are nested in a value."""
    depth, level = 0, [value]
    while level:
        containers = [item for item in level if isinstance(item, list | tuple | dict)]
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
        depth += bool(containers)
    return depth


def metadata(value: Any, where: Where, *, most: int) -> str:
    """Return ``value`` as JSON text if it is an object."""
    if not isinstance(value, dict):
        raise Invalid("Give an object.", where, "dict_type")
    return json_value(value, where, most=most) if value else "{}"


def moment(value: Any, where: Where) -> datetime:
    """Return ``value``, ISO 8601 text or a datetime, in UTC. It must say its time zone."""
    found = value
    if isinstance(found, str):
        try:
            found = parse_datetime(found)
        except ValueError:
            found = None
        if found is None:
            raise Invalid("Give an ISO 8601 date and time, such as 2026-11-22T13:51:00Z.", where, "datetime_parsing")
    if not isinstance(found, datetime):
        raise Invalid("Give a date and time.", where, "datetime_type")
    if timezone.is_naive(found):
        raise Invalid("Give the time zone too, such as 2026-11-22T13:51:00Z.", where, "timezone_naive")
    try:
        return found.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Invalid("This date cannot be stored.", where, "datetime_range") from None


def moment_or_age(value: Any, where: Where) -> datetime | timedelta:
    """Return ``value`` as a moment, or as how long ago it was (``7d``, ``12h``, ``30m``)."""
    age = _AGE.fullmatch(value) if isinstance(value, str) else None
    if age is None:
        try:
            return moment(value, where)
        except Invalid as error:
            raise Invalid(
                f"{error.message} Or give how long ago it was, such as 7d, 12h or 30m.", where, error.kind
            ) from None
    seconds = int(age[1]) * _SECONDS[age[2]]
    if seconds > _OLDEST.total_seconds():
        raise Invalid("Give an age of at most 36,500 days.", where, "less_than_equal")
    return timedelta(seconds=seconds)


def since(value: Any, where: Where) -> datetime:
    """Return ``value``, a moment or how long ago it was, as a moment by the database's clock."""
    found = moment_or_age(value, where)
    return clock.now() - found if isinstance(found, timedelta) else found
