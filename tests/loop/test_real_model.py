"""The loop and an answer by a real small model. Not a part of the suite: it needs a server, and minutes.

    SMALL_MODEL_URL=http://127.0.0.1:8080/v1 python -m pytest -n 0 -s tests/loop/test_real_model.py

docs/small-models.md says how to start one from packages. What such a model says is not judged here, for it is mostly
wrong; that nothing is lost, that what cannot be used is kept from readers, and that the protocol is understood, is.
"""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from memory import log
from memory.log import NewEvent
from memory.models import Conclusion
from reasoning import reconcile
from reasoning.answering import answers, evidence
from reasoning.answering.levels import LEVELS
from reasoning.drainer import Drainer
from reasoning.models import Pass
from reasoning.providers import openai
from tests.loop.helpers import AT_ONCE

URL = os.environ.get("SMALL_MODEL_URL", "")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not URL, reason="SMALL_MODEL_URL names no server"),
]

SAID = [
    ("ana", "I moved from Porto to Lisbon last week, and my sister Clara helped me carry forty boxes."),
    ("ben", "Did you find a flat near the river?"),
    ("ana", "Yes, on Rua da Rosa. I start at the observatory on Monday."),
    ("ben", "I am allergic to cats, so let us meet outside."),
]


def test_nothing_is_lost_and_nothing_unusable_is_read(settings, capsys):
    settings.HONCHO |= AT_ONCE | {
        "OPENAI_BASE_URL": URL,
        "MODEL": os.environ.get("SMALL_MODEL", "small"),
        "MODEL_TIMEOUT": 300,
        "CONTEXT_TOKENS": 8_192,
        "WORKER_CONCURRENCY": 1,
        "CALLS_PER_CONNECTION": 1,
    }
    openai.forget_manners()
    log.append("app", [NewEvent(content=text, author=name) for name, text in SAID], user="ana")
    asyncio.run(Drainer().run(until_idle=True))
    manners = list(openai._manners.values())
    passes = Pass.objects.order_by("started_at")
    assert {item.failure for item in passes} <= {"", "nonsense", "gated", "refused"}
    assert reconcile.account().faults == 0
    assert not Conclusion.objects.filter(evidence=None).exists()
    question = answers.Question(evidence.About("app", "ana"), "Where does Ana live?", LEVELS["minimal"], stream=True)
    *pieces, last = answers.answer(question)
    assert isinstance(last, answers.Answer)
    told = [f"{manners}"]
    for item in passes:
        took = (item.ended_at - item.started_at).total_seconds()
        told.append(f"{item.outcome} {item.failure} {item.input_tokens}+{item.output_tokens} tokens, {took:.0f} s")
        told.append(item.error)
    told.extend(f"  {statement.content}" for statement in Conclusion.objects.all())
    told.append(f"Where does Ana live? {len(pieces)} pieces: {last.text}")
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *told, ""]))
