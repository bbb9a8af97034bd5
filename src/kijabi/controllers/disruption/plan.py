"""The status of a budget: pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kijabi.api import conditions, timestamps
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers import amounts

ALLOWED = "DisruptionAllowed"
# How long an evicted pod may take until it is being deleted; after that nobody believes in the eviction any more.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods there should be, and how many of them must be healthy."""

    pods: int
    healthy: int


def needs_scale(budget: Object) -> bool:
    """Whether owners must be asked how many pods they want: not for a plain number of pods."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expected(budget: Object, pods: Sequence[Object], wanted: int) -> Expected:
    """``wanted`` is what the owners of the pods want in all; it matters only if ``needs_scale``."""
    spec = budget.get("spec") or {}
    if spec.get("maxUnavailable") is not None:
        return Expected(wanted, max(0, wanted - amounts.scaled(spec["maxUnavailable"], wanted, up=True)))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Expected(wanted, amounts.scaled(least, wanted, up=True))
    return Expected(len(pods), int(least)) if least is not None else Expected(0, 0)


@dataclass(frozen=True, slots=True)
class Disrupted:
    """``kept`` are evictions still believed in, ``overdue`` pods that should be gone, ``again`` when to look again."""

    kept: Mapping[str, str]
    overdue: list[Object]
    again: float | None


def disrupted(budget: Object, pods: Iterable[Object], now: float) -> Disrupted:
    noted = (budget.get("status") or {}).get("disruptedPods") or {}
    kept, overdue, waits = {}, [], []
    for pod in pods:
        name = pod["metadata"]["name"]
        if pods_.is_terminating(pod) or name not in noted:
            continue
        left = timestamps.parse(noted[name]) + PATIENCE - now
        if left < 0:
            overdue.append(pod)
        else:
            kept[name] = noted[name]
            waits.append(left + 0.01)
    return Disrupted(kept, overdue, min(waits, default=None))


def healthy(pods: Iterable[Object], going: Mapping[str, str]) -> int:
    return sum(
        pods_.is_ready(pod) and not pods_.is_terminating(pod) and pod["metadata"]["name"] not in going for pod in pods
    )


def status(budget: Object, should: Expected, current: int, going: Mapping[str, str], now: float) -> Object:
    allowed = max(0, current - should.healthy) if should.pods > 0 else 0
    new: Object = {
        "currentHealthy": current,
        "desiredHealthy": should.healthy,
        "expectedPods": should.pods,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "conditions": copy.deepcopy((budget.get("status") or {}).get("conditions") or []),
    }
    if going:
        new["disruptedPods"] = dict(going)
    _say(new, "True" if allowed else "False", "SufficientPods" if allowed else "InsufficientPods", "", now)
    return new


def failed(budget: Object, why: str, now: float) -> Object:
    """Nobody knows how many pods there should be, so none may go."""
    new: Object = copy.deepcopy(budget.get("status") or {})
    new["disruptionsAllowed"] = 0
    _say(new, "False", "SyncFailed", why, now)
    for name in ("currentHealthy", "desiredHealthy", "expectedPods"):
        new.setdefault(name, 0)
    return new


def _say(status: Object, value: str, reason: str, message: str, now: float) -> None:
    wanted = {"type": ALLOWED, "status": value, "reason": reason, "message": message}
    if status.get("observedGeneration"):
        wanted["observedGeneration"] = status["observedGeneration"]
    conditions.put({"status": status}, wanted, now)


def stale_after(pod: Object, now: float) -> float | None:
    """Seconds until a DisruptionTarget condition of a pod that lives on is untrue; None where there is none."""
    found = conditions.get(pod, "DisruptionTarget")
    if found is None or found["status"] != "True" or found.get("reason") == "TerminationByKubelet":
        return None
    if pods_.is_terminating(pod) or pods_.is_terminal(pod):
        return None
    return max(0.0, timestamps.parse(found["lastTransitionTime"]) + PATIENCE - now)
