"""What the server writes into a new pod's spec so that all who read it read the same.

Label keys become expressions, because schedulers of other versions know only those; AppArmor annotations become
fields, because kubelets read only those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kijabi.api.core.podspec import annotated, security
from kijabi.api.resource import Object

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def merge_label_keys(spec: Object, labels: Mapping[str, str]) -> None:
    """``matchLabelKeys`` and ``mismatchLabelKeys``: KEP-3633 for affinity, KEP-3243 for topology spread."""
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge(constraint, "matchLabelKeys", "In", labels)
    if spec.get("affinity"):
        for term in _pod_terms(spec["affinity"]):
            _merge(term, "matchLabelKeys", "In", labels)
            _merge(term, "mismatchLabelKeys", "NotIn", labels)


def _pod_terms(affinity: Object) -> Iterator[Object]:
    for kind in ("podAffinity", "podAntiAffinity"):
        value = affinity.get(kind) or {}
        for weighted in value.get(_PREFERRED) or ():
            yield weighted.get("podAffinityTerm") or {}
        yield from value.get(_REQUIRED) or ()


def _merge(holder: Object, key: str, operator: str, labels: Mapping[str, str]) -> None:
    selector = holder.get("labelSelector")
    if selector is None:
        return
    for name in holder.get(key) or ():
        if name in labels:
            expression = {"key": name, "operator": operator, "values": [labels[name]]}
            selector.setdefault("matchExpressions", []).append(expression)


def apparmor_fields(spec: Object, told: Mapping[str, str]) -> None:
    """Profiles of containers that have none of their own."""
    if (spec.get("os") or {}).get("name") == "windows":
        return
    pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container, _ in security.every_container(spec, ""):
        annotation = told.get(annotated.APPARMOR + container.get("name", ""))
        if annotation is None or (container.get("securityContext") or {}).get("appArmorProfile") is not None:
            continue
        profile = annotated.apparmor_field(annotation)
        if profile is not None and profile != pod:
            container.setdefault("securityContext", {})["appArmorProfile"] = profile
