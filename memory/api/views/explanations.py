"""What changed in a representation, why it says what it says, and what rests on an event."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from memory import diffs, explaining, places
from memory.api import auth, parameters, schemas, shapes
from memory.api.endpoint import Endpoint
from memory.api.errors import InvalidParameter
from memory.api.views.context import MOST_TOKENS
from memory.api.views.representations import named_subject
from memory.errors import Invalid, NotFound

_SIDE = {"oneOf": [{"type": "integer", "minimum": 1}, *schemas.WHEN["oneOf"]]}
_COMPARED = (
    schemas.parameter(
        "from",
        _SIDE,
        "The earlier: the number of a version, or what was served at a moment or so long ago (`7d`, `12h`, `30m`). "
        "Default: the version that `to` went on from.",
    ),
    schemas.parameter("to", _SIDE, "The later, in the same way. Default: what is served now."),
    schemas.parameter(
        "tokens", {"type": "integer", "minimum": 1, "maximum": MOST_TOKENS}, "The most tokens that `text` may have.",
        default=diffs.TOKENS,
    ),
    schemas.parameter("include", str, "`kept`: list what stands in both too."),
    schemas.OBSERVER,
)  # fmt: skip
_CONCLUSION = schemas.parameter(
    "conclusion",
    {"type": "string", "minLength": 1, "maxLength": explaining.LONGEST},
    "The id of a conclusion, or a line as it is shown: whole, or how it begins. Where none begins so, it is the one "
    "whose words are most alike, if at least 80 % of them are.",
    required=True,
)


class Diff(Endpoint):
    """What changed."""

    @schemas.describe("diff", "What changed between two versions, or two moments", schemas.Diff, query=_COMPARED)
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return what was added, retired, reworded and kept, and the same as a paragraph in natural language.

        A statement counts as reworded where a pass retired it for the other; or else where at least 60 % of their
        words are the same and both are about the same user, the most alike first.
        """
        start = parameters.query_version_or_when(self.http, "from")
        end = parameters.query_version_or_when(self.http, "to")
        tokens = parameters.query_integer(self.http, "tokens", least=1, most=MOST_TOKENS) or diffs.TOKENS
        with_kept = "kept" in parameters.query_words(self.http, "include", ("kept",))
        try:
            found = diffs.compare(named_subject(self, refs), start, end, with_kept=with_kept)
        except Invalid as error:
            raise _in_query(error) from None
        return shapes.json_response(shapes.diff(found, diffs.tell(found, tokens), with_kept=with_kept))


class Explain(Endpoint):
    """Why a sentence is there."""

    @schemas.describe("explain", "Why a sentence is there", schemas.Explanation, query=[_CONCLUSION, schemas.OBSERVER])
    def get(self, request: Request, **refs: str) -> HttpResponse:
        """Return the events under a conclusion, the version that brought it and what made that, and where it stands."""
        words = parameters.query_text(self.http, "conclusion", most=explaining.LONGEST)
        if words is None:
            raise InvalidParameter("query", "conclusion", "This parameter is required.", "missing")
        about = named_subject(self, refs)
        try:
            conclusion, how = explaining.find_conclusion(about, words)
        except Invalid as error:
            raise _in_query(error) from None
        return shapes.json_response(shapes.explanation(about, explaining.explain(about, conclusion), how))


class EventStatements(Endpoint):
    """What rests on an event."""

    @schemas.describe("list", "The sentences that rest on an event", schemas.EventStatements)
    def get(self, request: Request, event: str, **refs: str) -> HttpResponse:
        """Return each sentence that rests on an event, with where it stands.

        A key of a user or a session gets those of that user's representation and of the event's session, one of a
        project those of the project's.
        """
        place = places.find(**refs)
        if place is None:
            raise NotFound("There is no such user, session or project in this app")
        found = explaining.find_event(place, event)
        own: dict[str, UUID | None] = {}
        if not auth.opens_app(self.grant):
            own = {"of_user": place.user_id} if "user" in refs else {"of_project": place.project_id}
        rests = explaining.statements_on(found, **own)
        shown = shapes.event(found, found.author.name if found.author else None)
        return shapes.json_response({"event": shown, "items": [shapes.resting(item) for item in rests]})


def _in_query(error: Invalid) -> InvalidParameter:
    return InvalidParameter("query", str(error.where[0]), error.message, error.kind)
