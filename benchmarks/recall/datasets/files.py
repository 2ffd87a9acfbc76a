"""Files that others published: their hashes, and reading them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.recall.datasets import CannotRead


def read_json(path: Path) -> Any:
    """Return what a JSON file holds. Raises CannotRead."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CannotRead(f"{path} cannot be read as JSON: {error}") from error


def sha256(*paths: Path) -> str:
    """Return one hash of the contents of files, in this order. Raises CannotRead."""
    found = hashlib.sha256()
    try:
        for path in paths:
            found.update(path.read_bytes())
    except OSError as error:
        raise CannotRead(f"{path} cannot be read: {error.strerror}") from error
    return found.hexdigest()


def version(path: Path, known: Mapping[str, str]) -> str:
    """Return what a file is called in results: its known name, else its hash, with a warning. Raises CannotRead."""
    found = sha256(path)
    if found not in known:
        print(
            f"{path} is none of the files known here (sha256 {found}): its figures compare with no others.",
            file=sys.stderr,
        )
    return known.get(found, f"sha256:{found[:16]}")
