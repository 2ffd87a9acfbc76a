"""Weak validators: what an answer was made from, so that a client that has it already need not be sent it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags

from memory.api import shapes


def of(version: str, subject: object, request: HttpRequest, pending: Sequence[shapes.Shape] | None = None) -> str:
    """Return what changes when an answer about a subject does, but for how far behind it is."""
    newest = "" if not pending else pending[-1]["id"]
    asked = request.META.get("QUERY_STRING", "")
    distinct = hashlib.sha256(f"{subject} {asked} {newest}".encode()).hexdigest()[:12]
    return f'W/"{version}-{distinct}"'


def unchanged(request: HttpRequest, tag: str) -> HttpResponse | None:
    """Return 304 where the client has what ``tag`` stands for, None where it has not."""
    given = request.headers.get("If-None-Match")
    if not given:
        return None
    tags = parse_etags(given)
    if "*" in tags or tag.removeprefix("W/") in {item.removeprefix("W/") for item in tags}:
        return HttpResponse(status=304, headers={"ETag": tag})
    return None
