"""APIServices."""

from __future__ import annotations

import base64
from typing import Any

from kijabi.api import checks, conditions, field, metadata, names, printing, resource, served, zeros
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

# The name says group and version, and that of the core group ends with a dot.
NAME_RULE = metadata.segment
LOCAL = {
    "type": "Available",
    "status": conditions.TRUE,
    "reason": "Local",
    "message": "Local APIServices are always available",
}
_STATUSES = (conditions.TRUE, conditions.FALSE, conditions.UNKNOWN)


def default(obj: Object) -> None:
    spec = obj.get("spec") or {}
    webhooks.default_service(spec.get("service"))
    zeros.hide(spec, "insecureSkipTLSVerify")


def prepare_create(obj: Object) -> None:
    obj["status"] = {}
    if (obj.get("spec") or {}).get("service") is None:
        made = obj["metadata"].get("creationTimestamp")
        obj["status"] = {"conditions": [{**LOCAL, "lastTransitionTime": made}]}


def prepare_status(new: Object, old: Object) -> None:
    resource.keep_metadata(new, old)


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    group, version = spec.get("group") or "", spec.get("version") or ""
    name, wanted = obj["metadata"].get("name", ""), f"{version}.{group}"
    if name and not names.path_segment(name) and name != wanted:
        found.append(field.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not group and version != "v1":
        found.append(field.required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if group:
        found += checks.word(group, "spec.group", names.dns_subdomain)
    found += checks.word(version, "spec.version", names.dns1035_label)
    for key, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if not 0 < value <= limit:
            found.append(field.invalid(f"spec.{key}", value, f"must be positive and less than {limit}"))
    service = spec.get("service")
    return found + (_local(spec) if service is None else _remote(spec, service))


def _local(spec: Object) -> Errors:
    found: Errors = []
    if spec.get("caBundle"):
        size = len(base64.b64decode(spec["caBundle"]))
        found.append(field.invalid("spec.caBundle", f"{size} bytes", "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        found.append(field.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


def _remote(spec: Object, service: Object) -> Errors:
    found = [field.required(f"spec.service.{key}") for key in ("namespace", "name") if not service.get(key)]
    port = service.get("port", 443)
    problems = names.port_number(port)
    if problems:
        found.append(field.invalid("spec.service.port", port, f"port is not valid: {', '.join(problems)}"))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        found.append(field.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


def validate_status(new: Object, old: Object) -> Errors:
    found: Errors = []
    for position, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
        if condition.get("status") not in _STATUSES:
            where = f"status.conditions[{position}].status"
            found.append(field.not_supported(where, condition.get("status", ""), _STATUSES))
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
