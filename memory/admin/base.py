"""What the admin pages have in common: bounded lists on tables of millions of rows, and pages that only show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.paginator import Paginator
from django.db.models import IntegerField, Model, QuerySet, Subquery, UUIDField
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.functional import cached_property
from django.utils.text import capfirst

from memory import ids
from memory.admin import acts, links, pages
from memory.admin.acts import Act
from memory.admin.links import when
from memory.admin.pages import Page
from memory.admin.sections import sections
from memory.admin.widgets import name_parts

M = TypeVar("M", bound=Model)

COUNT_LIMIT = 10_000
"""Lists count and page through at most so many rows; beyond, the number shown is the planner's estimate."""

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's, which takes no type argument at run time."""


class CappedCount(Subquery):
    """How many rows a subquery has; slice it, so that a count stays cheap."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts exactly up to ``COUNT_LIMIT`` rows; beyond that it asks the planner and offers no further pages."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        """The number of rows, exact or estimated."""
        rows = self.object_list.order_by()
        counted = rows.values("pk")[: COUNT_LIMIT + 1].count()
        if counted <= COUNT_LIMIT:
            return counted
        plan = json.loads(rows.values("pk").explain(format="json"))
        return max(int(plan[0]["Plan"]["Plan Rows"]), counted)

    @cached_property
    def num_pages(self) -> int:
        """The number of pages, at most those within ``COUNT_LIMIT``: a deep offset is a scan."""
        return max(1, -(-min(self.count, COUNT_LIMIT) // self.per_page))


class BoundedChangeList(ChangeList):
    """A list that looks at the newest rows only where its filters have no index to go by."""

    model_admin: HonchoAdmin[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_popup:
            self.title = str(capfirst(self.opts.verbose_name_plural))

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        """Return the rows of the list, bounded, with what only the list shows."""
        rows = super().get_queryset(request, exclude_parameters)
        owner = self.model_admin
        asked = set(self.get_filters_params())
        unbounded = bool(self.query) or bool(asked - owner.indexed.keys()) or ORDER_VAR in self.params
        if owner.window and unbounded and not owner.looks_up(request, self.query):
            scope = {owner.indexed[key]: self.params[key] for key in asked & owner.indexed.keys() if owner.indexed[key]}
            field = owner.window_field
            newest = self.root_queryset.filter(**scope).order_by(f"-{field}").values_list(field, flat=True)
            floor = newest[owner.window : owner.window + 1].first()
            if floor is not None:
                rows = rows.filter(**{f"{field}__gt": floor})
        return owner.for_list(rows)


class HonchoAdmin(_ModelAdmin[M]):
    """The base of every page: nothing is deleted here, lists are bounded, pages may have sections.

    ``pages`` and ``object_pages`` are more pages of the model and of its rows (``memory.admin.pages``), ``acts`` what
    can be done to a row (``memory.admin.acts``).

    ``window`` is how many of the newest rows a search, order or filter without an index looks at (0: all). ``indexed``
    maps the list's parameters that need no window to the lookup that narrows it, "" for none.
    """

    change_list_template = "admin/memory/list.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = EstimatingPaginator
    list_per_page = 50
    list_max_show_all = 200
    window = 0
    window_field = "pk"
    indexed: dict[str, str] = {}
    immutable = False
    untold: tuple[str, ...] = ()
    """Fields that no list is narrowed by (``?secret__startswith=a``): they could be guessed letter by letter."""

    page_related: tuple[str, ...] = ()
    """What a row's page needs joined."""

    pages: tuple[type[Page], ...] = ()
    object_pages: tuple[type[Page], ...] = ()
    acts: tuple[type[Act], ...] = ()

    class Media:
        css = {"all": ["memory/admin.css", "memory/charts.css", "memory/console.css"]}

    @admin.display(description="made", ordering="created_at")
    def made_at(self, row: Any) -> str:
        """Show when a row was made."""
        return when(row.created_at)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Nobody deletes: what is erased is erased by an operation that leaves a receipt."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Whether an address may narrow the list by this: Django lets it be any field of the model."""
        named = lookup.partition(LOOKUP_SEP)[0]
        return named not in self.untold and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        """Save a row. One that somebody has taken away meanwhile is not written anew: raises :class:`Http404`."""
        if change and not self.model._default_manager.select_for_update(no_key=True).filter(pk=obj.pk):
            raise Http404(f"There is no such {self.opts.verbose_name} any more.")
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the pages and acts."""
        return [*pages.urls(self), *acts.urls(self), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Add the acts that can be done to several rows of the list."""
        return {**super().get_actions(request), **acts.actions(self, request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Let a row be chosen, without icons that lead away from a form that is half filled in; name all inputs."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            name_parts(field)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            for what in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{what}_related", False)
        return field

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the bounded list."""
        return BoundedChangeList

    def for_list(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return the rows with what the list shows and without what it does not."""
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """Return the rows; on a page of one row, with its relations joined."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        on_page = match is not None and "object_id" in match.kwargs
        return rows.select_related(*self.page_related) if on_page and self.page_related else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Find a row by its public id or UUID, or by the search fields."""
        term = search_term.strip()
        if self.names_row(term):
            return queryset.filter(pk=_as_uuid(term)), False
        return super().get_search_results(request, queryset, term)

    def looks_up(self, request: HttpRequest, term: str) -> bool:
        """Whether a search for a term goes by an index, so that it need not be kept to the newest rows."""
        return self.names_row(term)

    def names_row(self, term: str) -> bool:
        """Whether a search term is the public id, or the UUID, of a row."""
        pk = _as_uuid(term.strip()) if isinstance(self.model._meta.pk, UUIDField) else None
        return pk is not None and self.model._default_manager.filter(pk=pk).exists()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        """Show the page, with what :meth:`detail` and other apps bring to it."""
        context["immutable"] = self.immutable
        if obj is not None:
            context |= {
                "sections": sections(request, obj),
                "acts": acts.buttons(self, request, obj),
                "object_pages": pages.links(self, request, self.object_pages, obj),
                "audit_url": links.audit_url(request, obj, self.admin_site.name),
                **self.detail(request, obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def detail(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what the page of ``row`` shows beside its form."""
        return {}


class ReadOnlyAdmin(HonchoAdmin[M]):
    """A page that only shows: no form fields, no adding, no changing."""

    immutable = True

    def get_fieldsets(self, request: HttpRequest, obj: M | None = None) -> list[Any]:
        """Return no fields: the page's template shows the row."""
        return [(None, {"fields": ()})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the domain's functions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Rows are shown, not edited."""
        return False


def _as_uuid(text: str) -> UUID | None:
    found = ids.decode(text)
    if found is not None:
        return found
    try:
        return UUID(text)
    except ValueError:
        return None
