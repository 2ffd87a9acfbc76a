"""The log searched for people: all words, the newest first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from memory.models import Event
from memory.search import Filters, Scope, index, log
from tests.factories import EventFactory, SessionFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def said() -> Any:
    """Two sessions of one app, and one of another, in which invoices are spoken of."""
    session = SessionFactory()
    other = SessionFactory(owner=UserFactory(app=session.app))
    foreign = SessionFactory()
    texts = ["The first invoice is late", "Another invoice is paid", "Invoices that are late", "late again"]
    events = [EventFactory(session=session, content=text) for text in texts]
    events.append(EventFactory(session=other, content="This invoice is late too", kind="invoice.sent"))
    EventFactory(session=foreign, content="A late invoice of somebody else")
    return events


def found(where: Scope, query: str, **filters: Any) -> list[int]:
    """The places of what is found among the events of the fixture."""
    ids = log.events(where, query, Filters(**filters))
    order = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    return [order.index(pk) for pk in ids]


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not yet indexed"])
def test_the_newest_events_with_all_words_in_any_form_are_found_in_their_place(said: Any, indexed: bool) -> None:
    while indexed and index.work():
        pass
    app, session = said[0].app_id, said[0].session_id
    assert found(Scope(app), "late invoice") == [4, 2, 0]
    assert found(Scope(app, session), "LATE invoices") == [2, 0]
    assert found(Scope(app), "late", kinds=["invoice.sent"]) == [4]
    assert found(Scope(app), "late", authors=[said[0].user_id]) == [3, 2, 0]
    assert found(Scope(app), "late", since=timezone.now() + timedelta(hours=1)) == []
    assert found(Scope(app), "nothing like it") == []
    assert found(Scope(app), " … ") == []


def test_what_was_indexed_and_what_was_not_are_one_list(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    while index.work():
        pass
    newest = EventFactory(session=said[0].session, content="Late as ever, the invoice")
    assert log.events(Scope(said[0].app_id), "late invoice")[0] == newest.pk
    assert log.events(Scope(said[0].app_id), "late invoice", limit=2) == [newest.pk, said[4].pk]
