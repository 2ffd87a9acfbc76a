"""What is shown once: a key or a secret, in the answer that makes it and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    from memory.admin.base import HonchoAdmin

MEDIA = Media(css={"all": ["memory/forms.css"]}, js=["memory/keys.js"])


@dataclass(frozen=True, kw_only=True)
class Once:
    """A text that is shown this once: what it is, why it is to be copied, and where one goes on."""

    what: str
    why: str
    id: str
    text: str = field(repr=False)
    back: str
    leads_to: str
    facts: Sequence[tuple[str, str]] = ()


def answer(page: HonchoAdmin[Any], request: HttpRequest, title: str, once: Once) -> HttpResponse:
    """Return the page that shows it. No message, session, log or cache ever holds it."""
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "page_title": title,
        "opts": page.opts,
        "media": page.media + MEDIA,
        "once": once,
    }
    request.current_app = page.admin_site.name
    response = TemplateResponse(request, "admin/memory/once.html", context)
    response["Cache-Control"] = "no-store"
    return response
