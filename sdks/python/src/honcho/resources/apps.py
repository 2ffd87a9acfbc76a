"""Apps: the tenants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

from honcho import models
from honcho._call import JSON, NDJSON, Call, given, path
from honcho._operation import M, Resource, operation, paged, streamed
from honcho.resources import _at_places, _places
from honcho.resources.operators import Experiments, Prompts, Reprocesses, Rollbacks
from honcho.resources.projects import Projects
from honcho.resources.users import Users
from honcho.resources.webhooks import Webhooks
from honcho.streams import Decoder, ExportLines


class Erasures(Resource[M]):
    """The receipts of what was erased."""

    @paged
    def list(self, *, app_id: str, cursor: Optional[str] = None, limit: Optional[int] = None) -> Call[models.Erasure]:
        """Return the app's receipts, newest first."""
        query = {"cursor": cursor, "limit": limit}
        return Call("GET", _places.app(app_id, "erasures"), models.Erasure, query=query)

    @operation
    def get(self, *, app_id: str, erasure_id: str) -> Call[models.Erasure]:
        """Return a receipt."""
        return Call("GET", _places.app(app_id, "erasures", erasure_id), models.Erasure)


class Apps(Resource[M]):
    """Apps, and all that belongs to one."""

    users: Users[M]
    projects: Projects[M]
    webhooks: Webhooks[M]
    erasures: Erasures[M]
    prompts: Prompts[M]
    experiments: Experiments[M]
    reprocesses: Reprocesses[M]
    rollbacks: Rollbacks[M]

    def __init__(self, transport: M) -> None:
        super().__init__(transport)
        self.users = Users(transport)
        self.projects = Projects(transport)
        self.webhooks = Webhooks(transport)
        self.erasures = Erasures(transport)
        self.prompts = Prompts(transport)
        self.experiments = Experiments(transport)
        self.reprocesses = Reprocesses(transport)
        self.rollbacks = Rollbacks(transport)

    @operation
    def create(self, name: str, *, metadata: Optional[dict[str, Any]] = None) -> Call[models.App]:
        """Make an app; a name that is taken is refused. Takes an operator's key."""
        return Call("POST", path("apps"), models.App, body=given(name=name, metadata=metadata), writes=True)

    @operation
    def get(self, app_id: Optional[str] = None) -> Call[models.App]:
        """Return an app by its id or name, or the key's own."""
        return Call("GET", path("apps"), models.App, query={"app_id": app_id})

    @operation
    def get_by_name(self, name: str) -> Call[models.App]:
        """Return an app by its name."""
        return Call("GET", path("apps", "name", name), models.App)

    @operation
    def get_or_create(self, name: str) -> Call[models.App]:
        """Return an app by its name; make it if it is missing."""
        return Call("GET", path("apps", "get_or_create", name), models.App)

    @paged
    def list(
        self,
        *,
        filter: Optional[JSON] = None,
        page: Optional[int] = None,
        size: Optional[int] = None,
        reverse: Optional[bool] = None,
    ) -> Call[models.App]:
        """Return all apps, oldest first; ``filter`` is metadata that they must contain. Takes an operator's key."""
        query = {"page": page, "size": size, "reverse": reverse}
        return Call("POST", path("apps", "list"), models.App, query=query, body=given(filter=filter))

    @operation
    def update(self, app_id: str, *, name: Optional[str] = None, metadata: Optional[JSON] = None) -> Call[models.App]:
        """Rename an app or replace its metadata; what is not given stays."""
        return Call("PUT", _places.app(app_id), models.App, body=given(name=name, metadata=metadata), writes=True)

    @operation
    def erase(
        self, *, app_id: str, dry_run: Optional[bool] = None, reason: Optional[str] = None
    ) -> Call[models.Erasure]:
        """Erase an app with everything in it; with ``dry_run`` only count. Takes an operator's key."""
        return _at_places.erase(_places.app(app_id), dry_run=dry_run, reason=reason)

    @operation
    def search(
        self,
        *,
        app_id: str,
        query: str,
        limit: Optional[int] = None,
        in_: Optional[Sequence[str]] = None,
        mode: Optional[str] = None,
        filters: Optional[JSON] = None,
    ) -> Call[models.SearchResult]:
        """Search the whole app's events and conclusions."""
        return _at_places.find(_places.app(app_id), query, limit=limit, in_=in_, mode=mode, filters=filters)

    @operation
    def queue(self, app_id: str) -> Call[models.Queue]:
        """Return what waits to be reasoned over."""
        return Call("GET", _places.app(app_id, "queue"), models.Queue)

    @streamed
    def export(self, *, app_id: str) -> Call[Decoder[bytes, models.Export]]:
        """Return all that is stored of an app as lines of JSON; write them to a file as they come."""
        return Call("GET", _places.app(app_id, "export"), lambda _: ExportLines(models.Export))

    @operation
    def import_(
        self, *, app_id: str, content: Union[bytes, Iterable[bytes]], ids: Optional[str] = None
    ) -> Call[models.Import]:
        """Store what ``export`` gave: bytes, or an iterable of them such as a file that is open for reading bytes.

        Imported again, nothing changes. ``ids="new"`` gives everything new ids, the same each time.
        """
        address = _places.app(app_id, "import")
        return Call(
            "POST",
            address,
            models.Import,
            query={"ids": ids},
            content=content,
            content_type=NDJSON,
        )
