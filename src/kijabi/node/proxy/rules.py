"""From Service ports to the content of the nftables table, as plain data.

The way of a packet to a Service: ``services`` looks its address up in one map (a hash, whatever the number of
Services) and goes to the chain of the Service port, which picks an endpoint's chain, which translates the address. A
packet that must come back this way is marked, and masqueraded when it leaves.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kijabi.node.proxy.services import Endpoint, ServicePort

TABLE = "ip kube-proxy"
MARK = "0x4000"

SERVICE_IPS, NODE_PORTS = "service-ips", "service-nodeports"
REJECTED_IPS, REJECTED_PORTS = "no-endpoint-services", "no-endpoint-nodeports"
CLUSTER_IPS, NODE_IPS = "cluster-ips", "nodeport-ips"


@dataclass(slots=True)
class Content:
    """``chains`` by name, each a list of rules; ``maps`` and ``sets`` by name, with their elements; ``affinity`` are
    sets that the kernel fills itself, with their timeouts in seconds."""

    chains: dict[str, list[str]] = field(default_factory=dict)
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    sets: dict[str, set[str]] = field(default_factory=dict)
    affinity: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """``cluster_cidr`` are pod addresses: traffic from elsewhere to a ClusterIP is masqueraded, so that answers come
    back through this node. ``node_ips`` are the addresses that node ports are served on."""

    cluster_cidr: str = ""
    node_ips: tuple[str, ...] = ()
    masquerade_all: bool = False


def skeleton() -> str:
    """The table with all that never changes. The hooks are upstream's.

    TCP is refused by a reset, where upstream sends an ICMP error: the kernel sends one of these a second to a client,
    and its other attempts hang.
    """
    address_map = "typeof ip daddr . meta l4proto . th dport : verdict"
    port_map = "typeof meta l4proto . th dport : verdict"
    return f"""
table {TABLE} {{
  map {SERVICE_IPS} {{ {address_map}; }}
  map {NODE_PORTS} {{ {port_map}; }}
  map {REJECTED_IPS} {{ {address_map}; }}
  map {REJECTED_PORTS} {{ {port_map}; }}
  set {CLUSTER_IPS} {{ type ipv4_addr; }}
  set {NODE_IPS} {{ type ipv4_addr; }}
  chain mark-for-masquerade {{ mark set mark or {MARK}; }}
  chain masquerading {{
    mark and {MARK} == 0 return
    mark set mark xor {MARK}
    masquerade fully-random
  }}
  chain reject-chain {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @{SERVICE_IPS}
    ip daddr @{NODE_IPS} meta l4proto . th dport vmap @{NODE_PORTS}
  }}
  chain endpoints-check {{
    ip daddr . meta l4proto . th dport vmap @{REJECTED_IPS}
    ip daddr @{NODE_IPS} meta l4proto . th dport vmap @{REJECTED_PORTS}
  }}
  chain cluster-ips-check {{ ip daddr @{CLUSTER_IPS} goto reject-chain; }}
  chain nat-prerouting {{ type nat hook prerouting priority -100; policy accept; jump services; }}
  chain nat-output {{ type nat hook output priority -100; policy accept; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority 100; policy accept; jump masquerading; }}
  chain filter-input {{ type filter hook input priority -110; policy accept; ct state new jump endpoints-check; }}
  chain filter-forward {{
    type filter hook forward priority -110; policy accept;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority -110; policy accept;
    ct state new jump endpoints-check
  }}
  chain filter-output-post-dnat {{
    type filter hook output priority -90; policy accept;
    ct state new jump cluster-ips-check
  }}
}}
"""


def content(ports: Iterable[ServicePort], network: Network) -> Content:
    made = Content(
        maps={name: {} for name in (SERVICE_IPS, NODE_PORTS, REJECTED_IPS, REJECTED_PORTS)},
        sets={CLUSTER_IPS: set(), NODE_IPS: set(network.node_ips)},
    )
    for port in ports:
        made.sets[CLUSTER_IPS].add(port.cluster_ip)
        _internal(made, port, network)
        if port.node_port or port.external:
            _external(made, port, network)
    return made


def _internal(made: Content, port: ServicePort, network: Network) -> None:
    element = _element(port.cluster_ip, port)
    usable = port.local if port.internal_local else port.cluster
    if not usable:
        # With a local policy and endpoints elsewhere the packet is dropped: it is not wrong, it is only not for here.
        made.maps[REJECTED_IPS][element] = "drop" if port.cluster else "goto reject-chain"
        return
    chain = _chain("service" if not port.internal_local else "local", port)
    before = []
    if network.masquerade_all:
        before.append(f"ip daddr {port.cluster_ip} jump mark-for-masquerade")
    elif network.cluster_cidr:
        before.append(f"ip daddr {port.cluster_ip} ip saddr != {network.cluster_cidr} jump mark-for-masquerade")
    _service_chain(made, chain, port, usable, before)
    made.maps[SERVICE_IPS][element] = f"goto {chain}"


def _external(made: Content, port: ServicePort, network: Network) -> None:
    usable = port.local if port.external_local else port.cluster
    elements = [(SERVICE_IPS, REJECTED_IPS, _element(address, port)) for address in port.external]
    if port.node_port:
        elements.append((NODE_PORTS, REJECTED_PORTS, f"{port.protocol} . {port.node_port}"))
    if not port.cluster:
        for _, rejected, element in elements:
            made.maps[rejected][element] = "goto reject-chain"
        return
    anywhere = _chain("service", port)
    if anywhere not in made.chains:
        _service_chain(made, anywhere, port, port.cluster, [])
    chain = _chain("external", port)
    if not port.external_local:
        made.chains[chain] = ["jump mark-for-masquerade", f"goto {anywhere}"]
    else:
        # Traffic of the node's own pods and of the node itself may go anywhere, whatever the policy says.
        rules = [f"ip saddr {network.cluster_cidr} goto {anywhere}"] if network.cluster_cidr else []
        rules += ["fib saddr type local jump mark-for-masquerade", f"fib saddr type local goto {anywhere}"]
        if usable:
            only_local = _chain("local", port)
            if only_local not in made.chains:
                _service_chain(made, only_local, port, usable, [])
            rules.append(f"goto {only_local}")
        else:
            rules.append("drop")
        made.chains[chain] = rules
    for lookup, _, element in elements:
        made.maps[lookup][element] = f"goto {chain}"


def _service_chain(made: Content, chain: str, port: ServicePort, usable: Sequence[Endpoint], before: list[str]) -> None:
    """The chain that picks one of the endpoints, by chance, or the one a client had before."""
    targets = [_endpoint_chain(made, port, endpoint) for endpoint in usable]
    rules = list(before)
    if port.affinity:
        rules += [f"ip saddr @{_affinity(target)} goto {target}" for target in targets]
    choices = ", ".join(f"{number} : goto {target}" for number, target in enumerate(targets))
    rules.append(f"numgen random mod {len(targets)} vmap {{ {choices} }}")
    made.chains[chain] = rules


def _endpoint_chain(made: Content, port: ServicePort, endpoint: Endpoint) -> str:
    chain = f"endpoint-{_hash(port.key, endpoint.address, str(endpoint.port))}-{_tail(port)}"
    rules = [f"ip saddr {endpoint.address} jump mark-for-masquerade"]
    if port.affinity:
        made.affinity[_affinity(chain)] = port.affinity
        rules.append(f"update @{_affinity(chain)} {{ ip saddr }}")
    rules.append(f"meta l4proto {port.protocol} dnat to {endpoint.address}:{endpoint.port}")
    made.chains[chain] = rules
    return chain


def _element(address: str, port: ServicePort) -> str:
    return f"{address} . {port.protocol} . {port.port}"


def _chain(kind: str, port: ServicePort) -> str:
    return f"{kind}-{_hash(port.key)}-{_tail(port)}"


def _affinity(endpoint_chain: str) -> str:
    return endpoint_chain.replace("endpoint-", "affinity-", 1)


def _tail(port: ServicePort) -> str:
    # Readable, and short enough for the kernel's 128 bytes.
    return f"{port.namespace}/{port.name}/{port.protocol}/{port.port_name}"[:90].rstrip("/-.")


def _hash(*parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return base64.b32encode(digest)[:8].decode()
