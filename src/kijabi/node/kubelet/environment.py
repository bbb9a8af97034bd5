"""A container's environment from every source, and the expansion of ``$(VAR)``: pure.

Source: the documented "Define dependent environment variables" and API reference of ``EnvVar``; upstream's texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.node.kubelet import downward, pods

Lookup = Callable[[str], Mapping[str, str] | None]


class ConfigError(Exception):
    """A container cannot be configured as asked; shown as CreateContainerConfigError."""


@dataclass(slots=True)
class Sources:
    """``config_map`` and ``secret`` give the decoded data of an object in the pod's namespace, None where it is not."""

    config_map: Lookup
    secret: Lookup
    services: Mapping[str, str] = field(default_factory=dict)
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    node_name: str = ""
    allocatable: Mapping[str, str] = field(default_factory=dict)


_REFERENCE = re.compile(r"\$(\$|\([^)]*\))?")


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """``$(NAME)`` becomes its value, ``$$`` becomes ``$``; what has no value stays as it is written."""
    if "$" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        what = match.group(1)
        if what is None:
            return "$"
        if what == "$":
            return "$"
        value = lookup(what[1:-1])
        return match.group(0) if value is None else value

    return _REFERENCE.sub(replace, text)


def resolve(pod: pods.Object, container: pods.Object, sources: Sources) -> dict[str, str]:
    """Variables in order: a later one may refer to an earlier; service variables fill in what is missing."""
    values: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        values.update(_from(pod, entry, sources))
    for variable in container.get("env") or ():
        value = _value(pod, container, variable, sources, values)
        if value is not None:
            # A variable that is set again keeps upstream's place: the last declaration.
            values.pop(variable["name"], None)
            values[variable["name"]] = value
    for name, value in sources.services.items():
        values.setdefault(name, value)
    return values


def _from(pod: pods.Object, entry: dict[str, Any], sources: Sources) -> dict[str, str]:
    for key, lookup, plural in (
        ("configMapRef", sources.config_map, "configmap"),
        ("secretRef", sources.secret, "secret"),
    ):
        reference = entry.get(key)
        if reference is None:
            continue
        data = lookup(reference.get("name", ""))
        if data is None:
            if reference.get("optional"):
                return {}
            raise ConfigError(f'{plural} "{reference.get("name", "")}" not found')
        prefix = entry.get("prefix", "")
        return {prefix + name: value for name, value in data.items()}
    return {}


def _value(
    pod: pods.Object, container: pods.Object, variable: dict[str, Any], sources: Sources, values: Mapping[str, str]
) -> str | None:
    text = variable.get("value")
    if text:

        def lookup(name: str) -> str | None:
            found = values.get(name)
            return sources.services.get(name) if found is None else found

        return expand(text, lookup)
    source = variable.get("valueFrom")
    if not source:
        return ""
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"], sources)
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        found = pods.container(pod, reference.get("containerName") or container["name"])
        if found is None:
            raise ConfigError(f"container {reference.get('containerName')} not found")
        return downward.resource(reference, found[0], sources.allocatable)
    for key, lookup_data, kind, plural in (
        ("configMapKeyRef", sources.config_map, "ConfigMap", "configmap"),
        ("secretKeyRef", sources.secret, "Secret", "secret"),
    ):
        if key in source:
            return _key(pod, source[key], lookup_data, kind, plural)
    return ""


def _key(pod: pods.Object, reference: dict[str, Any], lookup: Lookup, kind: str, plural: str) -> str | None:
    name, key = reference.get("name", ""), reference["key"]
    data = lookup(name)
    if data is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{plural} "{name}" not found')
    if key not in data:
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {key} in {kind} {pods.namespace(pod)}/{name}")
    return data[key]


def _field(pod: pods.Object, reference: dict[str, Any], sources: Sources) -> str:
    path = reference["fieldPath"]
    known = {
        "spec.nodeName": sources.node_name or pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": sources.host_ips[0] if sources.host_ips else "",
        "status.hostIPs": ",".join(sources.host_ips),
        "status.podIP": sources.pod_ips[0] if sources.pod_ips else "",
        "status.podIPs": ",".join(sources.pod_ips),
    }
    if path in known:
        return str(known[path])
    value = downward.field_value(pod, path)
    if value is None:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return value


def expand_command(container: pods.Object, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    command = [expand(part, values.get) for part in container.get("command") or ()]
    return command, [expand(part, values.get) for part in container.get("args") or ()]


def service_variables(services: Iterable[dict[str, Any]], namespace: str, links: bool) -> dict[str, str]:
    """Docker-link variables for the services a pod may see: its namespace's when ``links``, and always the API's."""
    result: dict[str, str] = {}
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        address = spec.get("clusterIP", "")
        if not address or address == "None":
            continue
        master = meta["namespace"] == "default" and meta["name"] == "kubernetes"
        if not master and not (links and meta["namespace"] == namespace):
            continue
        made = _variables(meta["name"], address, spec.get("ports") or [])
        if master:
            # A service of the same name in the pod's own namespace wins over the API's.
            result = {**made, **result}
        else:
            result.update(made)
    return result


def _variables(name: str, address: str, ports: list[dict[str, Any]]) -> dict[str, str]:
    prefix = name.replace("-", "_").upper()
    if not ports:
        return {}
    host = f"[{address}]" if ":" in address else address
    made = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            made[f"{prefix}_SERVICE_PORT_{port['name'].replace('-', '_').upper()}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if index == 0:
            made[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol}"
        made.update(
            {stem: url, f"{stem}_PROTO": protocol.lower(), f"{stem}_PORT": str(port["port"]), f"{stem}_ADDR": address}
        )
    return made
