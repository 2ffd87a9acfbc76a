"""What the tests of erasures share."""

from __future__ import annotations

from django.db import connection

from memory.erasure import proof
from memory.models import Subject
from reasoning import following, reconcile

MARK = "Zuleika"
"""A name, and a word of everything that is said of whoever has it: it stands nowhere else."""


def assert_nowhere(*words: str) -> None:
    """No column of any table holds any of these words."""
    found = proof.mentions(words)
    assert found == {}, found


def assert_somewhere(*words: str) -> None:
    """Each of these words stands somewhere."""
    for word in words:
        assert proof.mentions([word]), word


def assert_all_accounted_for() -> None:
    """Every event is in exactly one state, and feeds have no holes."""
    following.take_in()
    found = reconcile.account()
    assert found.faults == 0, found
    assert found.not_taken_in == 0


def text_of(subject: Subject) -> str:
    """What readers get."""
    subject = Subject.objects.select_related("current").get(pk=subject.pk)
    return "" if subject.current is None else subject.current.text


def scalar(sql: str) -> object:
    """Return the one value of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]
