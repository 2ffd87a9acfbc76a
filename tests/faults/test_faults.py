"""Writers, readers, and one fault after another: afterwards nothing is lost, doubled, stuck or published by the dead.

The default run takes about half a minute. More: ``FAULT_SEEDS=20 pytest tests/faults``; one that failed again:
``FAULT_SEED=17 FAULT_SEEDS=1``. ``python -m benchmarks.soak`` does the same for longer and prints a table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.faults.harness import APPS, Plan, run
from tests.faults.site import Template, template

FIRST = int(os.environ.get("FAULT_SEED", "1"))
SEEDS = int(os.environ.get("FAULT_SEEDS", "1"))
LONGEST_STALL_SECONDS = 60.0
"""Generous: on a quiet machine it is a quarter of it, most of which is waiting for a worker that hangs to be ended."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="it finds and freezes processes as only Linux lets it"),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Template]:
    with template(APPS) as made:
        yield made


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whatever_goes_wrong_every_event_is_covered_exactly_once(made: Template, seed: int):
    result = run(Plan(seed=seed), made)
    assert not result.wrong, result.story()
    assert result.longest_stall < LONGEST_STALL_SECONDS, result.story()
    assert len(result.happened) >= 5, "a run without faults proves nothing"
    assert result.events >= Plan(seed=seed).events
    assert result.needed <= result.calls
