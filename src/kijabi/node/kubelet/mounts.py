"""What is mounted into a container: its volumes, the hosts file, the termination message file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kijabi.node.cri import contract
from kijabi.node.kubelet import environment, labels, names, pods
from kijabi.node.kubelet.volumes import setup, subpath

_PROPAGATION: Final = {
    "None": "PROPAGATION_PRIVATE",
    "HostToContainer": "PROPAGATION_HOST_TO_CONTAINER",
    "Bidirectional": "PROPAGATION_BIDIRECTIONAL",
}


def of_container(
    pod: pods.Object,
    container: pods.Object,
    mounted: Mapping[str, setup.Mounted],
    variables: Mapping[str, str],
    directory: Path,
) -> list[contract.Mount]:
    """The volume mounts; ``directory`` is the pod's. Raises ``environment.ConfigError``."""
    made = []
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        volume = mounted.get(mount["name"])
        if volume is None:
            raise environment.ConfigError(
                f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"'
            )
        path = str(volume.path)
        below = _sub_path(mount, variables)
        if below:
            target = directory / "volume-subpaths" / mount["name"] / container["name"] / str(index)
            path = _mount_sub_path(volume.path, below, target, mount, container)
        inside = mount["mountPath"]
        made.append(
            contract.Mount(
                container_path=inside if inside.startswith("/") else f"/{inside}",
                host_path=path,
                readonly=bool(mount.get("readOnly")) or volume.read_only,
                propagation=_PROPAGATION[mount.get("mountPropagation") or "None"],
            )
        )
    return made


def _sub_path(mount: dict[str, Any], variables: Mapping[str, str]) -> str:
    below = str(mount.get("subPath") or "")
    if mount.get("subPathExpr"):
        below = environment.expand(mount["subPathExpr"], variables.get)
        if "$(" in below:
            raise environment.ConfigError(f"unable to provision SubPath `{mount['subPathExpr']}`: missing value")
    if below.startswith("/"):
        raise environment.ConfigError(f"error SubPath `{below}` must not be an absolute path")
    if ".." in below.split("/"):
        raise environment.ConfigError(f"unable to provision SubPath `{below}`: must not contain '..'")
    return below


def _mount_sub_path(volume: Path, below: str, target: Path, mount: dict[str, Any], container: pods.Object) -> str:
    try:
        return str(subpath.mount(volume, below, target))
    except (OSError, subpath.Escapes) as error:
        raise environment.ConfigError(
            f'failed to prepare subPath for volumeMount "{mount["name"]}" of container "{container["name"]}"'
        ) from error


def hosts(
    pod: pods.Object,
    container: pods.Object,
    ips: Sequence[str],
    cluster_domain: str,
    directory: Path,
) -> list[contract.Mount]:
    """The managed /etc/hosts, unless the container mounts its own or the pod has no address yet."""
    if any(mount["mountPath"] == "/etc/hosts" for mount in container.get("volumeMounts") or ()):
        return []
    if not ips:
        return []
    node_hosts = ""
    if pods.is_host_network(pod):
        try:
            node_hosts = Path("/etc/hosts").read_text()
        except OSError:
            node_hosts = "127.0.0.1\tlocalhost\n"
    path = directory / "etc-hosts"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written in place: the file is already mounted into the pod's other containers.
    path.write_text(names.hosts_file(pod, ips, cluster_domain, node_hosts))
    path.chmod(0o644)
    return [contract.Mount("/etc/hosts", str(path))]


def termination_log(container: pods.Object, directory: Path) -> list[contract.Mount]:
    inside = container.get("terminationMessagePath") or labels.DEFAULT_MESSAGE_PATH
    place = directory / "containers" / container["name"]
    place.mkdir(parents=True, exist_ok=True)
    path = place / secrets.token_hex(4)
    path.touch()
    # Whoever the container runs as must be able to write it.
    path.chmod(0o666)
    return [contract.Mount(inside, str(path))]
