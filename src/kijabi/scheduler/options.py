"""The scheduler's flags, under upstream's names. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    kubeconfig: str = field(default="", metadata={"help": "Path to the kubeconfig file with the API server's address."})
    config: str = field(
        default="", metadata={"help": "Path to a KubeSchedulerConfiguration; profiles and back-off are then its own."}
    )
    bind_address: str = field(default="0.0.0.0", metadata={"help": "Address to serve health and metrics on."})
    secure_port: int = field(default=10259, metadata={"help": "Port for health and metrics over HTTPS; 0 for none."})
    tls_cert_file: str = field(default="", metadata={"help": "Serving certificate."})
    tls_private_key_file: str = field(default="", metadata={"help": "Key of the serving certificate."})
    client_ca_file: str = field(default="", metadata={"help": "Authority of client certificates."})
    leader_elect: bool = field(default=True, metadata={"help": "Lead under a Lease before working."})
    leader_elect_lease_duration: float = field(default=15.0, metadata={"help": "Seconds until a lost lead is taken."})
    leader_elect_renew_deadline: float = field(default=10.0, metadata={"help": "Seconds a leader tries to renew."})
    leader_elect_retry_period: float = field(default=2.0, metadata={"help": "Seconds between tries."})
    scheduler_name: str = field(
        default="default-scheduler", metadata={"help": "Pods that name this scheduler are placed by it."}
    )
