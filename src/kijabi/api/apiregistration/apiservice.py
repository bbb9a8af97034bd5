"""APIServices."""

from __future__ import annotations

from typing import Any

from kijabi.api import conditions, field, printing, served
from kijabi.api.admissionregistration import webhooks
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("apiregistration.k8s.io/v1", "apiservices")
COLUMNS = (
    printing.NAME,
    printing.text("Service", "The reference to the service that hosts this API endpoint."),
    printing.text("Available", "Whether this service is available."),
    printing.AGE,
)


def default(obj: Object) -> None:
    webhooks.default_service((obj.get("spec") or {}).get("service"))


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    wanted = f"{spec.get('version', '')}.{spec.get('group', '')}"
    name = obj["metadata"].get("name", "")
    if name != wanted:
        found.append(field.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not spec.get("version"):
        found.append(field.required("spec.version"))
    for key, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if not 0 < value <= limit:
            text = f"must be positive and less than {limit}"
            found.append(field.invalid(f"spec.{key}", value, text))
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            found.append(field.invalid("spec.caBundle", "0 bytes", "local APIServices may not have a caBundle"))
        if spec.get("insecureSkipTLSVerify"):
            text = "local APIServices may not have insecureSkipTLSVerify"
            found.append(field.invalid("spec.insecureSkipTLSVerify", True, text))
        return found
    found += [field.required(f"spec.service.{key}") for key in ("namespace", "name") if not service.get(key)]
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        found.append(field.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    service = (obj.get("spec") or {}).get("service")
    available = conditions.get(obj, "Available")
    shown = "Unknown"
    if available is not None:
        shown = available.get("status", "Unknown")
        if shown != conditions.TRUE:
            shown = f"{shown} ({available.get('reason', '')})"
    where = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    return [printing.name(obj), where, shown, printing.age(obj, now)]
