"""Host ports: which a pod takes, and whether two pods can share a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kijabi.api.predicates import fit

Object = Mapping[str, Any]
# (host IP, protocol, port); the IP 0.0.0.0 stands for all.
HostPort = tuple[str, str, int]

ANY = "0.0.0.0"


def host_ports(pod: Object) -> list[HostPort]:
    """Of containers and sidecars; other init containers do not hold a port while the pod runs."""
    spec = pod.get("spec") or {}
    running = [*(spec.get("containers") or ()), *filter(fit.is_sidecar, spec.get("initContainers") or ())]
    return [
        (port.get("hostIP") or ANY, port.get("protocol") or "TCP", port["hostPort"])
        for container in running
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def conflict(wanted: HostPort, taken: Iterable[HostPort]) -> bool:
    """The same protocol and port on the same address; all addresses conflict with any."""
    address, protocol, port = wanted
    return any(
        protocol == other_protocol and port == other_port and (address == other or ANY in (address, other))
        for other, other_protocol, other_port in taken
    )


def conflicts(wanted: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    held = tuple(taken)
    return any(conflict(port, held) for port in wanted)
