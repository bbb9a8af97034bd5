"""Making a sandbox and starting a container in it: everything between the decision and the runtime.

A step that fails raises ``Failure`` with the reason that goes into the container's status.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kijabi.api import errors
from kijabi.api.resource import Resource
from kijabi.client import rest, transport
from kijabi.node.cri import contract
from kijabi.node.kubelet import (
    configs,
    environment,
    hooks,
    images,
    labels,
    mounts,
    objects,
    observed,
    pods,
    status,
)
from kijabi.node.kubelet.probes import check
from kijabi.node.kubelet.volumes import setup

_RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", False)

Record = Callable[[pods.Object, str, str, str, str], None]  # pod, container ("" for none), type, reason, message


class Failure(Exception):
    """``reason`` is for the waiting state. ``container_id`` is set when a started container must be killed again."""

    def __init__(self, reason: str, message: str, *, retry_at: float = 0.0, container_id: str = "") -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = status.Reason(reason, message)
        self.retry_at = retry_at
        self.container_id = container_id


@dataclass(slots=True)
class Node:
    """The parts of the kubelet that starting needs, and what changes slowly about the node."""

    client: rest.Client
    runtime: contract.Runtime
    images: images.Images
    hooks: hooks.Hooks
    objects: objects.Objects
    volumes: setup.Volumes
    configs: configs.Node
    record: Record
    services: Callable[[], list[dict[str, Any]] | None]
    node_name: str
    host_ips: Callable[[], tuple[str, ...]]
    allocatable: Callable[[], Mapping[str, str]]


@dataclass(slots=True)
class Prepared:
    """What one pass over a pod has in hand: its volumes and the objects it refers to."""

    mounted: dict[str, setup.Mounted] = field(default_factory=dict)
    objects: dict[objects.Reference, pods.Object | None] = field(default_factory=dict)


async def prepare(node: Node, pod: pods.Object) -> Prepared:
    """Fetch what the pod refers to and mount its volumes. Raises ``setup.Failure``."""
    wanted = objects.of_pod(pod)
    try:
        found = await node.objects.fetch(pods.uid(pod), wanted)
    except (objects.NotSynced, errors.ApiError, transport.Unreachable) as error:
        named = {volume["name"]: str(error) for volume in pod["spec"].get("volumes") or ()}
        if not named:
            # Only the environment refers to something; the container that does will say so.
            return Prepared()
        raise setup.Failure(named) from error
    return Prepared(await node.volumes.mount(pod, found), found)


async def run_sandbox(node: Node, pod: pods.Object, attempt: int) -> None:
    """Raises ``Failure``; a sandbox that fails leaves nothing behind (the runtime sees to that)."""
    try:
        config, warnings = configs.sandbox(pod, attempt, node.configs)
    except environment.ConfigError as error:
        message = f'Failed to generate sandbox config for pod "{pods.describe(pod)}": {error}'
        raise Failure("CreatePodSandboxError", message) from error
    for warning in warnings if node.runtime.on_disk else ():
        missing = "MissingClusterDNS" if "ClusterDNS" in warning else "DNSConfigForming"
        node.record(pod, "", "Warning", missing, warning)
    if node.runtime.on_disk:
        os.makedirs(config.log_directory, exist_ok=True)
    try:
        await node.runtime.run_sandbox(config, await _runtime_handler(node, pod))
    except (contract.RuntimeFailure, errors.ApiError, transport.Unreachable) as error:
        node.record(pod, "", "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        message = f'Failed to create sandbox for pod "{pods.describe(pod)}": {error}'
        raise Failure("CreatePodSandboxError", message) from error


async def _runtime_handler(node: Node, pod: pods.Object) -> str:
    name = pod["spec"].get("runtimeClassName")
    if not name:
        return ""
    return str((await node.client.get(_RUNTIME_CLASSES, name)).get("handler", ""))


async def fetch_image(node: Node, pod: pods.Object, container: pods.Object, prepared: Prepared) -> contract.Image:
    config, _ = configs.sandbox(pod, 0, node.configs)
    name = container["name"]
    found = (prepared.objects.get(reference) for reference in objects.of_pull_secrets(pod))
    secrets = [secret for secret in found if secret is not None]

    def record(type_: str, reason: str, message: str) -> None:
        node.record(pod, name, type_, reason, message)

    try:
        return await node.images.ensure(pod, container, secrets, config, record)
    except images.Failure as error:
        record("Warning", "Failed", f"Error: {error.reason}")
        raise Failure(error.reason, error.message, retry_at=error.retry_at) from error


async def start(
    node: Node,
    pod: pods.Object,
    container: pods.Object,
    runtime: observed.PodRuntime,
    prepared: Prepared,
    image: contract.Image,
) -> str:
    """Create and start a container in the pod's sandbox, and run its postStart hook; the container's id."""
    name = container["name"]
    sandbox = runtime.sandbox()
    assert sandbox is not None
    ips = node.host_ips() if sandbox.host_network else sandbox.ips

    def failed(reason: str, error: Exception, text: str = "") -> Failure:
        node.record(pod, name, "Warning", "Failed", f"Error: {text or error}")
        return Failure(reason, text or str(error))

    try:
        config = _configure(node, pod, container, runtime, prepared, image, ips)
        sandbox_config, _ = configs.sandbox(pod, sandbox.attempt, node.configs)
    except (environment.ConfigError, OSError) as error:
        raise failed("CreateContainerConfigError", error) from error
    try:
        container_id = await node.runtime.create_container(sandbox.id, config, sandbox_config)
    except contract.RuntimeFailure as error:
        raise failed("CreateContainerError", error, error.message) from error
    node.record(pod, name, "Normal", "Created", "Container created")
    try:
        await node.runtime.start_container(container_id)
    except contract.RuntimeFailure as error:
        raise failed("RunContainerError", error, error.message) from error
    node.record(pod, name, "Normal", "Started", "Container started")
    if node.runtime.on_disk:
        _link_log(pod, container_id, name, Path(sandbox_config.log_directory) / config.log_path)
    await _post_start(node, pod, container, container_id, ips)
    return container_id


async def _post_start(
    node: Node, pod: pods.Object, container: pods.Object, container_id: str, ips: tuple[str, ...]
) -> None:
    hook = (container.get("lifecycle") or {}).get("postStart")
    if not hook:
        return
    target = check.Target(container_id, container, ips[0] if ips else "")
    try:
        await node.hooks.run(pod, target, hook)
    except hooks.Failure as error:
        # What the hook printed may be secret, so the event does not repeat it.
        node.record(pod, container["name"], "Warning", "FailedPostStartHook", "PostStartHook failed")
        raise Failure("PostStartHookError", str(error), container_id=container_id) from error


def _configure(
    node: Node,
    pod: pods.Object,
    container: pods.Object,
    runtime: observed.PodRuntime,
    prepared: Prepared,
    image: contract.Image,
    ips: tuple[str, ...],
) -> contract.ContainerConfig:
    variables = environment.resolve(pod, container, _sources(node, pod, prepared, ips))
    restarts = restart_count(node, pod, container["name"], runtime)
    target = ""
    wanted = container.get("targetContainerName")
    if wanted:
        found = runtime.latest(wanted)
        if found is None or not found.running:
            raise environment.ConfigError(f'unable to find target container "{wanted}"')
        target = found.id
    made: list[contract.Mount] = []
    if node.runtime.on_disk:
        directory = node.volumes.pod_directory(pods.uid(pod))
        made = mounts.of_container(pod, container, prepared.mounted, variables, directory)
        made += mounts.hosts(pod, container, ips, node.configs.resolver.cluster_domain, directory)
        made += mounts.termination_log(container, directory)
        logs = labels.pod_log_directory(node.configs.log_root, pod) / container["name"]
        logs.mkdir(parents=True, exist_ok=True)
    begin = configs.Start(restarts, image.id, image, variables, made, target=target)
    return configs.container(pod, container, begin, node.configs)


def _sources(node: Node, pod: pods.Object, prepared: Prepared, ips: tuple[str, ...]) -> environment.Sources:
    services = node.services()
    if services is None:
        raise environment.ConfigError("services have not yet been read at least once, cannot construct envvars")
    namespace = pods.namespace(pod)

    def look(kind: str, name: str) -> dict[str, str] | None:
        found = prepared.objects.get((kind, namespace, name))
        return None if found is None else objects.text(kind, found)

    return environment.Sources(
        config_map=lambda name: look(objects.CONFIG_MAP, name),
        secret=lambda name: look(objects.SECRET, name),
        services=environment.service_variables(services, namespace, pod["spec"].get("enableServiceLinks") is not False),
        pod_ips=ips,
        host_ips=node.host_ips(),
        node_name=node.node_name,
        allocatable=node.allocatable(),
    )


def restart_count(node: Node, pod: pods.Object, name: str, runtime: observed.PodRuntime) -> int:
    """One more than the last incarnation's; when the runtime has forgotten it, one more than the last log's."""
    latest = runtime.latest(name)
    if latest is not None:
        return latest.restart_count + 1
    if not node.runtime.on_disk:
        return 0
    directory = labels.pod_log_directory(node.configs.log_root, pod) / name
    try:
        found = [int(match.group(1)) for match in (_LOG.match(entry.name) for entry in directory.iterdir()) if match]
    except OSError:
        return 0
    return max(found) + 1 if found else 0


_LOG = re.compile(r"^(\d+)\.log")
_LEGACY_LOGS = Path("/var/log/containers")


def _link_log(pod: pods.Object, container_id: str, name: str, log: Path) -> None:
    """The link that log shippers follow: ``/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log``."""
    link = _LEGACY_LOGS / f"{pods.name(pod)}_{pods.namespace(pod)}_{name}-{container_id}.log"
    with contextlib.suppress(OSError):
        if _LEGACY_LOGS.is_dir():
            link.symlink_to(log)


def unlink_logs(runtime: observed.PodRuntime) -> None:
    with contextlib.suppress(OSError):
        for found in runtime.containers:
            for link in _LEGACY_LOGS.glob(f"*-{found.id}.log"):
                link.unlink(missing_ok=True)


def remove_logs(node: Node, pod: pods.Object) -> None:
    shutil.rmtree(labels.pod_log_directory(node.configs.log_root, pod), ignore_errors=True)


def missing(error: setup.Failure) -> list[str]:
    """Texts for FailedMount events."""
    return [f'MountVolume.SetUp failed for volume "{name}" : {text}' for name, text in error.problems.items()]
