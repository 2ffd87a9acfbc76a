"""A session that begins as another one: the same words, and no new evidence of whoever said them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from memory import corrections, feeds, log, tenants
from memory.erasure.act import erase
from memory.models import Event, FeedEntry, Metamessage, Session
from tests.api.conftest import Agent, RowCounts, path_of, publish, refused
from tests.factories import (
    ApiKeyFactory,
    EventFactory,
    MetamessageFactory,
    ProjectFactory,
    SessionFactory,
    UserFactory,
)


@pytest.fixture
def talk(db: None) -> Session:
    """A session of two people with some events of every kind."""
    ann = UserFactory(name="ann")
    project = ProjectFactory(app=ann.app)
    session = SessionFactory(owner=ann, metadata={"topic": "trains"}, project=project)
    earlier = timezone.now() - timedelta(days=2)
    log.append(
        ann.app,
        [
            log.NewEvent(content="I take the train.", occurred_at=earlier, metadata={"n": 1}, client_id="one"),
            log.NewEvent(content="Which one?", origin="agent"),
            log.NewEvent(content="So do I.", author="bob"),
            log.NewEvent(kind="tool_call", data={"tool": "timetable"}),
            log.NewEvent(content="The one at noon."),
        ],
        user=ann,
        session=session,
    )
    return session


def said(session: Session) -> list[tuple[Any, ...]]:
    """What the events of a session say, in order."""
    rows = Event.objects.filter(session=session).order_by("pk")
    return list(rows.values_list("content", "kind", "origin", "author", "data", "metadata", "occurred_at", "client_id"))


def clone(agent: Agent, session: Session, query: str = "") -> Session:
    made = agent.get(f"{path_of(session)}/clone{query}")
    return Session.objects.get(pk=tenants.find_session(session.owner, made["id"]).pk)


def test_a_clone_says_the_same_under_ids_of_its_own(operator: Agent, talk: Session) -> None:
    answer = operator.get(f"{path_of(talk)}/clone")
    copy = Session.objects.exclude(pk=talk.pk).get()
    assert answer["id"] == copy.public_id
    assert answer["metadata"] == {"topic": "trains"}
    assert answer["user_id"] == talk.owner.public_id
    assert answer["is_active"] is True
    assert copy.project == talk.project
    assert said(copy) == said(talk)
    assert len(said(copy)) == 5
    ids = Event.objects.values_list("pk", flat=True)
    assert len(set(ids)) == 10
    assert set(copy.participations.values_list("user__name", flat=True)) == {"ann", "bob"}


def test_messages_after_the_one_named_are_left_out(operator: Agent, talk: Session) -> None:
    second = Event.objects.filter(session=talk).order_by("pk")[1]
    copy = clone(operator, talk, f"?message_id={second.public_id}")
    assert said(copy) == said(talk)[:2]


def test_a_clone_is_evidence_for_its_own_session_alone(operator: Agent, talk: Session) -> None:
    """Who takes part, and the project, have read what was said once; what is said later they read as ever."""
    feeds.number()
    before = {subject: subject.head for subject in type(tenants.subject_of(talk)).objects.all()}
    copy = clone(operator, talk)
    feeds.number()
    fed = set(FeedEntry.objects.filter(event__session=copy).values_list("subject", flat=True))
    assert fed == {tenants.subject_of(copy).pk}
    for subject, head in before.items():
        subject.refresh_from_db()
        assert subject.head == head
    [later] = log.append(talk.app, [log.NewEvent(content="And back?")], user=talk.owner, session=copy)
    kinds = set(FeedEntry.objects.filter(event=later.id).values_list("subject__kind", flat=True))
    assert kinds == {"user", "session", "project"}


def test_what_a_human_said_of_a_statement_is_not_copied(operator: Agent, talk: Session) -> None:
    publish(talk, ["They take the train."], [Event.objects.filter(session=talk).first()])
    subject = tenants.subject_of(talk)
    corrections.add(subject, "They take the ferry.", by="ann")
    assert Event.objects.filter(session=talk, kind="correction").exists()
    assert not Event.objects.filter(session=clone(operator, talk), kind="correction").exists()


def test_metamessages_are_copied_only_where_that_is_asked_for(operator: Agent, talk: Session) -> None:
    first, last = (Event.objects.filter(session=talk, kind="message").order_by(way)[0] for way in ("pk", "-pk"))
    for event in (first, last):
        MetamessageFactory(user=talk.owner, session=talk, message=event.public_id, content=event.content)
    MetamessageFactory(user=talk.owner, session=talk, content="of the session", metadata={"a": 1}, label="mood")
    MetamessageFactory(user=talk.owner, content="of the user")
    shallow = clone(operator, talk)
    assert not Metamessage.objects.filter(session=shallow).exists()
    deep = clone(operator, talk, f"?deep_copy=true&message_id={first.public_id}")
    notes = Metamessage.objects.filter(session=deep).order_by("pk")
    assert [(note.content, note.label, note.metadata) for note in notes] == [
        (first.content, "note", {}), ("of the session", "mood", {"a": 1}),
    ]  # fmt: skip
    assert notes[0].message.session == deep
    assert notes[0].message.content == first.content


def test_a_clone_of_more_than_one_write_may_hold_is_whole(operator: Agent, talk: Session, settings: Any) -> None:
    settings.HONCHO = {**settings.HONCHO, "BATCH_EVENTS": 2}
    assert said(clone(operator, talk)) == said(talk)


def test_a_copy_is_erased_with_what_it_repeats_and_not_the_other_way_round(operator: Agent, talk: Session) -> None:
    copy = clone(operator, talk)
    second = clone(operator, copy)
    first = Event.objects.filter(session=talk).order_by("pk")[0]
    erase(Event.objects.get(session=copy, copied_from=Event.objects.filter(session=talk).order_by("pk")[1]))
    assert [len(said(session)) for session in (talk, copy, second)] == [5, 4, 4]
    erase(first)
    assert not Event.objects.filter(content="I take the train.").exists()
    assert [len(said(session)) for session in (talk, copy, second)] == [4, 3, 3]


def test_nothing_is_concluded_from_the_clone_of_a_session_that_asks_for_it(operator: Agent) -> None:
    session = SessionFactory(metadata={"deriver_disabled": True})
    EventFactory(session=session)
    assert len(said(clone(operator, session))) == 1
    assert not FeedEntry.objects.exists()


def test_a_session_without_events_can_be_cloned(operator: Agent) -> None:
    assert said(clone(operator, SessionFactory())) == []


def test_a_message_that_the_session_does_not_have_is_named(
    operator: Agent, talk: Session, row_counts: RowCounts
) -> None:
    elsewhere = EventFactory()
    stood = row_counts()
    for wrong in (elsewhere.public_id, "missing"):
        detail = refused(operator.send("GET", f"{path_of(talk)}/clone?message_id={wrong}"), 404, "not_found")
        assert wrong in detail
    assert row_counts() == stood


def test_sessions_of_one_name_in_two_apps_never_mix(operator: Agent, talk: Session) -> None:
    other = SessionFactory(owner=UserFactory(name="ann"), name=talk.name)
    EventFactory(session=other, content="Another tenant's.")
    copy = clone(operator, talk)
    assert copy.app == talk.app
    assert said(copy) == said(talk)
    assert len(said(other)) == 1


@pytest.mark.django_db
def test_a_clone_takes_a_key_that_may_write_there(row_counts: RowCounts) -> None:
    session = EventFactory().session
    keys = [
        (ApiKeyFactory(user=session.owner, read_only=True), 403, "read_only"),
        (ApiKeyFactory(user=UserFactory(app=session.app)), 401, "out_of_scope"),
        (ApiKeyFactory(app=UserFactory().app), 401, "out_of_scope"),
    ]
    stood = row_counts()
    for row, status, code in keys:
        refused(Agent(row.key).send("GET", f"{path_of(session)}/clone"), status, code)
    assert row_counts()["memory_session"] == stood["memory_session"]
