"""No foreign key leads to an event: whatever is erased, no row is left that names one which is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection, models

from memory import cloning, corrections, log, metamessages, tenants
from memory.erasure import act
from memory.log import NewEvent
from memory.models import App, Conclusion, Event, Project, Session, User
from tests.partitions.conftest import read
from tests.store.helpers import person


def references() -> Iterator[tuple[str, str]]:
    """The columns that name events, of every table of ours."""
    yield "memory_clientid", "event_id"
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.related_model is Event and model._meta.managed:
                yield model._meta.db_table, field.column


def dangling() -> dict[str, int]:
    """How many rows name an event that is not there, by column."""
    found = {}
    with connection.cursor() as cursor:
        for table, column in set(references()):
            cursor.execute(
                f"SELECT count(*) FROM {table} own WHERE {column} IS NOT NULL"
                f" AND NOT EXISTS (SELECT FROM memory_event event WHERE event.id = own.{column})"
            )
            if count := cursor.fetchone()[0]:
                found[f"{table}.{column}"] = count
    return found


@pytest.fixture
def everything() -> None:
    """An app in which something of each kind names events."""
    subject = person()
    user = subject.user
    ben, _ = tenants.make_user(subject.app, "ben")
    project, _ = tenants.make_project(subject.app, "boat")
    session, _ = tenants.make_session(subject.app, user, "talk", project=project)
    tenants.join(session, ben, observes_others=True)
    for author in ("ana", "ben"):
        said = [NewEvent(content=f"{author} rows.", author=author, client_id=author)]
        [event] = log.append(subject.app, said, user=user, session=session)
    log.append(subject.app, [NewEvent(content="Alone.", client_id="x")], user=ben)
    read()
    corrections.pin(subject, Conclusion.objects.filter(subject=subject).earliest("pk").pk, by="ana")
    metamessages.make(user, "mood", "Glad.", session=session, message=Event.objects.get(pk=event.id).public_id)
    cloning.clone(user, session, deep=True)
    read()


@pytest.mark.parametrize("model", [Event, Session, User, Project, App])
def test_after_an_erasure_nothing_names_an_event_that_is_gone(everything, model):
    named = {table for table, _ in references()}
    assert named >= {"memory_event", "memory_evidence", "memory_feedentry", "memory_correction", "memory_metamessage"}
    assert dangling() == {}
    act.erase(model.objects.earliest("pk"))
    assert dangling() == {}
    read()
    assert dangling() == {}
