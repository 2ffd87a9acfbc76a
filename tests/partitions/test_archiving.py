"""Old events are taken out of the log, and all that was made of them stays, is explained, exported and erased."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from memory import archiving, clock, corrections, explaining, log, partitions, reading, tenants
from memory.erasure import act
from memory.errors import Conflict, Invalid
from memory.log import NewEvent
from memory.models import (
    App,
    Archive,
    ArchivedEvidence,
    ArchivedPlace,
    Audit,
    ClientId,
    Conclusion,
    Correction,
    Event,
    Evidence,
    FeedEntry,
    Passage,
    Representation,
    Subject,
    User,
)
from memory.transfer import importing
from memory.transfer.exporting import Export
from memory.transfer.extents import Extent
from reasoning import following
from reasoning.models import PromptVersion, Reprocess, ReprocessItem
from reasoning.reprocessing import advance, lifecycle
from tests.erasure.helpers import assert_all_accounted_for, assert_nowhere, text_of
from tests.partitions.conftest import FEBRUARY, JANUARY, MARCH, drop, read
from tests.store.helpers import person, refused, say, together, until


class Killed(BaseException):
    """The process ends here."""


def archive(folder: Path | None, before: Any = FEBRUARY) -> list[Archive]:
    return list(archiving.archive(before, folder, by="olga"))


def told(month: Callable[..., None], *, is_read: bool = True) -> Subject:
    """Somebody who said two things in January, one in February and one now."""
    subject = person()
    for moment, texts in ((JANUARY, ("I row.", "I live in Lisbon.")), (FEBRUARY, ("I swim.",)), (None, ("I run.",))):
        month(moment)
        log.append("harbour", [NewEvent(content=text, client_id=text) for text in texts], user="ana")
        if is_read:
            read()
    return subject


def lines_of(archive: Archive) -> list[dict[str, Any]]:
    with gzip.open(archive.file, "rt") as file:
        return [json.loads(line) for line in file]


def names() -> list[str]:
    return [one.name for one in partitions.partitions()]


def test_a_month_goes_to_a_file_and_what_was_made_of_it_stays(month, tmp_path):
    subject = told(month)
    before = text_of(subject)
    gone = list(Event.objects.filter(content__in=["I row.", "I live in Lisbon."]).values_list("pk", flat=True))
    [one] = archive(tmp_path)
    assert names() == ["memory_event_2026_02", "memory_event_rest"]
    header, *events, end = lines_of(one)
    assert header["format"] == "honcho-archive"
    assert [line["content"] for line in events] == ["I row.", "I live in Lisbon."]
    assert end["counts"] == {"event": 2}
    assert one.events == 2
    manifest = json.loads(Path(f"{one.file}.manifest.json").read_text())
    assert manifest["sha256"] == one.sha256 == hashlib.sha256(Path(one.file).read_bytes()).hexdigest()
    assert text_of(subject) == before
    assert not Event.objects.filter(pk__in=gone).exists()
    for model in (FeedEntry, Passage, ClientId):
        assert not model.objects.filter(event_id__in=gone).exists()
    assert Evidence.objects.filter(event_id__in=gone).count() == 2
    assert Audit.objects.get(act="archive events").by == "olga"
    assert_all_accounted_for()


def test_a_read_says_that_nothing_is_behind_and_new_events_are_read_on(month, tmp_path):
    subject = told(month)
    archive(tmp_path, MARCH)
    say("I climb.")
    following.take_in()
    found = reading.context("harbour", user="ana")
    assert found.behind_events == 1
    read()
    assert "I climb" in text_of(subject)
    assert "I row" in text_of(subject)
    assert_all_accounted_for()


def test_an_explanation_says_what_is_archived_and_since_when(month, tmp_path):
    subject = told(month)
    conclusion = Conclusion.objects.get(content="It was said: I row.")
    [one] = archive(tmp_path)
    subject.refresh_from_db()
    found = explaining.explain(subject, conclusion)
    assert (found.stands, found.evidence, found.resting_on) == (True, [], 1)
    [archived] = found.archived
    assert archived.at == one.done_at


def test_a_month_that_somebody_has_to_read_stays(month, tmp_path):
    told(month, is_read=False)
    with pytest.raises(Conflict, match="2 events were not taken in yet"):
        archive(tmp_path)
    following.take_in()
    with pytest.raises(Conflict, match="2 events were not read yet by the lines that serve 1 subjects"):
        archive(tmp_path)
    assert Event.objects.count() == 4
    assert list(tmp_path.iterdir()) == []
    read()
    assert len(archive(tmp_path)) == 1


def test_a_month_that_a_reprocess_has_to_read_stays_and_one_begins_where_the_log_does(month, tmp_path):
    subject = told(month)
    run = reprocess()
    with pytest.raises(Conflict, match="A reprocess has yet to begin with 1 subjects"):
        archive(tmp_path)
    lifecycle.cancel(run, by="olga")
    archive(tmp_path)
    again = reprocess()
    assert again.estimate["events"] == 2
    advance.advance()
    item = ReprocessItem.objects.get(run=again)
    first = Representation.objects.get(line=item.line)
    assert first.reason == "The log begins here: what came before is archived"
    read()
    advance.advance()
    again.refresh_from_db()
    assert again.state == Reprocess.State.DONE
    made = Representation.objects.filter(line=item.line).latest("number")
    assert "I swim" in made.text
    assert "I row" not in made.text
    assert subject.pk
    assert_all_accounted_for()


def test_a_month_that_a_reprocess_asks_for_while_it_is_written_stays_until_that_has_read_it(
    month, tmp_path, monkeypatch
):
    told(month)
    write = archiving._write
    runs: list[Reprocess] = []

    def write_and_begin(one: Archive, folder: Path | None) -> None:
        write(one, folder)
        runs.append(reprocess())

    monkeypatch.setattr(archiving, "_write", write_and_begin)
    with pytest.raises(Conflict, match="A reprocess has yet to begin with 1 subjects"):
        archive(tmp_path)
    advance.advance()
    with pytest.raises(Conflict, match="1 lines beside what is served"):
        archive(tmp_path)
    assert FeedEntry.objects.count() == 4
    read()
    advance.advance()
    assert ReprocessItem.objects.get(run=runs[0]).state == "ready"
    assert [one.events for one in archive(tmp_path)] == [2]
    assert_all_accounted_for()


def reprocess() -> Reprocess:
    version = PromptVersion.objects.filter(kind="user").latest("number")
    return lifecycle.start(lifecycle.create(version, app=None, reason="Read it again.", by="olga"), by="olga")


def test_what_a_human_said_holds_though_it_is_archived(month, tmp_path):
    month(JANUARY)
    subject = person()
    say("I row.", "I swim.")
    read()
    rowing = Conclusion.objects.get(content="It was said: I row.")
    corrections.retract(subject, rowing.pk, by="ana")
    pinned = corrections.add(subject, "Ana sails.", by="ana")
    read()
    month(None)
    say("I row.")
    archive(tmp_path)
    assert Correction.objects.filter(event=None).count() == 2
    read()
    text = text_of(subject)
    assert "Ana sails" in text
    assert "\nIt was said: I row" not in text
    subject.refresh_from_db()
    assert explaining.explain(subject, pinned).archived
    corrections.unpin(subject, pinned.pk, by="ana")
    assert_all_accounted_for()


def test_the_console_shows_what_a_human_did_though_the_event_of_it_is_archived(month, admin_client):
    month(JANUARY)
    subject = person()
    say("I row.")
    read()
    corrections.retract(subject, Conclusion.objects.get().pk, by="olga")
    read()
    month(None)
    archive(None)
    page = admin_client.get(reverse("admin:memory_subject_change", args=[subject.pk])).content.decode()
    assert "<p>Retract: " in page


STEPS = {
    "the file is begun": 'FROM "memory_event_2026_01" WHERE id <',
    "the file is written": 'UPDATE "memory_archive" SET "state" = %s, "events"',
    "a batch is half gone": "DELETE FROM memory_passage",
    "the batches are gone": "LOCK TABLE",
    "the partition is detached": "DROP TABLE memory_event_2026_01",
    "all but the note": 'INSERT INTO "memory_audit"',
}


@pytest.mark.parametrize("step", STEPS)
def test_ended_at_any_step_and_run_again_it_ends_the_same(month, tmp_path, monkeypatch, step):
    monkeypatch.setattr(archiving, "BATCH", 1)
    subject = told(month)
    text = text_of(subject)
    seen: list[str] = []

    def kill(execute: Any, sql: Any, *rest: Any) -> Any:
        said = sql if isinstance(sql, str) else sql.as_string(connection.connection)
        if STEPS[step] in said and not seen:
            seen.append(said)
            raise Killed
        return execute(sql, *rest)

    with connection.execute_wrapper(kill), pytest.raises(Killed):
        archive(tmp_path)
    assert seen
    [one] = archive(tmp_path)
    assert [line["content"] for line in lines_of(one)[1:-1]] == ["I row.", "I live in Lisbon."]
    assert names() == ["memory_event_2026_02", "memory_event_rest"]
    assert Event.objects.count() == 2
    assert FeedEntry.objects.count() == 2
    assert text_of(subject) == text
    assert Archive.objects.get().state == Archive.State.DONE
    assert not list(tmp_path.glob("*.part"))
    assert archive(tmp_path) == []
    assert_all_accounted_for()


def test_of_the_default_partition_the_old_events_go_and_the_new_ones_stay(month, tmp_path):
    for one in partitions.partitions()[:2]:
        drop(one)
    told(month)
    archives = archive(tmp_path)
    assert [one.events for one in archives] == [2]
    assert list(Event.objects.order_by("pk").values_list("content", flat=True)) == ["I swim.", "I run."]
    assert set(ClientId.objects.values_list("client_id", flat=True)) == {"I swim.", "I run."}
    assert "refused" in refused("DELETE FROM memory_event")
    assert_all_accounted_for()


def test_a_default_partition_that_is_old_as_a_whole_is_changed_for_an_empty_one(month):
    for partition in partitions.partitions()[:2]:
        drop(partition)
    month(JANUARY)
    say("I row.")
    read()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'memory_event_rest'::regclass::oid")
        before = cursor.fetchone()[0]
        [one] = archive(None)
        assert (one.file, one.events) == ("", 1)
        cursor.execute("SELECT 'memory_event_rest'::regclass::oid")
        assert cursor.fetchone()[0] != before
    month(None)
    say("I run.")
    assert Event.objects.get().content == "I run."


def test_the_log_lets_go_of_what_an_archive_says_and_of_nothing_else(month):
    told(month)
    first, *_, last = Event.objects.order_by("pk")
    one = Archive.objects.create(partition="memory_event_rest", before=last.pk, state=Archive.State.REMOVING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('memory.archiving', %s, false)", [str(one.pk)])
    assert "refused" in refused("DELETE FROM memory_event WHERE id = %s", [first.pk]), "not in this transaction"
    both = "UPDATE memory_archive SET events = 0; DELETE FROM memory_event WHERE id = %s"
    assert "refused" in refused(both.replace("%s", f"'{last.pk}'")), "it is not so old"
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('memory.archiving', '', false)")


def test_erasing_somebody_takes_what_was_made_of_their_archived_events(month, tmp_path):
    app, _ = tenants.make_app("harbour")
    ben, _ = tenants.make_user(app, "ben")
    her, _ = tenants.make_user(app, "Zuleika")
    session, _ = tenants.make_session(app, ben, "talk")
    month(JANUARY)
    log.append("harbour", [NewEvent(content="I am Ben.")], user=ben, session=session)
    read()
    log.append("harbour", [NewEvent(content="Zuleika likes tea.", author="Zuleika")], user=ben, session=session)
    read()
    month(None)
    log.append("harbour", [NewEvent(content="I like coffee.")], user=ben, session=session)
    read()
    archive(None)
    assert ArchivedPlace.objects.filter(thing=her.pk).exists()
    act.erase(her)
    assert_nowhere("Zuleika", str(her.pk))
    read()
    text = text_of(tenants.subject_of(session))
    assert "I like coffee" in text
    assert_all_accounted_for()
    act.erase(User.objects.get(name="ben"))
    act.erase(App.objects.get())
    assert not ArchivedPlace.objects.exists()


def test_what_a_human_vouched_for_goes_with_those_on_whose_archived_words_it_rests_and_else_stays(month):
    app, _ = tenants.make_app("harbour")
    ben, _ = tenants.make_user(app, "ben")
    her, _ = tenants.make_user(app, "Zuleika")
    session, _ = tenants.make_session(app, ben, "talk")
    subject = tenants.subject_of(session)
    month(JANUARY)
    log.append("harbour", [NewEvent(content="I am Ben.")], user=ben, session=session)
    log.append("harbour", [NewEvent(content="Zuleika likes tea.", author="Zuleika")], user=ben, session=session)
    read()
    month(None)
    for said in Conclusion.objects.filter(subject=subject):
        corrections.pin(subject, said.pk, by="olga")
    read()
    archive(None)
    act.erase(her)
    assert_nowhere("Zuleika", str(her.pk))
    assert Conclusion.objects.get(subject=subject).content == "It was said: I am Ben."
    act.erase(app)
    assert not ArchivedEvidence.objects.exists()


def test_an_app_whose_past_is_archived_is_exported_and_imported(month, tmp_path):
    subject = told(month)
    corrections.add(subject, "Ana sails.", by="ana")
    month(JANUARY)
    read()
    archive(tmp_path)
    export = b"".join(Export(Extent(App.objects.get())))
    assert b"archived events" in export.splitlines()[0]
    made = importing.load("elsewhere", export.splitlines(), new_ids=True)
    assert made.stored["event"] == Event.objects.filter(app=made.app).count() == 3
    theirs = Subject.objects.get(app=made.app)
    assert text_of(theirs) == text_of(subject)
    assert made.stored["archived"] == 1
    say("I climb.", app="elsewhere")
    read()
    assert "I climb" in text_of(theirs)
    assert_all_accounted_for()


def test_an_export_that_was_begun_is_whole_though_a_month_is_dropped_meanwhile(month, monkeypatch):
    told(month)
    monkeypatch.setattr(partitions, "ATTEMPTS", 2)
    export = Export(Extent(App.objects.get()))
    with pytest.raises(Conflict, match="A long transaction holds the log"):
        archive(None)
    made = importing.load("elsewhere", b"".join(export).splitlines(), new_ids=True)
    assert made.stored["event"] == made.stored["feed"] == 4
    assert [one.events for one in archive(None)] == [2]


def test_a_file_that_was_changed_stops_the_archive(month, tmp_path, monkeypatch):
    told(month)

    def kill(execute: Any, sql: Any, *rest: Any) -> Any:
        if "memory_feedentry WHERE event_id" in str(sql) and str(sql).startswith("DELETE"):
            raise Killed
        return execute(sql, *rest)

    with connection.execute_wrapper(kill), pytest.raises(Killed):
        archive(tmp_path)
    [file] = tmp_path.glob("*.gz")
    file.write_bytes(b"")
    with pytest.raises(Conflict, match="bring it back"):
        archive(tmp_path)


def test_less_is_not_archived_while_more_was_begun(month, tmp_path):
    told(month)
    Archive.objects.create(partition="memory_event_2026_01", before=partitions.partitions()[0].before)
    with pytest.raises(Conflict, match="up to 2026-02-01 was begun"):
        archive(None, JANUARY)
    assert Event.objects.count() == 4
    assert [one.events for one in archive(tmp_path)] == [2]


def test_the_time_to_come_is_not_archived(tmp_path):
    with pytest.raises(Invalid, match="past"):
        archive(tmp_path, clock.now().replace(year=2999))


def test_writers_lose_nothing_while_partitions_come_and_go(month, tmp_path, settings):
    told(month)
    settings.HONCHO = settings.HONCHO | {"LOG_PARTITIONS": "month"}
    ended = threading.Event()
    written: list[Any] = []

    def write() -> None:
        number = 0
        while not ended.is_set() or number < 5:
            number += 1
            written.extend(say(f"Event {number}", user=f"u-{threading.get_ident()}"))

    def change() -> None:
        try:
            assert len(partitions.make_ahead()) == 2
            assert len(archive(None)) == 1
        finally:
            ended.set()

    together(write, write, change)
    assert Event.objects.filter(pk__in=written).count() == len(written)
    assert until(lambda: names()[0] == "memory_event_2026_02", "the month is gone")


def test_the_command_counts_and_tells_and_archives(month, tmp_path, capsys):
    told(month)
    call_command("archive_events", "--before", "2026-02-01", "--dry-run")
    assert "2 events in memory_event_2026_01" in capsys.readouterr().out
    call_command("archive_events", "--before", "2026-02-01", "--to", str(tmp_path))
    assert "2 events of memory_event_2026_01 are in" in capsys.readouterr().out
    call_command("archive_events", "--before", "2026-02-01", "--drop")
    assert "nothing so old" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("archive_events", "--before", "2026-02-01")
