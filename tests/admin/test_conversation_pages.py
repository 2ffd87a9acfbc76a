"""The log as the conversation that it was, read page by page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from memory import log
from memory.admin import conversation
from memory.admin import log as log_admin
from memory.log import NewEvent
from memory.models import Event, Session, User
from tests.admin import data

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    """A client in which a superuser is logged in."""
    client.force_login(data.superuser())
    return client


def url_of(row):
    """The address of a row's conversation."""
    return reverse(f"admin:memory_{row._meta.model_name}_conversation", args=[row.pk])


def shown(client, row, **query):
    """The ids of the events that a page has, and what it says."""
    answer = client.get(url_of(row), query)
    assert answer.status_code == 200
    text = answer.content.decode()
    return re.findall(r'id="e(\w{32})"', text), text


def test_a_conversation_is_read_backwards_and_forwards_page_by_page(operator, monkeypatch):
    monkeypatch.setattr(conversation, "SHOWN", 4)
    data.ana()
    session = Session.objects.get(name="lisbon-in-may")
    every = [pk.hex for pk in session.events.order_by("pk").values_list("pk", flat=True)]
    assert len(every) == 10
    newest, text = shown(operator, session)
    assert newest == every[6:]
    assert 'rel="next"' not in text
    pages = [newest]
    while found := re.search(r'href="\?before=([\w-]+)"', text):
        page, text = shown(operator, session, before=found[1])
        pages.insert(0, page)
    assert [pk for page in pages for pk in page] == every
    forwards, text = shown(operator, session, after=session.events.earliest("pk").pk)
    assert forwards == every[1:5]
    assert 'rel="next"' in text
    assert 'rel="prev"' in text


def test_it_says_up_to_where_each_version_had_read(operator):
    ana = data.ana()
    _, text = shown(operator, Session.objects.get(name="lisbon-in-may"))
    assert text.index("Not longer than eight hours") < text.index(">version 1<") < text.index("Change of plan")
    assert text.index("Yes please!") < text.index(">version 2<") < text.index("see the sea")
    _, of_user = shown(operator, ana)
    assert "Change of plan" in of_user
    assert "lisbon-in-may" in of_user


def test_a_day_can_be_gone_to_and_an_event_marked(operator):
    data.ana()
    session = Session.objects.get(name="lisbon-in-may")
    today = timezone.now().date()
    assert len(shown(operator, session, at=today.isoformat())[0]) == 10
    later, text = shown(operator, session, at=(today + timedelta(days=2)).isoformat())
    assert not later
    assert "Nothing was recorded then" in text
    event = session.events.earliest("pk")
    assert 'aria-current="true"' in shown(operator, session, here=event.pk)[1]
    assert len(shown(operator, session, at="nonsense", before="nonsense", after="x")[0]) == 10


def test_whatever_was_said_stays_text(operator):
    log.append(
        "app", [NewEvent(kind="tool_call", content=data.HOSTILE, data={"x": data.HOSTILE})], user="u", session="s"
    )
    _, text = shown(operator, Session.objects.get(name="s"))
    assert data.HOSTILE not in text
    assert text.count("&lt;script&gt;") == 2


def test_who_may_not_see_events_has_no_conversation(client):
    ana = data.ana()
    client.force_login(data.staff("view_session", "view_user", "view_subject"))
    for row in (Session.objects.get(name="lisbon-in-may"), ana):
        assert client.get(url_of(row)).status_code == 403
        page = client.get(reverse(f"admin:memory_{row._meta.model_name}_change", args=[row.pk]))
        assert url_of(row) not in page.content.decode()


def test_nothing_can_be_sent_to_it(operator):
    ana = data.ana()
    before = Event.objects.count()
    assert operator.post(url_of(ana), {"content": "x"}).status_code == 405
    assert Event.objects.count() == before
    assert User.objects.count() == 1


def test_the_log_is_searched_by_words_however_far_back_once_a_place_is_chosen(operator, monkeypatch):
    monkeypatch.setattr(log_admin.EventAdmin, "window", 3)
    ana = data.ana()
    session = Session.objects.get(name="lisbon-in-may")

    def found(**query):
        answer = operator.get(reverse("admin:memory_event_changelist"), query)
        return [row.beginning for row in answer.context["cl"].result_list]

    assert found(q="planning") == [], "it looks at the newest"
    for scope in ({"app": ana.app_id}, {"session": session.pk}, {"user": ana.pk}):
        assert found(q="planning lisbon", **scope) == [
            "Hi! I'm planning a week in Lisbon with my daughter Lea, she is nine. We leave on the 2nd of May."
        ]
        assert found(q="planning Hendaye", **scope) == [], "all words"
    assert len(found(q="lea", session=session.pk)) == 5
    assert len(found(q="lea", session=session.pk, origin__exact="agent")) == 2
    assert len(found(q="lea", session=session.pk, author=ana.pk)) == 3
    event = session.events.earliest("pk")
    assert len(found(q=event.public_id, app=ana.app_id)) == 1
    assert len(found(author=ana.pk)) == 7, "an author's events need no window"


def test_an_event_leads_into_its_conversation(operator):
    data.ana()
    event = Event.objects.get(content__startswith="Change of plan")
    page = operator.get(reverse("admin:memory_event_change", args=[event.pk])).content.decode()
    (link,) = re.findall(r'<a href="([^"]+)">Read on in the conversation', page)
    there = operator.get(link.replace("&amp;", "&")).content.decode()
    assert re.search(r'aria-current="true">\s*<p class="honcho-turn-head">.*?Change of plan', there, re.DOTALL)
