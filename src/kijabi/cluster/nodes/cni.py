"""The CNI configuration of a node: every pod on its own routed cable (the ``ptp`` plug-in).

Rejected: the ``bridge`` plug-in. Two pods of a node would talk past the node's IP layer, and a reply to a ClusterIP
would come back untranslated unless the kernel's br_netfilter is on; with ``ptp`` every packet is routed and seen.
"""

from __future__ import annotations

import shutil
from typing import Any

from kijabi.cluster import addresses, paths

FILE = "10-kijabi.conflist"


def configuration(place: paths.Node, pods: addresses.Network, *, host_ports: bool) -> dict[str, Any]:
    """``host_ports``: whether the portmap plug-in can work (it drives iptables)."""
    plugins: list[dict[str, Any]] = [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "dataDir": str(place.cni_state),
                "ranges": [[{"subnet": str(pods)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ]
    if host_ports:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    return {"cniVersion": "0.4.0", "name": "kijabi", "plugins": plugins}


def can_map_host_ports() -> bool:
    return shutil.which("iptables", path="/usr/sbin:/usr/bin:/sbin:/bin") is not None
