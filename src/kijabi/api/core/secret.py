"""Secrets. ``stringData`` is write-only: it goes into ``data`` and is gone."""

from __future__ import annotations

import base64
from typing import Any

from kijabi.api import checks, field, metadata, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.core import keypairs
from kijabi.api.resource import Object
from kijabi.kit import jsons

RESOURCE = served.find("v1", "secrets")
COLUMNS = (printing.NAME, printing.text("Type", "What the data is for."), printing.text("Data", "Keys."), printing.AGE)
LIMIT = 1 << 20
_ACCOUNT = "kubernetes.io/service-account.name"
_REDACTED = "<secret contents redacted>"


def default(obj: Object) -> None:
    if not obj.get("type"):
        obj["type"] = "Opaque"
    given = obj.pop("stringData", None)
    if given:
        data = obj.setdefault("data", {})
        for key, value in given.items():
            data[key] = base64.b64encode(value.encode()).decode()


def prepare_update(new: Object, old: Object) -> None:
    """The type may be left out."""
    if not new.get("type"):
        new["type"] = old.get("type", "")


def validate_create(obj: Object) -> Errors:
    data = obj.get("data") or {}
    found: Errors = []
    size = 0
    for key, value in data.items():
        found += [field.invalid(field.key("data", key), key, text) for text in names.config_key(key)]
        size += len(value) * 3 // 4 - value[-2:].count("=")
    if size > LIMIT:
        found.append(field.too_long("data", LIMIT))
    return found + _typed(obj, data)


def _typed(obj: Object, data: Object) -> Errors:
    match obj.get("type"):
        case "kubernetes.io/service-account-token":
            if not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
                return [field.required(field.key("metadata.annotations", _ACCOUNT))]
        case "kubernetes.io/dockercfg":
            return _docker(data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            return _docker(data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                return [field.required(field.key("data", key)) for key in ("username", "password")]
        case "kubernetes.io/ssh-auth":
            return [] if data.get("ssh-privatekey") else [field.required("data[ssh-privatekey]")]
        case "kubernetes.io/tls":
            return [field.required(field.key("data", key)) for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _docker(data: Object, key: str) -> Errors:
    path = field.key("data", key)
    if key not in data:
        return [field.required(path)]
    text = base64.b64decode(data[key])
    try:
        parsed = jsons.loads(text)
    except ValueError:
        return [field.invalid(path, _REDACTED, _json_complaint(text.decode(errors="replace")))]
    if not isinstance(parsed, dict) and parsed is not None:
        what = next(word for kind, word in _JSON_WORDS if isinstance(parsed, kind))
        complaint = f"json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
        return [field.invalid(path, _REDACTED, complaint)]
    return []


_JSON_WORDS = ((list, "array"), (str, "string"), (bool, "bool"), ((int, float), "number"))


def _json_complaint(text: str) -> str:
    """What Go's parser says of the two mistakes that are made: nothing at all, and something that is no JSON."""
    first = text.lstrip()[:1]
    if not first or first in '{["':
        return "unexpected end of JSON input"
    return f"invalid character '{first}' looking for beginning of value"


def validate_update(new: Object, old: Object) -> Errors:
    found = checks.immutable(new.get("type"), old.get("type"), "type")
    if old.get("immutable"):
        text = "field is immutable when `immutable` is set"
        if not new.get("immutable"):
            found.append(field.forbidden("immutable", text))
        if (new.get("data") or {}) != (old.get("data") or {}):
            found.append(field.forbidden("data", text))
    return found + metadata.validate(new["metadata"], True, metadata.subdomain) + validate_create(new)


def warn_create(obj: Object) -> list[str]:
    """A certificate and a key that nobody can serve with."""
    if obj.get("type") != "kubernetes.io/tls":
        return []
    data = obj.get("data") or {}
    certificate, key = (base64.b64decode(data.get(name, "")) for name in ("tls.crt", "tls.key"))
    complaint = keypairs.complaint(certificate, key)
    return [complaint] if complaint else []


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def fields(obj: Object) -> dict[str, str]:
    return {"type": obj.get("type", "")}


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj.get("type", ""), len(obj.get("data") or ()), printing.age(obj, now)]
