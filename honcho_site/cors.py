"""Lets pages of other sites use the API from the browser: the sites in the setting ``CORS_ALLOWED_ORIGINS``."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

API = ("/v1/", "/v2/", "/v3/")


class Cors:
    """Answers the browser's question whether it may ask, and lets the page read the answer.

    Cookies are never let through: a page must bring a key.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer, with what its page needs to read it."""
        origins = settings.CORS_ALLOWED_ORIGINS
        if not origins or not request.path.startswith(API):
            return self.get_response(request)
        origin = request.headers.get("Origin", "")
        allowed = origin in origins
        if allowed and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=HTTPStatus.NO_CONTENT)
            response["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response["Access-Control-Allow-Headers"] = "Authorization, *"  # the * stands for every other header
            response["Access-Control-Max-Age"] = "7200"
        else:
            response = self.get_response(request)
        patch_vary_headers(response, ["Origin"])
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "*"
        return response
