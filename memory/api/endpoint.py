"""What every view of the API stands on: a DRF view without what this API does not use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from memory import idempotency
from memory.api import auth, parameters
from memory.api.errors import current_request_id, exception_handler
from memory.api.schemas import ApiSchema
from memory.keys import Grant


class Endpoint(APIView):
    """One address. Handlers get the path's names and ids as keyword arguments, once the key opens them.

    ``writes`` names the methods that need a key that may write. No settings of the host site's DRF apply.
    """

    authentication_classes = [auth.KeyAuthentication]
    permission_classes = []
    throttle_classes = []
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    metadata_class = None
    versioning_class = None
    schema = ApiSchema()
    http_method_names = ["get", "head", "post", "put", "delete"]

    writes: ClassVar[frozenset[str]] = frozenset({"POST", "PUT", "DELETE"})
    grant: Grant
    refs: dict[str, str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponseBase:
        """Answer a request; whatever is raised becomes an answer too."""
        self.http = request
        self.headers = {}
        self.request = Request(request, authenticators=self.get_authenticators())
        response: HttpResponseBase
        try:
            response = self._answer(kwargs)
        except Exception as error:
            response = exception_handler(error, {"view": self, "request": request})
        if "X-Request-ID" not in response:
            response["X-Request-ID"] = current_request_id()
        return response

    def _answer(self, kwargs: dict[str, str]) -> HttpResponseBase:
        method = self.http.method or ""
        handler = getattr(self, method.lower(), None) if method.lower() in self.http_method_names else None
        if handler is None:
            raise MethodNotAllowed(method)
        self.grant = cast("Grant", self.request.auth)
        self.refs = auth.admit(self.grant, self.named(kwargs), writes=method in self.writes)
        for part, ref in self.refs.items():
            parameters.name(ref, "path", part)
        parameters.check_length(self.http)
        handle: Callable[[], HttpResponse] = partial(handler, self.request, **self.refs)
        if method in self.repeatable:
            key = parameters.idempotency_key(self.http)
            if key is not None:
                return self._once(key, handle)
        return handle()

    def _once(self, key: str, handle: Callable[[], HttpResponse]) -> HttpResponse:
        """Handle a write and keep its answer, or give the kept one; a write that is refused or fails keeps nothing."""
        scope = idempotency.scope_of(self.grant.key_id, self.refs.get("app"))
        asked = idempotency.fingerprint(self.http.method or "", self.http.get_full_path(), self.raw_body)
        with transaction.atomic():
            row, first = idempotency.claim(scope, key, asked)
            if not first:
                again = {"Idempotent-Replay": "true"}
                return HttpResponse(bytes(row.body), "application/json", row.status, headers=again)
            response = handle()
            if response.status_code < 400:
                idempotency.keep(row, response.status_code, response.content)
            else:
                transaction.set_rollback(True)
            return response

    @property
    def repeatable(self) -> frozenset[str]:
        """The methods that take an ``Idempotency-Key``: those that write, but a GET that makes what is missing."""
        return self.writes - {"GET", "HEAD"}

    def named(self, kwargs: dict[str, str]) -> dict[str, str]:
        """Return what the request names: the path's parts."""
        return kwargs

    @cached_property
    def raw_body(self) -> bytes:
        """The body as it came."""
        return parameters.raw_body(self.http)

    @cached_property
    def body(self) -> Any:
        """The body as JSON, None where there is none."""
        return parameters.json_body(self.http, self.raw_body)

    def fields(self) -> dict[str, Any]:
        """Return the body, which must be an object if there is one."""
        return parameters.an_object(self.body)

    @property
    def may_create_app(self) -> bool:
        """Whether a write may make the app that it names."""
        return auth.is_operator(self.grant)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse a method."""
        raise MethodNotAllowed(request.method)


class Reading(Endpoint):
    """A POST that only reads: lists, whose filter lies in the body."""

    writes = frozenset()


class Making(Endpoint):
    """A GET that may write: get-or-create."""

    writes = frozenset({"GET", "HEAD"})
