"""Which nodes a DaemonSet's pod belongs on, and what the pod for a node looks like: pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api.predicates import affinity, taints
from kijabi.api.predicates import pods as pods_
from kijabi.api.resource import Object
from kijabi.controllers import revisions

GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"

# Daemons stay on nodes in trouble: often they are what brings the node back.
_TOLERATED = (
    (taints.NOT_READY, taints.NO_EXECUTE),
    (taints.UNREACHABLE, taints.NO_EXECUTE),
    (taints.DISK_PRESSURE, taints.NO_SCHEDULE),
    (taints.MEMORY_PRESSURE, taints.NO_SCHEDULE),
    (taints.PID_PRESSURE, taints.NO_SCHEDULE),
    (taints.UNSCHEDULABLE, taints.NO_SCHEDULE),
)


@dataclass(frozen=True, slots=True)
class Fit:
    """``run``: a pod may be started there; ``stay``: one that is there may go on."""

    run: bool
    stay: bool


NOWHERE = Fit(run=False, stay=False)


def template(daemon_set: Object, digest: str = "") -> Object:
    """The DaemonSet's template with the tolerations and labels of its pods; the node is still open."""
    made: Object = copy.deepcopy(daemon_set["spec"]["template"])
    spec = made["spec"]
    wanted = list(_TOLERATED)
    if spec.get("hostNetwork"):
        wanted.append((taints.NETWORK_UNAVAILABLE, taints.NO_SCHEDULE))
    tolerations = list(spec.get("tolerations") or ())
    for key, effect in wanted:
        toleration = {"key": key, "operator": "Exists", "effect": effect}
        same = [_identity(item) for item in tolerations]
        if _identity(toleration) in same:
            tolerations[same.index(_identity(toleration))] = toleration
        else:
            tolerations.append(toleration)
    spec["tolerations"] = tolerations
    labels = made.setdefault("metadata", {}).setdefault("labels", {})
    generation = template_generation(daemon_set)
    if generation:
        labels[GENERATION_LABEL] = generation
    if digest:
        labels[revisions.HASH_LABEL] = digest
    return made


def _identity(toleration: Object) -> tuple[str, ...]:
    return tuple(str(toleration.get(name) or "") for name in ("key", "effect", "operator", "value"))


def template_generation(daemon_set: Object) -> str:
    return str((daemon_set["metadata"].get("annotations") or {}).get(GENERATION, ""))


def pinned(prepared: Object, node: str) -> Object:
    """A template for one node: whatever node affinity it requires is replaced, for the node was found to satisfy it."""
    made = copy.deepcopy(prepared)
    only = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    wanted = made["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
    wanted["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [only]}
    return made


def fit(prepared: Object, node: Object) -> Fit:
    """Whether a pod of the ``prepared`` template belongs on the node."""
    if not affinity.fits_name(prepared, node) or not affinity.fits_node(prepared, node):
        return NOWHERE
    having, tolerations = taints.node_taints(node), prepared["spec"].get("tolerations")
    if taints.untolerated(having, tolerations) is None:
        return Fit(run=True, stay=True)
    return Fit(run=False, stay=taints.untolerated(having, tolerations, (taints.NO_EXECUTE,)) is None)


def target(pod: Object) -> str:
    """The node that a daemon pod is on or pinned to; empty for a pod that says neither."""
    name = pods_.node_name(pod)
    if name:
        return name
    only = affinity.pinned_nodes(pod) or frozenset()
    return next(iter(only)) if len(only) == 1 else ""


def by_node(pods: Iterable[Object], *, ended_and_going: bool = False) -> dict[str, list[Object]]:
    """Pods by the node they are meant for; those that have ended and are being deleted only if asked for."""
    found: dict[str, list[Object]] = {}
    for pod in pods:
        if not ended_and_going and pods_.is_terminal(pod) and pods_.is_terminating(pod):
            continue
        name = target(pod)
        if name:
            found.setdefault(name, []).append(pod)
    for listed in found.values():
        listed.sort(key=_age)
    return found


def _age(pod: Object) -> tuple[bool, str, str]:
    return not pods_.node_name(pod), pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]
