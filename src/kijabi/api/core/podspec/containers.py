"""Validation of containers: names, images, ports, environment, mounts, resources, probes, hooks, security."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import probes
from kijabi.api.predicates import fit
from kijabi.api.resource import Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"


def validate(containers: list[Object], volumes: Collection[str], grace: int | None, path: str) -> Errors:
    """The main containers, of which there must be one."""
    if not containers:
        return [field.required(path)]
    found: Errors = []
    seen: set[str] = set()
    for position, container in enumerate(containers):
        where = field.index(path, position)
        found += common(container, volumes, where)
        name = container.get("name", "")
        if name in seen:
            found.append(field.duplicate(field.child(where, "name"), name))
        seen.add(name)
        found += probes.validate(container, grace, where)
        if container.get("restartPolicy"):
            choices = ("Always", "Never", "OnFailure")
            found += checks.optional(container["restartPolicy"], field.child(where, "restartPolicy"), choices)
    return found + _host_ports(containers, path)


def validate_init(
    containers: list[Object], main: list[Object], volumes: Collection[str], grace: int | None, path: str
) -> Errors:
    found: Errors = []
    seen = {container.get("name", "") for container in main}
    for position, container in enumerate(containers):
        where = field.index(path, position)
        found += common(container, volumes, where)
        choices = ("Always", "Never", "OnFailure")
        found += checks.optional(container.get("restartPolicy"), field.child(where, "restartPolicy"), choices)
        name = container.get("name", "")
        if name in seen:
            found.append(field.duplicate(field.child(where, "name"), name))
        elif name:
            seen.add(name)
        found += _host_ports([container], path)
        if fit.is_sidecar(container):
            found += probes.validate(container, grace, where)
        else:
            for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if key in container:
                    found.append(field.forbidden(field.child(where, key), _ONLY_SIDECARS))
    return found


_NOT_EPHEMERAL = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "ports", "resources", "resizePolicy")


def validate_ephemeral(containers: list[Object], others: list[Object], volumes: Collection[str], path: str) -> Errors:
    found: Errors = []
    seen = {container.get("name", "") for container in others}
    for position, container in enumerate(containers):
        where = field.index(path, position)
        found += common(container, volumes, where)
        name = container.get("name", "")
        if name in seen:
            found.append(field.duplicate(field.child(where, "name"), name))
        seen.add(name)
        target = container.get("targetContainerName")
        if target and target not in {other.get("name") for other in others}:
            found.append(field.not_found(field.child(where, "targetContainerName"), target))
        for key in _NOT_EPHEMERAL:
            if container.get(key):
                found.append(field.forbidden(field.child(where, key), "cannot be set for an Ephemeral Container"))
    return found


def common(container: Object, volumes: Collection[str], path: str) -> Errors:
    found = checks.required_word(container.get("name"), field.child(path, "name"), names.dns_label)
    if not container.get("image"):
        found.append(field.required(field.child(path, "image")))
    found += checks.one_of(
        container.get("terminationMessagePolicy"),
        field.child(path, "terminationMessagePolicy"),
        ("File", "FallbackToLogsOnError"),
    )
    if "ports" in container:
        found += _ports(container["ports"], field.child(path, "ports"))
    if "env" in container:
        found += _env(container["env"], field.child(path, "env"))
    if "envFrom" in container:
        found += _env_from(container["envFrom"], field.child(path, "envFrom"))
    if "volumeMounts" in container:
        found += _mounts(container, volumes, field.child(path, "volumeMounts"))
    found += checks.one_of(
        container.get("imagePullPolicy"), field.child(path, "imagePullPolicy"), ("Always", "IfNotPresent", "Never")
    )
    if container.get("resources"):
        found += resources(container["resources"], field.child(path, "resources"))
    if "securityContext" in container:
        found += _security(container["securityContext"], field.child(path, "securityContext"))
    return found


def _ports(ports: list[Object], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, port in enumerate(ports):
        where = field.index(path, position)
        name = port.get("name")
        if name:
            complaints = checks.word(name, field.child(where, "name"), names.port_name)
            if not complaints and name in seen:
                complaints = [field.duplicate(field.child(where, "name"), name)]
            found += complaints
            seen.add(name)
        number = port.get("containerPort", 0)
        if not number:
            found.append(field.required(field.child(where, "containerPort")))
        else:
            found += checks.port_number_or_name(number, field.child(where, "containerPort"))
        if port.get("hostPort"):
            found += checks.port_number_or_name(port["hostPort"], field.child(where, "hostPort"))
        found += checks.one_of(port.get("protocol"), field.child(where, "protocol"), PROTOCOLS)
    return found


def _host_ports(containers: list[Object], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if text in seen:
                where = f"{field.index(path, position)}.ports[{number}].hostPort"
                found.append(field.duplicate(where, text))
            seen.add(text)
    return found


_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName")
_ENV_FIELDS = (*_FIELDS, "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs")
_RESOURCES = tuple(
    f"{which}.{name}" for which in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)


def _env(variables: list[Object], path: str) -> Errors:
    found: Errors = []
    for position, variable in enumerate(variables):
        where = field.index(path, position)
        found += checks.required_word(variable.get("name"), field.child(where, "name"), names.env_name)
        if "valueFrom" in variable:
            found += _value_from(variable, field.child(where, "valueFrom"))
    return found


def _value_from(variable: Object, path: str) -> Errors:
    source = variable["valueFrom"]
    found: Errors = []
    given = [key for key in _SOURCES if key in source]
    for key in given:
        found += _source(key, source[key], field.child(path, key))
    if not given:
        listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        found.append(field.invalid(path, "", f"must specify one of: {listed}"))
    elif variable.get("value"):
        found.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        found.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _source(key: str, source: Object, path: str) -> Errors:
    if key == "fieldRef":
        return field_reference(source, _ENV_FIELDS, path)
    if key == "resourceFieldRef":
        return resource_reference(source, path)
    if key == "fileKeyRef":
        required = [k for k in ("volumeName", "path", "key") if not source.get(k)]
        return [field.required(field.child(path, k)) for k in required]
    found = [] if source.get("name") else [field.required(field.child(path, "name"))]
    return found + checks.required_word(source.get("key"), field.child(path, "key"), names.config_key)


def field_reference(source: Object, allowed: Collection[str], path: str) -> Errors:
    wanted = source.get("fieldPath", "")
    where = field.child(path, "fieldPath")
    if not wanted:
        return [field.required(where)]
    base, bracket, subscript = wanted.partition("['")
    if bracket and subscript.endswith("']"):
        key = subscript[:-2]
        if base in ("metadata.annotations", "metadata.labels"):
            return checks.word(key.lower() if base.endswith("annotations") else key, path, names.label_key)
        text = f"error converting fieldPath: field label does not support subscript: {wanted}"
        return [field.invalid(where, wanted, text)]
    if wanted in allowed:
        return []
    if wanted in (*_ENV_FIELDS, "metadata.annotations", "metadata.labels", "status.phase", "spec.restartPolicy"):
        return [field.not_supported(where, wanted, allowed)]
    return [field.invalid(where, wanted, f"error converting fieldPath: field label not supported: {wanted}")]


def resource_reference(source: Object, path: str, container_required: bool = False) -> Errors:
    wanted = source.get("resource", "")
    if container_required and not source.get("containerName"):
        return [field.required(field.child(path, "containerName"))]
    if not wanted:
        return [field.required(field.child(path, "resource"))]
    if wanted not in _RESOURCES and not wanted.startswith(("limits.hugepages-", "requests.hugepages-")):
        return [field.not_supported(field.child(path, "resource"), wanted, _RESOURCES)]
    return []


def _env_from(sources: list[Object], path: str) -> Errors:
    found: Errors = []
    for position, source in enumerate(sources):
        where = field.index(path, position)
        if source.get("prefix"):
            found += checks.word(source["prefix"], field.child(where, "prefix"), names.env_name)
        given = [key for key in ("configMapRef", "secretRef") if key in source]
        for key in given:
            if not source[key].get("name"):
                found.append(field.required(field.child(where, key, "name")))
        if not given:
            found.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _mounts(container: Object, volumes: Collection[str], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    devices = container.get("volumeDevices") or ()
    for position, mount in enumerate(container["volumeMounts"]):
        where = field.index(path, position)
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.append(field.required(field.child(where, "name")))
        if name not in volumes:
            found.append(field.not_found(field.child(where, "name"), name))
        if not target:
            found.append(field.required(field.child(where, "mountPath")))
        if target in seen:
            found.append(field.invalid(field.child(where, "mountPath"), target, "must be unique"))
        seen.add(target)
        if any(device.get("name") == name for device in devices):
            found.append(field.invalid(field.child(where, "name"), name, "must not already exist in volumeDevices"))
        if mount.get("subPath"):
            found += descending(mount["subPath"], field.child(path, "subPath"))
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                text = "subPathExpr and subPath are mutually exclusive"
                found.append(field.invalid(field.child(where, "subPathExpr"), mount["subPathExpr"], text))
            found += descending(mount["subPathExpr"], field.child(path, "subPathExpr"))
        found += checks.optional(
            mount.get("mountPropagation"),
            field.child(path, "mountPropagation"),
            ("Bidirectional", "HostToContainer", "None"),
        )
    return found


def descending(text: str, path: str) -> Errors:
    """A relative path that does not climb."""
    found = [field.invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return found + no_backsteps(text, path)


def no_backsteps(text: str, path: str) -> Errors:
    return [field.invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []


def resources(wanted: Object, path: str) -> Errors:
    """Requests and limits, and that no request is above its limit."""
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    found = checks.amounts(limits, field.child(path, "limits"), checks.container_resource_name)
    where = field.child(path, "requests")
    for name, value in requests.items():
        found += checks.container_resource_name(name, field.key(where, name))
        found += checks.amount(name, value, field.key(where, name))
        found += _within_limit(name, value, limits.get(name), path)
    return found


def _within_limit(name: str, request: Any, limit: Any, path: str) -> Errors:
    where = field.child(path, "requests")
    fixed = checks.is_extended(name) or name.startswith("hugepages-")
    if limit is None:
        return [
            field.required(field.child(path, "limits"), "Limit must be set for non overcommitable resources")
        ] * fixed
    asked, most = quantity.of(request), quantity.of(limit)
    if fixed and asked != most:
        return [field.invalid(where, str(asked), f"must be equal to {name} limit of {most}")]
    if asked > most:
        return [field.invalid(where, str(asked), f"must be less than or equal to {name} limit of {most}")]
    return []


def _security(context: Object, path: str) -> Errors:
    found: Errors = []
    for key in ("runAsUser", "runAsGroup"):
        if context.get(key) is not None:
            texts = names.user_id(context[key])
            found += [field.invalid(field.child(path, key), context[key], text) for text in texts]
    found += checks.optional(context.get("procMount"), field.child(path, "procMount"), ("Default", "Unmasked"))
    found += profile(context.get("seccompProfile"), field.child(path, "seccompProfile"))
    found += profile(context.get("appArmorProfile"), field.child(path, "appArmorProfile"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(field.invalid(path, context, text))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(field.invalid(path, context, text))
    return found


def profile(value: Object | None, path: str) -> Errors:
    """A seccomp or AppArmor profile."""
    if value is None:
        return []
    kind, local = value.get("type"), value.get("localhostProfile")
    where = field.child(path, "localhostProfile")
    found = checks.one_of(kind, field.child(path, "type"), ("Localhost", "RuntimeDefault", "Unconfined"))
    if kind == "Localhost" and not local:
        found.append(field.required(where, "must be set when type is Localhost"))
    elif kind != "Localhost" and local:
        found.append(field.invalid(where, local, "can only be set when type is Localhost"))
    return found
