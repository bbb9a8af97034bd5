"""The names by which the kubelet finds its own containers again: CRI labels and annotations, and log paths.

Source: k8s.io/kubelet ``pkg/types/labels.go`` and upstream's kuberuntime package; crictl and log shippers rely on them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from kijabi.kit import jsons
from kijabi.node.kubelet import pods

POD_NAME: Final = "io.kubernetes.pod.name"
POD_NAMESPACE: Final = "io.kubernetes.pod.namespace"
POD_UID: Final = "io.kubernetes.pod.uid"
CONTAINER_NAME: Final = "io.kubernetes.container.name"

DELETION_GRACE: Final = "io.kubernetes.pod.deletionGracePeriod"
TERMINATION_GRACE: Final = "io.kubernetes.pod.terminationGracePeriod"
CONTAINER_HASH: Final = "io.kubernetes.container.hash"
RESTART_COUNT: Final = "io.kubernetes.container.restartCount"
MESSAGE_PATH: Final = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY: Final = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP: Final = "io.kubernetes.container.preStopHandler"
PORTS: Final = "io.kubernetes.container.ports"

DEFAULT_MESSAGE_PATH: Final = "/dev/termination-log"


def sandbox_labels(pod: pods.Object) -> dict[str, str]:
    """The pod's own labels, then ours, which win."""
    return {**(pod["metadata"].get("labels") or {}), **_identity(pod)}


def container_labels(pod: pods.Object, container: pods.Object) -> dict[str, str]:
    return {**_identity(pod), CONTAINER_NAME: container["name"]}


def _identity(pod: pods.Object) -> dict[str, str]:
    return {POD_NAME: pods.name(pod), POD_NAMESPACE: pods.namespace(pod), POD_UID: pods.uid(pod)}


def container_annotations(pod: pods.Object, container: pods.Object, restart_count: int) -> dict[str, str]:
    """What must be known to stop a container whose pod is no longer in the API, and to adopt it."""
    kept = {
        CONTAINER_HASH: pods.container_hash(container),
        RESTART_COUNT: str(restart_count),
        MESSAGE_PATH: container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH,
        MESSAGE_POLICY: container.get("terminationMessagePolicy", ""),
    }
    deletion = pod["metadata"].get("deletionGracePeriodSeconds")
    if deletion is not None:
        kept[DELETION_GRACE] = str(deletion)
    termination = pod["spec"].get("terminationGracePeriodSeconds")
    if termination is not None:
        kept[TERMINATION_GRACE] = str(termination)
    hook: Any = (container.get("lifecycle") or {}).get("preStop")
    if hook:
        kept[PRE_STOP] = jsons.dumps(hook).decode()
    if container.get("ports"):
        kept[PORTS] = jsons.dumps(container["ports"]).decode()
    return kept


def restart_count(annotations: dict[str, str]) -> int:
    text = annotations.get(RESTART_COUNT, "0")
    return int(text) if text.isdigit() else 0


def grace_seconds(annotations: dict[str, str]) -> int | None:
    text = annotations.get(DELETION_GRACE) or annotations.get(TERMINATION_GRACE) or ""
    return int(text) if text.isdigit() else None


def pod_log_directory(root: Path, pod: pods.Object) -> Path:
    return root / f"{pods.namespace(pod)}_{pods.name(pod)}_{pods.uid(pod)}"


def container_log_path(container_name: str, restarts: int) -> str:
    """Below the pod's log directory."""
    return f"{container_name}/{restarts}.log"
