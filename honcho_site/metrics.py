"""Where the processes of one site keep their Prometheus counters.

``prometheus_client`` writes one file per process in a shared folder and names it after the process id alone.
Two containers that share the folder have the same process ids, so here the host's name is part of it.
"""

import contextlib
import os
import socket
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share(folder: Path) -> None:
    """Have every metric that is made from now on kept in ``folder``, or in the one that the environment names."""
    folder = Path(os.environ.setdefault(VARIABLE, str(folder)))
    folder.mkdir(parents=True, exist_ok=True)
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(process_name)  # type: ignore[no-untyped-call]


def process_name() -> str:
    """This process's name among all that share the folder."""
    return f"{_HOST}-{os.getpid()}"


def forget(folder: Path) -> None:
    """Remove what ended processes have counted, when nothing runs: process ids are used again."""
    for file in folder.glob("*.db"):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


# Without _, at which the reader of the folder splits the names of its files.
_HOST = socket.gethostname().replace("_", "-")
