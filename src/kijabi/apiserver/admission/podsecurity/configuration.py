"""PodSecurityConfiguration: what applies where labels say nothing, and who is exempt.

Source: the documentation, "Enforce Pod Security Standards by Configuring the Built-in Admission Controller".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kijabi.api import field, names
from kijabi.apiserver.admission.podsecurity import policy
from kijabi.apiserver.contract import Object
from kijabi.kit import config

_VERSIONS = tuple(f"pod-security.admission.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


class Unusable(config.Unusable):
    """The configuration cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Configuration:
    defaults: policy.Policy = policy.NONE
    namespaces: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()


def read(given: Object | None) -> Configuration:
    """Raises Unusable."""
    if not given:
        return Configuration()
    if given.get("kind") != "PodSecurityConfiguration" or given.get("apiVersion") not in _VERSIONS:
        kind, version = given.get("kind", ""), given.get("apiVersion", "")
        raise Unusable(f'no kind "{kind}" is registered for version "{version}"')
    found: list[field.Error] = []
    told = given.get("defaults") or {}
    modes = [_mode(told, mode, found) for mode in ("enforce", "audit", "warn")]
    exempt = given.get("exemptions") or {}
    namespaces = _names(exempt, "namespaces", names.dns_label, found)
    classes = _names(exempt, "runtimeClasses", names.dns_subdomain, found)
    users = _names(exempt, "usernames", lambda name: [] if name else ["username must not be empty"], found)
    if found:
        raise Unusable(str(found[0]) if len(found) == 1 else f"[{', '.join(map(str, found))}]")
    return Configuration(policy.Policy(*modes), namespaces, users, classes)


def _mode(told: Object, mode: str, found: list[field.Error]) -> policy.Asked:
    level, version = told.get(mode) or "privileged", told.get(f"{mode}-version") or "latest"
    _, problems = policy.read({policy.PREFIX + mode: level, f"{policy.PREFIX}{mode}-version": version})
    for problem in problems:
        key = problem.path.rpartition("/")[2].rstrip("]")
        found.append(field.invalid(f"defaults.{key}", problem.value, problem.detail))
    return policy.Asked(policy.level(level) or "privileged", policy.version(version) or 0)


def _names(exempt: Object, key: str, wrong: Callable[[str], list[str]], found: list[field.Error]) -> frozenset[str]:
    seen: set[str] = set()
    for position, name in enumerate(exempt.get(key) or ()):
        path = f"exemptions.{key}[{position}]"
        why = wrong(name)
        if why:
            found.append(field.invalid(path, name, ", ".join(why)))
        elif name in seen:
            found.append(field.duplicate(path, name))
        seen.add(name)
    return frozenset(seen)
