"""Subresources through which only some part of an object may be changed: what each takes from the request.

Each function gets the new object and the stored one, and changes the new one so that all but its part is as stored.
Source: the subresource strategies under upstream's pkg/registry (pod, namespace, certificates).
"""

from __future__ import annotations

from collections.abc import Callable

from kijabi.api import field as fields
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
    return []


def approval(new: Object, old: Object) -> list[fields.Error]:
    """certificatesigningrequests/approval: the conditions; what was decided stays decided."""
    wanted = list((new.get("status") or {}).get("conditions") or [])
    _as_stored(new, old, "metadata")
    status = dict(old.get("status") or {})
    given = {condition.get("type") for condition in wanted}
    found = []
    for condition in status.get("conditions") or []:
        if condition.get("type") in ("Approved", "Denied") and condition["type"] not in given:
            path = "status.conditions"
            found.append(fields.forbidden(path, f'updates may not remove a condition of type "{condition["type"]}"'))
    if {"Approved", "Denied"} <= given:
        found.append(
            fields.invalid("status.conditions", "Approved", "Approved and Denied conditions are mutually exclusive")
        )
    status["conditions"] = wanted
    new["status"] = status
    return found


def ephemeral_containers(new: Object, old: Object) -> list[fields.Error]:
    """pods/ephemeralcontainers: they may be added, never changed or taken away."""
    wanted = (new.get("spec") or {}).get("ephemeralContainers") or []
    before = (old.get("spec") or {}).get("ephemeralContainers") or []
    _as_stored(new, old, "metadata")
    path = "spec.ephemeralContainers"
    by_name = {container.get("name"): container for container in wanted}
    found = []
    for container in before:
        kept = by_name.get(container.get("name"))
        if kept is None:
            found.append(
                fields.forbidden(path, f'existing ephemeral containers "{container.get("name")}" may not be removed')
            )
        elif kept != container:
            found.append(
                fields.forbidden(path, f'existing ephemeral containers "{container.get("name")}" may not be changed')
            )
    new["spec"] = {**(old.get("spec") or {}), "ephemeralContainers": wanted}
    return found


def resize(new: Object, old: Object) -> list[fields.Error]:
    """pods/resize: the resources of containers, by name."""
    wanted = new.get("spec") or {}
    _as_stored(new, old, "metadata")
    spec = dict(old.get("spec") or {})
    for group in ("containers", "initContainers"):
        by_name = {container.get("name"): container for container in wanted.get(group) or []}
        if group in spec:
            spec[group] = [_resized(container, by_name.get(container.get("name"))) for container in spec[group]]
    new["spec"] = spec
    return []


def _resized(container: Object, wanted: Object | None) -> Object:
    if wanted is None:
        return container
    return {**container, **{key: wanted[key] for key in ("resources", "resizePolicy") if key in wanted}}


PARTS: dict[tuple[str, str], Take] = {
    ("namespaces", "finalize"): finalize,
    ("certificatesigningrequests", "approval"): approval,
    ("pods", "ephemeralcontainers"): ephemeral_containers,
    ("pods", "resize"): resize,
}
