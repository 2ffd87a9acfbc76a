"""The process that stops the embedded PostgreSQL when its last user has ended.

It runs as a script of its own, on the standard library alone, so that it costs little and holds nothing of
Django: ``python keeper.py <data folder> <pg_ctl> <uid> <gid>``. It leaves the terminal's session, so Ctrl-C
does not reach it.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

PORT = 5432
STOP_SECONDS = 60


def lock_file(folder: Path, name: str) -> Path:
    """The lock file called ``name`` that belongs to the data folder ``folder``, beside it."""
    return folder.with_name(f"{folder.name}.{name}")


def open_lock(path: Path) -> int:
    """Open a lock file (made if need be); to read is enough for a lock, so another user's file will do."""
    return os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o644)


def accepts(socket_dir: str) -> bool:
    """Say whether something listens on the server's socket in ``socket_dir``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(f"{socket_dir}/.s.PGSQL.{PORT}")
        except OSError:
            return False
        return True


def stop(folder: Path, pg_ctl: str, user: dict[str, object]) -> None:
    """Stop the server of ``folder``, if it is up: clients that are left are disconnected, nothing is lost."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return
    # A stale file may name a process that is no PostgreSQL; pg_ctl would signal it, so ask the socket first.
    if len(lines) < 5 or not accepts(lines[4].strip()):
        return
    subprocess.run(  # noqa: S603
        [pg_ctl, "stop", "-D", str(folder), "-m", "fast", "-w", "-t", str(STOP_SECONDS)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **user,  # type: ignore[call-overload]
    )
    socket_dir = Path(lines[4].strip())
    if socket_dir != folder:
        with contextlib.suppress(OSError):
            socket_dir.rmdir()


def keep(folder: Path, pg_ctl: str, user: dict[str, object]) -> None:
    """Wait until nobody uses the server, then stop it. Returns at once where another keeper is at work."""
    keeper = open_lock(lock_file(folder, "keeper"))
    try:
        fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    users = open_lock(lock_file(folder, "users"))
    fcntl.flock(users, fcntl.LOCK_EX)
    stop(folder, pg_ctl, user)
    # In this order: whoever waits for `users` must find no keeper, and start one.
    os.close(keeper)
    os.close(users)


def main() -> None:
    """Leave the parent and its session, then keep."""
    folder, pg_ctl, uid, gid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    user: dict[str, object] = {}
    if os.geteuid() == 0 and uid != 0:
        user = {"user": uid, "group": gid, "extra_groups": []}
    keep(folder, pg_ctl, user)


if __name__ == "__main__":
    main()
