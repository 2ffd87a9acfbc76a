"""Two prompt versions side by side: what they say, what else they set, where they are at work, how they do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest

from memory.admin.pages import Page
from memory.errors import Invalid
from memory.worddiff import Diff
from reasoning import labels, prompt_diff, prompt_places
from reasoning.admin import figures
from reasoning.models import Label, PromptVersion
from reasoning.providers.base import Kind

OFFERED = 100


class Compare(Page):
    """Any two versions of one kind, whichever app's they are."""

    name, title, permission = "compare", "Compare prompt versions", "reasoning.view_promptversion"
    template = "admin/reasoning/promptversion/compare.html"

    class Media:
        css = {"all": ["reasoning/prompts.css"]}

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return both versions with what differs; what the address does not name is the live one and the newest."""
        start = _asked(request, "from") or labels.pointed(Label.Name.LIVE, None, request.GET.get("kind", Kind.USER))
        if start is None:
            return {"kinds": [*Kind], "offered": [], "problem": "There is no prompt version to compare yet."}
        others = _offered(start)
        end = _asked(request, "to") or next((version for version in others if version.pk != start.pk), start)
        found: dict[str, Any] = {
            "start": start,
            "end": end,
            "offered": _with_chosen(others, start, end),
            "kinds": [*Kind],
        }
        try:
            compared = settings_told(start, end)
        except Invalid as refusal:
            return found | {"problem": refusal.message}
        prompt_places.look_up([start, end])
        return found | {
            "sides": [{"version": version, "places": prompt_places.of(version)} for version in (start, end)],
            "settings": compared,
            "text_diff": Diff("The prompt’s text", start.instructions, end.instructions),
            "figures": figures.table([start] if start == end else [start, end]),
        }


def settings_told(start: PromptVersion, end: PromptVersion) -> list[tuple[str, str, str]]:
    """Return which settings differ, in words: the name, what it was and what it is.

    Raises :class:`Invalid` where the versions are not of one kind.
    """
    told = []
    for item in prompt_diff.settings(start, end):
        unset = "the site’s default" if item.name == "model" else "not set"
        name = item.name.removeprefix("parameters.").replace("_", " ").capitalize()
        before, after = (unset if value in (None, "") else str(value) for value in (item.before, item.after))
        told.append((name, before, after))
    return told


def _asked(request: HttpRequest, name: str) -> PromptVersion | None:
    try:
        wanted = UUID(request.GET.get(name, ""))
    except ValueError:
        return None
    return PromptVersion.objects.filter(pk=wanted).select_related("app", "author").first()


def _offered(version: PromptVersion) -> list[PromptVersion]:
    """Return the newest versions of the same kind, of the same app and of the site."""
    same = PromptVersion.objects.filter(Q(app=version.app_id) | Q(app=None), kind=version.kind)
    return list(same.select_related("app", "author").order_by("-pk")[:OFFERED])


def _with_chosen(offered: list[PromptVersion], *chosen: PromptVersion) -> list[PromptVersion]:
    return [*offered, *(version for version in chosen if version not in offered)]
