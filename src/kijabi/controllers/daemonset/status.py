"""The counts that a DaemonSet's status gives: pure."""

from __future__ import annotations

from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers.daemonset.plan import View

# These are said even when they are zero.
_REQUIRED = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def status(view: View, collisions: int) -> Object:
    """Nodes are counted, not pods: of a node that has two, the older one speaks."""
    old = view.daemon_set.get("status") or {}
    counts = dict.fromkeys((*_REQUIRED, "updatedNumberScheduled", "numberAvailable"), 0)
    for name, fit in view.fits.items():
        there = view.pods.get(name)
        if not fit.run:
            counts["numberMisscheduled"] += bool(there)
            continue
        counts["desiredNumberScheduled"] += 1
        if not there:
            continue
        pod = there[0]
        counts["currentNumberScheduled"] += 1
        counts["numberReady"] += pods_.is_ready(pod)
        counts["numberAvailable"] += view.available(pod)
        counts["updatedNumberScheduled"] += view.updated(pod)
    counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    new: Object = {name: count for name, count in counts.items() if count or name in _REQUIRED}
    generation = view.daemon_set["metadata"].get("generation", 0)
    if generation:
        new["observedGeneration"] = generation
    if collisions:
        new["collisionCount"] = collisions
    if old.get("conditions"):
        new["conditions"] = old["conditions"]
    return new
