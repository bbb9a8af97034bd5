"""DeviceClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import printing, resource, served
from kijabi.api.resource import Object

RESOURCE = served.find("resource.k8s.io/v1", "deviceclasses")
GENERATION = True
COLUMNS = (printing.NAME, printing.AGE)


def default(obj: Object) -> None:
    obj.setdefault("spec", {})


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old))


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
