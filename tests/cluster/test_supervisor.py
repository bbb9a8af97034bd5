"""The supervisor with real, small processes."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kijabi.cluster import errors, paths
from kijabi.cluster.supervisor import control, plan

# Writes its process id to the pipe it finds at the path, then waits to be ended.
_CHILD = """
import os, signal, sys
if len(sys.argv) > 2: signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "w") as pipe: pipe.write(f"{os.getpid()}\\n")
signal.pause()
"""


class Starts:
    """Tells of every start of a child, by a named pipe: no polling, no sleeping."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR)
        self._unread = b""

    def next_pid(self) -> int:
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._descriptor], [], [], 20)
            assert ready, "nothing was started"
            self._unread += os.read(self._descriptor, 4096)
        line, _, self._unread = self._unread.partition(b"\n")
        return int(line)


@pytest.fixture
def cluster(tmp_path: Path) -> paths.Cluster:
    return paths.Cluster("test", tmp_path / "state", tmp_path / "run")


@pytest.fixture
def supervisor(cluster: paths.Cluster) -> Iterator[control.Control]:
    made = control.Control(cluster)
    made.start()
    yield made
    made.shutdown(grace=0.5)


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    return Starts(tmp_path / "starts")


@pytest.fixture
def child(starts: Starts, tmp_path: Path) -> Callable[..., plan.Component]:
    def make(name: str = "child", *arguments: str) -> plan.Component:
        command = (sys.executable, "-S", "-c", _CHILD, str(starts.path), *arguments)
        return plan.Component(name=name, log=str(tmp_path / f"{name}.log"), command=command)

    return make


def is_gone(pid: int) -> bool:
    """Waits for the end of a process, however it ends."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    ended = bool(waiting.poll(20_000))
    os.close(handle)
    return ended


Make = Callable[..., plan.Component]


def test_what_is_killed_runs_again(supervisor: control.Control, starts: Starts, child: Make) -> None:
    supervisor.keep([child()])
    first = starts.next_pid()
    os.kill(first, signal.SIGKILL)
    second = starts.next_pid()
    (status,) = supervisor.status()
    assert second != first
    assert (status.pid, status.restarts, status.last_exit) == (second, 1, "signal SIGKILL")


def test_what_is_removed_is_gone_and_the_rest_runs_on(supervisor: control.Control, starts: Starts, child: Make) -> None:
    supervisor.keep([child("a")])
    a = starts.next_pid()
    supervisor.keep([child("b")])
    b = starts.next_pid()
    rest = supervisor.remove(["a"])
    assert is_gone(a)
    assert [(one.name, one.pid) for one in rest] == [("b", b)]


def test_what_ignores_the_request_to_end_is_killed(supervisor: control.Control, starts: Starts, child: Make) -> None:
    supervisor.keep([child("stubborn", "ignore")])
    pid = starts.next_pid()
    assert supervisor.remove(["stubborn"], grace=0.05) == []
    assert is_gone(pid)


def test_keeping_the_same_changes_nothing_and_keeping_another_replaces_it(
    supervisor: control.Control, starts: Starts, child: Make
) -> None:
    supervisor.keep([child()])
    first = starts.next_pid()
    assert supervisor.keep([child()])[0].pid == first
    supervisor.keep([child("child", "another")])
    assert starts.next_pid() != first
    assert is_gone(first)


def test_a_death_of_the_supervisor_ends_its_components_and_the_next_brings_them_back(
    supervisor: control.Control, cluster: paths.Cluster, starts: Starts, child: Make
) -> None:
    supervisor.keep([child()])
    pid = starts.next_pid()
    daemon = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(daemon, signal.SIGKILL)
    assert is_gone(pid)
    assert is_gone(daemon)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(daemon, 0)
    assert not supervisor.is_running()
    supervisor.start()
    assert starts.next_pid() != pid


def test_after_shutdown_nothing_runs(
    supervisor: control.Control, cluster: paths.Cluster, starts: Starts, child: Make
) -> None:
    supervisor.keep([child()])
    pid = starts.next_pid()
    supervisor.shutdown()
    assert is_gone(pid)
    assert not cluster.socket.exists()
    with pytest.raises(errors.NotRunning, match="kijabi up --name test"):
        supervisor.status()


def test_what_cannot_be_started_says_why(supervisor: control.Control, tmp_path: Path) -> None:
    supervisor.keep([plan.Component(name="odd", log=str(tmp_path / "odd.log"), program="no-such-program")])
    # It is tried right after the answer; the second question is behind that in the loop.
    supervisor.status()
    (status,) = supervisor.status()
    assert status.phase == "waiting"
    assert "no-such-program" in status.last_exit
