"""Webhooks: endpoints, whose secret is shown once, and what became of what they were told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from memory.admin.base import HonchoAdmin, ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, list_url, when
from memory.errors import Invalid, Refusal
from memory.models import WebhookDelivery, WebhookEndpoint
from memory.webhooks import addresses, endpoints


class WebhookEndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Where to tell of what."""

    events = forms.MultipleChoiceField(choices=WebhookEndpoint.Event.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = WebhookEndpoint
        fields = ("app", "url", "events", "description", "enabled")

    def clean_url(self) -> str:
        """Check the URL as the API does."""
        try:
            return addresses.check_url(self.cleaned_data["url"])
        except Invalid as error:
            raise forms.ValidationError(error.message) from None

    def clean(self) -> dict[str, Any]:
        """Check that the app may have one more."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        app = values.get("app")
        most = endpoints.MOST_ENDPOINTS
        if self.instance._state.adding and app is not None and app.webhook_endpoints.count() >= most:
            self.add_error("app", f"An app has at most {most} webhook endpoints.")
        return values


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HonchoAdmin[WebhookEndpoint]):
    """Who is told of what happens in an app."""

    form = WebhookEndpointForm
    list_display = ("url", "app", "what", "enabled", "disabled_reason", "failures", "made_at")
    list_select_related = ("app",)
    list_filter = ("enabled", AppFilter)
    search_fields = ("url", "description")
    ordering = ("-pk",)
    autocomplete_fields = ("app",)
    actions = ("test", "rotate")
    page_related = ("app",)
    change_form_template = "admin/memory/webhookendpoint/change_form.html"

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        """A new one is enabled; an endpoint stays in its app."""
        if obj is None:
            return ("app", "url", "events", "description")
        return ("url", "events", "description", "enabled")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether this user may change endpoints, and so have things sent to them."""
        return request.user.has_perm("memory.change_webhookendpoint")

    @admin.display(description="events")
    def what(self, row: WebhookEndpoint) -> str:
        """Show of what it is told."""
        return ", ".join(row.events)

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """Make or change the endpoint as the API does; a new secret is kept for the answer to this request alone."""
        given = form.cleaned_data
        if change:
            endpoints.change(obj, **{name: given[name] for name in ("url", "events", "description", "enabled")})
            return
        made = endpoints.create(given["app"], given["url"], given["events"], given["description"])
        obj.pk, obj.secret = made.pk, made.secret

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, this once."""
        return self._secret(request, obj)

    @admin.action(description="Send a test to selected endpoints", permissions=["send"])
    def test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Have the selected endpoints told of nothing."""
        _each(request, list(queryset), endpoints.test, "test", self)

    @admin.action(description="Give the selected endpoint a new secret", permissions=["send"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> HttpResponse | None:
        """Give one endpoint a new secret and show it."""
        rows = list(queryset[:2])
        if len(rows) != 1:
            self.message_user(request, "Select one endpoint.", messages.ERROR)
            return None
        self.log_change(request, rows[0], "Given a new secret.")
        return self._secret(request, endpoints.rotate(rows[0]))

    def detail(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, Any]:
        """Lead to what it was told."""
        return {"deliveries_url": list_url(WebhookDelivery, endpoint__id__exact=row.pk)}

    def _secret(self, request: HttpRequest, row: WebhookEndpoint) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": "Webhook secret", "opts": self.opts, "row": row}
        return TemplateResponse(request, "admin/memory/webhookendpoint/made.html", context)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin[WebhookDelivery]):
    """What became of what endpoints were told."""

    list_display = ("made_at", "type", "told", "state", "attempts", "status", "error", "due")
    list_select_related = ("endpoint",)
    list_filter = ("state",)
    ordering = ("-pk",)
    window = 10_000
    indexed = {"endpoint__id__exact": "endpoint"}
    actions = ("replay",)
    page_related = ("endpoint__app",)
    change_form_template = "admin/memory/webhookdelivery/change_form.html"

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether this user may have things sent to endpoints."""
        return request.user.has_perm("memory.change_webhookendpoint")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let an endpoint's page lead here."""
        return lookup == "endpoint__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description="endpoint")
    def told(self, row: WebhookDelivery) -> str:
        """Link to who is told."""
        return link(row.endpoint)

    @admin.display(description="next attempt", ordering="due_at")
    def due(self, row: WebhookDelivery) -> str:
        """Show when it is tried next."""
        return when(row.due_at)

    @admin.action(description="Send selected deliveries again", permissions=["send"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Send the selected deliveries again."""
        _each(request, list(queryset), endpoints.replay, "delivery", self)


def _each(request: HttpRequest, rows: list[Any], do: Any, what: str, page: HonchoAdmin[Any]) -> None:
    """Do something with each of the selected rows, and say of how many it was done and why not of others."""
    done = 0
    for row in rows:
        try:
            do(row)
        except Refusal as error:
            page.message_user(request, f"{row}: {error.message}", messages.ERROR)
        else:
            done += 1
    page.message_user(request, f"{done} of {len(rows)} queued ({what}).", messages.SUCCESS)
