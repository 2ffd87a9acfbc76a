"""One small world for the schema's examples: the same app, user and ids wherever they appear.

``BY_SCHEMA`` holds the fields of a schema that say something of their own, ``BY_FIELD`` what a field of that name is
everywhere else; ``memory.api.openapi`` composes the examples of these. An optional field is shown where it stands here,
with ``...`` as its own schema has it.
"""

from __future__ import annotations

from typing import Any

APP = "2JYzEhRBWp9wAin9XQ8NZm"
USER = "2JYzEoPak5WhtsmvUaGVUN"
SESSION = "2JYzEuMyzHNrBPDCYmbQL3"
PROJECT = "2JYzF2LQEW4vu6VwVGSc3e"
COLLECTION = "2JYzF8JoTMPYHPULixCP3v"
EVENT = "2JYzFEHDhjiksSdneraBAe"
STATEMENT = "2JYzFSE3B9ebZBpCV64JHs"
OLD_STATEMENT = "2JYzFYCSR44mj7uCHEMrFj"
DOCUMENT = "2JYzFeAqeVj3WmuCzAecsQ"
METAMESSAGE = "2JYzFk9FtGUyzsHWhDuXaT"
KEY = "2JYzFr7f8yveYk75Yt4PzB"
WEBHOOK = "2JYzFx65N3GuLkQWtQPfdJ"
DELIVERY = "2JYzG54UcFQ8UPMuGCyNJH"
RECEIPT = "2JYzGB2spzGkAWCTctRhgu"
FEEDBACK = "2JYzGGzJ5SygN2nHHUbX4J"
LINE = "2JYzGNxhKcPN75WK3CVhyN"
PROMPT = "2JYzGUw7YcZLeVXmCZLR5D"

SAID = "I want to automate my invoicing workflow"
TEXT = "Works on automating invoices with Stripe.\n## Known of user-123\nWants to automate their invoicing workflow"
MADE_BY = {"prompt_version": PROMPT, "prompt_number": 2, "provider": "openai", "model": "gpt-4o-mini", "events": 4}
EARLIER = "2026-11-15T08:45:47.546154Z"
WHEN = "2026-11-22T08:45:47.546154Z"
LATER = "2026-11-22T08:46:02.118540Z"

BY_FIELD: dict[str, Any] = {
    "about": "user-123",
    "app_id": APP,
    "as_of": WHEN,
    "at": LATER,
    "author": "user-123",
    "by": f"key {KEY}",
    "card": ["Works on invoices", "Prefers Python"],
    "client_id": None,
    "comment": "It knew about the invoices",
    "created_at": WHEN,
    "current": True,
    "data": None,
    "error": "",
    "importance": 3,
    "is_user": True,
    "line": LINE,
    "made_by": MADE_BY,
    "metadata": {},
    "model": "gpt-4o-mini",
    "note": None,
    "now": "Wants the March invoices sent.",
    "occurred_at": WHEN,
    "page": 1,
    "pages": 1,
    "parent": 2,
    "pinned": False,
    "reason": "She told us on the phone",
    "recipe": PROMPT,
    "recorded_at": WHEN,
    "score": 1.0,
    "session_id": SESSION,
    "similarity": 0.71,
    "since": 2,
    "since_version": 2,
    "size": 50,
    "sources": [EVENT],
    "standing": True,
    "stands": True,
    "started_at": WHEN,
    "text": TEXT,
    "thinned": False,
    "token_count": 9,
    "total": 1,
    "user_id": USER,
    "version": 3,
}

_STATEMENT = {"id": STATEMENT, "content": "Wants to automate their invoicing workflow."}
_OLD_STATEMENT = {
    "id": OLD_STATEMENT, "content": "Writes invoices by hand.", "reason": "Uses Stripe now", "replaced_by": STATEMENT,
}  # fmt: skip
_EVENT = {"id": EVENT, "kind": "message", "content": SAID}
_VERSION = {"status": "published", "reason": "", "by": ""}
_KEY = {
    "id": KEY, "name": "invoice bot", "scope": "user", "session_id": None, "access": "write", "prefix": "hk_q1Zb3Xw",
    "rate_per_minute": 600, "created_by": "admin ann", "last_used_at": LATER,
}  # fmt: skip
_NEW_WEBHOOK = {
    "url": "https://example.org/hooks/honcho",
    "events": ["representation.published"],
    "description": "Refreshes the sales team's board",
}
_WEBHOOK = {"id": WEBHOOK, **_NEW_WEBHOOK, "enabled": True, "disabled_reason": "", "failures": 0}
_METADATA = {"plan": "free"}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "AboutWhat": {"kind": "user", "id": USER, "name": "user-123"},
    "App": {"id": APP, "name": "my-app"},
    "AppChangeRequest": {"name": "my-app", "metadata": _METADATA},
    "Behind": {"events": 0, "seconds": 0.0},
    "CardChange": {"added": ["Uses Stripe"], "removed": []},
    "Collection": {"id": COLLECTION, "name": "terms"},
    "CollectionChangeRequest": {"name": "terms", "metadata": {"language": "en"}},
    "Context": {"context": TEXT, "session_version": 2},
    "Covers": {"from": 8, "to": 12, "events": 4},
    "Diff": {
        "from": {"version": 2, "at": EARLIER, "as_of": EARLIER, "made_by": MADE_BY},
        "text": "Now wants to automate their invoicing workflow; wrote invoices by hand.", "kept_count": 4,
    },
    "Document": {
        "id": DOCUMENT, "collection_id": COLLECTION, "content": "Invoices are due within 30 days.",
        "metadata": {"source": "terms"},
    },
    "DocumentChangeRequest": {"content": "Invoices are due within 14 days.", "metadata": {"source": "terms"}},
    "Ended": {"message": "Session deleted successfully"},
    "Explanation": {
        "archived_sources": [], "sources_count": 1, "found_by": "beginning", "premises": [], "premise_of": [],
    },
    "Feedback": {"id": FEEDBACK},
    "Found": {"mode": "hybrid"},
    "FoundConclusion": _STATEMENT,
    "FoundItem": {
        "type": "event",
        "score": 0.032787,
        "highlights": [{"text": SAID, "marks": [[22, 31]]}],
        "event": ...,
    },
    "GoneConclusion": {**_OLD_STATEMENT, "until_version": 3},
    "HumanWord": {"act": "edit", "event_id": EVENT, "conclusion_id": STATEMENT},
    "Imported": {"imported": {"app": 1, "user": 1, "subject": 1}},
    "Introduced": {"reason": ""},
    "KeySchema": _KEY,
    "KnownConclusion": {**_STATEMENT, "retracted": False, "correction": None},
    "MadeKeySchema": {**_KEY, "key": "hk_q1Zb3Xw…", "last_used_at": None},
    "Message": {"id": EVENT, "content": SAID},
    "MetadataChangeRequest": {"metadata": {"channel": "web"}},
    "MetadataFilterRequest": {"filter": _METADATA},
    "Metamessage": {
        "id": METAMESSAGE, "label": "mood", "metamessage_type": "mood", "content": "calm", "message_id": EVENT,
    },
    "MetamessageChangeRequest": {"metamessage_type": "mood", "metadata": {"by": "tone"}},
    "MetamessageFilterRequest": {"metamessage_type": "mood", "filter": {"by": "tone"}},
    "NamedThing": {"id": USER, "name": "user-123"},
    "NewAppRequest": {"name": "my-app", "metadata": _METADATA},
    "NewCollectionRequest": {"name": "terms", "metadata": {"language": "en"}},
    "NewMessageRequest": {"content": SAID, "is_user": True},
    "NewSessionRequest": {"name": "invoicing", "metadata": {"channel": "web"}},
    "NewUserRequest": {"name": "user-123", "metadata": _METADATA},
    "NewWebhookSchemaRequest": _NEW_WEBHOOK,
    "PlainConclusion": _STATEMENT,
    "ReadEvent": _EVENT,
    "Receipt": {
        "id": RECEIPT, "dry_run": False, "what": "user", "target": USER,
        "erased": {"conclusions": 12, "events": 31, "feed_entries": 62, "sessions": 2, "users": 1},
        "reason": "Asked for on 3 March",
    },
    "Replacement": _STATEMENT,
    "RestingConclusion": _STATEMENT,
    "RetiredConclusion": _OLD_STATEMENT,
    "RewordedConclusion": {"replaced": True},
    "SearchEmbedding": {"model": "cpu/all-MiniLM-L6-v2-int8", "indexed": 118, "waiting": 0},
    "SearchRanks": {"lexical": 1, "semantic": 1},
    "Session": {"id": SESSION, "name": "invoicing", "is_active": True},
    "SessionFilterRequest": {"filter": {"channel": "web"}, "is_active": True},
    "SourceEvent": {**_EVENT, "session": "invoicing"},
    "StandingConclusion": _STATEMENT,
    "StandingSpan": {"serving": True, "reason": "", "replaced_by": None},
    "Subjects": {"unreadable": 4, "rebuilding": 1},
    "Summary": {"short": "Automates invoices.", "long": "Wants to automate their invoicing workflow, with Stripe."},
    "TextChange": {"from": "Writes the March invoices.", "to": "Wants the March invoices sent."},
    "User": {"id": USER, "name": "user-123"},
    "UserChangeRequest": {"name": "user-123", "metadata": {"plan": "paid"}},
    "VersionDetail": _VERSION,
    "VersionLine": {**_VERSION, "added": 1, "retired": 1},
    "WebhookDeliverySchema": {
        "id": DELIVERY, "event_id": "2JYzFEHDhjiksSdneraBAe", "type": "representation.published",
        "state": "delivered", "attempts": 1, "status": 204, "attempted_at": LATER,
    },
    "WebhookGoneSchema": {"message": "Webhook deleted successfully"},
    "WebhookSchema": _WEBHOOK,
    "WebhookWithSecretSchema": {**_WEBHOOK, "secret": "whsec_…"},
    "WrittenEvent": {**_EVENT, "created": True},
}  # fmt: skip


_PROBLEM = {"type": "string_too_short", "loc": ["body", "name"], "msg": "Give at least 1 character.", "input": ""}


def _error(detail: Any, code: str) -> dict[str, Any]:
    return {"detail": detail, "code": code, "request_id": "6f1c2a52-2f6b-4d0c-9d4e-0b8b1f6f4a5e"}


ERRORS: dict[int, tuple[str, dict[str, Any]]] = {
    401: ("Unauthorized", _error("Invalid access token", "invalid_token")),
    402: ("PaymentRequired", _error("The app's budget for today has no room for this", "over_budget")),
    403: ("Forbidden", _error("This key can only read", "read_only")),
    404: ("NotFound", _error("User not found", "not_found")),
    409: ("Conflict", _error("User with name 'user-123' already exists", "conflict")),
    413: ("TooLarge", _error("The body is larger than this server takes.", "too_large")),
    415: ("UnsupportedMediaType", _error("Send JSON, with Content-Type: application/json", "unsupported_media_type")),
    422: ("Unprocessable", _error([_PROBLEM], "invalid")),
    429: ("TooManyRequests", _error("This key may make 600 requests a minute", "rate_limited")),
    502: ("BadGateway", _error("The provider refused the call; an operator must act", "provider_failed")),
    503: ("Unavailable", _error("The database cannot be reached; try again.", "unavailable")),
}
