"""The kubelet's options: upstream's flags, and the fields of its configuration file (``KubeletConfiguration`` v1beta1).

A flag that is given wins over the file, the file over the default.
"""

from __future__ import annotations

import dataclasses
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kijabi.api import timestamps
from kijabi.kit import config, yamls


class Unusable(config.Unusable):
    """The configuration file cannot be used."""


@dataclass(slots=True)
class Options:
    """Times in seconds. ``port`` of 0 serves nothing. ``cni_conf_dir`` given: the kubelet writes a CNI configuration
    for the node's pod CIDR there, as the local cluster has nobody else to do it."""

    kubeconfig: str = ""
    config: str = ""
    hostname_override: str = ""
    node_ip: str = ""
    container_runtime_endpoint: str = "unix:///run/containerd/containerd.sock"
    root_dir: str = "/var/lib/kubelet"
    pod_logs_dir: str = "/var/log/pods"
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    cgroups_per_qos: bool = True
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: str = "/etc/resolv.conf"
    max_pods: int = 110
    register_node: bool = True
    register_with_taints: tuple[dict[str, str], ...] = ()
    node_labels: dict[str, str] = field(default_factory=dict)
    provider_id: str = ""
    external_cloud: bool = False
    system_reserved: dict[str, str] = field(default_factory=dict)
    kube_reserved: dict[str, str] = field(default_factory=dict)
    eviction_memory: str = "100Mi"
    pod_manifest_path: str = ""
    file_check_frequency: float = 20.0
    address: str = "0.0.0.0"
    port: int = 10250
    read_only_port: int = 0
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    anonymous_auth: bool = False
    authentication_webhook: bool = True
    authorization_mode: str = "Webhook"
    node_status_update_frequency: float = 10.0
    node_status_report_frequency: float = 300.0
    node_lease_duration: int = 40
    detection_strategy: str = "Watch"
    max_parallel_image_pulls: int = 4
    cpu_cfs_quota: bool = True
    container_log_max_size: str = "10Mi"
    container_log_max_files: int = 5
    seccomp_default: bool = False
    cni_conf_dir: str = ""
    cni_bridge: str = "cni0"
    cni_mtu: int = 0
    capacity: dict[str, str] = field(default_factory=dict)

    @property
    def node_name(self) -> str:
        return (self.hostname_override or socket.gethostname()).strip().lower()


# Field of KubeletConfiguration → option, where the value is taken as it is.
_PLAIN: Final = {
    "staticPodPath": "pod_manifest_path",
    "address": "address",
    "port": "port",
    "readOnlyPort": "read_only_port",
    "tlsCertFile": "tls_cert_file",
    "tlsPrivateKeyFile": "tls_private_key_file",
    "clusterDomain": "cluster_domain",
    "resolvConf": "resolv_conf",
    "maxPods": "max_pods",
    "cgroupDriver": "cgroup_driver",
    "cgroupRoot": "cgroup_root",
    "cgroupsPerQOS": "cgroups_per_qos",
    "registerNode": "register_node",
    "providerID": "provider_id",
    "systemReserved": "system_reserved",
    "kubeReserved": "kube_reserved",
    "nodeLeaseDurationSeconds": "node_lease_duration",
    "configMapAndSecretChangeDetectionStrategy": "detection_strategy",
    "maxParallelImagePulls": "max_parallel_image_pulls",
    "cpuCFSQuota": "cpu_cfs_quota",
    "seccompDefault": "seccomp_default",
    "containerRuntimeEndpoint": "container_runtime_endpoint",
    "podLogsDir": "pod_logs_dir",
    "containerLogMaxSize": "container_log_max_size",
    "containerLogMaxFiles": "container_log_max_files",
}
_DURATIONS: Final = {
    "fileCheckFrequency": "file_check_frequency",
    "nodeStatusUpdateFrequency": "node_status_update_frequency",
    "nodeStatusReportFrequency": "node_status_report_frequency",
}
_KIND: Final = ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")


def with_file(options: Options) -> Options:
    """The options with those of their ``config`` file for every one that is at its default: flags win."""
    if not options.config:
        return options
    try:
        document = yamls.loads(Path(options.config).read_bytes())
    except (OSError, yamls.Malformed) as error:
        raise Unusable(f"failed to load kubelet config file, path: {options.config}, error: {error}") from error
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != _KIND:
        raise Unusable(f"failed to load kubelet config file, path: {options.config}, error: not a KubeletConfiguration")
    default = Options()
    changes = {
        name: value
        for name, value in from_configuration(document).items()
        if getattr(options, name) == getattr(default, name)
    }
    return dataclasses.replace(options, **changes)


def from_configuration(document: dict[str, Any]) -> dict[str, Any]:
    """The options that a KubeletConfiguration sets."""
    made = {option: document[key] for key, option in _PLAIN.items() if document.get(key) is not None}
    for key, option in _DURATIONS.items():
        if document.get(key):
            made[option] = timestamps.parse_duration(document[key])
    if document.get("clusterDNS"):
        made["cluster_dns"] = tuple(document["clusterDNS"])
    if document.get("registerWithTaints"):
        made["register_with_taints"] = tuple(document["registerWithTaints"])
    authentication = document.get("authentication") or {}
    if (authentication.get("x509") or {}).get("clientCAFile"):
        made["client_ca_file"] = authentication["x509"]["clientCAFile"]
    for key, option in (("anonymous", "anonymous_auth"), ("webhook", "authentication_webhook")):
        if (authentication.get(key) or {}).get("enabled") is not None:
            made[option] = authentication[key]["enabled"]
    if (document.get("authorization") or {}).get("mode"):
        made["authorization_mode"] = document["authorization"]["mode"]
    hard = (document.get("evictionHard") or {}).get("memory.available")
    if hard and not hard.endswith("%"):
        made["eviction_memory"] = hard
    return made


def parse_taints(text: str) -> tuple[dict[str, str], ...]:
    """``key=value:Effect,key:Effect`` as ``--register-with-taints`` has it."""
    taints = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        head, colon, effect = part.rpartition(":")
        if not colon or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            raise Unusable(f"invalid taint spec: {part}")
        key, _, value = head.partition("=")
        taints.append({"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect})
    return tuple(taints)
