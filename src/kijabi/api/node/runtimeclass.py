"""RuntimeClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import placement
from kijabi.api.resource import Object

RESOURCE = served.find("node.k8s.io/v1", "runtimeclasses")
COLUMNS = (printing.NAME, printing.text("Handler", "What the container runtime calls it."), printing.AGE)


def validate_create(obj: Object) -> Errors:
    found = checks.word(obj.get("handler", ""), "handler", names.dns_label)
    overhead = obj.get("overhead") or {}
    found += checks.amounts(overhead.get("podFixed"), "overhead.podFixed")
    scheduling = obj.get("scheduling") or {}
    found += placement.node_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
    return found + placement.tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations")


def validate_update(new: Object, old: Object) -> Errors:
    return checks.immutable(new.get("handler"), old.get("handler"), "handler")


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj.get("handler", ""), printing.age(obj, now)]
