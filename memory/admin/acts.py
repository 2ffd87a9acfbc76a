"""Acts: what an operator does that changes what agents read. Asked for, shown before it is done, done with a reason.

An admin class names them in ``acts``. Each has its address (``admin/<app>/<model>/<pk>/<act name>/``, the URL's name is
``admin:<app>_<model>_<act name>``) and, while it applies, a button among the object's tools. First comes a form, then
what would come of it, and only what was shown is done: where that has changed meanwhile it is shown anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import Media, MediaDefiningClass
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.crypto import constant_time_compare
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from memory import proposals
from memory.admin.links import page_url
from memory.admin.pages import find
from memory.admin.permissions import Permission, allowed, demand
from memory.errors import Invalid, Refusal
from memory.worddiff import Diff

if TYPE_CHECKING:
    from memory.admin.base import HonchoAdmin

REASON_LENGTH = 2_000
AT_ONCE = 100
"""So many objects are done at a time, unless an act does more in one statement."""

LISTED = 30
"""So many of several objects are named."""


class ReasonForm(forms.Form):
    """Why something is done. Acts that need more to be told ask for it in forms of their own, made from this."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        help_text="It is kept with what is done, for whoever asks later.",
    )


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would come of an act: facts as (label, value), texts that would change, and what to beware of.

    ``token`` stands for what was shown. Leave it out and it is made of all the rest; give one where the rest changes by
    itself (ages, rates).
    """

    lines: Sequence[tuple[str, Any]] = ()
    diffs: Sequence[Diff] = ()
    warning: str = ""
    token: str = ""

    @cached_property
    def digest(self) -> str:
        """What a confirmation must bring back."""
        shown = self.token or repr(
            ([(label, str(value)) for label, value in self.lines], [(d.old, d.new) for d in self.diffs], self.warning)
        )
        return hashlib.sha256(shown.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was done: a sentence, where it is undone (verb, address), and what it made (label, address).

    ``url`` is where to go now, the object's page or the list where it is left out; ``answer`` shows a page instead, for
    what is shown this once (a secret) and may stand in no message.
    """

    message: str
    undo: tuple[str, str] | None = None
    made: Sequence[tuple[str, str]] = ()
    url: str = ""
    answer: Callable[[HttpRequest], HttpResponse] | None = None

    def shown(self) -> SafeString:
        """Return the sentence with its links, for Django's messages."""
        links = [*self.made, *([self.undo] if self.undo else [])]
        listed = format_html_join(" · ", '<a href="{}">{}</a>', ((url, text) for text, url in links if url))
        return format_html("{} {}", self.message, listed) if listed else format_html("{}", self.message)


class Act(metaclass=MediaDefiningClass):
    """One act on one object; with ``bulk`` (the words of the list's action), on several selected ones too.

    ``verb`` is the button's words. An act with ``four_eyes`` is only proposed by the one and confirmed by another where
    ``HONCHO["FOUR_EYES"]`` is on. With ``preview_first``, an act whose form need not be filled in begins with what
    would come of it. The functions of the domain that ``preview`` and ``perform`` call may raise a
    :class:`memory.errors.Refusal`: it is shown at the form, and nothing has changed.
    """

    name: ClassVar[str]
    verb: ClassVar[str]
    permission: ClassVar[Permission]
    form_class: ClassVar[type[ReasonForm]] = ReasonForm
    four_eyes: ClassVar[bool] = False
    erases: ClassVar[bool] = False
    """It takes the object for good: the button says so, and the admin's log, which would name it, keeps nothing."""

    bulk: ClassVar[str] = ""
    preview_first: ClassVar[bool] = False
    at_once: ClassVar[int] = AT_ONCE
    template: ClassVar[str] = "admin/memory/act.html"

    media: Media

    class Media:
        css = {"all": ["memory/admin.css", "memory/charts.css", "memory/console.css", "memory/acts.css"]}

    def __init__(self, model_admin: HonchoAdmin[Any]) -> None:
        self.model_admin = model_admin

    def may(self, request: HttpRequest, obj: Any) -> bool:
        """Whether this user may do it to this object."""
        return allowed(request, self.permission)

    def needs(self, request: HttpRequest, obj: Any) -> bool:
        """Whether there is something to do, so that the button shows; asked with the object's page."""
        return True

    def form(self, obj: Any, data: Any = None, initial: Mapping[str, Any] | None = None) -> ReasonForm:
        """Return the act's form; ``obj`` is None for several. Links may fill it in: ``?to=7``."""
        return self.form_class(data, initial=dict(initial or {}))

    def about(self, obj: Any) -> str:
        """Return the sentence above the form: what this act does."""
        return ""

    def preview(self, obj: Any, data: dict[str, Any]) -> Preview:
        """Return what would come of it, given the form's cleaned data."""
        raise NotImplementedError

    def perform(self, obj: Any, data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Do what was previewed, in the name of ``by``."""
        raise NotImplementedError

    def preview_many(self, objs: Sequence[Any], data: dict[str, Any]) -> Preview:
        """Return what would come of it for several objects: by default a line for each."""
        lines: list[tuple[str, Any]] = []
        diffs: list[Diff] = []
        warnings: dict[str, None] = {}
        for obj in objs:
            try:
                one = self.preview(obj, data)
            except Refusal as refusal:
                lines.append((str(obj), f"left as it is: {refusal.message}"))
                continue
            lines.append((str(obj), "; ".join(f"{label}: {value}" for label, value in one.lines)))
            diffs += [replace(diff, title=f"{obj}: {diff.title}") for diff in one.diffs]
            warnings |= {one.warning: None} if one.warning else {}
        return Preview(lines=lines, diffs=diffs, warning=" ".join(warnings))

    def perform_many(self, objs: Sequence[Any], data: dict[str, Any], by: str, preview: Preview) -> Done:
        """Do it to several objects: by default to each by itself, leaving those that cannot be done."""
        done, left, made = 0, [], []
        for obj in objs:
            try:
                with transaction.atomic():
                    made += list(self.perform(obj, data, by, self.preview(obj, data)).made)
                done += 1
            except Refusal as refusal:
                left.append(f"{obj} was left as it was: {refusal.message}")
        said = f"{done} of {len(objs)} done."
        return Done(message=" ".join([said, *left[:5]]), made=made[:5])

    def url(self, obj: Model) -> str:
        """Return the address of this act on an object."""
        opts = self.model_admin.opts
        name = f"admin:{opts.app_label}_{opts.model_name}_{self.name}"
        return reverse(name, args=[quote(obj.pk)], current_app=self.model_admin.admin_site.name)

    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, show what would come of it, and do it. Raises :class:`PermissionDenied` and :class:`Http404`."""
        demand(request, self.permission)
        obj = find(self.model_admin, request, object_id)
        if not self.may(request, obj):
            raise PermissionDenied
        if not self.needs(request, obj):
            messages.warning(request, f"There is nothing to do here now: “{self.verb}” does not apply to {obj}.")
            return HttpResponseRedirect(object_url(self.model_admin, request, obj))
        return self.answer(request, [obj], object_url(self.model_admin, request, obj))

    def answer(self, request: HttpRequest, objs: Sequence[Any], back: str, *, many: bool = False) -> HttpResponse:
        """Answer one step of the act: the form, the preview, or, once it was confirmed, where to go then."""
        obj = None if many else objs[0]
        proposing = self.four_eyes and proposals.asked_for()
        sent = request.POST if "step" in request.POST else QueryDict() if self.preview_first else None
        form = self.form(obj, sent, request.GET.dict())
        preview = None
        if form.is_valid() and "edit" not in request.POST:
            data = form.cleaned_data
            try:
                preview = self.preview_many(objs, data) if many else self.preview(obj, data)
                if self._confirmed(request, preview):
                    done = (
                        self._propose(request, obj, form)
                        if proposing
                        else self._act(request, objs, data, preview, many=many)
                    )
                    if done.answer is not None:
                        return done.answer(request)
                    messages.success(request, done.shown())
                    return HttpResponseRedirect(done.url or back)
            except Refusal as refusal:
                add_refusal(form, refusal)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "opts": self.model_admin.opts,
            "title": f"{self.verb}: {obj}" if obj is not None else f"{self.verb}: {len(objs)} selected",
            "page_title": self.verb,
            "media": self.media + form.media,
            "original": obj,
            "objs": objs,
            "many": many,
            "listed": LISTED,
            "unlisted": max(0, len(objs) - LISTED),
            "act": self,
            "about": self.about(obj),
            "proposing": proposing,
            "proposed": proposals.open_for(obj, self.name) if proposing and obj is not None else None,
            "form": form,
            "preview": None if form.errors else preview,
            "changed": preview is not None and "token" in request.POST,
            "back": back,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        request.current_app = self.model_admin.admin_site.name
        return TemplateResponse(request, self.template, context)

    def _confirmed(self, request: HttpRequest, preview: Preview) -> bool:
        return constant_time_compare(request.POST.get("token", ""), preview.digest)

    def _act(
        self, request: HttpRequest, objs: Sequence[Any], data: dict[str, Any], preview: Preview, *, many: bool
    ) -> Done:
        by = request.user.get_username()
        done = self.perform_many(objs, data, by, preview) if many else self.perform(objs[0], data, by, preview)
        for obj in () if self.erases else objs:
            self.model_admin.log_change(request, obj, f"{self.verb}: {data.get('reason', '')}")
        return done

    def _propose(self, request: HttpRequest, obj: Any, form: forms.Form) -> Done:
        filled_in = {name: request.POST.getlist(form.add_prefix(name)) for name in form.fields if name != "reason"}
        reason, by = form.cleaned_data["reason"], request.user.get_username()
        made = proposals.propose(self.name, obj, verb=self.verb, data=filled_in, reason=reason, by=by)
        url = page_url(made, self.model_admin.admin_site.name)
        return Done(message="Proposed. Another person must confirm it.", made=[("The proposal", url)])


def add_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Show a refusal at the field that it is about, or above the form."""
    named = str(refusal.where[0]) if isinstance(refusal, Invalid) and refusal.where else None
    form.add_error(named if named in form.fields else None, refusal.message)


def object_url(model_admin: HonchoAdmin[Any], request: HttpRequest, obj: Model) -> str:
    """Return where somebody is led who is done with an object: its page, or the index who may not see that."""
    site = model_admin.admin_site.name
    if not model_admin.has_view_or_change_permission(request, obj):
        return reverse("admin:index", current_app=site)
    opts = model_admin.opts
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[quote(obj.pk)], current_app=site)


def urls(model_admin: HonchoAdmin[Any]) -> list[URLPattern]:
    """Return the addresses of a model's acts; they go before Django's own, which take any object's id."""
    name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    wrap = model_admin.admin_site.admin_view
    return [
        path(f"<path:object_id>/{act.name}/", wrap(act(model_admin).view), name=f"{name}_{act.name}")
        for act in model_admin.acts
    ]


def buttons(model_admin: HonchoAdmin[Any], request: HttpRequest, obj: Model) -> list[dict[str, str]]:
    """Return the verb and address of each act that whoever asks may do to an object, and that applies to it now."""
    found = [act(model_admin) for act in model_admin.acts if allowed(request, act.permission)]
    return [
        {"verb": act.verb, "url": act.url(obj)} for act in found if act.may(request, obj) and act.needs(request, obj)
    ]


Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def actions(model_admin: HonchoAdmin[Any], request: HttpRequest) -> dict[str, tuple[Action, str, str]]:
    """Return the list's actions of those acts that can be done to several objects, as Django keeps them."""
    if IS_POPUP_VAR in request.GET:
        return {}
    alone = [act for act in model_admin.acts if not (act.four_eyes and proposals.asked_for())]
    found = [act for act in alone if act.bulk and allowed(request, act.permission)]
    return {act.name: (_action(act), act.name, act.bulk) for act in found}


def _action(act: type[Act]) -> Action:
    def run(model_admin: HonchoAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        objs = list(queryset.defer(None)[: act.at_once + 1])
        if len(objs) > act.at_once:
            model_admin.message_user(request, f"Select at most {act.at_once} at a time.", messages.WARNING)
            return None
        return act(model_admin).answer(request, objs, request.get_full_path(), many=True)

    return run
