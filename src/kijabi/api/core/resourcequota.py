"""ResourceQuotas."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "resourcequotas")
COLUMNS = (
    printing.NAME,
    printing.text("Request", "Used and allowed amounts that are asked for, and counts of objects."),
    printing.text("Limit", "Used and allowed amounts of limits."),
    printing.AGE,
)
_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found = checks.amounts(spec.get("hard"), "spec.hard", _name)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            found.append(field.invalid("spec.scopes", scopes, "unsupported scope"))
    for pair in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if set(pair) <= set(scopes):
            found.append(field.invalid("spec.scopes", scopes, "conflicting scopes"))
    return found


def _name(name: str, path: str) -> Errors:
    if name.startswith(("count/", "requests.", "limits.")) or ".storageclass.storage.k8s.io/" in name:
        return []
    return checks.resource_name(name, path)


def validate_update(new: Object, old: Object) -> Errors:
    found = validate_create(new)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if sorted(spec.get("scopes") or ()) != sorted(before.get("scopes") or ()):
        found.append(field.immutable("spec.scopes", spec.get("scopes")))
    return found


def columns(obj: Object, now: float) -> list[Any]:
    told = obj.get("status") or {}
    hard, used = told.get("hard") or {}, told.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        cell = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if name.startswith("limits.") else requests).append(cell)
    return [printing.name(obj), ", ".join(requests), ", ".join(limits), printing.age(obj, now)]
