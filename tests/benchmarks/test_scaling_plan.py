"""The plan of benchmarks.scaling: its arithmetic, by figures that can be checked by hand."""

from __future__ import annotations

import json

import pytest

from benchmarks.scaling.__main__ import RESULTS
from benchmarks.scaling.plan import Constants, Load, need, table

EACH = Constants(
    read_web_ms=1, read_database_ms=0.5, write_web_ms=2, write_database_ms=1, pass_worker_ms=10, pass_database_ms=5,
    event_bytes=1_000, version_bytes=10_000, event_wal_bytes=2_000, version_wal_bytes=20_000,
)  # fmt: skip
# 100 messages and 200 reads a second on the mean, and 10 passes.
LOAD = Load(users=864_000, messages=10, reads=20, peak=1, busy=1, calls=10, latency=2, in_flight=8, concurrency=4)


def test_a_load_becomes_rates_cores_and_disk() -> None:
    found = need(LOAD, EACH)
    assert (found.messages, found.reads, found.passes) == pytest.approx((100, 200, 10))
    assert (found.web_cores, found.worker_cores, found.database_cores) == pytest.approx((0.4, 0.1, 0.25))
    assert found.calls_in_flight == pytest.approx(20)
    assert (found.web_processes, found.drainers) == (2, 3), "two web processes at least; 20 calls by 8 at a time"
    assert found.connections == 2 * 12 + 3 * 8
    assert found.disk_gb_month == pytest.approx((8.64e6 * 1_000 + 0.864e6 * 10_000) * 30 / 1e9)
    assert found.wal_gb_day == pytest.approx((8.64e6 * 2_000 + 0.864e6 * 20_000) / 1e9)


def test_the_busiest_second_and_the_share_of_a_core_count_for_rates_and_cores_but_not_for_disk() -> None:
    busy = Load(**{**vars(LOAD), "peak": 4, "busy": 0.5})
    mean, peak = need(LOAD, EACH), need(busy, EACH)
    assert peak.reads == pytest.approx(mean.reads * 4)
    assert peak.cores == pytest.approx(mean.cores * 8)
    assert peak.disk_gb_month == mean.disk_gb_month


def test_tokens_cost_what_they_are_given_to_cost() -> None:
    priced = Load(users=100, messages=10, input_tokens=1_000, output_tokens=100, input_price=2, output_price=10)
    found = need(priced, EACH)
    assert (found.input_tokens_day, found.output_tokens_day) == (10_000, 1_000)
    assert found.cost_month == pytest.approx((10_000 * 2 + 1_000 * 10) * 30 / 1e6)
    assert "| model cost a month | 1 |  |" in table([priced, LOAD], EACH)
    assert "cost" not in table([LOAD], EACH)


def test_the_stored_constants_are_all_there() -> None:
    assert Constants.of(json.loads(RESULTS.read_text())["constants"]).read_web_ms > 0
