"""Export and import: what goes out comes back the same, whatever was done to it, and nothing else comes with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from memory import (
    clock,
    corrections,
    feedback,
    feeds,
    ids,
    log,
    places,
    publishing,
    quarantine,
    reading,
    restoring,
    retention,
    tenants,
)
from memory.errors import Conflict, Invalid, NotFound, Refusal, TooLarge
from memory.log import NewEvent
from memory.models import (
    App,
    ArchivedEvidence,
    ArchivedPlace,
    Collection,
    Conclusion,
    Document,
    Erasure,
    Event,
    Metamessage,
    Representation,
    Session,
    Subject,
    User,
)
from memory.transfer import exporting, formats, importing
from memory.transfer.exporting import Export
from memory.transfer.extents import Extent
from reasoning import reconcile
from reasoning.models import Work
from tests.loop.helpers import AT_ONCE, drain, others_connected
from tests.store.helpers import concluded, draft_on, person, said, say, until
from tests.store.test_versions_machine import Versions

pytestmark = pytest.mark.django_db(transaction=True)

NOT_CARRIED = {
    "ApiKey": "a secret",
    "KeptAnswer": "of use for a day, to who asks again",
    "RateWindow": "of use for a minute",
    "ClientId": "made anew with the events",
    "Archive": "what was done on this server",
    "WebhookEndpoint": "tells of what happens here, with a secret",
    "WebhookDelivery": "tells of what happened here",
    "Erasure": "a receipt, of this server",
    "Audit": "who did what on this server",
    "Proposal": "who wants what on this server",
    "Passage": "made anew of what is found by it",
    "WordIndex": "made anew of what is found by it",
    "Posting": "made anew of what is found by it",
    "UnmergedPassage": "made anew of what is found by it",
    "EmbeddingModel": "the server's own",
    "Embedding": "made anew by the server's own model",
}
"""What no export holds, and why."""


def exported(app: App | str, **extent: Any) -> list[bytes]:
    """The lines of an export."""
    found = app if isinstance(app, App) else tenants.find_app(app)
    with closing(Export(Extent(found, **extent))) as export:
        return b"".join(export).splitlines()


def rows(lines: list[bytes], kind: str) -> list[dict[str, Any]]:
    """The lines of one type."""
    return [row for row in map(json.loads, lines) if row["type"] == kind]


def same(first: list[bytes], second: list[bytes]) -> None:
    """Two exports are the same but for the moment in the header."""
    headers = [{**json.loads(lines[0]), "exported_at": ""} for lines in (first, second)]
    assert headers[0] == headers[1]
    assert first[1:] == second[1:]


def changed(lines: list[bytes], kind: str, nth: int = 0, /, **values: Any) -> list[bytes]:
    """A file in which one line of this type says something else."""
    places = [place for place, line in enumerate(lines) if json.loads(line)["type"] == kind]
    new = json.dumps(json.loads(lines[places[nth]]) | values).encode()
    return [*lines[: places[nth]], new, *lines[places[nth] + 1 :]]


def emptied() -> None:
    """Empty the tables, as another server has them."""
    tables = [
        model._meta.db_table for label in ("memory", "reasoning") for model in apps.get_app_config(label).get_models()
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            if "prompt" not in table and "label" not in table:
                cursor.execute(f"DELETE FROM {table}")
        cursor.execute("SET session_replication_role = origin")


def refused(lines: list[bytes], error: type[Refusal], app: str = "harbour", **how: Any) -> str:
    """Import what must be refused, with nothing kept of it; return what was said."""
    before = counts()
    with pytest.raises(error) as caught:
        importing.load(app, lines, **how)
    assert counts() == before
    return caught.value.message


def counts() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in apps.get_app_config("memory").get_models()}


@pytest.fixture
def lively() -> str:
    """An app in which everything happens that leaves a row."""
    ana = person("ana")
    app = ana.app
    ben, _ = tenants.make_user(app, "ben")
    session, _ = tenants.make_session(app, ana.user, "talk", {"n": 1.5, "big": 10**20, "tiny": 1e-7})
    tenants.join(session, ben, observes_others=True)
    tenants.make_session(app, None)
    log.append(
        app, [NewEvent(content="Hi 😀\u202e<|endoftext|>", project="work", client_id="c")], user="ana", session="talk"
    )
    log.append(app, [NewEvent(kind="x.y", data={"a": [1, None, "\\u0000"]}, author="ben")], user="ana", session="talk")
    events = said("One.", "Two.", user="ana")
    line = publishing.open_line(ana, "recipe")
    first = concluded(line, "Ana sings.", "Ana sails.", evidence=events[:1], now="Now.", card=["Name: Ana"])
    added = publishing.NewConclusion(content="Ana is out.", evidence=[], premises=[known("Ana sings.").pk])
    concluded(line, "Ana swims.", evidence=events)
    publishing.publish(line.pk, draft_on(line, added=[added], short_summary="s", made_by={"cost": None}))
    for gate in ("one", "two"):
        new = publishing.NewConclusion(content=f"Secret {gate}.", evidence=events[:1], about_id=ana.user_id)
        gone = publishing.Retired(conclusion_id=known("Ana sails.").pk, reason="over", replaced_by=0)
        publishing.quarantine(line.pk, draft_on(line, added=[new], retired=[gone], now="A secret."), "bad", gate)
    stopped = Representation.objects.filter(status="quarantined").order_by("number")
    quarantine.publish(stopped[0], reason="It is fine", by="olga")
    corrections.edit(ana, known("Ana swims.").pk, "Ana rows.", by="olga", reason="She said so")
    corrections.edit(ana, known("Ana rows.").pk, "ANA ROWS.", by="olga")
    restoring.roll_back(ana, first.number, reason="why", by="olga")
    feedback.add(ana, 1, 0.1, comment="ok", by="key")
    retention.keep(first, reason="a favourite", by="olga")
    seen = tenants.subject_of(ana.user, ben)
    concluded(publishing.open_line(seen, "recipe"), "Ben knows her.", evidence=[feeds.read(seen.pk, 0, 1)[0][1].pk])
    ArchivedPlace.objects.create(subject=ana, thing=ben.pk, place=1)
    ArchivedEvidence.objects.create(conclusion=known("Ana rows."), thing=ben.pk)
    papers = Collection.objects.create(app=app, user=ana.user, name="papers")
    Document.objects.create(app=app, collection=papers, content="A paper.", metadata={"n": 1})
    message = Event.objects.get(client_id="c")
    Metamessage.objects.create(app=app, user=ana.user, session=session, message=message, label="mood", content="Glad.")
    for subject in Subject.objects.filter(line=None, head__gt=0):
        publishing.open_line(subject, "recipe")
    log.append(app, [NewEvent(content="Not numbered yet.")], user="ana")
    return str(app.name)


def known(content: str) -> Conclusion:
    return Conclusion.objects.get(content=content)


def test_what_goes_out_comes_back_the_same(lively: str) -> None:
    before = exported(lively)
    account = reconcile.account()
    read = reading.representation(lively, user="ana")
    kinds = {json.loads(line)["type"] for line in before}
    assert kinds == {"header", "app", *formats.BY_NAME, "end"}, "the fixture has something of everything"
    emptied()
    done = importing.load(lively, before)
    same(before, exported(lively))
    assert done.skipped == {}
    assert done.stored == rows(before, "end")[0]["counts"]
    assert reading.representation(lively, user="ana").text == read.text
    after = reconcile.account()
    assert (after.covered, after.not_taken_in) == (account.covered, account.not_taken_in)
    assert (after.uncovered, after.doubled, after.misplaced) == (0, 0, 0)


def test_a_file_that_comes_again_changes_nothing(lively: str) -> None:
    lines = exported(lively)
    emptied()
    importing.load(lively, lines)
    before, work = counts(), list(Work.objects.values())
    again = importing.load(lively, lines)
    assert again.stored == {}
    assert again.skipped == rows(lines, "end")[0]["counts"]
    assert (counts(), list(Work.objects.values())) == (before, work)
    same(lines, exported(lively))


class Carried(Versions):
    """Whatever is done to two subjects, and to what they say to each other in a project, survives being carried."""

    def __init__(self) -> None:
        super().__init__()
        self.app = self.lives[0].app
        session, _ = tenants.make_session(tenants.find_app(self.app), self.lives[0].subject().user, "talk")
        for life in self.lives:
            tenants.join(session, tenants.find_user(session.app_id, life.name), observes_others=True)

    @rule(author=st.sampled_from(["ana", "ben"]), project=st.sampled_from([None, "work"]), numbered=st.booleans())
    def talk(self, author: str, project: str | None, numbered: bool) -> None:
        # The model knows of the two feeds only what is said there.
        session = tenants.find_session(tenants.find_user(tenants.find_app(self.app).pk, "ana"), "talk")
        subjects = Subject.objects.filter(session=session) | Subject.objects.filter(
            kind="observed", user__app=session.app
        )
        place = places.Place(session.app_id, None, session.pk, None, tuple(subjects.values_list("pk", flat=True)))
        log.append_at(place, [NewEvent(content="x", author=author, project=project)])
        if numbered:
            feeds.number()

    def teardown(self) -> None:
        before = exported(self.app)
        account = reconcile.account()
        emptied()
        importing.load(self.app, before)
        same(before, exported(self.app))
        after = reconcile.account()
        for fault in ("uncovered", "doubled", "misplaced"):
            assert getattr(after, fault) <= getattr(account, fault)
        new = importing.load("another", before, new_ids=True)
        assert sum(new.stored.values()) == len(before) - 2
        copied = exported("another")
        assert [json.loads(line)["type"] for line in copied] == [json.loads(line)["type"] for line in before]
        again = importing.load("another", before, new_ids=True)
        assert sum(again.stored.values()) == 0
        emptied()


def test_any_history_comes_back_the_same() -> None:
    run_state_machine_as_test(
        Carried,
        settings=hypothesis_settings(
            max_examples=4,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_was_not_reasoned_over_yet_is_where_it_arrives(lively: str, settings: Any) -> None:
    """The prompts of another server are unknown here: its lines go on with the prompts that are live here."""
    settings.HONCHO = {**settings.HONCHO, **AT_ONCE}
    lines = exported(lively)
    emptied()
    importing.load(lively, lines)
    drain()
    account = reconcile.account()
    assert (account.faults, account.waiting, account.not_taken_in) == (0, 0, 0)
    ana = Subject.objects.get(kind="user", user__name="ana")
    assert ana.line.cursor == ana.head
    assert ana.current.number > 9
    say("More.")
    drain()
    ana.refresh_from_db()
    assert ana.line.cursor == ana.head


@pytest.mark.parametrize("whose", [{"user": "ana"}, {"user": "ben"}, {"project": "work"}])
def test_a_part_comes_back_the_same(lively: str, whose: dict[str, str]) -> None:
    def part() -> list[bytes]:
        app = tenants.find_app(lively)
        find: dict[str, Callable[..., Any]] = {"user": tenants.find_user, "project": tenants.find_project}
        return exported(app, **{kind: find[kind](app.pk, name) for kind, name in whose.items()})

    before = part()
    assert not rows(before, "app")
    emptied()
    importing.load(lively, before)
    same(before, part())
    for thing in (*User.objects.all(), *Session.objects.all()):
        assert tenants.subject_of(thing), "what is only named has a subject too"


def test_what_is_only_named_says_no_more_than_its_name(lively: str) -> None:
    User.objects.filter(name="ben").update(metadata={"secret": 1})
    lines = exported(lively, user=User.objects.get(name="ana"))
    [ben] = [row for row in rows(lines, "user") if row["name"] == "ben"]
    assert set(ben) == {"type", "reference", "id", "name"}
    [work] = rows(lines, "project")
    assert set(work) == {"type", "reference", "id", "name"}


def test_a_users_export_holds_nobody_elses_sessions_or_memory(lively: str) -> None:
    app = tenants.find_app(lively)
    eve, _ = tenants.make_user(app, "eve")
    tenants.make_session(app, eve, "secret")
    log.append(app, [NewEvent(content="A secret.")], user=eve, session="secret")
    said("Another secret.", user="eve")
    assert b"secret" not in b"".join(exported(lively, user=User.objects.get(name="ben"))).replace(b"A secret.", b"")
    own = exported(lively, user=eve)
    assert [row["content"] for row in rows(own, "event")] == ["A secret.", "Another secret."]
    assert not rows(own, "version")


def test_without_views_nothing_tells_how_others_see_a_user(lively: str) -> None:
    ana = User.objects.get(name="ana")
    assert "Ben knows her." in [row["content"] for row in rows(exported(lively, user=ana), "conclusion")]
    lines = exported(lively, user=ana, views=False)
    assert {row["kind"] for row in rows(lines, "subject")} == {"user", "session"}
    assert b"Ben knows her" not in b"".join(lines)


def test_what_quarantined_versions_say_can_be_left_out(lively: str) -> None:
    assert b"Secret two." in b"".join(exported(lively))
    lines = exported(lively, quarantined=False)
    stopped = [row for row in rows(lines, "version") if row["status"] == "quarantined"]
    assert len(stopped) == 2
    assert b"Secret two" not in b"".join(lines)
    assert [row["now"] for row in rows(lines, "version") if row["status"] == "published"].count("Now.") > 0
    emptied()
    importing.load(lively, lines)
    same(lines, exported(lively, quarantined=False))


def test_an_import_into_another_app_needs_new_ids(lively: str) -> None:
    lines = exported(lively)
    message = refused(lines, Conflict, "another")
    assert message.startswith("Line 3: this user is stored already")
    assert "ids=new" in message


def test_new_ids_are_the_same_everywhere(lively: str) -> None:
    lines = exported(lively)
    importing.load("another", lines, new_ids=True)
    copied = exported("another")
    old = {row["id"] for row in map(json.loads, lines) if "id" in row}
    text = b"".join(copied).decode()
    assert not {one for one in old if one in text}, "no old id is left"
    for draft in Representation.objects.filter(subject__app__name="another").exclude(draft=None):
        added, retired = publishing.proposed(draft)
        assert Event.objects.filter(pk__in=added[0].evidence, app__name="another").exists()
        assert User.objects.filter(pk=added[0].about_id, app__name="another").exists()
        assert Conclusion.objects.filter(pk=retired[0].conclusion_id, subject__app__name="another").exists()
    for said_so in Event.objects.filter(kind="correction", app__name="another"):
        assert Conclusion.objects.filter(
            pk=ids.decode(said_so.data["conclusion"]), subject__app__name="another"
        ).exists()
    for row in Conclusion.objects.filter(subject__app__name="another"):
        marks = {mark(row.content, row.about_id) for mark in (publishing.fingerprint, publishing.fingerprint_of_words)}
        assert row.fingerprint in marks
    # But for ids, what is said is the same, and in the same order.
    assert [row["content"] for row in rows(copied, "event")] == [row["content"] for row in rows(lines, "event")]
    assert [row["text"] for row in rows(copied, "version")] == [row["text"] for row in rows(lines, "version")]
    importing.load("another", lines, new_ids=True)
    same(copied, exported("another"))


def test_a_row_that_differs_is_refused_with_its_line(lively: str) -> None:
    lines = exported(lively)
    for kind, change in [
        ("user", {"metadata": {"n": 1}}), ("event", {"content": "Other."}), ("version", {"now": "Other."}),
        ("subject", {"versions": 1}), ("feed", {"position": 77}), ("span", {"reason": "Other."}),
        ("current", {"current_id": None}), ("app", {"metadata": {"n": 1}}),
    ]:  # fmt: skip
        place = next(n for n, line in enumerate(lines, start=1) if json.loads(line)["type"] == kind)
        assert refused(changed(lines, kind, **change), Conflict, lively).startswith(f"Line {place}: ")
    assert "another user of this app has its name" in refused(
        changed(lines, "user", id=ids.encode(ids.uuid7())), Conflict, lively
    )


def test_what_cannot_be_read_is_refused_with_its_line(lively: str) -> None:
    lines = exported(lively)
    emptied()
    assert "cut off" in refused(lines[:-1], Invalid)
    assert "as many lines" in refused([*lines[:-2], lines[-1]], Invalid)
    assert refused([], Invalid).startswith("The file is empty")
    assert refused(lines[1:], Invalid).startswith("Line 1: an export begins with a header")
    assert "version 1" in refused(changed(lines, "header", version=2), Invalid)
    assert refused([*lines, lines[1]], Invalid).startswith(f"Line {len(lines) + 1}: nothing comes after the end")
    assert refused([lines[0], b"{", *lines[1:]], Invalid) == "Line 2: this is not JSON in UTF-8."
    assert refused([lines[0], b"\xff", *lines[1:]], Invalid) == "Line 2: this is not JSON in UTF-8."
    assert refused([lines[0], b'{"type":"users"}', *lines[1:]], Invalid).startswith("Line 2: a line has a type")
    assert "says again" in refused([*lines[:3], lines[2], *lines[3:]], Conflict)
    place = next(n for n, line in enumerate(lines, start=1) if json.loads(line)["type"] == "event")
    for change, problem in [
        ({"content": "a\x00b"}, "content: A NUL character"), ({"content": "x" * 50_001}, "Line "),
        ({"content": "\ud800"}, "content: This is not valid Unicode"), ({"content": None}, "content: Give a value"),
        ({"data": {"a": "\x00"}}, "data: A NUL"), ({"data": "text"}, "data: Give an object"),
        ({"kind": "nonsense"}, "the database cannot hold this event (event_kind_is_known_or_dotted)"),
        ({"origin": "nobody"}, "origin: Use one of"), ({"occurred_at": "yesterday"}, "occurred_at: Give an ISO"),
        ({"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at: This lies in the future"),
        ({"tokens": 2**31}, "tokens: Give a whole number"), ({"tokens": True}, "tokens: Give a whole number"),
        ({"id": "short"}, "id: Give an id"), ({"metadata": []}, "metadata: Give an object"),
        ({"extra": 1}, "extra: A line of this type has no such field"),
        ({"session_id": ids.encode(ids.uuid7())}, "neither in this app nor in the file before"),
    ]:  # fmt: skip
        message = refused(changed(lines, "event", **change), Invalid)
        assert message.startswith(f"Line {place}")
        assert problem in message
    gone = json.loads(lines[place - 1])
    del gone["content"]
    assert "content: A line of this type needs it" in refused(
        [*lines[: place - 1], json.dumps(gone).encode(), *lines[place:]], Invalid
    )
    draft = {"added": [{"content": "x"}], "retired": []}
    nth = next(n for n, row in enumerate(rows(lines, "version")) if row["draft"])
    assert "draft: This is not what" in refused(changed(lines, "version", nth, draft=draft), Invalid)


def test_no_row_reaches_into_another_app_or_another_subject(lively: str) -> None:
    theirs = publishing.open_line(person("eve", app="theirs"), "recipe")
    secret = concluded(theirs, "A secret.", evidence=said("A secret.", user="eve", app="theirs"))
    statement = Conclusion.objects.get(content="A secret.")
    subject, user = theirs.subject.public_id, ids.encode(theirs.subject.user_id)
    event = ids.encode(secret.evidence_added.get().event_id)
    lines = exported(lively)
    for kind, change in [
        ("line", {"subject_id": subject}), ("version", {"line_id": theirs.public_id}),
        ("version", {"parent_id": secret.public_id}), ("conclusion", {"about_id": user}),
        ("span", {"conclusion_id": statement.public_id}), ("evidence", {"event_id": event}),
        ("serving", {"representation_id": secret.public_id}), ("feed", {"subject_id": subject}),
        ("current", {"current_id": secret.public_id}), ("head", {"head_id": secret.public_id}),
        ("head", {"id": theirs.public_id}), ("current", {"id": subject}),
        ("correction", {"conclusion_id": statement.public_id}), ("event", {"author_id": user}),
        ("participant", {"user_id": user}),
    ]:  # fmt: skip
        for how in ({}, {"new_ids": True}):
            app = "another" if how else lively
            assert "neither in this app nor" in refused(changed(lines, kind, **change), Invalid, app, **how), kind
    emptied()
    other = next(
        row["id"] for row in rows(lines, "version") if row["subject_id"] != rows(lines, "version")[0]["subject_id"]
    )
    assert "different subjects" in refused(changed(lines, "serving", representation_id=other), Invalid)


def test_an_app_that_is_there_keeps_its_own_id_and_name(lively: str) -> None:
    lines = exported(lively)
    emptied()
    app, _ = tenants.make_app("another", {"n": 1})
    done = importing.load("another", lines)
    assert done.app == app
    assert done.skipped == {"app": 1}
    same(lines[2:], exported("another")[2:])
    app.refresh_from_db()
    assert (app.name, app.metadata) == ("another", {"n": 1})


@pytest.mark.parametrize("kind", ["event", "session", "user", "project", "app"])
def test_what_was_erased_does_not_come_back(lively: str, kind: str) -> None:
    lines = exported(lively)
    row = rows(lines, kind)[0]
    emptied()
    app = ids.decode(rows(lines, "app")[0]["id"])
    Erasure.objects.create(app=app, what=kind, target=ids.decode(row["id"]))
    for new_ids in (False, True):
        assert f"this {kind} was erased here" in refused(lines, Conflict, new_ids=new_ids)


def test_an_app_that_is_missing_is_made_only_by_who_may(lively: str) -> None:
    lines = exported(lively)
    emptied()
    refused(lines, NotFound, "another", may_create_app=False)
    header = json.loads(lines[0])
    assert importing.load(header["app"]["id"], lines).app.name == lively


def test_no_event_comes_from_a_time_to_come_for_whose_partition_there_would_be_no_place(lively: str) -> None:
    lines = exported(lively)
    emptied()
    later = ids.encode(ids.first_at(clock.now() + timedelta(days=100)))
    nth = len(rows(lines, "event")) - 1
    for new_ids in (False, True):
        said = refused(changed(lines, "event", nth, id=later), Invalid, lively, new_ids=new_ids)
        assert said.endswith(", id: This id is of a time to come.")


def test_a_line_has_an_end() -> None:
    assert list(importing.split([b"a\nb", b"c", b"\n\nd"])) == [b"a", b"bc", b"", b"d"]
    endless: Iterator[bytes] = iter([b"x" * 1_000_000] * 5)
    with pytest.raises(TooLarge, match="Line 1 "):
        list(importing.split(endless))


def test_an_export_is_of_one_moment_and_ends_with_its_connection(lively: str) -> None:
    before = exported(lively)
    until(lambda: not others_connected(), "who was here before is gone")
    export = Export(Extent(tenants.find_app(lively)))
    assert len(others_connected()) == 1
    said("Later.")
    assert b"".join(export).splitlines()[1:] == before[1:]
    until(lambda: not others_connected(), "its connection ends")
    left = Export(Extent(tenants.find_app(lively)))
    left.close()
    until(lambda: not others_connected(), "its connection ends")


def test_few_exports_are_made_at_a_time_and_those_that_nobody_reads_make_room(lively: str, monkeypatch: Any) -> None:
    extent = Extent(tenants.find_app(lively))
    begun = [Export(extent) for _ in range(exporting.MOST_AT_ONCE)]
    with pytest.raises(exporting.Busy):
        Export(extent)
    next(begun[0])
    monkeypatch.setattr(exporting, "IDLE_SECONDS", 0.0)  # as if that were long ago
    begun.append(Export(extent))
    with pytest.raises(exporting.Busy):
        Export(extent)
    begun.pop().close()
    Export(extent).close()
    for export in begun:
        export.close()
    until(lambda: not others_connected(), "their connections end")


def test_every_table_is_carried_or_said_not_to_be() -> None:
    models = {model.__name__ for model in apps.get_app_config("memory").get_models()}
    assert models == {table.model.__name__ for table in formats.TABLES} | {"App"} | set(NOT_CARRIED)


def test_the_commands_write_and_read_a_file(lively: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = exported(lively)
    file = tmp_path / "app.ndjson"
    call_command("export", lively, output=str(file))
    same(lines, file.read_bytes().splitlines())
    call_command("export", lively, "--user", "ana", "--output", str(file))
    assert json.loads(file.read_bytes().splitlines()[0])["what"] == "user"
    file.write_bytes(b"\n".join(lines))
    emptied()
    call_command("import", lively, str(file))
    assert f"event: {len(rows(lines, 'event'))} imported" in capsys.readouterr().out
    same(lines, exported(lively))
    call_command("import", "another", str(file), "--new-ids")
    with pytest.raises(CommandError, match="Line 3: "):
        call_command("import", "another", str(file))
    with pytest.raises(CommandError, match="App not found"):
        call_command("export", "nobody")
    with pytest.raises(CommandError, match="No such file"):
        call_command("import", lively, str(tmp_path / "nothing"))
