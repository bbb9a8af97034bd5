"""The proxy's flags, under upstream's names. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    kubeconfig: str = field(default="", metadata={"help": "Path to the kubeconfig file with the API server's address."})
    hostname_override: str = field(default="", metadata={"help": "Name of this node, in place of the host's own."})
    cluster_cidr: str = field(
        default="", metadata={"help": "Pod addresses; traffic from elsewhere to a Service is masqueraded."}
    )
    masquerade_all: bool = field(default=False, metadata={"help": "Masquerade all traffic to Services."})
    nodeport_addresses: list[str] = field(
        default_factory=list,
        metadata={"help": "Ranges of this node's addresses to serve node ports on; by default the node's own address."},
    )
    healthz_bind_address: str = field(
        default="0.0.0.0:10256", metadata={"help": "Where to serve /healthz and /livez; empty for nowhere."}
    )
    min_sync_period: float = field(default=0.0, metadata={"help": "Shortest time between two changes of the rules."})
    sync_period: float = field(default=30.0, metadata={"help": "How often the loaded rules are checked."})
