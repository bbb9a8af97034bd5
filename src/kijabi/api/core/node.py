"""Nodes. Their status is set at creation too: a kubelet registers itself with it."""

from __future__ import annotations

import re
from typing import Any

from kijabi.api import addresses, checks, conditions, field, metadata, names, printing, resource, served, zeros
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
    _fill(told)
    _mirror_cidrs(spec)


_INFO = dict.fromkeys(
    (
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ),
    "",
)


def _fill(told: Object) -> None:
    if "capacity" in told:
        told.setdefault("allocatable", dict(told["capacity"]))
    told.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {}).setdefault("Port", 0)
    zeros.show(told.setdefault("nodeInfo", {}), _INFO)
    zeros.conditions(told, "lastHeartbeatTime", "lastTransitionTime")


def _mirror_cidrs(spec: Object) -> None:
    """``podCIDR`` is the first of ``podCIDRs``."""
    if spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    elif spec.get("podCIDR"):
        spec["podCIDRs"] = [spec["podCIDR"]]


def prepare_create(obj: Object) -> None:
    """Unlike elsewhere, the status is kept. Kubelet configuration from the API is gone."""
    obj["spec"].pop("configSource", None)
    obj["status"].pop("config", None)


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    if "configSource" not in (old.get("spec") or {}):
        new.setdefault("spec", {}).pop("configSource", None)


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    _fill(told)
    told.pop("config", None)


def validate_create(obj: Object) -> Errors:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    found = _taints(spec.get("taints") or [], "metadata.taints") + _resources(told)
    swap = ((told.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
    if swap is not None and swap <= 0:
        found.append(field.invalid("metadata.nodeSwapStatus.capacity", swap, "must be greater than zero"))
    found += _features(told.get("declaredFeatures") or [], "status.declaredFeatures")
    cidrs = spec.get("podCIDRs") or []
    for position, cidr in enumerate(cidrs):
        found += addresses.cidr(cidr, f"spec.podCIDRs[{position}]")
    if len(cidrs) > 2 or (len(cidrs) > 1 and not addresses.is_dual([cidr.partition("/")[0] for cidr in cidrs])):
        text = "may specify no more than one CIDR for each IP family"
        found.append(field.invalid("spec.podCIDRs", cidrs, text))
    return found


def _resources(told: Object) -> Errors:
    """The names are the kubelet's business; the amounts must be amounts."""
    return [
        problem
        for key in ("capacity", "allocatable")
        for name, value in (told.get(key) or {}).items()
        for problem in checks.amount(name, value, f"status.{key}.{name}")
    ]


_FEATURE_NAME = re.compile("[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*", re.ASCII)


def _features(features: list[str], path: str) -> Errors:
    found: Errors = []
    for position, name in enumerate(features):
        where = field.index(path, position)
        if len(name) > 253:
            text = f'invalid feature name "{name}": must be no more than 253 characters'
            found.append(field.invalid(where, name, text))
        elif not _FEATURE_NAME.fullmatch(name):
            text = (
                f'invalid feature name "{name}": must start with an UpperCamelCase segment, with subsequent segments '
                "separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric "
                "characters and slashes"
            )
            found.append(field.invalid(where, name, text))
        following = features[position + 1] if position + 1 < len(features) else None
        if following is not None and name == following:
            found.append(field.duplicate(field.index(path, position + 1), following))
        elif following is not None and name > following:
            text = "list must be sorted alphabetically"
            found.append(field.invalid(field.index(path, position + 1), following, text))
    return found


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
        found += checks.listed(effect, field.child(where, "effect"), _EFFECTS)
        if (key, effect) in seen:
            shown = {"Key": key, "Value": taint.get("value", ""), "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            text = "taints must be unique by key and effect pair"
            found.append(field.Error(field.DUPLICATE, where, shown, text))
        seen.add((key, effect))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    again = metadata.validate(new["metadata"], False, metadata.subdomain)
    return again + validate_create(new) + _change(new, old)


def _change(new: Object, old: Object) -> Errors:
    spec, before, told = new.get("spec") or {}, old.get("spec") or {}, new.get("status") or {}
    found = _resources(told)
    found += _features(told.get("declaredFeatures") or [], "status.declaredFeatures")
    known: list[Object] = []
    for position, address in enumerate(told.get("addresses") or ()):
        if address in known:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            found.append(field.duplicate(f"status.addresses[{position}]", shown))
        known.append(address)
    cidrs, now = before.get("podCIDRs") or [], spec.get("podCIDRs") or []
    if cidrs and cidrs != now:
        text = 'node updates may not change podCIDR except from "" to valid'
        differing = 1 if len(cidrs) != len(now) else sum(a != b for a, b in zip(cidrs, now, strict=True))
        found += [field.forbidden("spec.podCIDRs", text)] * differing
    if before.get("providerID") and before["providerID"] != spec.get("providerID"):
        text = 'node updates may not change providerID except from "" to valid'
        found.append(field.forbidden("spec.providerID", text))
    found += _taints(spec.get("taints") or [], "metadata.taints")
    if spec.get("externalID", "") != before.get("externalID", ""):
        found.append(field.forbidden("spec.externalID", "may not be updated"))
    return found


validate_status = _change


def warn_create(obj: Object) -> list[str]:
    spec = obj.get("spec") or {}
    found = ["spec.configSource: the feature is removed"] if "configSource" in spec else []
    if spec.get("externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for position, cidr in enumerate(spec.get("podCIDRs") or ()):
        found += addresses.cidr_warnings(cidr, f"spec.podCIDRs[{position}]")
    return found


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


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
