"""Upstream's per-kind switches of the generic registry.

Source: the strategies and storages under upstream's pkg/registry: AllowCreateOnUpdate, AllowUnconditionalUpdate,
ReturnDeletedObject, the default garbage collection policy, and the storage prefixes of pkg/kubeapiserver.
"""

from __future__ import annotations

from dataclasses import dataclass

from kijabi.api import served
from kijabi.api.resource import Resource

_CREATE_ON_UPDATE = {
    "runtimeclasses",
    "rolebindings",
    "clusterrolebindings",
    "roles",
    "clusterroles",
    "leases",
    "limitranges",
    "events",
    "services",
    "endpoints",
}
_NEEDS_VERSION = {
    "runtimeclasses",
    "poddisruptionbudgets",
    "csidrivers",
    "csistoragecapacities",
    "volumeattachments",
    "csinodes",
    "leases",
    "validatingadmissionpolicies",
    "mutatingadmissionpolicies",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicybindings",
    "customresourcedefinitions",
    "apiservices",
}
_RETURNS_DELETED = {
    "resourceclaimtemplates",
    "resourceslices",
    "resourceclaims",
    "deviceclasses",
    "csidrivers",
    "storageclasses",
    "volumeattachments",
    "csinodes",
    "volumeattributesclasses",
    "resourcequotas",
    "persistentvolumes",
    "serviceaccounts",
    "persistentvolumeclaims",
    "namespaces",
    "pods",
    "services",
    "podtemplates",
}
_PREFIXES = {
    "replicationcontrollers": "controllers",
    "endpoints": "services/endpoints",
    "nodes": "minions",
    "services": "services/specs",
    "ingresses": "ingress",
}


@dataclass(frozen=True, slots=True)
class Traits:
    """``collected``: whether deletion may leave the garbage collector's finalizers. ``orphans``: whether it leaves the
    dependents where nobody says what is to become of them, as it was before there was a garbage collector."""

    create_on_update: bool = False
    unconditional_update: bool = True
    returns_deleted: bool = False
    collected: bool = True
    orphans: bool = False


def of(what: Resource) -> Traits:
    if not is_builtin(what.group):
        return Traits(unconditional_update=False)
    return Traits(
        what.plural in _CREATE_ON_UPDATE,
        what.plural not in _NEEDS_VERSION,
        what.plural in _RETURNS_DELETED,
        what.plural != "events",
        what.qualified in _ORPHANS,
    )


_ORPHANS = ("replicationcontrollers", "jobs.batch")
_GROUPS = frozenset(row.group for row in served.RESOURCES)


def is_builtin(group: str) -> bool:
    return group in _GROUPS


def prefix(what: Resource) -> str:
    """Where a resource's objects are in the store: ``/registry/pods/``, ``/registry/example.com/widgets/``."""
    if is_builtin(what.group):
        return f"/registry/{_PREFIXES.get(what.plural, what.plural)}/"
    return f"/registry/{what.group}/{what.plural}/"
