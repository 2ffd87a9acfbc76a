"""What every answer is made of."""

from __future__ import annotations

import typing
from datetime import date, datetime
from typing import Any, Callable, ClassVar, Union

Convert = Callable[[Any], Any]


class Model:
    """An answer of the server. Its fields are attributes; ``raw`` is the JSON as it came.

    A newer server may say more, an older one less, and neither is an error: what this version does not know is in
    ``raw``, and what the server did not say is None (an empty list or dict for those).
    """

    raw: dict[str, Any]
    _fields: ClassVar[dict[str, Convert]]

    def __init_subclass__(cls) -> None:
        """Prepare how each field is read."""
        hints = typing.get_type_hints(cls)
        cls._fields = {name: _converter(hint) for name, hint in hints.items() if name not in Model.__annotations__}

    def __init__(self, raw: Any) -> None:
        self.raw = raw if isinstance(raw, dict) else {}
        for name, convert in self._fields.items():
            setattr(self, name, convert(self.raw.get(name.rstrip("_"))))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.raw == self.raw

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({shown})"


def _converter(hint: Any) -> Convert:
    """Return a function that makes of JSON what a field's type says, and leaves alone what it cannot make it of."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Union:
        return _optional(_converter(inner[0]))
    if origin is list:
        each = _converter(inner[0])
        return lambda value: [each(item) for item in value] if isinstance(value, list) else []
    if origin is dict:
        of = _converter(inner[1])
        return lambda value: {key: of(item) for key, item in value.items()} if isinstance(value, dict) else {}
    if hint is datetime:
        return _moment
    if hint is date:
        return _day
    if isinstance(hint, type) and issubclass(hint, Model):
        return lambda value: hint(value) if isinstance(value, dict) else None
    return lambda value: value


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _moment(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return value


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return value
