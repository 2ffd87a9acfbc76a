"""What every view of the API stands on: a DRF view without what this API does not use."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property  # functools' has one lock for all requests in 3.11
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from memory import idempotency, rate_limits, replica, retries
from memory.api import auth, parameters, positions
from memory.api.errors import HttpRefusal, current_request_id, exception_handler, lost_its_place
from memory.api.schemas import ApiSchema
from memory.errors import Conflict
from memory.keys import Grant
from memory.models import KeptAnswer


class Endpoint(APIView):
    """One address. Handlers get the path's names and ids as keyword arguments, once the key opens them.

    ``writes`` names the methods that need a key that may write. ``replicated`` says whether a replica may answer its
    GET. ``shown_once`` is the field of an answer that is a secret: it is kept nowhere. No settings of the host site's
    DRF apply.
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
    replicated: ClassVar[bool] = False
    shown_once: ClassVar[str | None] = None
    grant: Grant
    refs: dict[str, str]
    standing: rate_limits.Standing | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view. It opens what transactions it needs: requests of a key are counted outside of them."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

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
        if self.standing is not None:
            for name, value in _rate_headers(self.standing).items():
                response[name] = value
        return response

    def _answer(self, kwargs: dict[str, str]) -> HttpResponseBase:
        method = self.http.method or ""
        self.grant = cast("Grant", self.request.auth)
        self._count()
        handler = getattr(self, method.lower(), None) if method.lower() in self.http_method_names else None
        if handler is None:
            raise MethodNotAllowed(method)
        self.refs = auth.admit(self.grant, self.named(kwargs), writes=method in self.writes)
        for part, ref in self.refs.items():
            parameters.name(ref, "path", part)
        self.check_length()
        handle: Callable[[], HttpResponse] = partial(handler, self.request, **self.refs)
        if method in self.repeatable:
            key = parameters.idempotency_key(self.http)
            if key is not None:
                handle = partial(self._once, key, handle)
            elif (tries := parameters.tries(self.http)) is not None and self.shown_once is None:
                handle = partial(self._once_of, tries, handle)  # but who never got a secret shall get another
        if method == "GET" and self.replicated:
            handle = partial(positions.read, self.http, handle)
        try:
            response = handle()
        except IntegrityError as error:
            if not lost_its_place(error):
                raise
            response = handle()  # somebody who was to hear of it was erased meanwhile: it is looked up anew
        return positions.told(response) if method in self.writes and replica.exists() else response

    def _count(self) -> None:
        """Count the request of a limited key; refuses with 429 what is more than it may make."""
        limit = rate_limits.limit_of(self.grant)
        if self.grant.key_id is None or limit is None:
            return
        self.standing = rate_limits.take(self.grant.key_id, limit)
        if self.standing.exceeded:
            wait = str(self.standing.seconds)
            raise HttpRefusal(
                429, "rate_limited", f"This key may make {limit:,} requests a minute", {"Retry-After": wait}
            )

    def _once(self, key: str, handle: Callable[[], HttpResponse]) -> HttpResponse:
        """Handle a write and keep its answer under the key, or give the kept one."""
        fingerprint = self._fingerprint  # the body is waited for outside of the transaction
        with transaction.atomic():
            row, first = idempotency.claim(self._scope, key, fingerprint)
            if not first and self.shown_once is not None and row.status < 400:
                raise _done_already(row, self.shown_once)
            return self._keep(handle(), partial(idempotency.keep, row)) if first else _again(row)

    def _once_of(self, tries: int, handle: Callable[[], HttpResponse]) -> HttpResponse:
        """Handle a write of a client that counts its tries, or give the answer that an earlier try was given."""
        fingerprint = self._fingerprint
        with transaction.atomic():
            row = retries.claim(self._scope, fingerprint, tries)
            keep = partial(retries.keep, self._scope, fingerprint, tries)
            return self._keep(handle(), keep) if row is None else _again(row)

    def _keep(self, response: HttpResponse, keep: Callable[[int, bytes], None]) -> HttpResponse:
        """Keep the answer to a write; one that is refused or fails is undone, and keeps nothing."""
        if response.status_code < 400:
            keep(response.status_code, self._kept(response))
        else:
            transaction.set_rollback(True)
        return response

    def _kept(self, response: HttpResponse) -> bytes:
        """Return what is kept of an answer: all but a secret in it."""
        if self.shown_once is None:
            return response.content
        body = json.loads(response.content)
        body.pop(self.shown_once, None)
        return json.dumps(body).encode()

    def check_length(self) -> None:
        """Refuse a body that says it is larger than one write may be."""
        parameters.check_length(self.http)

    @property
    def _scope(self) -> str:
        """Where the kept answers of this request count."""
        return idempotency.scope_of(self.grant.key_id, self.refs.get("app"))

    @property
    def _fingerprint(self) -> str:
        """What tells this request from another."""
        return idempotency.fingerprint(self.http.method or "", self.http.get_full_path(), self.raw_body)

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


def _done_already(row: KeptAnswer, secret: str) -> Conflict:
    """Return the refusal of a write that was done, whose answer cannot be given again because of its secret."""
    made = json.loads(bytes(row.body))["id"]
    return Conflict(
        f"This was done already; it made {made}, whose {secret} was shown once and is not kept. If that never arrived, "
        "delete what was made and make another, with a new Idempotency-Key."
    )


def _rate_headers(standing: rate_limits.Standing) -> dict[str, str]:
    """Return what an answer to a limited key says of its limit."""
    return {
        "RateLimit-Limit": str(standing.limit),
        "RateLimit-Remaining": str(standing.remaining),
        "RateLimit-Reset": str(standing.seconds),
        "RateLimit-Policy": f"{standing.limit};w={rate_limits.SECONDS}",
    }


def _again(row: KeptAnswer) -> HttpResponse:
    """Return an answer that was given before."""
    return HttpResponse(bytes(row.body), "application/json", row.status, headers={"Idempotent-Replay": "true"})


class Reading(Endpoint):
    """A POST that only reads: lists, whose filter lies in the body."""

    writes = frozenset()


class Making(Endpoint):
    """A GET that may write: get-or-create."""

    writes = frozenset({"GET", "HEAD"})
