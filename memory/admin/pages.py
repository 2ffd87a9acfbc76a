"""Pages of the console that are no model's own list or form.

An admin class names them in ``pages`` (under ``admin/<app>/<model>/<name>/``) and ``object_pages`` (under
``admin/<app>/<model>/<pk>/<name>/``); the URL's name is ``admin:<app>_<model>_<name>`` for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin.utils import quote, unquote
from django.db.models import Model
from django.forms import Media, MediaDefiningClass
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from memory.admin.permissions import Permission, allowed, demand

if TYPE_CHECKING:
    from memory.admin.base import HonchoAdmin


class Page(metaclass=MediaDefiningClass):
    """One page: a template (which extends ``admin/memory/console.html``) and what it shows.

    ``permission`` is who may see it; its link is hidden from others, and its address answers 403 to them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    permission: ClassVar[Permission]
    template: ClassVar[str]
    listed: ClassVar[bool] = True
    """Whether the object's tools lead to it; what is of a part of the object alone is reached from there."""

    media: Media

    class Media:
        css = {"all": ["memory/admin.css", "memory/charts.css", "memory/console.css"]}

    def __init__(self, model_admin: HonchoAdmin[Any]) -> None:
        self.model_admin = model_admin

    def context(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what the template shows; an object's page gets the object after the request."""
        raise NotImplementedError

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer what was sent to the page, with the same arguments as :meth:`context`; most pages take nothing."""
        return HttpResponseNotAllowed(["GET", "HEAD"])

    def url(self, obj: Model | None = None) -> str:
        """Return the page's address, of an object where it is an object's."""
        name = f"admin:{self.model_admin.opts.app_label}_{self.model_admin.opts.model_name}_{self.name}"
        args = [] if obj is None else [quote(obj.pk)]
        return reverse(name, args=args, current_app=self.model_admin.admin_site.name)

    def render(self, request: HttpRequest, obj: Model | None = None, **more: Any) -> TemplateResponse:
        """Return the page as it is shown; ``more`` goes before what :meth:`context` returns."""
        found = self.context(request) if obj is None else self.context(request, obj)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "opts": self.model_admin.opts,
            "title": self.title,
            "page_title": self.title,
            "media": self.media,
            "original": obj,
            **found,
            **more,
        }
        request.current_app = self.model_admin.admin_site.name
        return TemplateResponse(request, self.template, context)

    def view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """Show the page, or take what was sent to it. Raises :class:`PermissionDenied` and :class:`Http404`."""
        demand(request, self.permission)
        found = [] if object_id is None else [find(self.model_admin, request, object_id)]
        if request.method == "POST":
            return self.post(request, *found)
        return self.render(request, *found)


def find(model_admin: HonchoAdmin[Any], request: HttpRequest, object_id: str) -> Any:
    """Return the object that an address names, or raise :class:`Http404`."""
    obj = model_admin.get_object(request, unquote(object_id))
    if obj is None:
        raise Http404(f"There is no such {model_admin.opts.verbose_name}.")
    return obj


def urls(model_admin: HonchoAdmin[Any]) -> list[URLPattern]:
    """Return the addresses of a model's pages; they go before Django's own, which take any object's id."""
    name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    wrap = model_admin.admin_site.admin_view
    return [
        *(
            path(f"{page.name}/", wrap(page(model_admin).view), name=f"{name}_{page.name}")
            for page in model_admin.pages
        ),
        *(
            path(f"<path:object_id>/{page.name}/", wrap(page(model_admin).view), name=f"{name}_{page.name}")
            for page in model_admin.object_pages
        ),
    ]


def links(
    model_admin: HonchoAdmin[Any], request: HttpRequest, pages: Iterable[type[Page]], obj: Model | None = None
) -> Sequence[dict[str, str]]:
    """Return the title and address of each of these pages that whoever asks may see."""
    return [
        {"title": page.title, "url": page(model_admin).url(obj)}
        for page in pages
        if page.listed and allowed(request, page.permission)
    ]
