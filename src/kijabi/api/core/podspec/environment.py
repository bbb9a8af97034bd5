"""Validation of environment variables and of references to fields, resources and keys."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import paths
from kijabi.api.resource import Object

_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName")
_ENV_FIELDS = (*_FIELDS, "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs")
# Labels that selectors of fields know, whether or not they may be referred to here.
_KNOWN = (
    *_ENV_FIELDS,
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
)
_SUBSCRIPTED = ("metadata.annotations", "metadata.labels")
_RESOURCES = tuple(
    f"{which}.{name}" for which in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def validate(variables: list[Object], path: str) -> Errors:
    found: Errors = []
    for position, variable in enumerate(variables):
        where = f"{path}[{position}]"
        found += checks.required_word(variable.get("name"), f"{where}.name", names.env_name)
        if "valueFrom" in variable:
            found += _value_from(variable, f"{where}.valueFrom")
    return found


def _value_from(variable: Object, path: str) -> Errors:
    source = variable["valueFrom"]
    given = [key for key in _REFERENCES if source.get(key) is not None]
    found = [problem for key in given for problem in _REFERENCES[key](source[key], f"{path}.{key}")]
    if not given:
        found.append(field.invalid(path, "", f"must specify one of: {_SOURCES}"))
    elif variable.get("value"):
        found.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        found.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _env_field(source: Object, path: str) -> Errors:
    return field_reference(source, _ENV_FIELDS, path)


def _key(source: Object, path: str) -> Errors:
    found = checks.word(source.get("name", ""), f"{path}.name", names.dns_subdomain)
    return found + checks.required_word(source.get("key"), f"{path}.key", names.config_key)


def _file_key(source: Object, path: str) -> Errors:
    found = checks.required_word(source.get("key"), f"{path}.key", names.env_name)
    found += checks.required_word(source.get("volumeName"), f"{path}.volumeName", names.dns_label)
    if not source.get("path"):
        return [*found, field.required(f"{path}.path")]
    return found + paths.no_backsteps(source["path"], f"{path}.path")


def field_reference(source: Object, allowed: Collection[str], path: str) -> Errors:
    wanted = source.get("fieldPath", "")
    where = f"{path}.fieldPath"
    if not wanted:
        return [field.required(where)]
    if source.get("apiVersion", "v1") != "v1":
        text = f"error converting fieldPath: unsupported pod version: {source['apiVersion']}"
        return [field.invalid(where, wanted, text)]
    base, bracket, subscript = wanted.partition("['")
    if bracket and subscript.endswith("']"):
        key = subscript[:-2]
        if base in _SUBSCRIPTED:
            return checks.word(key.lower() if base == "metadata.annotations" else key, path, names.label_key)
        text = f"error converting fieldPath: field label does not support subscript: {wanted}"
        return [field.invalid(where, wanted, text)]
    if wanted in allowed:
        return []
    if wanted in _KNOWN:
        return [field.not_supported(where, wanted, allowed)]
    return [field.invalid(where, wanted, f"error converting fieldPath: field label not supported: {wanted}")]


def resource_reference(source: Object, path: str, container_required: bool = False) -> Errors:
    wanted = source.get("resource", "")
    found: Errors = []
    if container_required and not source.get("containerName"):
        found.append(field.required(f"{path}.containerName"))
    elif not wanted:
        found.append(field.required(f"{path}.resource"))
    elif wanted not in _RESOURCES and not wanted.startswith(_HUGE_PAGES):
        found.append(field.not_supported(f"{path}.resource", wanted, _RESOURCES))
    return found + _divisor(wanted, source.get("divisor"), f"{path}.divisor")


_DIVISORS = ("1", *(f"1{unit}{binary}" for binary in ("", "i") for unit in ("K" if binary else "k", *"MGTPE")))


def _divisor(wanted: str, divisor: str | int | None, path: str) -> Errors:
    parsed = quantity.of(divisor) if divisor is not None else quantity.ZERO
    name = wanted.partition(".")[2]
    if not parsed or not (wanted in _RESOURCES or wanted.startswith(_HUGE_PAGES)):
        return []
    allowed = ("1m", "1") if name == "cpu" else _DIVISORS
    if str(parsed) in allowed:
        return []
    word = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(name, "hugepages")
    listed = "1m and 1" if name == "cpu" else ", ".join(_DIVISORS)
    return [field.invalid(path, wanted, f"only divisor's values {listed} are supported with the {word} resource")]


_REFERENCES: dict[str, Callable[[Object, str], Errors]] = {
    "fieldRef": _env_field,
    "resourceFieldRef": resource_reference,
    "configMapKeyRef": _key,
    "secretKeyRef": _key,
    "fileKeyRef": _file_key,
}


def validate_from(sources: list[Object], path: str) -> Errors:
    """``envFrom``."""
    found: Errors = []
    for position, source in enumerate(sources):
        where = f"{path}[{position}]"
        if source.get("prefix"):
            found += checks.word(source["prefix"], f"{where}.prefix", names.env_name)
        given = [key for key in ("configMapRef", "secretRef") if source.get(key) is not None]
        for key in given:
            found += checks.required_word(source[key].get("name"), f"{where}.{key}.name", _prefix)
        if not given:
            found.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _prefix(name: str) -> list[str]:
    # Upstream judges these names as if they were prefixes.
    return names.dns_subdomain(name[:-1] + "a" if name.endswith("-") else name)


def file_references(spec: Object, path: str) -> Errors:
    """The volumes that variables are read from are there, and writable scratch space."""
    found: Errors = []
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for number, container in enumerate(spec.get(kind) or ()):
            for position, variable in enumerate(container.get("env") or ()):
                reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if reference is None:
                    continue
                name = reference.get("volumeName", "")
                where = f"{path}.{kind}[{number}].env[{position}].valueFrom.fileKeyRef.volumeName"
                if name not in volumes:
                    found.append(field.not_found(where, name))
                elif "emptyDir" not in volumes[name]:
                    found.append(field.invalid(where, name, "referenced volume must be of type emptyDir"))
    return found
