"""The site that a run starts for itself: what it costs is told, and nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.recall.systems import site
from benchmarks.recall.systems.base import Unavailable

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def test_a_site_that_does_not_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Unavailable, match="EMBEDDER"), site.Site({"EMBEDDER": "cup"}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_processor_time_of_children_that_have_ended_is_counted() -> None:
    before = site.used(os.getpid())
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert site.used(os.getpid()) - before > 0.2  # it is counted in ticks
