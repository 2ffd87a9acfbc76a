"""What is to be told, written in the transaction in which it happens: it is told if that is committed, and only then.

A payload holds ids, numbers and words of ours; never what anybody said or what was concluded from it. Where no endpoint
asks for an event, one statement finds that out and nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from memory import clock, ids, statements
from memory.models import Subject, WebhookDelivery, WebhookEndpoint

Event = WebhookEndpoint.Event

# An endpoint is locked against its deletion until the event is committed; one that is deleted meanwhile is left out.
_ASKING = """
SELECT id FROM memory_webhookendpoint WHERE app_id = %(app)s AND enabled AND events @> ARRAY[%(type)s]::varchar[]
   FOR KEY SHARE
"""

_PUBLISHED = """
SELECT endpoint.id, version.id, subject.app_id, subject.kind, subject.user_id, subject.observer_id, subject.session_id,
       subject.project_id, version.number, parent.number, version.as_of,
       ARRAY(SELECT jsonb_object_keys(version.made_by))
  FROM memory_representation version
  JOIN memory_subject subject ON subject.id = version.subject_id
  JOIN memory_webhookendpoint endpoint ON endpoint.app_id = subject.app_id AND endpoint.enabled
       AND endpoint.events @> ARRAY[%(type)s]::varchar[]
  LEFT JOIN memory_representation parent ON parent.id = version.parent_id
 WHERE version.id = ANY(%(versions)s)
   FOR KEY SHARE OF endpoint
"""

_MADE_BY = (
    ("correction", "correction"),
    ("skipped", "skip"),
    ("promotes", "reprocess"),
    ("rolled_back_to", "rollback"),
    ("pass", "pass"),
)
"""What made a version, by a key of its ``made_by``; the first that is there."""

_BATCH = 1_000


def add(app_id: UUID, event: Event, data: Mapping[str, Any]) -> None:
    """Have an event told to the app's endpoints that ask for it; call it in the transaction in which it happens."""
    with connection.cursor() as cursor:
        cursor.execute(_ASKING, {"app": app_id, "type": event.value})
        endpoints = [row[0] for row in cursor.fetchall()]
    _write([(endpoint, None, app_id, event, dict(data)) for endpoint in endpoints])


def published(versions: Collection[UUID]) -> None:
    """Have it told that readers get these versions now; call it in the transaction that makes them."""
    found = statements.rows(_PUBLISHED, {"type": Event.PUBLISHED.value, "versions": list(versions)})
    rows = []
    for endpoint, version, app_id, kind, user, observer, session, project, number, previous, as_of, made_by in found:
        data = {
            "subject": _subject(kind, user, observer, session, project),
            "version": number,
            "previous": previous,
            "as_of": _moment(as_of),
            "made_by": next((word for key, word in _MADE_BY if key in made_by), "other"),
        }
        rows.append((endpoint, version, app_id, Event.PUBLISHED, data))
    _write(rows)


def about(subject: Subject) -> dict[str, Any]:
    """Return a subject as payloads name it: its kind and its ids."""
    return _subject(subject.kind, subject.user_id, subject.observer_id, subject.session_id, subject.project_id)


def message(app_id: UUID, event: str, moment: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sent of an event that happens at ``moment``."""
    return {"type": event, "timestamp": _moment(moment), "data": {"app_id": ids.encode(app_id), **data}}


def _write(rows: Sequence[tuple[UUID, Any, UUID, Event, dict[str, Any]]]) -> None:
    """Write what each endpoint is told of; what is the same for several has one event id."""
    if not rows:
        return
    event_ids: dict[Any, UUID] = defaultdict(ids.uuid7)
    now = clock.now()
    WebhookDelivery.objects.bulk_create(
        (
            WebhookDelivery(
                endpoint_id=endpoint,
                event_id=event_ids[key],
                type=event,
                payload=message(app_id, event, now, data),
                due_at=now,
            )
            for endpoint, key, app_id, event, data in rows
        ),
        batch_size=_BATCH,
    )


def _subject(kind: str, user: Any, observer: Any, session: Any, project: Any) -> dict[str, Any]:
    named = {"user_id": user, "observer_id": observer, "session_id": session, "project_id": project}
    return {"kind": kind, **{name: None if value is None else ids.encode(value) for name, value in named.items()}}


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
