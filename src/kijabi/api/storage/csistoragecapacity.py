"""CSIStorageCapacities."""

from __future__ import annotations

from kijabi.api import checks, field, names, quantity, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("storage.k8s.io/v1", "csistoragecapacities")


def validate_create(obj: Object) -> Errors:
    found = checks.selector(obj.get("nodeTopology"), "nodeTopology")
    found += checks.word(obj.get("storageClassName", ""), "storageClassName", names.dns_subdomain)
    capacity = obj.get("capacity")
    if capacity is not None and quantity.of(capacity).nanos < 0:
        found.append(field.invalid("capacity", str(quantity.of(capacity)), checks.NOT_NEGATIVE))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.immutable(new.get("nodeTopology"), old.get("nodeTopology"), "nodeTopology")
    return found + checks.immutable(new.get("storageClassName"), old.get("storageClassName"), "storageClassName")
