"""CSIStorageCapacities."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("storage.k8s.io/v1", "csistoragecapacities")
COLUMNS = (
    printing.NAME,
    printing.text("StorageClassName", "The class it is about."),
    printing.text("Capacity", "How much can be had."),
)


def validate_create(obj: Object) -> Errors:
    found = checks.selector(obj.get("nodeTopology"), "nodeTopology")
    return found + checks.required_word(obj.get("storageClassName"), "storageClassName", names.dns_subdomain)


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.immutable(new.get("nodeTopology"), old.get("nodeTopology"), "nodeTopology")
    return found + checks.immutable(new.get("storageClassName"), old.get("storageClassName"), "storageClassName")


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj.get("storageClassName", ""), obj.get("capacity", "<unset>")]
