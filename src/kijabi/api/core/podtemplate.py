"""PodTemplates."""

from __future__ import annotations

from typing import Any

from kijabi.api import printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import advice, defaults, validation
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "podtemplates")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Containers", "Names of each container in the template."),
    printing.text("Images", "Images referenced by each container in the template."),
    printing.text("Pod Labels", "The labels for the pod template."),
)


def default(obj: Object) -> None:
    defaults.default_template(obj.setdefault("template", {}))


def prepare_update(new: Object, old: Object) -> None:
    resource.count_generation(new, old, resource.is_changed(new, old, "template"))


def validate_create(obj: Object) -> Errors:
    return validation.validate_template(obj["template"], "template")


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def warn_create(obj: Object) -> list[str]:
    return advice.of_template(obj["template"], "template")


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new) if resource.is_changed(new, old, "template") else []


def columns(obj: Object, now: float) -> list[Any]:
    template = obj.get("template") or {}
    told = (template.get("metadata") or {}).get("labels")
    return [printing.name(obj), *printing.containers(template.get("spec") or {}), printing.labels(told)]
