"""What the store tells others.

``events_appended`` is sent inside the transaction of each append, with ``app_id`` (UUID), ``subject_ids`` (tuple of
UUID: whose feeds the events joined) and ``count`` (new events). ``representation_published`` is sent inside the
transaction of each publication, with ``representation``; act on it once that is committed, for a preview is rolled
back. ``lines_moved`` is sent inside the transaction in which other hands than a pass have changed what serves subjects,
and how far that has read: with ``subject_ids`` (list of UUID, all locked) and ``again`` (whether they read events a
second time). ``history_needed`` asks from which moment on versions must be kept whole; receivers return one, or None.
``events_needed`` asks whether events are needed still, before they are archived: with ``first`` (UUID, or None) and
``before`` (UUID), the range of their ids; receivers return a sentence that says who needs them, or None.
``reading_awaited`` is sent, again and again, while a reader waits for what the log holds of ``subject_ids`` (list of
UUID) to be read.
``text_erased`` is sent inside the transaction of an erasure, with ``subject_ids`` (list of UUID, all locked: subjects
that stay, and whose feeds or versions lost something) and ``line_ids`` (list of UUID: those of their lines that went
back).
"""

from django.dispatch import Signal

events_appended = Signal()
representation_published = Signal()
lines_moved = Signal()
history_needed = Signal()
events_needed = Signal()
reading_awaited = Signal()
text_erased = Signal()
