"""Nodes. Their status is set at creation too: a kubelet registers itself with it."""

from __future__ import annotations

import ipaddress
from typing import Any

from kijabi.api import checks, conditions, field, names, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "nodes")
COLUMNS = (
    printing.NAME,
    printing.text("Status", "The status of the node"),
    printing.text("Roles", "The roles of the node"),
    printing.AGE,
    printing.text("Version", "Kubelet Version reported by the node."),
    printing.wide("Internal-IP", "The node's address inside the cluster."),
    printing.wide("External-IP", "The node's address outside the cluster."),
    printing.wide("OS-Image", "OS Image reported by the node."),
    printing.wide("Kernel-Version", "Kernel Version reported by the node."),
    printing.wide("Container-Runtime", "ContainerRuntime Version reported by the node."),
)
_ROLE_PREFIX, _ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    told = obj.setdefault("status", {})
    if "capacity" in told:
        told.setdefault("allocatable", dict(told["capacity"]))
    _mirror_cidrs(spec)


def _mirror_cidrs(spec: Object) -> None:
    """``podCIDR`` is the first of ``podCIDRs``."""
    if spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    elif spec.get("podCIDR"):
        spec["podCIDRs"] = [spec["podCIDR"]]


def prepare_create(obj: Object) -> None:
    """Unlike elsewhere, the status is kept."""


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    if "capacity" in told:
        told.setdefault("allocatable", dict(told["capacity"]))


def validate_create(obj: Object) -> Errors:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    found = _taints(spec.get("taints") or [], "metadata.taints")
    found += _resources(told)
    for position, cidr in enumerate(spec.get("podCIDRs") or ()):
        found += _cidr(cidr, f"spec.podCIDRs[{position}]")
    if len(spec.get("podCIDRs") or ()) > 2:
        text = "may specify no more than one CIDR for each IP family"
        found.append(field.invalid("spec.podCIDRs", spec["podCIDRs"], text))
    return found


def _resources(told: Object) -> Errors:
    found = checks.amounts(told.get("capacity"), "status.capacity")
    return found + checks.amounts(told.get("allocatable"), "status.allocatable")


def _cidr(text: str, path: str) -> Errors:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return [field.invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")]
    return []


def _taints(taints: list[Object], path: str) -> Errors:
    found: Errors = []
    seen: set[tuple[str, str]] = set()
    for position, taint in enumerate(taints):
        where = field.index(path, position)
        key, effect = taint.get("key", ""), taint.get("effect", "")
        found += checks.word(key, field.child(where, "key"), names.label_key)
        complaints = names.label_value(taint.get("value", ""))
        if complaints:
            found.append(field.invalid(field.child(where, "value"), taint["value"], ";".join(complaints)))
        found += checks.one_of(effect, field.child(where, "effect"), _EFFECTS)
        if (key, effect) in seen:
            problem = field.duplicate(where, taint)
            text = "taints must be unique by key and effect pair"
            found.append(field.Error(problem.type, where, taint, text))
        seen.add((key, effect))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = _resources(new.get("status") or {})
    addresses: list[Object] = []
    for position, address in enumerate((new.get("status") or {}).get("addresses") or ()):
        if address in addresses:
            found.append(field.duplicate(f"status.addresses[{position}]", address))
        addresses.append(address)
    if before.get("podCIDRs") and before["podCIDRs"] != spec.get("podCIDRs"):
        text = 'node updates may not change podCIDR except from "" to valid'
        found.append(field.forbidden("spec.podCIDRs", text))
    if before.get("providerID") and before["providerID"] != spec.get("providerID"):
        text = 'node updates may not change providerID except from "" to valid'
        found.append(field.forbidden("spec.providerID", text))
    return found + _taints(spec.get("taints") or [], "metadata.taints")


validate_status = validate_update


def fields(obj: Object) -> dict[str, str]:
    return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


def _roles(obj: Object) -> str:
    labels = obj["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    roles.add(labels.get(_ROLE, ""))
    return ",".join(sorted(roles - {""})) or printing.NONE


def _address(told: Object, kind: str) -> str:
    listed = told.get("addresses") or ()
    return next((address.get("address", "") for address in listed if address.get("type") == kind), printing.NONE)


def columns(obj: Object, now: float) -> list[Any]:
    told = obj.get("status") or {}
    info = told.get("nodeInfo") or {}
    ready = conditions.status(obj, "Ready")
    status = "Unknown" if not ready else ("Ready" if ready == conditions.TRUE else "NotReady")
    if (obj.get("spec") or {}).get("unschedulable"):
        status += ",SchedulingDisabled"
    kernel = info.get("kernelVersion") or printing.UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        printing.name(obj),
        status,
        _roles(obj),
        printing.age(obj, now),
        info.get("kubeletVersion", ""),
        _address(told, "InternalIP"),
        _address(told, "ExternalIP"),
        info.get("osImage") or printing.UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or printing.UNKNOWN,
    ]
