"""Parts of a model's page that another app brings: ``reasoning`` shows its passes on the store's pages this way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from django.db.models import Model
from django.http import HttpRequest

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of a page. The template gets ``context`` as ``section.context``."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    place: Literal["main", "side"] = "main"


Maker = Callable[[HttpRequest, M], Section | None]
_makers: defaultdict[type[Model], list[Callable[[HttpRequest, Any], Section | None]]] = defaultdict(list)


def section_of(model: type[M]) -> Callable[[Maker[M]], Maker[M]]:
    """Let a function make a section of the page of each row of ``model``; it may return None to show nothing."""

    def add(maker: Maker[M]) -> Maker[M]:
        _makers[model].append(maker)
        return maker

    return add


def sections(request: HttpRequest, row: Model) -> list[Section]:
    """Return the sections that other apps bring to the page of ``row``."""
    return [section for maker in _makers[type(row)] if (section := maker(request, row)) is not None]
