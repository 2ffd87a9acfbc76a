# mypy: disable-error-code="import-not-found, union-attr, attr-defined, index"
"""What a program does with a client that a generator made of the schema; it runs where that client is on the path."""

import os
from http import HTTPStatus
from io import BytesIO

from honcho_for_django_client import AuthenticatedClient
from honcho_for_django_client.api.apps import apps_create, apps_export, apps_import, apps_list
from honcho_for_django_client.api.context import apps_users_get_context
from honcho_for_django_client.api.events import apps_users_events_create, apps_users_events_list
from honcho_for_django_client.api.messages import apps_users_sessions_messages_create
from honcho_for_django_client.api.sessions import apps_users_sessions_create
from honcho_for_django_client.api.users import (
    apps_users_create,
    apps_users_get_by_id,
    apps_users_query,
    apps_users_search,
)
from honcho_for_django_client.models import (
    AppsImportIds,
    Context,
    Error,
    Found,
    Message,
    NewAppRequest,
    NewEventRequest,
    NewMessageRequest,
    NewSessionRequest,
    NewUserRequest,
    QueryBodyRequest,
    RecallAnswer,
    SearchQueryRequest,
)
from honcho_for_django_client.types import UNSET, File

APP, USER, SESSION = "generated", "ann", "invoicing"
client = AuthenticatedClient(base_url=os.environ["HONCHO_BASE_URL"], token=os.environ["HONCHO_API_KEY"])

assert apps_create.sync(client=client, body=NewAppRequest(name=APP)).name == APP
assert apps_users_create.sync(APP, client=client, body=NewUserRequest(name=USER)).name == USER
assert apps_users_sessions_create.sync(APP, USER, client=client, body=NewSessionRequest(name=SESSION)).name == SESSION
assert apps_list.sync(client=client).total >= 1

written = apps_users_sessions_messages_create.sync(
    APP, USER, SESSION, client=client, body=NewMessageRequest(content="Invoices go out by Stripe.", is_user=True)
)
assert isinstance(written, Message)
assert written.created_at.tzinfo is not None

context = apps_users_get_context.sync(APP, USER, client=client)
assert isinstance(context, Context)
assert context.behind.events == 1

found = apps_users_search.sync(APP, USER, client=client, body=SearchQueryRequest(query="Stripe invoices"))
assert isinstance(found, Found)
assert found.items[0].event.id == written.id

recalled = apps_users_query.sync(APP, USER, client=client, body=QueryBodyRequest(query="Which invoices?"))
assert isinstance(recalled, RecallAnswer)
assert recalled.items[0].id == written.id

several = [NewEventRequest(content=text, is_user=True) for text in ("First.", "Second.")]
assert all(event.created for event in apps_users_events_create.sync(APP, USER, client=client, body=several))
read: list[str] = []
cursor = UNSET
while cursor is not None:
    page = apps_users_events_list.sync(APP, USER, client=client, limit=2, cursor=cursor)
    read, cursor = [*read, *(event.content for event in page.items)], page.next_cursor
assert read == ["Invoices go out by Stripe.", "First.", "Second."]

missing = apps_users_get_by_id.sync_detailed(APP, "nobody", client=client)
assert missing.status_code == HTTPStatus.NOT_FOUND
assert isinstance(missing.parsed, Error)
assert missing.parsed.detail == "User not found"
refused = apps_users_create.sync_detailed(APP, client=client, body=NewUserRequest(name=""))
assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
assert isinstance(refused.parsed, Error)
assert refused.parsed.detail[0].loc == ["body", "name"]

exported = apps_export.sync(APP, client=client).payload.read()
copied = apps_import.sync("copy", client=client, body=File(payload=BytesIO(exported)), ids=AppsImportIds.NEW)
assert copied.imported["event"] == len(read)
