"""Facts about a Pod object, read and never changed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

Object = dict[str, Any]

SOURCE_ANNOTATION: Final = "kubernetes.io/config.source"
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
HASH_ANNOTATION: Final = "kubernetes.io/config.hash"
SEEN_ANNOTATION: Final = "kubernetes.io/config.seen"

INIT, SIDECAR, REGULAR, EPHEMERAL = "init", "sidecar", "regular", "ephemeral"
MINIMUM_GRACE: Final = 2


def uid(pod: Object) -> str:
    return str(pod["metadata"].get("uid", ""))


def name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def namespace(pod: Object) -> str:
    return str(pod["metadata"].get("namespace") or "default")


def describe(pod: Object) -> str:
    """``name_namespace(uid)``, as upstream's messages name a pod."""
    return f"{name(pod)}_{namespace(pod)}({uid(pod)})"


def annotations_of(pod: Object) -> Mapping[str, str]:
    return pod["metadata"].get("annotations") or {}


def is_static(pod: Object) -> bool:
    """The pod came from a file on this node, not from the API."""
    return annotations_of(pod).get(SOURCE_ANNOTATION, "api") != "api"


def is_mirror(pod: Object) -> bool:
    return MIRROR_ANNOTATION in annotations_of(pod)


def is_host_network(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def is_deleted(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def is_terminal(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def restart_policy(pod: Object) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def init_containers(pod: Object) -> list[Object]:
    return pod["spec"].get("initContainers") or []


def regular_containers(pod: Object) -> list[Object]:
    return pod["spec"].get("containers") or []


def ephemeral_containers(pod: Object) -> list[Object]:
    return pod["spec"].get("ephemeralContainers") or []


def every_container(pod: Object) -> Iterator[tuple[Object, str]]:
    """Each container with its role: init, sidecar, regular or ephemeral."""
    for container in init_containers(pod):
        yield container, SIDECAR if is_sidecar(container) else INIT
    for container in regular_containers(pod):
        yield container, REGULAR
    for container in ephemeral_containers(pod):
        yield container, EPHEMERAL


def container(pod: Object, wanted: str) -> tuple[Object, str] | None:
    for found, role in every_container(pod):
        if found["name"] == wanted:
            return found, role
    return None


def is_sidecar(container: Object) -> bool:
    """An init container that keeps running (KEP-753)."""
    return bool(container.get("restartPolicy") == "Always")


def restarts_after(container: Object, pod: Object, exit_code: int) -> bool:
    """Whether a container that ended with ``exit_code`` is started again (KEP-5307 rules, then the policies)."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if listed == (codes.get("operator") == "In") and rule.get("action") in ("Restart", "RestartAllContainers"):
            return True
    policy = container.get("restartPolicy") or restart_policy(pod)
    return bool(policy == "Always" or (policy == "OnFailure" and exit_code != 0))


def grace_seconds(pod: Object) -> int:
    """How long the pod may take to stop: what the deletion asked for, else what the pod asks for."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    if asked is None:
        asked = pod["spec"].get("terminationGracePeriodSeconds")
    return MINIMUM_GRACE if asked is None else int(asked)


def container_hash(container: Object) -> str:
    """Changes when the container must be made anew; only the image can change in a running pod.

    The value is ours alone (a restarted kubelet compares with what it wrote itself), so it need not be upstream's FNV.
    """
    identity = json.dumps([container.get("name"), container.get("image")], separators=(",", ":"))
    return f"{zlib.crc32(identity.encode()):x}"


def condition(pod_or_node: Object, type_: str) -> Object | None:
    for found in (pod_or_node.get("status") or {}).get("conditions") or ():
        if found.get("type") == type_:
            return dict(found)
    return None


def reference(pod: Object, container_name: str = "") -> Object:
    """An object to record events about: the pod, or one container in it (``fieldPath``)."""
    meta = pod["metadata"]
    about: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion") if meta.get(key) is not None
        },
    }
    found = container(pod, container_name) if container_name else None
    if found is not None:
        field = {REGULAR: "containers", EPHEMERAL: "ephemeralContainers"}.get(found[1], "initContainers")
        about["fieldPath"] = f"spec.{field}{{{container_name}}}"
    return about
