"""Webhooks: endpoints, whose secret is shown once, and what became of what they were told."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from memory.admin import once
from memory.admin.acts import Act, Done, Preview
from memory.admin.base import HonchoAdmin, ReadOnlyAdmin
from memory.admin.filters import AppFilter
from memory.admin.links import link, list_url, when
from memory.errors import Invalid, Refusal
from memory.models import WebhookDelivery, WebhookEndpoint
from memory.webhooks import addresses, endpoints

MOST_COUNTED = 1_000


TOLD = {
    WebhookEndpoint.Event.PUBLISHED: "A new version of a memory (representation.published)",
    WebhookEndpoint.Event.PARKED: "Work that is parked: an operator must act (pass.parked)",
    WebhookEndpoint.Event.REPROCESSED: "A reprocess that has ended (reprocess.finished)",
    WebhookEndpoint.Event.ERASED: "An erasure (erasure.completed)",
}


class WebhookEndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Where to tell of what."""

    events = forms.MultipleChoiceField(
        label="Tell it of", choices=[(event.value, words) for event, words in TOLD.items()],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "honcho-choices"}),
    )  # fmt: skip

    class Meta:
        model = WebhookEndpoint
        fields = ("app", "url", "events", "description", "enabled")
        help_texts = {
            "url": "Where to send, by HTTPS. Addresses of private networks are refused.",
            "description": "What listens there, for whoever looks later.",
        }

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


class Rotate(Act):
    """Give an endpoint a new secret, and show it this once."""

    name, verb, permission = "rotate", "Give it a new secret", "memory.change_webhookendpoint"

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return "The receiver verifies what is sent by this secret. The new one is shown once, right after this."

    def preview(self, obj: WebhookEndpoint, data: dict[str, Any]) -> Preview:
        """Say for how long the secret of now still holds."""
        hours = int(endpoints.OVERLAP.total_seconds() // 3600)
        lines = [
            ("The secret of now", f"signs too, for {hours} hours"),
            ("The one before that", "signs no more" if obj.previous_secret else "there is none"),
        ]
        return Preview(lines=lines, token=obj.secret)

    def perform(self, obj: WebhookEndpoint, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Give it the secret."""
        row = endpoints.rotate(obj, reason=data["reason"], by=by)
        return Done(message="It has a new secret.", answer=partial(secret_page, self.model_admin, row))


class Remove(Act):
    """Forget an endpoint and what it was told."""

    name, verb, permission = "remove", "Delete", "memory.change_webhookendpoint"
    erases = True

    def about(self, obj: Any) -> str:
        """Say what it means."""
        return (
            "It is told of nothing any more, and what it was told is forgotten. To stop for a while, untick “enabled”."
        )

    def preview(self, obj: WebhookEndpoint, data: dict[str, Any]) -> Preview:
        """Say what would not be sent any more."""
        waiting = obj.deliveries.filter(due_at__isnull=False)[: MOST_COUNTED + 1].count()
        said = f"more than {MOST_COUNTED:,}" if waiting > MOST_COUNTED else f"{waiting:,}"
        return Preview(lines=[("Deliveries that wait", f"{said}, never sent")], token=obj.url)

    def perform(self, obj: WebhookEndpoint, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Forget it."""
        endpoints.delete(obj, reason=data["reason"], by=by)
        return Done(message="The endpoint is deleted.", url=list_url(WebhookEndpoint, self.model_admin.admin_site.name))


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HonchoAdmin[WebhookEndpoint]):
    """Who is told of what happens in an app."""

    form = WebhookEndpointForm
    list_display = ("url", "app", "what", "enabled", "disabled_reason", "failures", "made_at")
    list_select_related = ("app",)
    list_filter = ("enabled", AppFilter)
    search_fields = ("url", "description")
    untold = ("secret", "previous_secret")
    ordering = ("-pk",)
    autocomplete_fields = ("app",)
    actions = ("test",)
    acts = (Rotate, Remove)
    page_related = ("app",)
    change_form_template = "admin/memory/webhookendpoint/change_form.html"

    class Media:
        css = {"all": ["memory/forms.css"]}

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
        given, by = form.cleaned_data, request.user.get_username()
        if change:
            changed = {name: given[name] for name in ("url", "events", "description", "enabled")}
            endpoints.change(obj, **changed, by=by)
            return
        made = endpoints.create(given["app"], given["url"], given["events"], given["description"], by=by)
        obj.pk, obj.secret = made.pk, made.secret

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, this once."""
        return secret_page(self, obj, request)

    @admin.action(description="Send a test to selected endpoints", permissions=["send"])
    def test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Have the selected endpoints told of nothing."""
        _each(request, list(queryset), endpoints.test, "test", self)

    def detail(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, Any]:
        """Lead to what it was told."""
        return {"deliveries_url": list_url(WebhookDelivery, endpoint__id__exact=row.pk)}


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
        return lookup == "endpoint__id__exact" or super().lookup_allowed(lookup, value, request)

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


def secret_page(page: HonchoAdmin[Any], row: WebhookEndpoint, request: HttpRequest) -> HttpResponse:
    """Return the page that shows an endpoint's secret, this once."""
    shown = once.Once(
        what="this secret",
        why="It is shown only this once; with it the receiver verifies that what is sent comes from here.",
        id="made-secret",
        text=row.secret,
        back=list_url(WebhookEndpoint, page.admin_site.name),
        leads_to="Back to the endpoints",
        facts=[("URL", row.url), ("Told of", ", ".join(row.events))],
    )
    return once.answer(page, request, "Webhook secret", shown)


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
