"""Web and worker as children of one command: mended, stopped, and ended with the launcher. With stand-ins for both."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from honcho_site import processes

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30

#: A launcher that keeps running what its arguments say: name, then Python code, for each child.
LAUNCHER = """
import os, sys
from honcho_site import processes
processes.STOP_SECONDS = 2.0
def say(text): print(text, flush=True)
names, codes = sys.argv[1::2], sys.argv[2::2]
children = [processes.Child(n, [sys.executable, "-c", c], os.environ) for n, c in zip(names, codes)]
try:
    with processes.Group(children, say) as group:
        sys.exit(group.watch())
except processes.Stopped as stopped:
    say(f"stopped by {stopped}")
"""
SLEEPER = "import os, time; os.write(1, b'pid %d\\n' % os.getpid()); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
WITH_FORK = f"import os; os.fork(); {SLEEPER}"


def test_a_web_process_takes_more_connections_than_it_has_threads_however_many_processes_there_are():
    for workers in (1, 64):
        command = processes.web(8000, workers, "127.0.0.1")
        assert int(command[command.index("--backpressure") + 1]) > processes.THREADS


@pytest.fixture
def launch():
    started = []

    def launch(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *arguments],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.terminate()  # not kill: what its children forked would stay
        process.communicate(timeout=PATIENCE)


def pid_of(process: "subprocess.Popen[str]") -> int:
    """The pid that the next child prints."""
    assert process.stdout
    while line := process.stdout.readline():
        if line.startswith("pid "):
            return int(line.split()[1])
    raise AssertionError("the launcher ended before its child said who it is")


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until_gone(pid: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < give_up, f"process {pid} should have ended"
        time.sleep(0.02)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_children_in_good_order(launch, signum):
    process = launch("web server", SLEEPER, "worker", SLEEPER)
    pids = [pid_of(process), pid_of(process)]
    process.send_signal(signum)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"stopped by {signum.name}" in said
    assert "killed" not in said
    assert not any(alive(pid) for pid in pids)


def test_ctrl_c_reaches_the_children_only_through_the_launcher(launch):
    process = launch("worker", SLEEPER)
    child = pid_of(process)
    assert os.getpgid(child) != os.getpgid(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not alive(child)


def test_a_child_that_does_not_stop_is_killed_with_its_forks(launch):
    process = launch("worker", WITH_FORK.replace(SLEEPER, DEAF))
    pids = [pid_of(process), pid_of(process)]
    began = time.monotonic()
    process.terminate()
    said, _ = process.communicate(timeout=PATIENCE)
    assert "The worker did not stop within 2 s; it is killed." in said
    assert time.monotonic() - began < 15
    assert not any(alive(pid) for pid in pids)


def test_a_killed_child_is_started_again_and_the_other_left_alone(launch):
    process = launch("web server", SLEEPER)
    first = pid_of(process)
    os.kill(first, signal.SIGKILL)
    second = pid_of(process)
    assert second != first
    assert alive(second)
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not alive(second)


def test_what_a_killed_child_left_behind_is_killed_before_it_is_started_again(launch):
    process = launch("worker", WITH_FORK)
    first = [pid_of(process), pid_of(process)]
    parent = next(pid for pid in first if psutil.Process(pid).ppid() == process.pid)
    os.kill(parent, signal.SIGKILL)
    second = [pid_of(process), pid_of(process)]
    assert not any(alive(pid) for pid in first)
    assert all(alive(pid) for pid in second)


def test_a_child_that_keeps_dying_ends_the_whole_with_its_exit_code(launch):
    process = launch("web server", SLEEPER, "worker", "raise SystemExit(7)")
    web = pid_of(process)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert said.count("The worker ended with exit code 7; it is started again.") == processes.TOO_OFTEN - 1
    assert "The worker ended 5 times within a minute" in said
    assert not alive(web)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_the_children_end_although_the_launcher_was_killed(launch):
    process = launch("web server", SLEEPER, "worker", SLEEPER)
    pids = [pid_of(process), pid_of(process)]
    process.kill()
    for pid in pids:
        until_gone(pid)
