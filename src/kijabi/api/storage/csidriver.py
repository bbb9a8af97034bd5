"""CSIDrivers."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("storage.k8s.io/v1", "csidrivers")
# Counted from 0: upstream leaves it out at creation.
COLUMNS = (
    printing.NAME,
    Column("AttachRequired", "boolean", description="Whether volumes are attached before they are mounted."),
    Column("PodInfoOnMount", "boolean", description="Whether the driver is told of the pod."),
    Column("StorageCapacity", "boolean", description="Whether the scheduler looks at capacity."),
    printing.text("TokenRequests", "Audiences of the tokens it gets."),
    Column("RequiresRepublish", "boolean", description="Whether volumes are published again and again."),
    printing.text("Modes", "Life cycles of its volumes."),
    printing.AGE,
)
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for key, value in _DEFAULTS.items():
        spec.setdefault(key, value)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found: Errors = []
    if len(obj["metadata"].get("name", "")) > 63:
        found.append(field.too_long("metadata.name", 63))
    choices = ("File", "None", "ReadWriteOnceWithFSType")
    found += checks.optional(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy", choices)
    for mode in spec.get("volumeLifecycleModes") or ():
        found += checks.optional(mode, "spec.volumeLifecycleModes", ("Ephemeral", "Persistent"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_create(new)
    for key in ("attachRequired", "fsGroupPolicy", "volumeLifecycleModes"):
        found += checks.immutable(spec.get(key), before.get(key), f"spec.{key}")
    return found


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    tokens = spec.get("tokenRequests")
    audiences = printing.UNSET if tokens is None else ",".join(token.get("audience", "") for token in tokens)
    return [
        printing.name(obj),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        audiences,
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or printing.NONE,
        printing.age(obj, now),
    ]
