"""Erasing a person, and sessions, projects and apps: everything of them, wherever it lies, and nothing else."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from memory import corrections, feedback, log, places, tenants
from memory.erasure import act, proof
from memory.errors import Conflict, Erased, Invalid
from memory.models import App, Collection, Document, Erasure, Event, Metamessage, Session, Subject, User
from reasoning import consolidation, following, passes, queue
from reasoning.models import Pass, Reprocess, Work
from reasoning.providers.base import Answer, Failure, ProviderError, Statement
from reasoning.reprocessing import advance, lifecycle
from tests.api.conftest import Agent
from tests.erasure.helpers import MARK, assert_all_accounted_for, assert_nowhere, assert_somewhere, text_of
from tests.factories import ApiKeyFactory
from tests.loop.helpers import AT_ONCE, FakeProvider, completion, drain, draining, prepared
from tests.loop.test_reprocessing import TwoPrompts, started
from tests.store.helpers import is_waited_for, person, say, together, until

pytestmark = pytest.mark.django_db(transaction=True)

APP = "/v1/apps/harbour"
WHO = f"{APP}/users/{MARK}"
BEN = f"{APP}/users/ben"


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.HONCHO = AT_ONCE


def telling(request) -> Answer:
    """Tell everything that was shown: events, names, what is known."""
    shown = [
        *(event.content for event in request.events),
        *request.participants,
        *(item.content for item in request.known),
    ]
    return Answer(
        add=tuple(Statement(f"It was said: {event.content}", (event.number,)) for event in request.events),
        card=(f"Subject: {request.subject}",),
        now="; ".join(shown)[:500],
        short_summary="; ".join(shown)[:200] if request.kind == "session" else "",
    )


def once(*what: object) -> dict[str, str]:
    return {"Idempotency-Key": hashlib.sha256(repr(what).encode()).hexdigest()}


def history_of(agent: Agent) -> None:
    """She says things at home, at Ben's and in a project; Ben says things at hers, and something of his own."""
    for path, body in [
        (f"{WHO}/sessions/{MARK}s-home/messages", {"content": f"I am {MARK}.", "is_user": True, "metadata": {MARK: 1}}),
        (f"{WHO}/sessions/{MARK}s-home/events", {"content": "Good day to you.", "author": "ben", "id": f"{MARK}-1"}),
        (f"{BEN}/sessions/his/events", {"content": f"{MARK} likes tea.", "author": MARK, "data": {"tea": MARK}}),
        (f"{BEN}/sessions/his/events", {"content": "I like coffee."}),
        (f"{BEN}/sessions/other/events", {"content": "I row."}),
        (f"{WHO}/events", {"content": f"A note of {MARK}.", "project": "boat"}),
        (f"{BEN}/events", {"content": "We build a boat.", "project": "boat"}),
    ]:  # fmt: skip
        assert agent.send("POST", path, body, **once(path, body)).status_code == 200
    assert agent.send("PUT", WHO, {"metadata": {"full": f"{MARK} Q."}}, **once("meta")).status_code == 200


def kept_beside(agent: Agent) -> None:
    """What else is kept of her: keys, notes, documents, corrections, scores, the admin's log."""
    user = User.objects.get(name=MARK)
    ApiKeyFactory(user=user, name=f"{MARK}'s phone")
    collection = Collection.objects.create(app=user.app, user=user, name=f"{MARK}s papers")
    Document.objects.create(app=user.app, collection=collection, content=f"{MARK} was born")
    Metamessage.objects.create(app=user.app, user=user, label="note", content=MARK)
    agent.send("POST", f"{WHO}/conclusions", {"content": f"{MARK} is kind."}, **once("kind"))
    project = Subject.objects.get(kind="project")
    note = next(row for row in project.conclusions.all() if MARK in row.content)
    corrections.retract(project, note.pk, reason=f"{MARK} never said so", by="olga")
    version = Subject.objects.get(user=user, kind="user").current
    feedback.add(version.subject, version.number, 1, comment=f"So is {MARK}", by=MARK)
    feedback.add(project, project.versions, 1, comment=f"So is {MARK}", by="olga")
    olga = get_user_model().objects.create(username="olga")
    LogEntry.objects.create(
        user=olga, content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk), object_repr=MARK,
        action_flag=CHANGE,
    )  # fmt: skip


def test_a_person_who_is_erased_in_the_middle_of_live_reasoning_is_nowhere_ever_after():
    agent = Agent(ApiKeyFactory().key)
    history_of(agent)
    assert agent.send("POST", f"{APP}/users", {"name": "cleo"}).status_code == 200
    log.append("harbour", [log.NewEvent(content=f"I know {MARK}.", author=MARK)], user="cleo", session="three")
    drain(FakeProvider(telling))
    kept_beside(agent)
    run = started()
    drain(TwoPrompts(telling))
    user = User.objects.get(name=MARK)
    gone = [MARK, str(user.pk), user.public_id]
    assert_somewhere(*gone)
    # Everybody is being read when she is erased: her words are with the model.
    log.append("harbour", [log.NewEvent(content=f"{MARK} speaks.", author=MARK)], user="ben", session="his")
    log.append("harbour", [log.NewEvent(content="And Ben listens.")], user="ben", session="his")
    say(f"{MARK} thinks.", user=MARK)
    stalled = FakeProvider(telling)
    stalled.gate = threading.Event()
    with draining(stalled):
        until(lambda: any(MARK in repr(request) for request in stalled.requests), "her words should be asked about")
        until(lambda: stalled.in_flight >= 3, "calls should be in flight")
        first = agent.send("DELETE", f"{WHO}?reason=Asked", **once("erase"))
        assert first.status_code == 200, first.content
        assert agent.send("DELETE", f"{WHO}?reason=Asked", **once("erase")).content == first.content
        assert_nowhere(*gone[:2])
        with pytest.raises(AssertionError):
            assert_nowhere("I like coffee.")
        stalled.gate.set()
        until(lambda: not stalled.in_flight and not Work.objects.exclude(state="idle").exists(), "all should be read")
    assert_nowhere(*gone[:2])
    receipt = json.loads(first.content)
    assert receipt["what"] == "user"
    assert receipt["erased"]["users"] == 1
    assert receipt["erased"]["events"] == 9  # hers, Ben's at hers, and what the two corrections said
    later_life(run)
    assert_nowhere(*gone[:2])
    assert proof.left_of(Erasure.objects.get()) == {"memory_keptanswer.body": 1}, "the receipt, for who asks again"
    for path in (f"{BEN}/context", f"{BEN}/sessions/his/context", f"{APP}/projects/boat/representation"):
        answer = agent.send("GET", path)
        assert answer.status_code == 200
        assert MARK not in answer.content.decode()
    assert agent.send("GET", f"{WHO}/context").status_code == 404
    assert "coffee" in text_of(tenants.subject_of(User.objects.get(name="ben")))
    assert (
        agent.send("POST", f"{WHO}/sessions/{MARK}s-home/messages", {"content": "x", "is_user": True}).status_code
        == 200
    )


def later_life(run: Reprocess) -> None:
    """Go on for a while: read, go over it, promote a run, repeat writes, roll back, prune."""
    advance.advance()
    drain(TwoPrompts(telling))
    run.refresh_from_db()
    assert run.state == "done"
    lifecycle.promote(run)
    say("I also swim.", user="ben")
    consolidation.ask_for_all(App.objects.get(name="harbour"))
    drain(FakeProvider(telling))
    call_command("prune", verbosity=0)
    assert_all_accounted_for()


def test_a_repeated_write_is_answered_that_it_was_done_and_not_done_again():
    agent = Agent(ApiKeyFactory().key)
    history_of(agent)
    other = Agent(ApiKeyFactory().key)
    assert other.send("POST", "/v1/apps/pier/users/ann/events", {"content": "hi"}, **once("k")).status_code == 200
    body = {"content": "I row."}
    count = Event.objects.count()
    key = once(f"{BEN}/sessions/other/events", body)
    act.erase(User.objects.get(name=MARK))
    left = Event.objects.count()
    assert left < count
    again = agent.send("POST", f"{BEN}/sessions/other/events", body, **key)
    assert (again.status_code, json.loads(again.content)["code"]) == (410, "erased")
    assert other.send("POST", "/v1/apps/pier/users/ann/events", {"content": "hi"}, **once("k")).status_code == 200
    assert Event.objects.count() == left


def test_sessions_projects_and_apps_go_with_all_that_is_in_them():
    for place in ("one", "two"):
        log.append("harbour", [log.NewEvent(content=f"In {place} {MARK}{place}.")], user="ana", session=place)
    log.append("harbour", [log.NewEvent(content=f"{MARK}boat sails.", project="boat")], user="ana", session="three")
    log.append("pier", [log.NewEvent(content="Elsewhere.")], user="ana", session="one")
    drain(FakeProvider(telling))
    act.erase(Session.objects.get(name="one", app__name="harbour"))
    assert_nowhere(f"{MARK}one")
    assert_somewhere(f"{MARK}two")
    act.erase(tenants.find_project(App.objects.get(name="harbour").pk, "boat"))
    assert_nowhere(f"{MARK}boat")
    drain(FakeProvider(telling))
    assert_nowhere(f"{MARK}one", f"{MARK}boat")
    assert f"{MARK}two" in text_of(person())
    assert_all_accounted_for()
    harbour = App.objects.get(name="harbour")
    receipt = act.erase(harbour)
    assert_nowhere(MARK, "harbour", str(harbour.pk))
    assert receipt.counts["apps"] == 1
    assert text_of(person(app="pier")) != ""
    assert Erasure.objects.filter(app=harbour.pk).count() == 3


def test_nobody_new_is_made_under_the_id_of_who_was_erased():
    say("I am Ben.", user="ben")
    known_as = User.objects.get(name="ben").public_id
    act.erase(User.objects.get(name="ben"))
    with pytest.raises(Erased):
        say("I am back.", user=known_as)
    assert not User.objects.exists()
    say("I am another Ben.", user="ben")
    assert User.objects.get().name == "ben"


def test_what_others_said_elsewhere_stays_and_can_be_found():
    say(f"I met {MARK}.", user="ben")
    say("Me too.", user=MARK)
    act.erase(User.objects.get(name=MARK))
    assert proof.mentions([MARK]) == {"memory_event.content": 1}
    with pytest.raises(CommandError):
        call_command("erase", find=MARK)


def test_whoever_was_told_that_she_took_part_forgets_it():
    ben = person("ben")
    log.append("harbour", [log.NewEvent(content="Hello.")], user="ben", session="s")
    session = Session.objects.get()
    tenants.join(session, tenants.make_user(session.app, MARK)[0])
    drain(FakeProvider(telling))
    assert MARK in text_of(ben)
    act.erase(User.objects.get(name=MARK))
    assert_nowhere(MARK)
    drain(FakeProvider(telling))
    assert_nowhere(MARK)
    assert "Hello" in text_of(ben)


def test_a_reason_does_not_keep_the_name():
    say("x", user=MARK)
    with pytest.raises(Invalid):
        act.erase(User.objects.get(name=MARK), reason=f"{MARK.lower()} has asked us")
    assert User.objects.filter(name=MARK).exists()
    act.erase(User.objects.get(name=MARK), reason=f"{MARK}x has asked us")


class TestMeanwhile:
    """What others do at the same moment neither slips through nor hangs."""

    def test_an_append_that_has_begun_is_waited_for_and_one_that_begins_is_refused(self):
        say("x", user=MARK)
        user = User.objects.get(name=MARK)
        place = places.find("harbour", MARK)
        written, go_on = threading.Event(), threading.Event()

        def writer() -> None:
            with transaction.atomic():
                log.append_at(place, [log.NewEvent(content=f"late {MARK}")])
                written.set()
                assert go_on.wait(20)

        def eraser() -> None:
            assert written.wait(20)
            act.erase(user)

        def late() -> str:
            assert written.wait(20)
            until(waits_for_a_lock, "the erasure should wait for the writer")
            go_on.set()
            until(lambda: not User.objects.filter(pk=user.pk).exists(), "she should be erased")
            try:
                log.append_at(place, [log.NewEvent(content=f"later {MARK}")])
            except Conflict as error:
                return error.message
            return "written"

        assert "erased" in together(writer, eraser, late)[2]
        assert_nowhere(MARK)

    def test_an_append_that_waits_for_the_erasure_is_refused(self):
        say("x", user=MARK)
        user = User.objects.get(name=MARK)
        place = places.find("harbour", MARK)
        erased, go_on = threading.Event(), threading.Event()

        def eraser() -> None:
            with transaction.atomic():
                act.erase(user)
                erased.set()
                assert go_on.wait(20)

        def writer() -> str:
            assert erased.wait(20)
            try:
                log.append_at(place, [log.NewEvent(content=f"late {MARK}")])
            except Conflict as error:
                return error.message
            return "written"

        def watcher() -> None:
            assert erased.wait(20)
            until(waits_for_a_lock, "the writer should wait for the erasure")
            go_on.set()

        assert "erased" in together(eraser, writer, watcher)[1]
        assert_nowhere(MARK)

    def test_others_in_the_room_are_heard_all_the_same(self):
        """Ben writes to his session; of its feeds one is hers, which is gone when he commits."""
        agent = Agent(ApiKeyFactory().key)
        log.append("harbour", [log.NewEvent(content="x", author=MARK)], user="ben", session="s")
        user = User.objects.get(name=MARK)
        resolved = places.find
        done: list[bool] = []

        def find_and_erase(*args, **kwargs):
            found = resolved(*args, **kwargs)
            if not done:
                done.append(True)
                together(lambda: act.erase(user))
            return found

        places.find = find_and_erase
        try:
            answer = agent.send("POST", f"{BEN}/sessions/s/events", {"content": "I am Ben."})
        finally:
            places.find = resolved
        assert answer.status_code == 200, answer.content
        assert list(Event.objects.values_list("content", flat=True)) == ["I am Ben."]
        assert_nowhere(MARK)
        assert_all_accounted_for()

    def test_what_others_in_the_room_are_writing_is_waited_for(self):
        """Ben has written to a feed of hers, and has not committed: what comes later could not be found any more."""
        log.append("harbour", [log.NewEvent(content="x", author=MARK)], user="ben", session="s")
        user = User.objects.get(name=MARK)
        written = threading.Event()

        def writer() -> None:
            with transaction.atomic():
                log.append("harbour", [log.NewEvent(content="I am Ben.")], user="ben", session="s")
                written.set()
                until(is_waited_for, "the erasure should wait for the writer")

        def eraser() -> None:
            assert written.wait(20)
            act.erase(user)

        together(writer, eraser)
        assert list(Event.objects.values_list("content", flat=True)) == ["I am Ben."]
        assert_nowhere(MARK)
        drain(FakeProvider(telling))
        assert_all_accounted_for()

    def test_a_lease_that_holds_her_words_publishes_nothing(self):
        ben = person("ben")
        log.append("harbour", [log.NewEvent(content=f"I am {MARK}.", author=MARK)], user="ben", session="s")
        following.take_in()
        claims = queue.claim(10, "d1")
        ready = [prepared(claim) for claim in claims]
        assert len(ready) == 3
        act.erase(User.objects.get(name=MARK))
        for item in ready:
            with pytest.raises(queue.LostLease):
                passes.complete(item, completion(telling(item.request)))
            passes.fail(item.claim, ProviderError(Failure.NONSENSE, MARK, raw=MARK), item)
            passes.write_off(item, None)
        assert text_of(ben) == ""
        assert_nowhere(MARK)
        assert set(Pass.objects.values_list("outcome", flat=True)) == {"abandoned"}
        drain(FakeProvider(telling))
        assert_all_accounted_for()

    def test_many_at_once_end_in_one_receipt_each(self):
        for name in ("ana", "ben", "cleo"):
            log.append("harbour", [log.NewEvent(content=f"{MARK} {name}")], user=name, session="s")
        log.append(
            "harbour", [log.NewEvent(content=MARK, author=name) for name in ("ben", "cleo")], user="ana", session="s"
        )
        drain(FakeProvider(telling))
        users = list(User.objects.all())
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                try:
                    log.append("harbour", [log.NewEvent(content="y")], user="dora", session="s")
                    following.take_in()
                except (Conflict, IntegrityError):
                    pass

        def erase_all() -> None:
            try:
                together(*(lambda user=user: act.erase(user) for user in users))
            finally:
                stop.set()

        together(write, erase_all)
        assert Erasure.objects.count() == 3
        assert_nowhere(MARK)
        drain(FakeProvider(telling))
        assert_all_accounted_for()


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def test_killed_before_the_end_nothing_has_happened():
    say(f"I am {MARK}.", user=MARK)
    drain(FakeProvider(telling))
    before = proof.mentions([MARK])
    user = User.objects.get(name=MARK)

    class Killed(Exception):
        pass

    def erase_and_die() -> None:
        with transaction.atomic():
            act.erase(user)
            raise Killed

    with pytest.raises(Killed):
        erase_and_die()
    assert proof.mentions([MARK]) == before
    assert not Erasure.objects.exists()
    act.erase(user)
    assert_nowhere(MARK)
