"""How long a cluster takes to start: in one process; with ``--up`` also as ``kijabi up``, and what it then holds.

Every figure is wall time of a fresh process. The programs of a cluster are found by what ``kijabi status`` says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import figures

ROUNDS = 5
KIJABI = Path(__file__).resolve().parent.parent / "kijabi"
CONTROL_PLANE = ("apiserver", "scheduler", "controller-manager", "supervisor")
# Seconds that a cluster is left alone before its memory is looked at.
SETTLE = 10.0

# The context is entered when the node is Ready.
_IN_PROCESS = """
import time
started = time.perf_counter()
from kijabi import testing
with testing.Cluster():
    print(time.perf_counter() - started)
"""


def in_process() -> float:
    """Seconds from the first import until the node is Ready, in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", _IN_PROCESS], capture_output=True, text=True, check=True)
    return float(done.stdout)


def pss(pid: int) -> float:
    """Megabytes of a process, shared pages counted by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def parent(pid: int) -> int:
    # After the name, which stands in brackets and may hold anything: state, then the parent.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Up:
    """``kijabi up`` in a state directory of its own, gone afterwards."""

    def __init__(self, directory: str, more: list[str]) -> None:
        self._name = f"bench-{uuid.uuid4().hex[:6]}"
        self._more = more
        self._environment = {**os.environ, "KIJABI_STATE": directory, "KUBECONFIG": f"{directory}/kubeconfig"}

    def _run(self, *arguments: str) -> str:
        command = [str(KIJABI), *arguments, "--name", self._name]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True).stdout

    def up(self) -> float:
        started = time.perf_counter()
        self._run("up", *self._more)
        return time.perf_counter() - started

    def down(self) -> None:
        self._run("down")

    def memory(self) -> dict[str, float]:
        """Megabytes by component; the control plane's parts, and every agent of a node."""
        clusters = json.loads(self._run("status", "-o", "json"))
        pids = {one["name"]: one["pid"] for one in clusters[0]["components"] if one["pid"]}
        # All are forked from it; it keeps them running.
        pids["supervisor"] = parent(pids["apiserver"])
        return {name: pss(pid) for name, pid in pids.items()}


def main(rounds: int, up: bool, more: list[str]) -> None:
    figures.figure("in-process cluster to node Ready", "s", [in_process() for _ in range(rounds)])
    if not up:
        return
    times: list[float] = []
    memory: dict[str, float] = {}
    for last in [False] * (rounds - 1) + [True]:
        with tempfile.TemporaryDirectory() as directory:
            cluster = Up(directory, more)
            try:
                times.append(cluster.up())
                if last:
                    time.sleep(SETTLE)
                    memory = cluster.memory()
            finally:
                cluster.down()
    figures.figure("kijabi up to every node Ready", "s", times, note=" ".join(more))
    for name, megabytes in memory.items():
        figures.figure(f"idle PSS of {name}", "MB", [megabytes])
    control = [size for name, size in memory.items() if name in CONTROL_PLANE]
    figures.figure("idle PSS of the control plane", "MB", [sum(control)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--up", action="store_true", help="also start clusters with `kijabi up`")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given, rest = parser.parse_known_args()
    # What is not ours goes to `kijabi up`: --nodes 2 --runtime hollow …
    main(given.rounds, given.up, rest)
