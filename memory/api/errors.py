"""How the API says no: always ``{"detail": …, "code": …, "request_id": …}``, and never with what the server looks like.

``exception_handler`` answers what a view raises; the other functions are Django's handlers for the URLconf of a site.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from psycopg.errors import ForeignKeyViolation
from rest_framework import exceptions
from rest_framework.views import set_rollback

from memory.api import shapes
from memory.errors import Conflict, Erased, Invalid, NotFound, Refusal, TooLarge

log = structlog.get_logger(__name__)

NO_RETRY = {"x-should-retry": "false"}
"""Tells the clients of the apps era not to repeat what cannot get better."""

_LONGEST_INPUT = 100


class HttpRefusal(Refusal):
    """A refusal that only HTTP knows of."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class InvalidParameter(Invalid):
    """A value in the path or the query (``part``) that cannot be taken."""

    def __init__(self, part: str, name: str, message: str, kind: str = "value_error") -> None:
        super().__init__(message, (name,), kind)
        self.part = part


def unauthenticated(message: str, code: str) -> HttpRefusal:
    """Return the refusal of a request whose key is missing, wrong or opens something else: always 401."""
    return HttpRefusal(401, code, message, {"WWW-Authenticate": "Bearer", **NO_RETRY})


def answer(
    status: int, detail: str | Sequence[Mapping[str, Any]], code: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return an error in the form that all of them have."""
    request_id = current_request_id()
    body = {"detail": detail, "code": code, "request_id": request_id}
    return shapes.json_response(body, status, {**(headers or {}), "X-Request-ID": request_id}, ascii_only=True)


def current_request_id() -> str:
    """Return the id under which this request is logged (a new one where the site logs none)."""
    bound = structlog.contextvars.get_contextvars().get("request_id")
    return str(bound)[:200] if bound else str(uuid.uuid4())


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer what a view of the API raised."""
    set_rollback()
    known = _known(error, context.get("view"))
    if known is not None:
        return known
    request = getattr(context.get("request"), "_request", context.get("request"))
    got_request_exception.send(sender=type(context.get("view")), request=request)
    log.error("api_request_failed", exc_info=error)
    return _server_error()


def _known(error: Exception, view: Any) -> HttpResponse | None:
    """Return the answer to an error that is the caller's, or the database's; None for our own."""
    match error:
        case HttpRefusal():
            return answer(error.status, error.message, error.code, error.headers)
        case NotFound():
            return answer(404, error.message, error.code)
        case Erased():
            return answer(410, error.message, error.code, NO_RETRY)
        case Conflict():
            return answer(409, error.message, error.code, NO_RETRY)
        case TooLarge():
            return answer(413, error.message, error.code)
        case Invalid():
            return answer(422, [_problem(error, getattr(view, "__dict__", {}).get("body"))], error.code)
        case Refusal():
            return answer(400, error.message, error.code)
        case exceptions.MethodNotAllowed():
            return answer(405, "Method Not Allowed", "method_not_allowed", {"Allow": ", ".join(view.allowed_methods)})
        case exceptions.APIException():
            return answer(error.status_code, str(error.detail), str(error.default_code))
        case Http404():
            return answer(404, "Not Found", "not_found")
        case PermissionDenied():
            return answer(403, "Forbidden", "forbidden")
        case RequestDataTooBig():
            return answer(413, "The body is larger than this server takes.", "too_large")
        case SuspiciousOperation():
            return answer(400, "Bad Request", "bad_request")
        case IntegrityError() if lost_its_place(error):
            return answer(409, "Something that this belongs to was erased meanwhile.", "conflict", NO_RETRY)
        case DataError():
            log.warning("value_refused_by_the_database", error=type(error.__cause__ or error).__name__)
            return answer(422, "A value cannot be stored.", "invalid")
        case OperationalError() | InterfaceError():
            log.warning("database_unavailable", error=type(error.__cause__ or error).__name__)
            return answer(503, "The database cannot be reached; try again.", "unavailable", {"Retry-After": "1"})
    return None


def lost_its_place(error: IntegrityError) -> bool:
    """Say whether a write failed since a row that it refers to has gone meanwhile: it was erased."""
    return isinstance(error.__cause__, ForeignKeyViolation)


def _problem(error: Invalid, body: Any) -> dict[str, Any]:
    part = error.part if isinstance(error, InvalidParameter) else "body"
    problem: dict[str, Any] = {"type": error.kind, "loc": [part, *error.where], "msg": error.message}
    if part == "body" and error.where:
        found, given = _value_at(body, error.where)
        if found:
            problem["input"] = given[:_LONGEST_INPUT] if isinstance(given, str) else given
    return problem


def _value_at(body: Any, where: Sequence[str | int]) -> tuple[bool, Any]:
    """Return whether a short value lies at ``where`` in what was sent, and which."""
    value = body
    for step in where:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False, None
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return False, None
    if isinstance(value, int) and abs(value) > 2**63:
        return False, None
    return value is None or isinstance(value, str | int | float), value


def _server_error() -> HttpResponse:
    return answer(500, "An unexpected error occurred", "server_error")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """Django's ``handler400``."""
    if _for_people(request):
        return defaults.bad_request(request, exception or SuspiciousOperation())
    if isinstance(exception, RequestDataTooBig):
        return answer(413, "The body is larger than this server takes.", "too_large")
    return answer(400, "Bad Request", "bad_request")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """Django's ``handler403``."""
    if _for_people(request):
        return defaults.permission_denied(request, exception or PermissionDenied())
    return answer(403, "Forbidden", "forbidden")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponseBase:
    """Django's ``handler404``."""
    if _for_people(request):
        return defaults.page_not_found(request, exception or Http404())
    return answer(404, "Not Found", "not_found")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's ``handler500``."""
    if _for_people(request):
        return defaults.server_error(request)
    return _server_error()


def _for_people(request: HttpRequest) -> bool:
    """Say whether a browser asks for a page, rather than a program for the API."""
    if request.path.startswith(("/v1", "/v2", "/v3")):
        return False
    return request.path.startswith("/admin") or "text/html" in request.headers.get("Accept", "")
