"""When a run of probe results becomes a verdict: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.node.kubelet import decide


@dataclass(frozen=True, slots=True)
class Spec:
    """A probe with upstream's defaults filled in; seconds."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: dict[str, Any]) -> Spec:
        return cls(
            float(probe.get("initialDelaySeconds") or 0),
            float(probe.get("periodSeconds") or 10),
            float(probe.get("timeoutSeconds") or 1),
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
        )


@dataclass(slots=True)
class State:
    """``observe`` gives the verdict after one more result, None while thresholds are not reached."""

    spec: Spec
    last: bool | None = None
    run: int = 0

    def observe(self, success: bool) -> bool | None:
        self.run = self.run + 1 if success is self.last else 1
        self.last = success
        needed = self.spec.successes if success else self.spec.failures
        return success if self.run >= needed else None


def is_final(kind: str, verdict: bool) -> bool:
    """Whether asking ends with this verdict: the container is to be killed, or has started."""
    return kind == decide.STARTUP or (kind == decide.LIVENESS and not verdict)


def first_delay(spec: Spec, running_for: float, adopted: bool, chance: float) -> float:
    """Seconds until the first probe; a restarted kubelet spreads the probes of the containers it finds."""
    delay = max(0.0, spec.initial_delay - running_for)
    return delay + (chance * spec.period if adopted else 0.0)


def field(kind: str) -> str:
    return f"{kind}Probe"
