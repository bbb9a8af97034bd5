"""Talk to a cluster's supervisor, and start it."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.cluster import errors, paths
from kijabi.cluster.supervisor import code, plan
from kijabi.kit import jsons

_START_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """One component. ``phase`` is of ``plan.Phase``; ``seconds`` since it was started."""

    name: str
    node: str
    phase: str
    pid: int
    seconds: float
    restarts: int
    last_exit: str
    log: Path


class Control:
    """One connection per command."""

    def __init__(self, place: paths.Cluster) -> None:
        self._place = place

    def is_running(self) -> bool:
        try:
            self._connect().close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        """The daemon, unless it runs; it brings back what it kept before. One that runs older code is replaced."""
        if self.is_running():
            if self._exchange({"do": "status"}).get("code") == code.stamp():
                return
            self.shutdown()
        self._place.logs.mkdir(parents=True, exist_ok=True)
        self._place.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [sys.executable, "-m", "kijabi.cluster.supervisor.daemon"]
        # numpy's threads would make it unsafe to fork; nothing here multiplies matrices.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with (self._place.logs / "supervisor.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, str(self._place.components), str(self._place.socket)],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_PATIENCE
        while not self.is_running():
            if child.poll() is not None or time.monotonic() > deadline:
                raise errors.ClusterError(f"the supervisor did not start: see {self._place.logs}/supervisor.log")
            time.sleep(0.01)

    def status(self) -> list[Status]:
        return self._ask({"do": "status"})

    def keep(self, components: Iterable[plan.Component]) -> list[Status]:
        return self._ask({"do": "keep", "components": [dataclasses.asdict(component) for component in components]})

    def remove(self, names: Iterable[str], grace: float = plan.GRACE) -> list[Status]:
        return self._ask({"do": "remove", "names": list(names), "grace": grace})

    def restart(self, names: Iterable[str]) -> list[Status]:
        return self._ask({"do": "restart", "names": list(names)})

    def shutdown(self, grace: float = plan.GRACE) -> None:
        """Ends every component and the daemon. That it does not run is fine."""
        if not self.is_running():
            return
        self._ask({"do": "shutdown", "grace": grace})
        deadline = time.monotonic() + 2.0
        while self._place.socket.exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._place.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def _ask(self, command: dict[str, Any]) -> list[Status]:
        return [_status(entry) for entry in self._exchange(command)["components"]]

    def _exchange(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            with self._connect() as connection:
                connection.settimeout(60.0)
                connection.sendall(jsons.dumps(command) + b"\n")
                with connection.makefile("rb") as answers:
                    answer = answers.readline()
        except OSError as error:
            raise errors.NotRunning(
                f"cluster {self._place.name} does not run: start it with `kijabi up --name {self._place.name}`"
            ) from error
        document: dict[str, Any] = jsons.loads(answer) if answer else {"error": "the connection was closed"}
        if "error" in document:
            raise errors.ClusterError(f"the supervisor of {self._place.name}: {document['error']}")
        return document


def _status(entry: dict[str, Any]) -> Status:
    return Status(
        entry["name"],
        entry["node"],
        entry["phase"],
        entry["pid"],
        entry["seconds"],
        entry["restarts"],
        entry["lastExit"],
        Path(entry["log"]),
    )
