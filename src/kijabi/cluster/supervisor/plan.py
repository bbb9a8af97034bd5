"""What the supervisor does about one component, decided from plain data."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kijabi.kit import backoff

RESTART = backoff.Policy(base=0.2, ceiling=30.0)
# A component that ran this long is not punished for what happened before.
HEALTHY_AFTER = 30.0
# Between asking a component to end and making it.
GRACE = 8.0


@dataclass(frozen=True, slots=True)
class Component:
    """One process to keep. Either ``program`` (a name of ``programs.MODULES``, with ``options``) or ``command``.

    ``namespace`` is the file of the network namespace to run in; ``log`` is appended to; ``node`` groups components.
    """

    name: str
    log: str
    program: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    node: str = ""


class Phase(StrEnum):
    WAITING = "waiting"  # to be started at ``due``
    RUNNING = "running"
    ENDING = "ending"  # asked to end; made to at ``due``
    ENDED = "ended"  # and shall stay so


@dataclass(slots=True)
class Keeping:
    """What is known about one component. Times are monotonic seconds."""

    component: Component
    phase: Phase = Phase.WAITING
    due: float = 0.0
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    restarts: int = 0
    last_exit: str = ""
    # What replaces it once it has ended: another version of it, or itself. None: nothing.
    successor: Component | None = None


@dataclass(frozen=True, slots=True)
class Start:
    pass


@dataclass(frozen=True, slots=True)
class Signal:
    number: signal.Signals


def decide(keeping: Keeping, now: float) -> Start | Signal | None:
    """What is due now."""
    if keeping.due > now:
        return None
    if keeping.phase is Phase.WAITING:
        return Start()
    if keeping.phase is Phase.ENDING:
        return Signal(signal.SIGKILL)
    return None


def next_due(keeping: Keeping) -> float:
    """When ``decide`` has something to say again; infinity when only an event can change that."""
    return keeping.due if keeping.phase in (Phase.WAITING, Phase.ENDING) else math.inf


def started(keeping: Keeping, pid: int, now: float) -> None:
    keeping.phase, keeping.pid, keeping.started = Phase.RUNNING, pid, now


def ended(keeping: Keeping, how: str, now: float) -> None:
    """The process is gone (or could not be started): again later, or for good if that was the wish."""
    ran = now - keeping.started if keeping.pid else 0.0
    keeping.pid, keeping.last_exit = 0, how
    if keeping.phase is Phase.ENDING:
        if keeping.successor is None:
            keeping.phase = Phase.ENDED
        else:
            keeping.component, keeping.successor = keeping.successor, None
            keeping.phase, keeping.due, keeping.failures = Phase.WAITING, now, 0
        return
    keeping.failures = 1 if ran >= HEALTHY_AFTER else keeping.failures + 1
    keeping.restarts += 1
    keeping.phase, keeping.due = Phase.WAITING, now + RESTART.delay(keeping.failures)


def end(keeping: Keeping, now: float, successor: Component | None = None, grace: float = GRACE) -> Signal | None:
    """Ask it to end; with no ``grace`` make it. The signal is to be sent at once."""
    keeping.successor = successor
    if keeping.phase in (Phase.RUNNING, Phase.ENDING):
        keeping.phase, keeping.due = Phase.ENDING, now + grace
        return Signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
    if successor is None:
        keeping.phase = Phase.ENDED
    else:
        keeping.component, keeping.successor = successor, None
        keeping.phase, keeping.due, keeping.failures = Phase.WAITING, now, 0
    return None


def describe_exit(status: int) -> str:
    """``status`` as ``os.waitpid`` gives it."""
    code = status_code(status)
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def status_code(status: int) -> int:
    return -(status & 0x7F) if status & 0x7F else status >> 8
