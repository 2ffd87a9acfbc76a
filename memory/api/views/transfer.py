"""Export and import: memory as a stream of JSON lines."""

from __future__ import annotations

import tempfile
from typing import ClassVar

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from memory import tenants
from memory.api import auth, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import HttpRefusal, InvalidParameter
from memory.transfer import exporting, importing
from memory.transfer.extents import Extent

NDJSON = "application/x-ndjson"

_IN_MEMORY = 1024 * 1024
"""How many bytes of an import are held before they go to a temporary file."""

_EXAMPLE = """\
{"type":"header","format":"honcho","version":1,"exported_at":"2026-11-22T13:51:00.000000Z","what":"user",…}
{"type":"user","id":"2JYzEoPak5WhtsmvUaGVUN","name":"user-123","metadata":{},"created_at":"2026-11-20T09:00:00.000000Z"}
{"type":"end","counts":{"user":1}}
"""


class Export(Endpoint):
    """An app, or one user or project of it, as a file."""

    @schemas.describe(
        "export",
        "Export all that belongs to it, as JSON lines",
        OpenApiTypes.BINARY,
        media=NDJSON,
        example=_EXAMPLE,
        refuses={
            503: "Too many exports are being read (`busy`), or the database cannot be reached; `Retry-After` says when"
            " to ask again."
        },
    )
    def get(self, request: Request, **refs: str) -> StreamingHttpResponse:
        """Stream an export of one moment: a header, a line for each row, and an end that counts them.

        Without that end it was cut off. Keys of a user leave out how others see the user; all keys but an operator's,
        what quarantined versions say.
        """
        app = tenants.find_app(refs["app"])
        extent = Extent(
            app,
            user=tenants.find_user(app.pk, refs["user"]) if "user" in refs else None,
            project=tenants.find_project(app.pk, refs["project"]) if "project" in refs else None,
            views=auth.opens_app(self.grant),
            quarantined=auth.is_operator(self.grant),
        )
        try:
            return StreamingHttpResponse(exporting.Export(extent), content_type=NDJSON)
        except exporting.Busy as error:
            raise HttpRefusal(503, error.code, error.message, {"Retry-After": "60"}) from None


class Import(Endpoint):
    """What an export holds, stored in an app."""

    repeatable: ClassVar[frozenset[str]] = frozenset()  # it is repeatable as it is, and its body is not held

    def check_length(self) -> None:
        """Take a body of any length: it is read line by line."""

    @schemas.describe(
        "import",
        "Store what an export holds",
        schemas.Imported,
        body={NDJSON: OpenApiTypes.BINARY},
        query=[
            schemas.parameter(
                "ids",
                {"type": "string", "enum": ["keep", "new"]},
                "Keep the ids of the file, or give everything new ones, the same for the same file and app each time.",
                default="keep",
            )
        ],
        writes=True,
        refuses={
            409: "What is stored already under one of the ids differs, or is another app's; `detail` names the line.",
            413: "A line is larger than 4 MiB.",
            415: "The body is not application/x-ndjson.",
        },
        sends=_EXAMPLE,
    )
    def post(self, request: Request, app: str) -> HttpResponse:
        """Store all lines of an export, or none; what is there already in the same form is skipped.

        An operator's key makes an app that is missing. What was not reasoned over yet is, here.
        """
        asked = self.http.GET.get("ids", "keep")
        if asked not in ("keep", "new"):
            raise InvalidParameter("query", "ids", "Use keep or new.", "enum")
        if parameters.media_type(self.http) != NDJSON:
            raise HttpRefusal(415, "unsupported_media_type", f"Send JSON lines, with Content-Type: {NDJSON}")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            # All of it first: who sends it slowly must not keep a transaction open, and who writes to the app waiting.
            for line in importing.split(parameters.body_chunks(self.http)):
                file.write(line + b"\n")
            file.seek(0)
            done = importing.load(
                app, (line[:-1] for line in file), new_ids=asked == "new", may_create_app=self.may_create_app
            )
        return shapes.json_response(
            {"app_id": done.app.public_id, "imported": dict(done.stored), "skipped": dict(done.skipped)}
        )
