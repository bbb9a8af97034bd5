"""The supervisor's loop: it waits for a command, a death or a time that has come, and acts on it.

    python -m kijabi.cluster.supervisor.daemon COMPONENTS.json SOCKET

Commands are JSON objects, one a line: ``{"do": "status"}``, ``{"do": "keep", "components": [...]}`` (adds; one that
changed is restarted), ``{"do": "remove", "names": [...], "grace": 8}``, ``{"do": "restart", "names": [...]}``,
``{"do": "shutdown"}``. Each is answered by one line; ``remove``, ``restart`` and ``shutdown`` when it is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kijabi.cluster import paths
from kijabi.cluster.supervisor import code, plan, process
from kijabi.kit import jsons, logs

log = logging.getLogger(__name__)

_READY_TO_GO = (plan.Phase.RUNNING, plan.Phase.WAITING)


@dataclass(eq=False, slots=True)
class Client:
    connection: socket.socket
    unread: bytes = b""
    # Answered when this says so.
    until: Callable[[], bool] | None = None
    closed: bool = field(default=False)


class Daemon:
    def __init__(self, record: Path, address: Path) -> None:
        self._record = record
        self._address = address
        self._kept: dict[str, plan.Keeping] = {}
        self._clients: list[Client] = []
        self._selector = selectors.DefaultSelector()
        self._shutting_down = False
        self._code = code.stamp()
        self._wakeup, wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup.setblocking(False)
        self._wakeup_writer = wakeup

    def run(self) -> None:
        """Until ``shutdown`` (or SIGTERM) and the end of the last component."""
        self._listen()
        self._catch_signals()
        for component in load(self._record):
            self._kept[component.name] = plan.Keeping(component)
        while True:
            self._act()
            self._answer()
            if self._shutting_down and not self._kept:
                break
            self._wait()
        self._address.unlink(missing_ok=True)

    # Signals and sockets

    def _listen(self) -> None:
        self._address.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._address.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._address))
        os.chmod(self._address, 0o600)
        self._server.listen(16)
        self._server.setblocking(False)
        self._selector.register(self._server, selectors.EVENT_READ, None)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup_writer.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._shut_down())

    def _wait(self) -> None:
        now = time.monotonic()
        due = min((plan.next_due(keeping) for keeping in self._kept.values()), default=math.inf)
        timeout = None if due == math.inf else max(0.0, due - now)
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._server:
                self._accept()
            elif key.fileobj is self._wakeup:
                with contextlib.suppress(BlockingIOError):
                    self._wakeup.recv(4096)
            else:
                self._read(key.data)
        self._reap()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            connection.setblocking(False)
            client = Client(connection)
            self._clients.append(client)
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: Client) -> None:
        try:
            data = client.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        *lines, client.unread = (client.unread + data).split(b"\n")
        for line in lines:
            self._obey(client, line)

    def _drop(self, client: Client) -> None:
        if not client.closed:
            client.closed = True
            self._selector.unregister(client.connection)
            client.connection.close()
            self._clients.remove(client)

    def _send(self, client: Client, answer: dict[str, Any]) -> None:
        try:
            # Answers are small and the reader is waiting for them; one that is not is given two seconds.
            client.connection.settimeout(2.0)
            client.connection.sendall(jsons.dumps(answer) + b"\n")
            client.connection.setblocking(False)
        except OSError:
            self._drop(client)

    # Commands

    def _obey(self, client: Client, line: bytes) -> None:
        try:
            client.until = self._command(jsons.loads(line))
        except (jsons.Malformed, KeyError, TypeError, AttributeError) as error:
            self._send(client, {"error": f"not a command: {error}"})
            return
        self._answer()

    def _command(self, command: dict[str, Any]) -> Callable[[], bool]:
        """Begin to carry it out; gives the condition under which it is done."""
        match command["do"]:
            case "status":
                return lambda: True
            case "keep":
                self._keep([decode(entry) for entry in command["components"]])
                return lambda: True
            case "remove":
                names = set(command["names"])
                self._remove(names, float(command.get("grace", plan.GRACE)))
                return lambda: not names & set(self._kept)
            case "restart":
                self._restart(command["names"])
                return lambda: all(keeping.phase in _READY_TO_GO for keeping in self._kept.values())
            case "shutdown":
                self._shut_down(float(command.get("grace", plan.GRACE)))
                return lambda: not self._kept
            case other:
                raise KeyError(other)

    def _answer(self) -> None:
        for client in list(self._clients):
            if client.until is not None and client.until():
                client.until = None
                described = [self._describe(keeping) for keeping in self._kept.values()]
                self._send(client, {"components": described, "code": self._code})

    def _describe(self, keeping: plan.Keeping) -> dict[str, Any]:
        return {
            "name": keeping.component.name,
            "node": keeping.component.node,
            "phase": keeping.phase.value,
            "pid": keeping.pid,
            "seconds": round(time.monotonic() - keeping.started, 1) if keeping.pid else 0,
            "restarts": keeping.restarts,
            "lastExit": keeping.last_exit,
            "log": keeping.component.log,
        }

    def _keep(self, components: list[plan.Component]) -> None:
        for component in components:
            keeping = self._kept.get(component.name)
            if keeping is None:
                self._kept[component.name] = plan.Keeping(component)
            elif keeping.component != component or keeping.phase is plan.Phase.ENDING:
                self._signal(keeping, plan.end(keeping, time.monotonic(), successor=component))
            elif keeping.phase is plan.Phase.WAITING:
                # Who asks has just repaired something: no more waiting, and no grudge.
                keeping.due, keeping.failures = 0.0, 0
        self._save()

    def _remove(self, names: set[str], grace: float) -> None:
        for keeping in [self._kept[name] for name in names if name in self._kept]:
            self._signal(keeping, plan.end(keeping, time.monotonic(), grace=grace))
        self._forget_ended()
        self._save()

    def _restart(self, names: list[str]) -> None:
        for keeping in [self._kept[name] for name in names if name in self._kept]:
            self._signal(keeping, plan.end(keeping, time.monotonic(), successor=keeping.component))

    def _shut_down(self, grace: float = plan.GRACE) -> None:
        # What was kept stays on record: the next start of the daemon brings it back.
        self._shutting_down = True
        for keeping in self._kept.values():
            self._signal(keeping, plan.end(keeping, time.monotonic(), grace=grace))
        self._forget_ended()

    # Processes

    def _act(self) -> None:
        for keeping in list(self._kept.values()):
            match plan.decide(keeping, time.monotonic()):
                case plan.Start():
                    self._start(keeping)
                case plan.Signal() as wanted:
                    # Asked long enough. The next look is a second later, should even this take its time.
                    keeping.due = time.monotonic() + 1.0
                    self._signal(keeping, wanted)

    def _start(self, keeping: plan.Keeping) -> None:
        try:
            pid = process.start(keeping.component)
        except Exception as error:
            log.exception("%s cannot be started", keeping.component.name)
            plan.ended(keeping, f"cannot be started: {error}", time.monotonic())
            return
        log.info("%s runs as process %d", keeping.component.name, pid)
        plan.started(keeping, pid, time.monotonic())

    def _signal(self, keeping: plan.Keeping, wanted: plan.Signal | None) -> None:
        # Nobody but us reaps our children, so the id cannot have become another's.
        if wanted is not None and keeping.pid:
            os.kill(keeping.pid, wanted.number)

    def _reap(self) -> None:
        by_pid = {keeping.pid: keeping for keeping in self._kept.values() if keeping.pid}
        for pid, keeping in by_pid.items():
            try:
                reaped, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                reaped, status = pid, 0
            if reaped:
                how = plan.describe_exit(status)
                log.info("%s (process %d) ended: %s", keeping.component.name, pid, how)
                plan.ended(keeping, how, time.monotonic())
        self._forget_ended()

    def _forget_ended(self) -> None:
        self._kept = {name: kept for name, kept in self._kept.items() if kept.phase is not plan.Phase.ENDED}

    def _save(self) -> None:
        wanted = [
            kept.successor or kept.component
            for kept in self._kept.values()
            if kept.phase is not plan.Phase.ENDING or kept.successor is not None
        ]
        paths.write(self._record, jsons.dumps([dataclasses.asdict(component) for component in wanted]))


def decode(entry: dict[str, Any]) -> plan.Component:
    return plan.Component(**{**entry, "command": tuple(entry.get("command", ()))})


def load(record: Path) -> list[plan.Component]:
    try:
        return [decode(entry) for entry in jsons.loads(record.read_bytes())]
    except FileNotFoundError:
        return []


def main() -> None:
    logs.configure(logging.INFO)
    Daemon(Path(sys.argv[1]), Path(sys.argv[2])).run()


if __name__ == "__main__":
    main()
