"""The inverted index of what belongs to a user, session or project."""

from __future__ import annotations

import pytest

from memory import log
from memory.models import UnmergedPassage, WordIndex
from tests.search.helpers import index_everything
from tests.store.helpers import say

pytestmark = pytest.mark.django_db


def test_smoke():
    say("The harbour opens at nine.", "Ana paints the boat.", "Nothing of note.")
    index_everything()
    assert UnmergedPassage.objects.count() == 3
    for _ in range(6):
        log.append(
            "harbour", [log.NewEvent(content=f"The boat number {j} sails") for j in range(20)], user="ana", session="s"
        )
        index_everything()
    row = WordIndex.objects.get(subject__kind="user")
    assert row.documents == 123
