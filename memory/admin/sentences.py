"""The text that an agent reads, line by line: which statement a line says, and what is behind those that say none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from memory import explaining, publishing, rendering
from memory.admin import makers
from memory.admin.links import may_view, page_url
from memory.admin.pages import Page
from memory.errors import Refusal
from memory.models import Conclusion, Representation, Subject

LOOKED_BACK = 50
"""In so many versions it is looked for where a line was first written."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text; ``mark`` is what stands before it (a dash, a heading), ``conclusion`` the statement it says."""

    number: int
    mark: str
    text: str
    conclusion: Conclusion | None

    @property
    def is_sentence(self) -> bool:
        """Whether it says something: a heading does not."""
        return bool(self.text) and self.mark != rendering.HEADING


def lines_of(text: str, standing: Iterable[Conclusion], person: str) -> list[Line]:
    """Return the lines of a text about somebody with the statements that they say, as far as ``standing`` has them."""
    said = {}
    for row in standing:
        said[rendering.entry(row.content, row.held_from, row.held_until, person)] = row
        said[rendering.dated(row.content, row.held_from, row.held_until)] = row  # as older texts have it, with a dash
    found = []
    for number, line in enumerate(text.split("\n")):
        mark = next((mark for mark in (rendering.HEADING, "- ") if line.startswith(mark)), "")
        rest = line.removeprefix(mark)
        found.append(Line(number, mark, rest, said.get(rest) if mark != rendering.HEADING else None))
    return found


class Sentence(Page):
    """Where a line comes from that says no statement word for word: a line of the card, of what matters now."""

    name = "sentence"
    title = "Where a sentence comes from"
    permission = "memory.view_representation"
    template = "admin/memory/subject/sentence.html"
    listed = False

    class Media:
        css = {"all": ["memory/subjects.css"]}

    def render(self, request: HttpRequest, obj: Model | None = None, **more: Any) -> HttpResponse:  # type: ignore[override]
        """Lead to the statement where there is one that says so, and show the version that wrote the line otherwise."""
        assert isinstance(obj, Subject)
        version, line = _asked(request, obj)
        if may_view(request, Conclusion):
            try:
                conclusion, _ = explaining.find_conclusion(obj, line)
            except Refusal:
                pass
            else:
                return HttpResponseRedirect(page_url(conclusion, self.model_admin.admin_site.name))
        return super().render(request, obj, version=version, line=line, **more)

    def context(self, request: HttpRequest, obj: Subject) -> dict[str, Any]:
        """Return the version that first had the line, with the prompt and the pass that made it."""
        version, line = _asked(request, obj)
        first = _first_with(version, line)
        recipe = first.line.recipe
        return {
            "first": first,
            "prompt": makers.recipes([recipe]).get(recipe),
            "pass": makers.passes([first]).get(first.pk),
            "events": first.covers_to - first.covers_from,
        }


def _asked(request: HttpRequest, subject: Subject) -> tuple[Representation, str]:
    """Return the version and the line that an address names by their numbers: what is said stands in no address."""
    numbers = [request.GET.get(name, "") for name in ("version", "line")]
    if not all(number.isdecimal() and len(number) < 10 for number in numbers):
        raise Http404("Give the numbers of a version and of a line.")
    versions = Representation.objects.filter(subject=subject, status=Representation.Status.PUBLISHED)
    version = versions.select_related("subject", "line").filter(number=int(numbers[0])).first()
    rows: Sequence[str] = publishing.text_of(version).text.split("\n") if version else []
    if version is None or int(numbers[1]) >= len(rows):
        raise Http404("There is no such line.")
    return version, rows[int(numbers[1])]


def _first_with(version: Representation, line: str) -> Representation:
    """Return the oldest of the versions before one that have had this line ever since."""
    before = Representation.objects.filter(subject=version.subject_id, line=version.line_id, number__lt=version.number)
    published = before.filter(status=Representation.Status.PUBLISHED).select_related("line", "subject")
    for older in published.order_by("-number")[:LOOKED_BACK]:
        if line not in older.text.split("\n"):
            break
        version = older
    return version
