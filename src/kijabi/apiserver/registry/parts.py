"""Subresources through which only some part of an object may be changed: what each takes from the request.

Each function gets the new object and the stored one, and changes the new one so that all but its part is as stored.
Source: the subresource strategies under upstream's pkg/registry (pod, namespace, certificates).
"""

from __future__ import annotations

from collections.abc import Callable

from kijabi.api import field as fields
from kijabi.api.certificates import certificatesigningrequest
from kijabi.api.core import namespace, pod
from kijabi.api.resource import Object

# Gives what is wrong with the change.
Take = Callable[[Object, Object], list[fields.Error]]


def _as_stored(new: Object, old: Object, *but: str) -> None:
    for key in new.keys() | old.keys():
        if key in but:
            continue
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)


def finalize(new: Object, old: Object) -> list[fields.Error]:
    """namespaces/finalize: the spec, which is only its finalizers."""
    _as_stored(new, old, "spec", "metadata")
    listed = (new.get("spec") or {}).get("finalizers") or ()
    path = "spec.finalizers"
    return [p for n, name in enumerate(listed) for p in namespace.validate_finalizer(name, fields.index(path, n))]


def approval(new: Object, old: Object) -> list[fields.Error]:
    """certificatesigningrequests/approval: the conditions; what was decided stays decided."""
    certificatesigningrequest.prepare_approval(new, old)
    return certificatesigningrequest.validate_approval(new, old)


PARTS: dict[tuple[str, str], Take] = {
    ("namespaces", "finalize"): finalize,
    ("certificatesigningrequests", "approval"): approval,
    ("pods", "ephemeralcontainers"): pod.take_ephemeral,
    ("pods", "resize"): pod.take_resize,
}
