"""Projects: pieces of work that span sessions and users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from honcho import models
from honcho._call import JSON, Call, When
from honcho._operation import M, Resource, operation, streamed
from honcho.resources import _at_places, _places
from honcho.resources.conclusions import ProjectConclusions
from honcho.resources.events import ProjectEvents
from honcho.resources.representations import ProjectRepresentation
from honcho.streams import Decoder, ExportLines


class Projects(Resource[M]):
    """The projects of an app. One is made by the first event that names it."""

    events: ProjectEvents[M]
    representation: ProjectRepresentation[M]
    conclusions: ProjectConclusions[M]

    def __init__(self, transport: M) -> None:
        super().__init__(transport)
        self.events = ProjectEvents(transport)
        self.representation = ProjectRepresentation(transport)
        self.conclusions = ProjectConclusions(transport)

    @operation
    def query(
        self,
        *,
        app_id: str,
        project_id: str,
        query: str,
        mode: Optional[str] = None,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
        asked_at: Optional[When] = None,
    ) -> Call[models.Answer]:
        """Ask what is known. ``mode`` ``recall`` quotes memory, without a model; ``reason`` answers from it."""
        place = _places.project(app_id, project_id)
        return _at_places.ask(
            place, query, session=None, mode=mode, tokens=tokens, level=level, wait=wait, asked_at=asked_at
        )

    @streamed
    def query_stream(
        self,
        *,
        app_id: str,
        project_id: str,
        query: str,
        tokens: Optional[int] = None,
        level: Optional[str] = None,
        wait: Optional[float] = None,
    ) -> Call[Decoder[str, models.Answer]]:
        """Ask what is known, and get the model's answer piece by piece."""
        place = _places.project(app_id, project_id)
        return _at_places.ask_for_stream(place, query, session=None, tokens=tokens, level=level, wait=wait)

    @operation
    def search(
        self,
        *,
        app_id: str,
        project_id: str,
        query: str,
        limit: Optional[int] = None,
        in_: Optional[Sequence[str]] = None,
        mode: Optional[str] = None,
        filters: Optional[JSON] = None,
    ) -> Call[models.SearchResult]:
        """Search the project's events and conclusions."""
        place = _places.project(app_id, project_id)
        return _at_places.find(place, query, limit=limit, in_=in_, mode=mode, filters=filters)

    @streamed
    def export(self, *, app_id: str, project_id: str) -> Call[Decoder[bytes, models.Export]]:
        """Return all that is stored of a project as lines of JSON; write them to a file as they come."""
        return Call("GET", _places.project(app_id, project_id, "export"), lambda _: ExportLines(models.Export))

    @operation
    def erase(
        self, *, app_id: str, project_id: str, dry_run: Optional[bool] = None, reason: Optional[str] = None
    ) -> Call[models.Erasure]:
        """Erase a project, its log and all that is known of it; with ``dry_run`` only count."""
        return _at_places.erase(_places.project(app_id, project_id), dry_run=dry_run, reason=reason)
