"""How far a Deployment is: counts and the conditions Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from typing import Any

from kijabi.api import conditions, timestamps
from kijabi.api.resource import Object
from kijabi.controllers.deployment import plan
from kijabi.controllers.deployment import view as views
from kijabi.controllers.deployment.view import View

TIMED_OUT, PAUSED, RESUMED = "ProgressDeadlineExceeded", "DeploymentPaused", "DeploymentResumed"
AVAILABLE_NOW = "NewReplicaSetAvailable"


def status(view: View, now: float) -> Object:
    """The status that the view amounts to, its conditions built on those there are."""
    old = view.deployment.get("status") or {}
    new = _counts(view)
    listed = [dict(condition) for condition in old.get("conditions") or ()]
    _available(view, new, listed, now)
    if view.deadline is None:
        _drop(listed, "Progressing")
    elif view.deployment["spec"].get("paused") or _just_resumed(view, listed):
        _paused(view, listed, now)
    elif not view.deployment["metadata"].get("deletionTimestamp"):
        _progress(view, old, new, listed, now)
    _failure(view, listed)
    new = {name: value for name, value in new.items() if value or name == "terminatingReplicas"}
    if listed:
        new["conditions"] = listed
    return new


def _counts(view: View) -> Object:
    everything = view.all
    wanted = sum(map(views.replicas, everything))
    available = views.total(everything, "availableReplicas")
    return {
        "observedGeneration": view.deployment["metadata"].get("generation", 0),
        "replicas": views.total(everything, "replicas"),
        "updatedReplicas": views.count(view.new, "replicas") if view.new is not None else 0,
        "readyReplicas": views.total(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
        "terminatingReplicas": views.total(everything, "terminatingReplicas"),
        "collisionCount": views.count(view.deployment, "collisionCount"),
    }


def put(listed: list[Object], kind: str, value: str, reason: str, message: str, now: float) -> None:
    """Set a condition unless it already says the same; its transition time moves only with its status."""
    current = conditions.find(listed, kind)
    if current is not None and (current["status"], current.get("reason")) == (value, reason):
        return
    stamp = timestamps.format_time(now)
    since = current["lastTransitionTime"] if current is not None and current["status"] == value else stamp
    _drop(listed, kind)
    listed.append(
        {
            "type": kind,
            "status": value,
            "lastUpdateTime": stamp,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
    )


def _drop(listed: list[Object], kind: str) -> None:
    listed[:] = [condition for condition in listed if condition["type"] != kind]


def _available(view: View, new: Object, listed: list[Object], now: float) -> None:
    if new["availableReplicas"] >= view.replicas - view.unavailable:
        message = "Deployment has minimum availability."
        put(listed, "Available", "True", "MinimumReplicasAvailable", message, now)
    else:
        message = "Deployment does not have minimum availability."
        put(listed, "Available", "False", "MinimumReplicasUnavailable", message, now)


def _just_resumed(view: View, listed: list[Object]) -> bool:
    current = conditions.find(listed, "Progressing")
    return current is not None and current.get("reason") == PAUSED


def _paused(view: View, listed: list[Object], now: float) -> None:
    current = conditions.find(listed, "Progressing")
    if current is not None and current.get("reason") == TIMED_OUT:
        return
    if view.deployment["spec"].get("paused"):
        put(listed, "Progressing", "Unknown", PAUSED, "Deployment is paused", now)
    else:
        put(listed, "Progressing", "Unknown", RESUMED, "Deployment is resumed", now)


def _progress(view: View, old: Object, new: Object, listed: list[Object], now: float) -> None:
    current = conditions.find(listed, "Progressing")
    settled = new["replicas"] == new["updatedReplicas"]
    if settled and current is not None and current.get("reason") == AVAILABLE_NOW:
        return
    name = view.new["metadata"]["name"] if view.new is not None else view.deployment["metadata"]["name"]
    subject = f'{"ReplicaSet" if view.new is not None else "Deployment"} "{name}"'
    if plan.complete(view, new):
        put(listed, "Progressing", "True", AVAILABLE_NOW, f"{subject} has successfully progressed.", now)
    elif _advanced(old, new):
        # The time of the last progress must move even when nothing else of the condition does.
        since = current["lastTransitionTime"] if current is not None and current["status"] == "True" else None
        _drop(listed, "Progressing")
        put(listed, "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        if since is not None:
            listed[-1]["lastTransitionTime"] = since
    elif current is None and view.new is not None:
        put(listed, "Progressing", "True", "FoundNewReplicaSet", f'Found new replica set "{name}"', now)
    elif overdue(view, listed, now) == 0:
        put(listed, "Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.", now)


def _advanced(old: Object, new: Object) -> bool:
    def count(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    left_before = count(old, "replicas") - count(old, "updatedReplicas")
    left_now = count(new, "replicas") - count(new, "updatedReplicas")
    grown = any(
        count(new, name) > count(old, name) for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or left_now < left_before


def overdue(view: View, listed: list[Object], now: float) -> float | None:
    """Seconds until the rollout counts as failed (0: it does); None when no deadline runs."""
    current = conditions.find(listed, "Progressing")
    if view.deadline is None or current is None or current.get("reason") in (AVAILABLE_NOW, PAUSED):
        return None
    if current.get("reason") == TIMED_OUT:
        return 0
    return max(0.0, view.deadline - (now - timestamps.parse(current["lastUpdateTime"])))


def _failure(view: View, listed: list[Object]) -> None:
    """Hand up the first ReplicaFailure, the new ReplicaSet's before the old ones'."""
    _drop(listed, "ReplicaFailure")
    ordered = [*([view.new] if view.new is not None else ()), *view.old]
    for replica_set in ordered:
        found: Any = conditions.find((replica_set.get("status") or {}).get("conditions"), "ReplicaFailure")
        if found is not None:
            listed.append({**found, "lastUpdateTime": found["lastTransitionTime"]})
            return
