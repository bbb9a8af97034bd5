"""The Node object and its status, from plain facts: pure.

Source: the documented "Nodes" and "Reserve Compute Resources"; upstream's nodestatus setters and their texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kijabi.api import quantity, timestamps
from kijabi.node.cri import contract
from kijabi.node.kubelet import options
from kijabi.node.kubelet.node import machine

VERSION: Final = "v1.36.2"
MAX_IMAGES: Final = 50
_MAX_NAMES: Final = 5


@dataclass(slots=True)
class Facts:
    """What changes. ``problems`` are the reasons why the node is not ready; pressures by condition type."""

    now: float
    version: contract.Version | None = None
    images: Sequence[contract.Image] = ()
    addresses: Sequence[str] = ()
    problems: Sequence[str] = ()
    pressures: Mapping[str, bool] = field(default_factory=dict)
    port: int = 10250


def new_node(chosen: options.Options, host: machine.Machine) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": chosen.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": host.architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": host.architecture,
        **chosen.node_labels,
    }
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    spec: dict[str, Any] = {}
    taints = list(chosen.register_with_taints)
    if chosen.external_cloud:
        taints.append(
            {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}
        )
    if taints:
        spec["taints"] = taints
    if chosen.provider_id:
        spec["providerID"] = chosen.provider_id
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": chosen.node_name, "labels": labels, "annotations": annotations},
        "spec": spec,
    }


def capacity(chosen: options.Options, host: machine.Machine) -> dict[str, str]:
    found = {
        "cpu": str(host.cpus),
        "memory": f"{host.memory // 1024}Ki",
        "ephemeral-storage": f"{host.disk // 1024}Ki",
        "pods": str(chosen.max_pods),
        **{name: str(quantity.from_value(amount, quantity.BINARY_SI)) for name, amount in host.hugepages},
    }
    return {**found, **chosen.capacity}


def allocatable(chosen: options.Options, whole: Mapping[str, str]) -> dict[str, str]:
    """Capacity less what is reserved and, for memory, what eviction keeps free."""
    left = dict(whole)
    reserved = [chosen.system_reserved, chosen.kube_reserved, {"memory": chosen.eviction_memory}]
    for name, text in whole.items():
        taken = [quantity.parse(str(part[name])) for part in reserved if part.get(name)]
        rest = quantity.parse(text)
        for each in taken:
            rest = rest - each
        if taken:
            left[name] = str(rest if rest.milli() > 0 else quantity.parse("0"))
    if "ephemeral-storage" in left:
        # Upstream keeps a tenth of the disk free (evictionHard nodefs.available) and tells the rest in bytes.
        left["ephemeral-storage"] = str(quantity.parse(whole["ephemeral-storage"]).value() * 9 // 10)
    return left


def status(chosen: options.Options, host: machine.Machine, facts: Facts, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The whole status; conditions of others in the previous one are kept."""
    whole = capacity(chosen, host)
    addresses = [{"type": "InternalIP", "address": address} for address in facts.addresses]
    made: dict[str, Any] = {
        "capacity": whole,
        "allocatable": allocatable(chosen, whole),
        "conditions": _conditions(facts, previous.get("conditions") or ()),
        "addresses": [*addresses, {"type": "Hostname", "address": chosen.node_name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
        "nodeInfo": _node_info(host, facts.version, previous.get("nodeInfo") or {}),
        "images": image_list(facts.images),
        "runtimeHandlers": [{"name": "", "features": {"recursiveReadOnlyMounts": False, "userNamespaces": False}}],
        "features": {"supplementalGroupsPolicy": False},
    }
    return made


def _node_info(host: machine.Machine, version: contract.Version | None, previous: Mapping[str, Any]) -> dict[str, Any]:
    runtime = str(previous.get("containerRuntimeVersion", ""))
    if version is not None:
        runtime = f"{version.runtime_name}://{version.runtime_version.removeprefix('v')}"
    info: dict[str, Any] = {
        "machineID": host.machine_id,
        "systemUUID": host.system_uuid,
        "bootID": host.boot_id,
        "kernelVersion": host.kernel,
        "osImage": host.os_image,
        "containerRuntimeVersion": runtime,
        "kubeletVersion": VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": host.architecture,
    }
    if host.swap:
        info["swap"] = {"capacity": host.swap}
    return info


def image_list(images: Sequence[contract.Image]) -> list[dict[str, Any]]:
    """The largest images, each with a few of its names; digests before tags, as upstream."""
    listed = sorted(images, key=lambda image: image.size, reverse=True)[:MAX_IMAGES]
    made = []
    for image in listed:
        names = [*image.repo_digests, *image.repo_tags][:_MAX_NAMES]
        if names:
            made.append({"names": names, "sizeBytes": image.size})
    return made


_PRESSURES: Final = {
    "MemoryPressure": (
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
}


def _conditions(facts: Facts, previous: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    owned: list[dict[str, str]] = []
    for type_, (bad, good) in _PRESSURES.items():
        pressed = bool(facts.pressures.get(type_))
        reason, message = bad if pressed else good
        owned.append({"type": type_, "status": str(pressed), "reason": reason, "message": message})
    if facts.problems:
        message = aggregate(facts.problems)
        owned.append({"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message})
    else:
        message = "kubelet is posting ready status"
        owned.append({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": message})
    before = {condition["type"]: condition for condition in previous}
    now = timestamps.format_time(facts.now)
    made = [dict(condition) for type_, condition in before.items() if type_ not in {each["type"] for each in owned}]
    for condition in owned:
        old = before.get(condition["type"])
        same = old is not None and old.get("status") == condition["status"]
        changed = old["lastTransitionTime"] if same and old is not None else now
        made.append({**condition, "lastHeartbeatTime": now, "lastTransitionTime": changed})
    return made


def aggregate(problems: Sequence[str]) -> str:
    """Several errors in one text, as Go's aggregate prints them."""
    unique = list(dict.fromkeys(problems))
    return unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a status says something new apart from heartbeat times."""

    def essence(status: Mapping[str, Any]) -> dict[str, Any]:
        conditions = [
            {key: value for key, value in condition.items() if key != "lastHeartbeatTime"}
            for condition in status.get("conditions") or ()
        ]
        return {**{key: value for key, value in status.items() if key != "volumesInUse"}, "conditions": conditions}

    left, right = essence(old), essence(new)
    return any(left.get(key) != value for key, value in right.items())


def cni(cidrs: Sequence[str], bridge: str, mtu: int) -> dict[str, Any]:
    """A CNI configuration list for the node's pod CIDRs: a bridge, host-local addresses and host ports."""
    routes = [{"dst": "::/0" if ":" in cidr else "0.0.0.0/0"} for cidr in cidrs]
    plugin: dict[str, Any] = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "promiscMode": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": cidr}] for cidr in cidrs], "routes": routes},
    }
    if mtu:
        plugin["mtu"] = mtu
    port_map = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "1.0.0", "name": "kijabi", "plugins": [plugin, port_map]}
