"""StorageClasses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, oldlabels, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.storage import csi

RESOURCE = served.find("storage.k8s.io/v1", "storageclasses")
COLUMNS = (
    printing.NAME,
    printing.text("Provisioner", "Who makes the volumes."),
    printing.text("ReclaimPolicy", "What happens to volumes after their claims."),
    printing.text("VolumeBindingMode", "Whether volumes wait for a pod."),
    printing.text("AllowVolumeExpansion", "Whether volumes can grow."),
    printing.AGE,
)
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def default(obj: Object) -> None:
    if not obj.get("reclaimPolicy"):
        obj["reclaimPolicy"] = "Delete"
    obj.setdefault("volumeBindingMode", "Immediate")


def is_default(obj: Object) -> bool:
    """Whether claims without a class get this one."""
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT)


def validate_create(obj: Object) -> Errors:
    found = csi.qualified(obj.get("provisioner"), "provisioner")
    found += csi.parameters(obj.get("parameters"), "parameters")
    if obj.get("reclaimPolicy") not in ("Delete", "Retain"):
        found.append(field.not_supported("reclaimPolicy", obj.get("reclaimPolicy", ""), ("Delete", "Retain")))
    modes = ("Immediate", "WaitForFirstConsumer")
    if obj.get("volumeBindingMode") not in modes:
        found.append(field.not_supported("volumeBindingMode", obj.get("volumeBindingMode", ""), modes))
    return found + _topologies(obj.get("allowedTopologies") or [])


def _topologies(terms: list[Object]) -> Errors:
    found: Errors = []
    # Upstream compares with as many empty terms as there are terms, so an empty one is always one too many.
    seen: list[dict[str, set[str]]] = [{} for _ in terms]
    for position, term in enumerate(terms):
        path = f"allowedTopologies[{position}].matchLabelExpressions"
        wanted: dict[str, set[str]] = {}
        for number, expression in enumerate(term.get("matchLabelExpressions") or ()):
            found += _expression(expression, wanted, field.index(path, number))
        found += [field.duplicate(path, "") for other in seen if other == wanted]
        seen.append(wanted)
    return found


def _expression(expression: Object, wanted: dict[str, set[str]], path: str) -> Errors:
    key, values = expression.get("key", ""), expression.get("values") or ()
    found: Errors = [] if values else [field.required(field.child(path, "values"))]
    seen: set[str] = set()
    for position, value in enumerate(values):
        if value in seen:
            found.append(field.duplicate(field.index(field.child(path, "values"), position), value))
        seen.add(value)
    found += checks.word(key, field.child(path, "key"), names.label_key)
    if key in wanted:
        found.append(field.duplicate(field.child(path, "key"), key))
    wanted[key] = seen
    return found


_IMMUTABLE = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def validate_update(new: Object, old: Object) -> Errors:
    found: Errors = []
    for key in _IMMUTABLE:
        found += checks.immutable(new.get(key), old.get(key), key)
    return found


def warn_create(obj: Object) -> list[str]:
    return [
        f"allowedTopologies[{position}].matchLabelExpressions[{number}].key: {oldlabels.ADVICE[expression['key']]}"
        for position, term in enumerate(obj.get("allowedTopologies") or ())
        for number, expression in enumerate(term.get("matchLabelExpressions") or ())
        if expression.get("key") in oldlabels.ADVICE
    ]


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    name = printing.name(obj)
    return [
        f"{name} (default)" if is_default(obj) else name,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        printing.age(obj, now),
    ]
