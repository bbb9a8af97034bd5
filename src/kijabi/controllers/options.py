"""The controller manager's flags, under upstream's names. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    kubeconfig: str = field(default="", metadata={"help": "Path to the kubeconfig file with the API server's address."})
    controllers: list[str] = field(
        default_factory=lambda: ["*"],
        metadata={"help": "Controllers to run: '*' for all on by default, 'foo' for foo, '-foo' to leave foo out."},
    )
    bind_address: str = field(default="0.0.0.0", metadata={"help": "Address to serve health and metrics on."})
    secure_port: int = field(default=10257, metadata={"help": "Port for health and metrics over HTTPS; 0 for none."})
    tls_cert_file: str = field(default="", metadata={"help": "Serving certificate."})
    tls_private_key_file: str = field(default="", metadata={"help": "Key of the serving certificate."})
    client_ca_file: str = field(default="", metadata={"help": "Authority of client certificates."})
    use_service_account_credentials: bool = field(
        default=True, metadata={"help": "Let each controller work under a service account of its own."}
    )
    root_ca_file: str = field(
        default="", metadata={"help": "Authority that is published to every namespace as kube-root-ca.crt."}
    )
    cluster_signing_cert_file: str = field(default="", metadata={"help": "Authority that signs certificate requests."})
    cluster_signing_key_file: str = field(default="", metadata={"help": "Key of that authority."})
    cluster_signing_duration: float = field(
        default=365 * 86400.0, metadata={"help": "How long signed certificates are valid, at most."}
    )
    service_account_private_key_file: str = field(
        default="", metadata={"help": "Key that signs service-account tokens."}
    )
    legacy_service_account_token_clean_up_period: float = field(
        default=365 * 86400.0,
        metadata={"help": "How long a generated token may be unused before it is marked, and then deleted."},
    )
    allocate_node_cidrs: bool = field(default=False, metadata={"help": "Give each node a range of pod addresses."})
    cluster_cidr: str = field(default="", metadata={"help": "Range that pod addresses come from."})
    node_cidr_mask_size: int = field(default=24, metadata={"help": "Size of each node's range."})
    leader_elect: bool = field(default=True, metadata={"help": "Lead under a Lease before working."})
    leader_elect_lease_duration: float = field(default=15.0, metadata={"help": "Seconds until a lost lead is taken."})
    leader_elect_renew_deadline: float = field(default=10.0, metadata={"help": "Seconds a leader tries to renew."})
    leader_elect_retry_period: float = field(default=2.0, metadata={"help": "Seconds between tries."})
    node_monitor_period: float = field(default=5.0, metadata={"help": "How often node health is looked at."})
    node_monitor_grace_period: float = field(
        default=50.0, metadata={"help": "How long a silent node is still taken for healthy."}
    )
    node_startup_grace_period: float = field(
        default=60.0, metadata={"help": "The same for a node that has just registered."}
    )
    node_eviction_rate: float = field(default=0.1, metadata={"help": "Nodes evicted per second in a healthy zone."})
    secondary_node_eviction_rate: float = field(
        default=0.01, metadata={"help": "Nodes evicted per second in an unhealthy zone."}
    )
    unhealthy_zone_threshold: float = field(
        default=0.55, metadata={"help": "Fraction of not ready nodes from which a zone is unhealthy."}
    )
    large_cluster_size_threshold: int = field(
        default=50, metadata={"help": "Zones up to this size are not evicted from at all when unhealthy."}
    )
    terminated_pod_gc_threshold: int = field(
        default=12500, metadata={"help": "Finished pods kept before the oldest are deleted; 0 keeps all."}
    )
    concurrent_syncs: int = field(default=5, metadata={"help": "Objects of one kind reconciled side by side."})
