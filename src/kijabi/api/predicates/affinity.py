"""Which nodes a pod may be on by their labels and names: nodeName, nodeSelector, required node affinity.

Source: "Assigning Pods to Nodes" in the documentation, k8s.io/component-helpers scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


def matches_expression(expression: Object, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.get("key", ""))
    values = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: Any) -> bool:
    if value is None or len(values) != 1 or not _INTEGER.fullmatch(value) or not _INTEGER.fullmatch(values[0]):
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def matches_term(term: Object, node: Object) -> bool:
    """A term without expressions and fields matches no node."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    meta = node["metadata"]
    labels = meta.get("labels") or {}
    names = {"metadata.name": meta.get("name", "")}
    return all(matches_expression(e, labels) for e in expressions) and all(matches_expression(f, names) for f in fields)


def matches_selector(selector: Object | None, node: Object) -> bool:
    """A ``NodeSelector``: one of its terms must match. ``None`` is no restriction; no terms match nothing."""
    if selector is None:
        return True
    return any(matches_term(term, node) for term in selector.get("nodeSelectorTerms") or ())


def required(pod: Object) -> Object | None:
    """The ``NodeSelector`` of the pod's required node affinity."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    found: Object | None = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return found


def fits_node(pod: Object, node: Object) -> bool:
    """nodeSelector and required node affinity; nodeName is ``fits_name``."""
    labels = node["metadata"].get("labels") or {}
    for key, value in ((pod.get("spec") or {}).get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    return matches_selector(required(pod), node)


def fits_name(pod: Object, node: Object) -> bool:
    name = (pod.get("spec") or {}).get("nodeName")
    return not name or name == node["metadata"].get("name")


def preference(pod: Object, node: Object) -> int:
    """The sum of the weights of the preferred terms that match."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    total = 0
    for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
        if term.get("weight") and matches_term(term.get("preference") or {}, node):
            total += term["weight"]
    return total


def pinned_nodes(pod: Object) -> frozenset[str] | None:
    """The only node names a required affinity admits (DaemonSet pods), or ``None`` where names do not restrict."""
    selector = required(pod)
    if selector is None:
        return None
    allowed: set[str] = set()
    for term in selector.get("nodeSelectorTerms") or ():
        names = [f for f in term.get("matchFields") or () if f.get("key") == "metadata.name" and f["operator"] == "In"]
        if not names:
            return None
        allowed.update(frozenset.intersection(*(frozenset(f.get("values") or ()) for f in names)))
    return frozenset(allowed)
