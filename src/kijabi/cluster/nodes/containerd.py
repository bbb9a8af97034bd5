"""containerd for one node: a configuration that shares nothing with another node's or with the machine's own.

Version 2 of the format is understood by containerd 1.3 to 2.x. The pods' network namespaces are mounted below the state
directory, so that removing a node never has to guess which of the mounts in /run/netns are its own.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.cluster import paths
from kijabi.kit import jsons

PAUSE = "registry.k8s.io/pause:3.10"
CNI_DIRECTORIES = ("/usr/lib/cni", "/opt/cni/bin")

# Slow to start or useless here. Names that a version does not know are ignored by it.
_DISABLED = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.nri.v1.nri",
)

_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this machine allows, as far as containerd must know."""

    overlay: bool = True
    lower_oom_scores: bool = True
    apparmor: bool = True
    runtime: str = "runc"
    cni: str = CNI_DIRECTORIES[0]


def abilities() -> Abilities:
    filesystems = Path("/proc/filesystems").read_text()
    capabilities = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    return Abilities(
        overlay="overlay" in filesystems or os.path.isdir("/sys/module/overlay") or os.path.isdir("/lib/modules"),
        lower_oom_scores=bool(capabilities >> _CAP_SYS_RESOURCE & 1),
        apparmor=os.path.isdir("/sys/kernel/security/apparmor") and shutil.which("apparmor_parser") is not None,
        # The choice is the user's; runc is what the packages bring.
        runtime=os.environ.get("KIJABI_OCI_RUNTIME", "runc"),
        cni=next((path for path in CNI_DIRECTORIES if os.path.exists(f"{path}/ptp")), CNI_DIRECTORIES[0]),
    )


def settings(place: paths.Node, can: Abilities) -> dict[str, Any]:
    """The configuration as a document."""
    runtime = {
        "runtime_type": "io.containerd.runc.v2",
        "options": {
            "BinaryName": can.runtime,
            "Root": str(place.containerd_state / "runtime"),
            "SystemdCgroup": False,
        },
    }
    cri = {
        "sandbox_image": PAUSE,
        "stream_server_address": "127.0.0.1",
        "stream_server_port": "0",
        "disable_apparmor": not can.apparmor,
        "restrict_oom_score_adj": not can.lower_oom_scores,
        "netns_mounts_under_state_dir": True,
        "enable_unprivileged_ports": True,
        "enable_unprivileged_icmp": True,
        "cni": {"bin_dir": can.cni, "conf_dir": str(place.cni), "max_conf_num": 1},
        "containerd": {
            "snapshotter": "overlayfs" if can.overlay else "native",
            "default_runtime_name": "runc",
            "runtimes": {"runc": runtime},
        },
    }
    return {
        "version": 2,
        "root": str(place.containerd_root),
        "state": str(place.containerd_state),
        "disabled_plugins": list(_DISABLED),
        "grpc": {"address": str(place.containerd_socket)},
        "ttrpc": {"address": f"{place.containerd_socket}.ttrpc"},
        "debug": {"level": "warn"},
        "plugins": {
            "io.containerd.grpc.v1.cri": cri,
            "io.containerd.internal.v1.opt": {"path": str(place.containerd_root / "opt")},
        },
    }


def toml(document: dict[str, Any], prefix: str = "") -> str:
    """As TOML. A JSON string is a TOML basic string, and so are its numbers, booleans and arrays of them."""
    plain = {key: value for key, value in document.items() if not isinstance(value, dict)}
    lines = [f"{_key(key)} = {jsons.dumps(value).decode()}" for key, value in plain.items()]
    for key, value in document.items():
        if isinstance(value, dict):
            name = f"{prefix}.{_key(key)}" if prefix else _key(key)
            lines += ["", f"[{name}]", toml(value, name).rstrip("\n")]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else jsons.dumps(key).decode()
