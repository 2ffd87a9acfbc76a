"""Holding a line of a file against what its type holds. Whatever cannot be taken is refused with the column named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from memory import clock, ids, publishing, validation
from memory.errors import Invalid
from memory.models import Event, Representation
from memory.transfer.formats import REFERENCE, REFERENCE_COLUMNS, Row, Table, is_text_list

MOST_TEXT = 1_000_000
"""The most characters of a text that no column bounds."""

_AHEAD = timedelta(days=1)
"""So far ahead the clock of who wrote a file may have been."""

_WHOLE = {models.SmallIntegerField: 2**15 - 1, models.IntegerField: 2**31 - 1, models.BigIntegerField: 2**63 - 1}


def checked(table: Table, given: Mapping[str, Any], data_bytes: int) -> Row:
    """Return the values of a line by column, ids as UUIDs; what an older file does not say has its default.

    Raises :class:`Invalid` and :class:`~memory.errors.TooLarge`.
    """
    wanted = REFERENCE_COLUMNS[table.name] if is_reference(table, given) else table.columns
    for name in given:
        if name not in wanted and name not in ("type", REFERENCE):
            raise Invalid("A line of this type has no such field.", (name,), "extra_forbidden")
    row = {name: _value(table.fields[name], given, data_bytes) for name in wanted}
    if table.model is Representation and row["draft"] is not None:
        _check_draft(row["draft"])
    if table.model is Event and row["id"] >= ids.first_at(clock.now() + _AHEAD):
        # It would lie where a partition is still to be made, and keep that from everybody.
        raise Invalid("This id is of a time to come.", ("id",), "id")
    return row


def is_reference(table: Table, given: Mapping[str, Any]) -> bool:
    """Say whether a line only names a user, a project or a session."""
    return table.name in REFERENCE_COLUMNS and given.get(REFERENCE) is True


def value(field: models.Field[Any, Any], given: Any, data_bytes: int = MOST_TEXT) -> Any:
    """Return what a column shall hold, from what a line says. Raises :class:`Invalid`."""
    where = (field.attname,)
    if given is None:
        if not field.null:
            raise Invalid("Give a value.", where, "missing")
        return None
    match field:
        case models.UUIDField() | models.ForeignKey():
            return _id(given, where)
        case models.JSONField():
            return _json(field, given, where, data_bytes)
        case ArrayField():
            return _list(field, given, where)
        case models.BooleanField():
            if not isinstance(given, bool):
                raise Invalid("Give true or false.", where, "bool_type")
            return given
        case models.FloatField():
            if isinstance(given, bool) or not isinstance(given, int | float):
                raise Invalid("Give a number.", where, "float_type")
            return given
        case models.IntegerField():
            return _whole(type(field), given, where)
        case models.DateTimeField():
            return _moment(given, where)
        case models.DateField():
            return _day(given, where)
    return _text(field, given, where)


def _value(field: models.Field[Any, Any], given: Mapping[str, Any], data_bytes: int) -> Any:
    if field.attname in given:
        return value(field, given[field.attname], data_bytes)
    if field.null:
        return None
    if field.has_default() and not field.primary_key:
        return field.get_default()
    raise Invalid("A line of this type needs it.", (field.attname,), "missing")


def _id(given: Any, where: tuple[str]) -> UUID:
    found = ids.decode(given) if isinstance(given, str) else None
    if found is None:
        raise Invalid("Give an id of 22 characters.", where, "id")
    return found


def _json(field: models.Field[Any, Any], given: Any, where: tuple[str], data_bytes: int) -> Any:
    written = field.model is not Representation
    validation.json_value(given, where, most=data_bytes if written else MOST_TEXT)
    kinds = (dict, list) if field.model is Event and field.name == "data" else (dict,)
    if not isinstance(given, kinds):
        raise Invalid("Give an object.", where, "dict_type")
    return given


def _list(field: ArrayField[Any, Any], given: Any, where: tuple[str]) -> list[Any]:
    if not isinstance(given, list):
        raise Invalid("Give a list.", where, "list_type")
    if is_text_list(field):
        return [validation.text(item, (*where, i), most=MOST_TEXT) for i, item in enumerate(given)]
    return [_whole(models.IntegerField, item, where) for item in given]


def _whole(kind: type[models.Field[Any, Any]], given: Any, where: tuple[str]) -> int:
    most = next((_WHOLE[base] for base in kind.__mro__ if base in _WHOLE), 0)
    if isinstance(given, bool) or not isinstance(given, int) or not -most - 1 <= given <= most:
        raise Invalid("Give a whole number.", where, "int_type")
    return given


def _moment(given: Any, where: tuple[str]) -> datetime:
    found = validation.moment(given, where)
    if found > clock.now() + _AHEAD:
        raise Invalid("This lies in the future; a file tells what has happened.", where, "datetime_future")
    return found


def _day(given: Any, where: tuple[str]) -> date:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise Invalid("Give a date, such as 2026-11-22.", where, "date_parsing") from None


def _text(field: models.Field[Any, Any], given: Any, where: tuple[str]) -> str:
    if field.name == "name":
        return validation.name(given, where)
    text = validation.text(given, where, most=field.max_length or MOST_TEXT)
    if field.choices and text not in dict(field.flatchoices):
        raise Invalid(f"Use one of {', '.join(key for key, _ in field.flatchoices)}.", where, "enum")
    return text


def _check_draft(draft: Any) -> None:
    """Refuse a draft that ``memory.quarantine`` could not read."""
    try:
        publishing.proposed(Representation(draft=draft))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise Invalid("This is not what a quarantined version would have changed.", ("draft",), "draft") from None
