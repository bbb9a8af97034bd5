"""Which fields a write through a path of the API cannot change, and so cannot come to own.

An object with a ``status`` of its own path keeps the status from writes to the object and all else from writes to the
status; a few kinds have their own rules. Source: GetResetFields of the strategies under upstream's pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kijabi.api import resource
from kijabi.api.managed import sets
from kijabi.api.managed.sets import LEAF, SELF, Set

Filter = Callable[[Set], Set]

_STATUS: Set = {"f:status": LEAF}
_SPEC: Set = {"f:spec": LEAF}
_SPEC_AND_METADATA: Set = {"f:spec": LEAF, "f:metadata": LEAF}
# Through whose status no metadata can be changed; custom resources are the same.
_WITHOUT_METADATA = frozenset(
    (
        "apiservices",
        "devicetaintrules",
        "flowschemas",
        "podgroups",
        "prioritylevelconfigurations",
        "resourceclaims",
        "resourcepoolstatusrequests",
        "servicecidrs",
        "storageversionmigrations",
        "storageversions",
        "validatingadmissionpolicies",
        "volumeattachments",
    )
)
_OWN: dict[tuple[str, str], Set] = {
    ("certificatesigningrequests", ""): {"f:spec": LEAF, "f:status": LEAF},
    ("certificatesigningrequests", "status"): {"f:spec": LEAF, "f:status": {"f:conditions": LEAF}},
    ("certificatesigningrequests", "approval"): {"f:spec": LEAF, "f:status": {"f:certificate": LEAF}},
    ("deployments", "status"): {"f:spec": LEAF, "f:metadata": {"f:labels": LEAF}},
    ("namespaces", "finalize"): _STATUS,
    ("pods", "status"): {"f:spec": LEAF, "f:metadata": {"f:deletionTimestamp": LEAF, "f:ownerReferences": LEAF}},
}
# The other way round: only these can change. ``*`` is any element.
_RESIZED: Set = {"*": {"f:resources": LEAF, "f:resizePolicy": LEAF}}
_ONLY: dict[tuple[str, str], Set] = {
    ("pods", "ephemeralcontainers"): {"f:spec": {"f:ephemeralContainers": LEAF}},
    ("pods", "resize"): {"f:spec": {"f:containers": _RESIZED, "f:initContainers": _RESIZED}},
}


def of(what: resource.Resource, subresource: str, custom: bool) -> Filter | None:
    """What a write through ``subresource`` (empty: the object itself) does with a set; None: nothing."""
    only = _ONLY.get((what.plural, subresource)) if not custom else None
    if only is not None:
        return partial(matching, pattern=only)
    reset = _OWN.get((what.plural, subresource)) if not custom else None
    if reset is None:
        reset = _generic(what, subresource, custom)
    return partial(_without, reset=reset) if reset else None


def _generic(what: resource.Resource, subresource: str, custom: bool) -> Set:
    if subresource == "status":
        return _SPEC_AND_METADATA if custom or what.plural in _WITHOUT_METADATA else _SPEC
    return _STATUS if not subresource and "status" in what.subresources else {}


def _without(fields: Set, reset: Set) -> Set:
    return sets.recursive_difference(fields, reset)


def matching(fields: Set, pattern: Set) -> Set:
    """The fields at or below those of ``pattern``, and the nodes on the way there."""
    if not pattern:
        return fields
    out: Set = {}
    for element, node in fields.items():
        inner = pattern.get(element, pattern.get("*")) if element != SELF else None
        if inner is None:
            continue
        below = matching({key: value for key, value in node.items() if key != SELF}, inner)
        if sets.is_member(node):
            out[element] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            out[element] = below
    return out
