"""ConfigMaps."""

from __future__ import annotations

from typing import Any

from kijabi.api import field, metadata, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "configmaps")
COLUMNS = (printing.NAME, printing.text("Data", "Keys."), printing.AGE)
LIMIT = 1 << 20


def default(obj: Object) -> None:
    if obj.get("data") == {}:
        del obj["data"]


def validate_create(obj: Object) -> Errors:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    found: Errors = []
    size = 0
    for key, value in data.items():
        path = field.key("data", key)
        found += [field.invalid(path, key, text) for text in names.config_key(key)]
        if key in binary:
            found.append(field.invalid(path, key, "duplicate of key present in binaryData"))
        size += len(value.encode())
    for key, value in binary.items():
        found += [field.invalid(field.key("binaryData", key), key, text) for text in names.config_key(key)]
        size += len(value) * 3 // 4 - value[-2:].count("=")
    if size > LIMIT:
        # The path of the whole object is shown so.
        found.append(field.too_long("[]", LIMIT))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    found: Errors = []
    if old.get("immutable"):
        text = "field is immutable when `immutable` is set"
        if not new.get("immutable"):
            found.append(field.forbidden("immutable", text))
        for key in ("data", "binaryData"):
            if (new.get(key) or {}) != (old.get(key) or {}):
                found.append(field.forbidden(key, text))
    return found + metadata.validate(new["metadata"], True, metadata.subdomain) + validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), printing.age(obj, now)]
