"""ResourceClaimTemplates."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import requests

RESOURCE = served.find("resource.k8s.io/v1", "resourceclaimtemplates")
COLUMNS = (printing.NAME, printing.AGE)


def default(obj: Object) -> None:
    requests.default(obj.setdefault("spec", {}).setdefault("spec", {}))


def validate_create(obj: Object) -> Errors:
    return requests.validate(obj["spec"]["spec"], "spec.spec")


def validate_update(new: Object, old: Object) -> Errors:
    return checks.immutable(new.get("spec"), old.get("spec"), "spec")


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
