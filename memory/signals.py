"""What the store tells others.

``events_appended`` is sent inside the transaction of each append, with ``app_id`` (UUID), ``subject_ids`` (tuple of
UUID: whose feeds the events joined) and ``count`` (new events). ``representation_published`` is sent inside the
transaction of each publication, with ``representation``.
"""

from django.dispatch import Signal

events_appended = Signal()
representation_published = Signal()
