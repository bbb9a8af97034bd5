"""Validation of containers, init containers and ephemeral containers.

Left out: the cluster-wide switch that forbids privileged containers, which every distribution turns off; Pod Security
is what says who may run them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import environment, mounts, probes, requirements, restarts, security
from kijabi.api.predicates import fit
from kijabi.api.resource import Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"


@dataclass(frozen=True, slots=True)
class Around:
    """What containers are judged by that is not their own: the pod around them."""

    volumes: mounts.Volumes = dataclasses.field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    grace: int | None = None
    restart_policy: str | None = None
    host_users: bool = True


def validate(containers: list[Object], around: Around, path: str) -> Errors:
    """The main containers, of which there must be one."""
    if not containers:
        return [field.required(path)]
    found: Errors = []
    taken: set[str] = set()
    for position, container in enumerate(containers):
        where = f"{path}[{position}]"
        found += common(container, around, where)
        name = container.get("name", "")
        if name in taken:
            found.append(field.duplicate(f"{where}.name", name))
        taken.add(name)
        found += probes.validate(container, around.grace, where)
        found += restarts.validate(container, where)
    return found + _host_ports(containers, path)


def validate_init(containers: list[Object], main: list[Object], around: Around, path: str) -> Errors:
    found: Errors = []
    taken = {container.get("name", "") for container in main}
    for position, container in enumerate(containers):
        where = f"{path}[{position}]"
        found += common(container, around, where)
        found += restarts.validate_init(container, where)
        name = container.get("name", "")
        if name in taken:
            found.append(field.duplicate(f"{where}.name", name))
        elif name:
            taken.add(name)
        found += _host_ports([container], path)
        if fit.is_sidecar(container):
            found += probes.validate(container, around.grace, where)
            continue
        for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(key) is not None:
                found.append(field.forbidden(f"{where}.{key}", _ONLY_SIDECARS))
        for number, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                place = f"{where}.resizePolicy[{number}].restartPolicy"
                found.append(field.invalid(place, "RestartContainer", text))
    return found


# In the order of upstream's complaints.
_NOT_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


def validate_ephemeral(containers: list[Object], others: list[Object], around: Around, path: str) -> Errors:
    found: Errors = []
    other_names = {container.get("name", "") for container in others}
    taken = set(other_names)
    for position, container in enumerate(containers):
        where = f"{path}[{position}]"
        found += common(container, around, where) + trimmed_image(container, where)
        name = container.get("name", "")
        if name in taken:
            found.append(field.duplicate(f"{where}.name", name))
        taken.add(name)
        target = container.get("targetContainerName")
        if target and target not in other_names:
            found.append(field.not_found(f"{where}.targetContainerName", target))
        text = "cannot be set for an Ephemeral Container"
        found += [field.forbidden(f"{where}.{key}", text) for key in _NOT_EPHEMERAL if container.get(key)]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if mount.get(key):
                    found.append(field.forbidden(f"{where}.volumeMounts[{number}].{key}", text))
    return found


def trimmed_image(container: Object, path: str) -> Errors:
    """Asked of pods; templates may have anything."""
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [field.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]


def common(container: Object, around: Around, path: str) -> Errors:
    found = checks.required_word(container.get("name"), f"{path}.name", names.dns_label)
    if not container.get("image"):
        found.append(field.required(f"{path}.image"))
    policies = ("File", "FallbackToLogsOnError")
    found += checks.listed(container.get("terminationMessagePolicy"), f"{path}.terminationMessagePolicy", policies)
    if container.get("ports"):
        found += _ports(container["ports"], f"{path}.ports")
    if container.get("env"):
        found += environment.validate(container["env"], f"{path}.env")
    if container.get("envFrom"):
        found += environment.validate_from(container["envFrom"], f"{path}.envFrom")
    if container.get("volumeMounts"):
        found += mounts.validate(container, around.volumes, f"{path}.volumeMounts")
    if container.get("volumeDevices"):
        found += mounts.validate_devices(container, around.volumes, f"{path}.volumeDevices")
    found += checks.one_of(
        container.get("imagePullPolicy"), f"{path}.imagePullPolicy", ("Always", "IfNotPresent", "Never")
    )
    if container.get("resources"):
        found += requirements.validate(container["resources"], around.claims, f"{path}.resources")
    if container.get("resizePolicy"):
        where = f"{path}.resizePolicy"
        found += restarts.validate_resize(container["resizePolicy"], around.restart_policy, where)
    context = container.get("securityContext")
    return found + security.validate_container(context, around.host_users, f"{path}.securityContext")


def _ports(ports: list[Object], path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    for position, port in enumerate(ports):
        where = f"{path}[{position}]"
        name = port.get("name")
        if name:
            complaints = checks.word(name, f"{where}.name", names.port_name)
            if not complaints and name in taken:
                complaints = [field.duplicate(f"{where}.name", name)]
            found += complaints
            taken.add(name)
        number = port.get("containerPort", 0)
        if not number:
            found.append(field.required(f"{where}.containerPort"))
        else:
            found += checks.port_number_or_name(number, f"{where}.containerPort")
        if port.get("hostPort"):
            found += checks.port_number_or_name(port["hostPort"], f"{where}.hostPort")
        found += checks.one_of(port.get("protocol"), f"{where}.protocol", PROTOCOLS)
    return found


def _host_ports(containers: list[Object], path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    for position, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if text in taken:
                found.append(field.duplicate(f"{path}[{position}].ports[{number}].hostPort", text))
            taken.add(text)
    return found
