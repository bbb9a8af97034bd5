"""The counts and revisions that a StatefulSet's status gives: pure."""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers.statefulset import identity, plan
from kijabi.controllers.statefulset.plan import View


def status(view: View, steps: Iterable[plan.Step], collisions: int) -> Object:
    old = view.stateful_set.get("status") or {}
    counts = {
        "replicas": len(view.pods),
        "readyReplicas": sum(_ready(pod) for pod in view.pods),
        "availableReplicas": sum(_ready(pod) and pods_.is_available(pod, view.minimum, view.now) for pod in view.pods),
        "currentReplicas": sum(view.is_current(pod) and not pods_.is_terminating(pod) for pod in view.pods),
        "updatedReplicas": sum(view.is_updated(pod) and not pods_.is_terminating(pod) for pod in view.pods),
    }
    counts["currentReplicas"] -= sum(isinstance(step, plan.Delete) and step.for_update for step in steps)
    counts["currentReplicas"] = max(0, counts["currentReplicas"])
    current, update = view.current["metadata"]["name"], view.update["metadata"]["name"]
    if _rolled_out(view, counts):
        current, counts["currentReplicas"] = update, counts["updatedReplicas"]
    new: Object = {name: count for name, count in counts.items() if count or name in ("replicas", "availableReplicas")}
    new |= {"currentRevision": current, "updateRevision": update, "collisionCount": collisions}
    generation = view.stateful_set["metadata"].get("generation", 0)
    if generation:
        new["observedGeneration"] = generation
    if old.get("conditions"):
        new["conditions"] = old["conditions"]
    return new


def _ready(pod: Object) -> bool:
    return pods_.phase(pod) == "Running" and pods_.is_ready(pod)


def _rolled_out(view: View, counts: dict[str, int]) -> bool:
    update = view.stateful_set["spec"].get("updateStrategy") or {}
    wanted = len(identity.ordinals(view.stateful_set))
    return update.get("type") == "RollingUpdate" and all(
        counts[name] == wanted for name in ("updatedReplicas", "replicas", "readyReplicas")
    )
