"""A client that a generator makes of the schema in the repository, unmodified, against a live server with keys on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients import releases
from tests.factories import ApiKeyFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("clients")]

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent.parent / "docs" / "openapi.yaml"


def python(*arguments: str | Path, path: str, **environment: str) -> str:
    """Run Python with nothing of ours on its path, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-S", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_a_client_made_of_the_schema_works(server: str, tmp_path: Path) -> None:
    generator, client = releases.generator_path(), tmp_path / "client"
    said = python(
        "-m", "openapi_python_client", "generate", "--path", SCHEMA, "--output-path", client,
        "--config", HERE / "generator.yaml", path=generator,
    )  # fmt: skip
    assert "WARNING" not in said, said
    assert "Unable to" not in said, said
    python(
        HERE / "generated.py",
        path=f"{client}{os.pathsep}{generator}",
        HONCHO_BASE_URL=server,
        HONCHO_API_KEY=ApiKeyFactory().key,
    )
