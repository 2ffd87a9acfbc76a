"""Taking old events out of the log, into files or for good, a partition at a time.

What was made of them stays: versions, statements, what humans said. So does the evidence, which names events that are
in the log no more. What only serves the events goes with them: their places in feeds, what search knows of them, the
ids that clients gave them.

A row of ``Archive`` says how far each partition is: ended at any moment and begun again, it goes on. First the file is
written, then what serves the events goes in batches, each in a transaction of its own, and last the partition itself,
at once. The default partition, which has newer events too, loses the old ones a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from django.db import connection
from django.db.models import Q
from psycopg import sql

from memory import archive_files, audit, clock, ids, partitions
from memory.errors import Conflict, Invalid
from memory.models import Archive, Erasure, Event, FeedEntry, Passage
from memory.partitions import Partition
from memory.signals import events_needed

State = Archive.State

BATCH = 2_000
"""So many events lose what serves them in one transaction."""

_TRIES = 3

# Whoever serves a subject, and has not read all of it. What humans alone have made is no reader.
_UNREAD = """
SELECT count(*), count(DISTINCT subject.id)
  FROM memory_feedentry entry JOIN memory_subject subject ON subject.id = entry.subject_id
  JOIN memory_line line ON line.id = subject.line_id AND line.recipe <> 'human'
 WHERE (entry.position IS NULL OR entry.position > line.cursor)
   AND entry.event_id < %(before)s AND (%(first)s::uuid IS NULL OR entry.event_id >= %(first)s)
"""

_LOCK_SUBJECTS = """
SELECT id FROM memory_subject
 WHERE id IN (SELECT subject_id FROM memory_feedentry WHERE event_id = ANY(%(events)s)) ORDER BY id FOR NO KEY UPDATE
"""

# Whose part of a feed goes: an erasure of theirs must find the versions that may know of it.
_NOTE_PLACES = """
INSERT INTO memory_archivedplace (subject_id, thing, place)
SELECT entry.subject_id, thing.id, min(entry.position)
  FROM memory_feedentry entry JOIN memory_event event ON event.id = entry.event_id
 CROSS JOIN LATERAL (VALUES (event.session_id), (event.user_id), (event.project_id), (event.author_id)) AS thing (id)
 WHERE entry.event_id = ANY(%(events)s) AND entry.position IS NOT NULL AND thing.id IS NOT NULL
 GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (subject_id, thing) DO UPDATE SET place = least(memory_archivedplace.place, excluded.place)
"""

# And what rests on it, whatever version said so: a human may have vouched for that.
_NOTE_EVIDENCE = """
INSERT INTO memory_archivedevidence (conclusion_id, thing)
SELECT DISTINCT evidence.conclusion_id, thing.id
  FROM memory_evidence evidence JOIN memory_event event ON event.id = evidence.event_id
 CROSS JOIN LATERAL (VALUES (event.session_id), (event.user_id), (event.project_id), (event.author_id)) AS thing (id)
 WHERE evidence.event_id = ANY(%(events)s) AND thing.id IS NOT NULL ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""

_NOTE_LAST = """
UPDATE memory_subject subject SET archived_to = greatest(archived_to, gone.last)
  FROM (SELECT subject_id, max(position) AS last FROM memory_feedentry
         WHERE event_id = ANY(%(events)s) AND position IS NOT NULL GROUP BY 1) gone
 WHERE subject.id = gone.subject_id
"""

_REMOVE = [
    "DELETE FROM memory_clientid known USING memory_event event"
    " WHERE event.id = ANY(%(events)s) AND known.client_id = event.client_id AND known.event_id = event.id"
    "   AND known.app_id = event.app_id AND known.scope = coalesce(event.session_id, event.user_id, event.project_id)",
    "DELETE FROM memory_feedentry WHERE event_id = ANY(%(events)s)",
    "DELETE FROM memory_passage WHERE event_id = ANY(%(events)s)",
    "UPDATE memory_correction SET event_id = NULL WHERE event_id = ANY(%(events)s)",
    "UPDATE memory_metamessage SET message_id = NULL WHERE message_id = ANY(%(events)s)",
]
_REMOVE_EVENTS = "DELETE FROM memory_event WHERE id = ANY(%(events)s)"


@dataclass(frozen=True, slots=True)
class Part:
    """What an archive of a partition would take, and why it cannot be taken, if it cannot."""

    partition: Partition
    before: UUID
    events: int
    refusals: tuple[str, ...]


def plan(before: datetime) -> list[Part]:
    """Return what :func:`archive` would take now, the oldest first, and changes nothing."""
    return [Part(one, upto, _count(one.name, upto), tuple(_refusals(one.first, upto))) for one, upto in _old(before)]


def archive(before: datetime, folder: Path | None, *, by: str = "") -> Iterator[Archive]:
    """Take what is older than ``before`` out of the log, and yield each archive that is done, the oldest first.

    Whole partitions are taken, and of the default one the events that are older. With a ``folder`` the events are
    written there first; with None they are gone. What was begun and not ended is ended first, as it was begun.

    Raises :class:`Invalid` for a moment to come, and :class:`Conflict` where somebody has events to read still, where a
    file cannot be written or is missing, where an archive of more than that was begun, or where somebody else changes
    partitions. What was yielded stays done.
    """
    if before > clock.now():
        raise Invalid("Give a moment that is past.", ("before",))
    with partitions.alone() as we:
        if not we:
            raise Conflict("Somebody else is changing the partitions of the log. Try again once that is done.")
        for begun in Archive.objects.exclude(state=State.DONE).order_by("pk"):
            _check_asked_for(begun, before)
            yield _end(begun, folder)
        for one, upto in _old(before):
            if _count(one.name, upto) or not one.is_default:
                _refuse_unread(one.first, upto)
                begun = Archive.objects.create(partition=one.name, first=one.first, before=upto, by=by)
                yield _end(begun, folder)


def _check_asked_for(begun: Archive, before: datetime) -> None:
    """Refuse to go on with what would take more than is asked for now, and may be kept in no file now."""
    if begun.state == State.WRITING and begun.before > ids.first_at(before):
        upto = f"{ids.moment_of(begun.before):%Y-%m-%d}"
        raise Conflict(f"An archive of {begun.partition} up to {upto} was begun. End it first, with that day.")


def erased_since(one: Archive) -> int:
    """Return how many erasures there were since the file was written: what they erased may be in it."""
    return Erasure.objects.filter(created_at__gte=one.written_at).count() if one.file and one.written_at else 0


def _old(before: datetime) -> Iterator[tuple[Partition, UUID]]:
    """Yield the partitions that have old events alone, and the default, with the id up to which theirs are old."""
    upto = ids.first_at(before)
    for one in partitions.partitions():
        if one.before is None:
            yield one, upto
        elif one.before <= upto:
            yield one, one.before


def _count(partition: str, before: UUID) -> int:
    with connection.cursor() as cursor:
        statement = sql.SQL("SELECT count(*) FROM {} WHERE id < %s").format(sql.Identifier(partition))
        cursor.execute(statement, [before])
        return int(cursor.fetchone()[0])


def _refusals(first: UUID | None, before: UUID) -> Iterator[str]:
    """Yield why events of a range of ids cannot go yet."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, {"first": first, "before": before})
        events, subjects = cursor.fetchone()
    if events:
        yield f"{events:,} events were not read yet by the lines that serve {subjects:,} subjects."
    for _, sentence in events_needed.send(sender=Event, first=first, before=before):
        if sentence:
            yield sentence


def _refuse_unread(first: UUID | None, before: UUID) -> None:
    if refusals := list(_refusals(first, before)):
        raise Conflict(" ".join([*refusals, "Nothing was taken out of this part of the log."]))


def _end(one: Archive, folder: Path | None) -> Archive:
    """Take an archive from wherever it is to its end."""
    for _ in range(_TRIES):
        if one.state == State.WRITING:
            _refuse_unread(one.first, one.before)
            _write(one, folder)
        if _remove(one):
            return one
        # Somebody has written old events meanwhile: an import, a transaction that was open for long.
        Archive.objects.filter(pk=one.pk).update(state=State.WRITING)
        one.refresh_from_db()
    raise Conflict("Old events are being written to the log. Try again once that has ended.")


def _write(one: Archive, folder: Path | None) -> None:
    one.written_at = clock.now()
    if folder is None:
        one.file, one.sha256, one.events = "", "", _count(one.partition, one.before)
    else:
        path, one.sha256, one.events = archive_files.write(one, folder, one.written_at)
        one.file = str(path)
    one.state = State.REMOVING
    one.save(update_fields=["written_at", "file", "sha256", "events", "state"])


def _remove(one: Archive) -> bool:
    """Take the events out; return whether all that there are now are out."""
    there = partitions.partitions()
    partition = next(part for part in there if part.name == one.partition)
    older = any(part.first is not None and part.first < one.before for part in there)
    at_once = not partition.is_default or (not older and _is_old(partition, one.before))
    for events in _batches(one):
        partitions.patiently(partial(_remove_batch, one, events, with_events=not at_once))
    if at_once:
        return partitions.patiently(partial(_drop, one, partition))
    _done(one)
    return True


def _batches(one: Archive) -> Iterator[list[UUID]]:
    """Yield the ids of what is to go: what is in the file, or else all there is."""
    if one.file:
        yield from archive_files.batches(one, BATCH)
        return
    statement = sql.SQL("SELECT id FROM {} WHERE id > %s AND id < %s ORDER BY id LIMIT %s").format(
        sql.Identifier(one.partition)
    )
    last = UUID(int=0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [last, one.before, BATCH])
            found = [row[0] for row in cursor.fetchall()]
        if not found:
            return
        yield found
        last = found[-1]


def _remove_batch(one: Archive, events: list[UUID], *, with_events: bool) -> None:
    """Take out what serves these events, and where it is so asked, themselves. The subjects are locked first."""
    values = {"events": events}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_SUBJECTS, values)
        # They may have been written, or become part of a reprocess, since the file was begun.
        if refusals := list(_refusals(events[0], UUID(int=events[-1].int + 1))):
            raise Conflict(" ".join([*refusals, "The archive was begun: to end it, run it again once that is done."]))
        _let_through(one)
        noted = (_NOTE_PLACES, _NOTE_EVIDENCE, _NOTE_LAST)
        for statement in (*noted, *_REMOVE, *([_REMOVE_EVENTS] if with_events else [])):
            cursor.execute(statement, values)
        cursor.execute("SELECT set_config('memory.archiving', '', true)")


def _let_through(one: Archive) -> None:
    """Name the archive for which the database lets events go; it looks whether this very transaction touched it."""
    Archive.objects.filter(pk=one.pk).update(state=State.REMOVING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('memory.archiving', %s, true)", [str(one.pk)])


def _is_old(partition: Partition, before: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT NOT EXISTS (SELECT FROM {} WHERE id >= %s)").format(sql.Identifier(partition.name)),
            [before],
        )
        return bool(cursor.fetchone()[0])


def _drop(one: Archive, partition: Partition) -> bool:
    """Take the partition away, unless it has events still that something serves; return whether it is away."""
    partitions.lock()
    served = Q(event__lt=one.before) if one.first is None else Q(event__gte=one.first, event__lt=one.before)
    if Passage.objects.filter(served).exists() or FeedEntry.objects.filter(served).exists():
        return False
    if partition.is_default and not _is_old(partition, one.before):
        return False
    partitions.drop(partition)
    _done(one)
    return True


def _done(one: Archive) -> None:
    one.state, one.done_at = State.DONE, clock.now()
    one.save(update_fields=["state", "done_at"])
    audit.note("archive events", one, by=one.by, after={"events": one.events, "kept": bool(one.file)})
