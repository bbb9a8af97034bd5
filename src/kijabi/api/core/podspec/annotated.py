"""Annotations of pods and templates that mean something: mirror pods, deletion cost, and the profiles of old.

Seccomp and AppArmor profiles were annotations before they were fields; where both are there, they must agree.
"""

from __future__ import annotations

from collections.abc import Mapping

from kijabi.api import field
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import paths, security
from kijabi.api.resource import Object

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LOCAL = "localhost/"
_RUNTIME_DEFAULT, _DOCKER_DEFAULT, _UNCONFINED = "runtime/default", "docker/default", "unconfined"
_INT32 = 2**31


def validate(told: Mapping[str, str] | None, spec: Object, path: str, known_cost: str | None = None) -> Errors:
    """``path`` is that of the annotations; ``known_cost`` a stored deletion cost, which may stay what it is."""
    if not told:
        return []
    found: Errors = []
    if MIRROR in told and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        found.append(field.invalid(f"{path}[{MIRROR}]", told[MIRROR], text))
    cost = told.get(DELETION_COST)
    if cost is not None and not is_cost(cost) and (known_cost is None or is_cost(known_cost)):
        found.append(field.invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key, value in told.items():
        if key == SECCOMP_POD or key.startswith(SECCOMP_CONTAINER):
            found += _seccomp(value, f"{path}.{key}")
    for key, value in told.items():
        if key.startswith(APPARMOR):
            found += _apparmor(key, value, spec, path)
    return found


def is_cost(text: str) -> bool:
    """A 32 bit integer without a plus or leading zeros."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or (digits[0] == "0" and text != "0"):
        return False
    return -_INT32 <= int(text) < _INT32


def _seccomp(profile: str, path: str) -> Errors:
    if profile in (_RUNTIME_DEFAULT, _DOCKER_DEFAULT, _UNCONFINED):
        return []
    if profile.startswith(_LOCAL):
        return paths.descending(profile.removeprefix(_LOCAL), path)
    return [field.invalid(path, profile, "must be a valid seccomp profile")]


def _apparmor(key: str, profile: str, spec: Object, path: str) -> Errors:
    found: Errors = []
    name = key.removeprefix(APPARMOR)
    if all(container.get("name") != name for container, _ in security.every_container(spec, "")):
        found.append(field.invalid(f"{path}[{key}]", name, "container not found"))
    if profile not in ("", _RUNTIME_DEFAULT, _UNCONFINED) and not profile.startswith(_LOCAL):
        found.append(field.invalid(f"{path}[{key}]", profile, f'invalid AppArmor profile name: "{profile}"'))
    return found


def agree(told: Mapping[str, str] | None, spec: Object, path: str) -> Errors:
    """Profiles in annotations and fields, of a new pod or a template; ``path`` is the spec's."""
    if not told or not any(key == SECCOMP_POD or key.startswith((SECCOMP_CONTAINER, APPARMOR)) for key in told):
        return []
    found: Errors = []
    pod = spec.get("securityContext") or {}
    where = f"{path}.securityContext.seccompProfile"
    found += _matches(told.get(SECCOMP_POD), pod.get("seccompProfile"), "seccomp", where)
    containers = list(security.every_container(spec, path))
    for container, place in containers:
        own = (container.get("securityContext") or {}).get("seccompProfile")
        where = f"{place}.securityContext.seccompProfile"
        found += _matches(told.get(SECCOMP_CONTAINER + container.get("name", "")), own, "seccomp", where)
    if (spec.get("os") or {}).get("name") == "windows":
        return found
    for container, place in containers:
        own = (container.get("securityContext") or {}).get("appArmorProfile") or pod.get("appArmorProfile")
        where = f"{place}.securityContext.appArmorProfile"
        found += _matches(told.get(APPARMOR + container.get("name", "")), own, "apparmor", where)
    return found


def _matches(annotation: str | None, profile: Object | None, what: str, path: str) -> Errors:
    if annotation is None or not profile:
        return []
    wrong_type = field.forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    match profile.get("type"):
        case "Unconfined":
            return [] if annotation == _UNCONFINED else [wrong_type]
        case "RuntimeDefault":
            fine = (_RUNTIME_DEFAULT, _DOCKER_DEFAULT) if what == "seccomp" else (_RUNTIME_DEFAULT,)
            return [] if annotation in fine else [wrong_type]
        case "Localhost":
            if not annotation.startswith(_LOCAL):
                return [wrong_type]
            if annotation.removeprefix(_LOCAL) != profile.get("localhostProfile"):
                text = f"{what} profile in annotation and field must match"
                return [field.forbidden(f"{path}.localhostProfile", text)]
    return []


def apparmor_field(annotation: str) -> Object | None:
    """The field that says what the annotation says; None where it says nothing valid."""
    if annotation == _UNCONFINED:
        return {"type": "Unconfined"}
    if annotation == _RUNTIME_DEFAULT:
        return {"type": "RuntimeDefault"}
    if annotation.startswith(_LOCAL) and len(annotation) > len(_LOCAL):
        made = {"type": "Localhost", "localhostProfile": annotation.removeprefix(_LOCAL)}
        return made if not security.apparmor(made, "") else None
    return None
