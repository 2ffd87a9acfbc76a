"""Reading what a request brings: path, query and body. Whatever cannot be taken is refused with the place named."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

from django.http import HttpRequest, UnreadablePostError

from memory import validation
from memory.api.errors import HttpRefusal, InvalidParameter
from memory.conf import MemorySettings
from memory.errors import Invalid, TooLarge
from memory.models.idempotency import KEY_LENGTH

_CHUNK_BYTES = 64 * 1024
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_TRIES = re.compile(r"[0-9]{1,4}")
_PLUS_AS_SPACE = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")
MOST_VERSION = 2**31 - 1
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def name(value: str, part: str, field: str) -> str:
    """Return a name or id from the path or the query (``part``) if anything can be called so."""
    try:
        return validation.name(value, (field,))
    except Invalid as error:
        raise InvalidParameter(part, field, error.message, error.kind) from None


def query_name(request: HttpRequest, field: str) -> str | None:
    """Return a name or id from the query, None where there is none."""
    value = request.GET.get(field)
    return None if value is None else name(value, "query", field)


def query_text(request: HttpRequest, field: str, *, most: int) -> str | None:
    """Return text from the query, None where there is none."""
    value = request.GET.get(field)
    if value is None:
        return None
    try:
        return validation.text(value, (field,), most=most, least=1)
    except Invalid as error:
        raise InvalidParameter("query", field, error.message, error.kind) from None


def query_integer(request: HttpRequest, field: str, *, least: int, most: int) -> int | None:
    """Return a whole number of ``least`` to ``most`` from the query, None where there is none."""
    value = request.GET.get(field)
    if value is None:
        return None
    if not _WHOLE.fullmatch(value):
        raise InvalidParameter("query", field, "Give a whole number.", "int_parsing")
    number = int(value)
    if not least <= number <= most:
        kind = "greater_than_equal" if number < least else "less_than_equal"
        raise InvalidParameter("query", field, f"Give a number of {least} to {most:,}.", kind)
    return number


def query_seconds(request: HttpRequest, field: str, *, most: float) -> float:
    """Return a number of seconds, 0 to ``most``, from the query; absent means 0."""
    value = request.GET.get(field)
    if value is None:
        return 0.0
    if not _SECONDS.fullmatch(value):
        raise InvalidParameter("query", field, "Give a number of seconds.", "float_parsing")
    if float(value) > most:
        raise InvalidParameter("query", field, f"Give a number of 0 to {most:g} seconds.", "less_than_equal")
    return float(value)


def query_boolean(request: HttpRequest, field: str) -> bool:
    """Return a boolean from the query; absent means false."""
    value = request.GET.get(field)
    if value is None or value == "":
        return False
    if value.lower() not in _BOOLEANS:
        raise InvalidParameter("query", field, "Give true or false.", "bool_parsing")
    return _BOOLEANS[value.lower()]


def query_moment(request: HttpRequest, field: str) -> datetime | None:
    """Return a moment from the query, None where there is none. A ``+`` that arrived as a space is understood."""
    value = request.GET.get(field)
    if value is None:
        return None
    try:
        return validation.moment(_PLUS_AS_SPACE.sub("+", value), (field,))
    except Invalid as error:
        raise InvalidParameter("query", field, error.message, error.kind) from None


def query_when(request: HttpRequest, field: str) -> datetime | timedelta | None:
    """Return a moment from the query, or how long ago it was (``7d``, ``12h``, ``30m``); None where there is none."""
    value = request.GET.get(field)
    if value is None:
        return None
    try:
        return validation.moment_or_age(_PLUS_AS_SPACE.sub("+", value), (field,))
    except Invalid as error:
        raise InvalidParameter("query", field, error.message, error.kind) from None


def query_version_or_when(request: HttpRequest, field: str) -> int | datetime | timedelta | None:
    """Return the number of a version, a moment or an age from the query, None where there is none."""
    if re.fullmatch(r"-?[0-9]+", request.GET.get(field, "")):
        return query_integer(request, field, least=1, most=MOST_VERSION)
    return query_when(request, field)


def query_words(request: HttpRequest, field: str, known: Collection[str]) -> frozenset[str]:
    """Return comma-separated words from the query, each of them known."""
    words = frozenset(word for word in request.GET.get(field, "").split(",") if word)
    if not words <= set(known):
        raise InvalidParameter("query", field, f"Use {', '.join(known)}, separated by commas.", "enum")
    return words


def check_length(request: HttpRequest) -> None:
    """Refuse a body that says it is larger than one write may be, before anything of it is read."""
    most = MemorySettings.load().batch_bytes
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise TooLarge(f"The body has {int(length[:20]):,} bytes; at most {most:,} are taken.")


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the header ``Idempotency-Key``, None where there is none."""
    value = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if value is None:
        return None
    try:
        return validation.text(value, (), most=KEY_LENGTH, least=1)
    except Invalid as error:
        raise InvalidParameter("header", "Idempotency-Key", error.message, error.kind) from None


def tries(request: HttpRequest) -> int | None:
    """Return how often a client that counts its tries (those made by Stainless do) has sent this request before.

    None where the client does not say.
    """
    value = request.META.get("HTTP_X_STAINLESS_RETRY_COUNT", "")
    if "HTTP_X_STAINLESS_LANG" not in request.META or not _TRIES.fullmatch(value):
        return None
    return int(value)


def raw_body(request: HttpRequest) -> bytes:
    """Return the body as it came."""
    most = MemorySettings.load().batch_bytes
    raw = _read(request, most + 1)
    if len(raw) > most:
        raise TooLarge(f"The body has more than {most:,} bytes.")
    return raw


def body_chunks(request: HttpRequest) -> Iterator[bytes]:
    """Return the body piece by piece, however long it is."""
    while chunk := _read(request, _CHUNK_BYTES):
        yield chunk


def _read(request: HttpRequest, size: int) -> bytes:
    """Read from the body. One that comes in chunks says no length, and Django takes it for empty."""
    chunked = request.META.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
    try:
        if chunked and request.META.get("wsgi.input_terminated"):
            read: bytes = request.META["wsgi.input"].read(size)
            return read
        return request.read(size)
    except (UnreadablePostError, OSError):
        raise HttpRefusal(400, "bad_request", "The body ended before it was whole.") from None


def media_type(request: HttpRequest) -> str:
    """Return what the request says its body is."""
    given: str = request.META.get("CONTENT_TYPE", "")
    return given.partition(";")[0].strip().lower()


def json_body(request: HttpRequest, raw: bytes) -> Any:
    """Return the body as JSON, or None if there is none."""
    if not raw:
        return None
    if media_type(request) != "application/json":
        raise HttpRefusal(415, "unsupported_media_type", "Send JSON, with Content-Type: application/json")
    try:
        return json.loads(raw.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Invalid("The body is not valid UTF-8.", (), "json_invalid") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error.msg} at character {error.pos}.", (), "json_invalid") from None
    except (ValueError, RecursionError):
        raise Invalid(
            "The body is not JSON that can be taken: NaN, too deep, or a number too long.", (), "json_invalid"
        ) from None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def an_object(value: Any, where: tuple[str | int, ...] = ()) -> dict[str, Any]:
    """Return ``value`` if it is an object; no body at all counts as an empty one."""
    if value is None and not where:
        return {}
    if not isinstance(value, dict):
        raise Invalid("Give an object.", where, "dict_type")
    return cast("dict[str, Any]", value)


def only(fields: Mapping[str, Any], known: Collection[str], where: tuple[str | int, ...] = ()) -> None:
    """Refuse a field that nothing reads."""
    for field in fields:
        if field not in known:
            raise _unknown(field, known, where)


def no_typos(fields: Mapping[str, Any], known: Collection[str], where: tuple[str | int, ...] = ()) -> None:
    """Let unknown fields pass, as older servers did, but refuse one that looks like a known one misspelt."""
    for field in fields:
        if field not in known and difflib.get_close_matches(field[:50], known, n=1, cutoff=0.8):
            raise _unknown(field, known, where)


def _unknown(field: str, known: Collection[str], where: tuple[str | int, ...]) -> Invalid:
    near = difflib.get_close_matches(field[:50], known, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Known fields: {', '.join(known)}."
    return Invalid(f"There is no such field. {advice}", (*where, field[:100]), "extra_forbidden")


def required(fields: Mapping[str, Any], field: str, where: tuple[str | int, ...] = ()) -> Any:
    """Return a field that must be there."""
    if field not in fields:
        raise Invalid("This field is required.", (*where, field), "missing")
    return fields[field]


def boolean(value: Any, where: tuple[str | int, ...]) -> bool:
    """Return ``value`` if it is true or false."""
    if not isinstance(value, bool):
        raise Invalid("Give true or false.", where, "bool_type")
    return value


def whole_number(value: Any, where: tuple[str | int, ...], *, least: int, most: int) -> int:
    """Return ``value`` if it is a whole number of ``least`` to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid("Give a whole number.", where, "int_type")
    if not least <= value <= most:
        raise Invalid(f"Give a number of {least:,} to {most:,}.", where, "int_range")
    return value


def metadata(fields: Mapping[str, Any], field: str = "metadata") -> dict[str, Any] | None:
    """Return an object that can be stored, None where none is given or it is null."""
    value = fields.get(field)
    if value is None:
        return None
    validation.metadata(value, (field,), most=MemorySettings.load().data_bytes)
    return cast("dict[str, Any]", value)
