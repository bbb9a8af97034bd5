"""The CRI configuration of a sandbox and of a container: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kijabi.node.cri import contract
from kijabi.node.kubelet import environment, labels, names, pods, resources, security


@dataclass(slots=True)
class Node:
    """What a configuration needs to know of the node it is for."""

    log_root: Path
    machine: resources.Machine
    resolver: names.Resolver
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    per_pod_cgroups: bool = True
    seccomp: security.SeccompProfiles = field(default_factory=security.SeccompProfiles)


def sandbox(pod: pods.Object, attempt: int, node: Node) -> tuple[contract.SandboxConfig, list[str]]:
    """The configuration, and warnings about DNS for events."""
    dns, warnings = names.pod_dns(pod, node.resolver)
    parent = resources.cgroup_parent(pod, node.cgroup_driver, node.cgroup_root) if node.per_pod_cgroups else ""
    sysctls = (pod["spec"].get("securityContext") or {}).get("sysctls") or ()
    linux = contract.SandboxLinux(
        cgroup_parent=parent,
        security_context=security.sandbox_context(pod),
        sysctls={entry["name"]: str(entry["value"]) for entry in sysctls},
    )
    made = contract.SandboxConfig(
        metadata=contract.SandboxMetadata(pods.name(pod), pods.uid(pod), pods.namespace(pod), attempt),
        hostname=names.kernel_hostname(pod, node.resolver.cluster_domain),
        log_directory=str(labels.pod_log_directory(node.log_root, pod)),
        dns_config=dns,
        port_mappings=_port_mappings(pod),
        labels=labels.sandbox_labels(pod),
        annotations=dict(pods.annotations_of(pod)),
        linux=linux,
    )
    return made, warnings


def _port_mappings(pod: pods.Object) -> list[contract.PortMapping]:
    containers = [*pods.init_containers(pod), *pods.regular_containers(pod)]
    if pods.is_host_network(pod):
        return []
    return [
        contract.PortMapping(
            port.get("protocol") or "TCP", port["containerPort"], port.get("hostPort") or 0, port.get("hostIP") or ""
        )
        for container in containers
        if container in pods.regular_containers(pod) or pods.is_sidecar(container)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


@dataclass(slots=True)
class Start:
    """What is known when a container is about to be made. ``target`` is the container a debugger shares PIDs with."""

    restart_count: int
    image_ref: str
    image: contract.Image | None
    variables: dict[str, str]
    mounts: Sequence[contract.Mount] = ()
    devices: list[contract.Device] = field(default_factory=list)
    target: str = ""


def container(pod: pods.Object, spec: pods.Object, start: Start, node: Node) -> contract.ContainerConfig:
    security.verify_non_root(pod, spec, start.image)
    command, args = environment.expand_command(spec, start.variables)
    context = security.container_context(pod, spec, start.image, node.seccomp)
    if start.target and context.namespace_options.pid == "CONTAINER":
        context.namespace_options.pid, context.namespace_options.target_id = "TARGET", start.target
    return contract.ContainerConfig(
        metadata=contract.ContainerMetadata(spec["name"], start.restart_count),
        image=contract.ImageSpec(start.image_ref, spec.get("image", "")),
        command=command,
        args=args,
        working_dir=spec.get("workingDir", ""),
        envs=[contract.KeyValue(name, value) for name, value in start.variables.items()],
        mounts=list(start.mounts),
        devices=start.devices,
        labels=labels.container_labels(pod, spec),
        annotations=labels.container_annotations(pod, spec, start.restart_count),
        log_path=labels.container_log_path(spec["name"], start.restart_count),
        stdin=bool(spec.get("stdin")),
        stdin_once=bool(spec.get("stdinOnce")),
        tty=bool(spec.get("tty")),
        linux=contract.ContainerLinux(resources.container_resources(pod, spec, node.machine), context),
        stop_signal=(spec.get("lifecycle") or {}).get("stopSignal", ""),
    )


def default_tag(image: str) -> str:
    """``nginx`` is ``nginx:latest``; a tag or digest stays. Raises ``ValueError`` for what is no image name."""
    if not image or image != image.strip() or any(letter.isspace() for letter in image):
        raise ValueError("invalid reference format")
    if "@" in image:
        return image
    last = image.rsplit("/", 1)[-1]
    if last.lower() != last and ":" not in last:
        raise ValueError("repository name must be lowercase")
    return image if ":" in last else f"{image}:latest"


Object = dict[str, Any]
