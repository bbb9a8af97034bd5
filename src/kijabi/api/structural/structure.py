"""Whether a schema is structural: every value it speaks of has a type that is said once, outside of alternatives.

Works on schemas as written. Source: apiextensions-apiserver pkg/apiserver/schema/validation.go and complete.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import field
from kijabi.api.structural import patterns

Raw = Mapping[str, Any]
Errors = list[field.Error]

ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def validate(raw: Raw, path: str) -> Errors:
    """In the order of their texts, as upstream gives them."""
    found = _invariants(raw, ROOT, path) + _complete(raw, raw, path, path)
    return sorted(found, key=str)


def _schema(value: Any) -> Raw | None:
    return value if isinstance(value, Mapping) else None


def _properties(raw: Raw) -> Mapping[str, Raw]:
    return {name: one or {} for name, one in (raw.get("properties") or {}).items()}


def _invariants(raw: Raw, level: str, path: str) -> Errors:
    found: Errors = []
    items, additional = _schema(raw.get("items")), raw.get("additionalProperties")
    if raw.get("type") == "array" and raw.get("items") is None:
        found.append(field.required(field.child(path, "items"), "must be specified"))
    if items is not None:
        found += _invariants(items, ITEM, field.child(path, "items"))
    for name, one in _properties(raw).items():
        found += _invariants(one, FIELD, field.key(field.child(path, "properties"), name))
    if additional is not None:
        where = field.child(path, "additionalProperties")
        if level == ROOT:
            found.append(field.forbidden(where, "must not be used at the root"))
        if isinstance(additional, Mapping):
            found += _invariants(additional, FIELD, where)
    found += _extensions(raw, path)
    first = (raw.get("allOf") or [{}])[0]
    found += _values(raw, path, raw.get("anyOf") == _INT_OR_STRING, first.get("anyOf") == _INT_OR_STRING)
    return found + _typed(raw, level, path) + _resource(raw, level, path)


def _extensions(raw: Raw, path: str) -> Errors:
    if not raw.get("x-kubernetes-int-or-string"):
        return []
    text = "must be false if x-kubernetes-int-or-string is true"
    names = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
    return [field.invalid(field.child(path, name), True, text) for name in names if raw.get(name)]


def _typed(raw: Raw, level: str, path: str) -> Errors:
    type_, where = raw.get("type") or "", field.child(path, "type")
    if raw.get("x-kubernetes-embedded-resource") and type_ != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        return [field.invalid(where, type_, text) if type_ else field.required(where, text)]
    free = raw.get("x-kubernetes-int-or-string") or raw.get("x-kubernetes-preserve-unknown-fields")
    if not type_ and not free:
        return [field.required(where, f"must not be empty {level}")]
    if level == ROOT and type_ and type_ != "object":
        return [field.invalid(where, type_, "must be object at the root")]
    return []


def _resource(raw: Raw, level: str, path: str) -> Errors:
    found: Errors = []
    embedded, properties = raw.get("x-kubernetes-embedded-resource"), _properties(raw)
    if embedded and raw.get("additionalProperties") is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        found.append(field.forbidden(field.child(path, "additionalProperties"), text))
    if level == ROOT or embedded:
        below = field.child(path, "properties")
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type") != "string":
                where = field.child(field.key(below, name), "type")
                found.append(field.invalid(where, properties[name].get("type") or "", "must be string"))
        meta = properties.get("metadata")
        if meta is not None and meta.get("type") != "object":
            where = field.child(field.key(below, "metadata"), "type")
            found.append(field.invalid(where, meta.get("type") or "", "must be object"))
        if meta is not None and level == ROOT and not _is_plain_metadata(meta):
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            found.append(field.forbidden(field.key(below, "metadata"), text))
    if embedded and not raw.get("x-kubernetes-preserve-unknown-fields") and not properties:
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        found.append(field.required(field.child(path, "properties"), text))
    return found


def _is_plain_metadata(meta: Raw) -> bool:
    rest = {key: value for key, value in meta.items() if key not in ("type", "default", "properties") and value}
    return not rest and set(_properties(meta)) <= {"name", "generateName"}


def _values(raw: Raw, path: str, skip_any: bool = False, skip_first: bool = False) -> Errors:
    found: Errors = []
    if not skip_any:
        for position, one in enumerate(raw.get("anyOf") or ()):
            found += _nested(one, field.index(field.child(path, "anyOf"), position))
    for position, one in enumerate(raw.get("allOf") or ()):
        where = field.index(field.child(path, "allOf"), position)
        found += _nested(one, where, skip_any=skip_first and position == 0)
    for position, one in enumerate(raw.get("oneOf") or ()):
        found += _nested(one, field.index(field.child(path, "oneOf"), position))
    if raw.get("not") is not None:
        found += _nested(raw["not"], field.child(path, "not"))
    if raw.get("pattern"):
        try:
            patterns.compile(raw["pattern"])
        except patterns.Malformed as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            found.append(field.invalid(field.child(path, "pattern"), raw["pattern"], text))
    return found


# What must not be said inside of alternatives, with upstream's word for its absence.
_FORBIDDEN = {
    "type": "empty",
    "additionalProperties": "undefined",
    "default": "undefined",
    "title": "empty",
    "description": "empty",
    "nullable": "false",
    "x-kubernetes-preserve-unknown-fields": "false",
    "x-kubernetes-embedded-resource": "false",
    "x-kubernetes-int-or-string": "false",
    "x-kubernetes-list-map-keys": "empty",
    "x-kubernetes-list-type": "undefined",
    "x-kubernetes-map-type": "undefined",
    "x-kubernetes-validations": "empty",
}


def _nested(raw: Raw, path: str, skip_any: bool = False) -> Errors:
    found = _values(raw, path, skip_any)
    if _schema(raw.get("items")) is not None:
        found += _nested(raw["items"], field.child(path, "items"))
    for name, one in _properties(raw).items():
        found += _nested(one, field.key(field.child(path, "properties"), name))
    for key, word in _FORBIDDEN.items():
        value = raw.get(key)
        if value or (value is not None and word == "undefined"):
            found.append(field.forbidden(field.child(path, key), f"must be {word} to be structural"))
    if "metadata" in _properties(raw):
        where = field.key(field.child(path, "properties"), "metadata")
        found.append(field.forbidden(where, "must not be specified in a nested context"))
    return found


# --- completeness: what alternatives speak of must be there outside of them


def _complete(raw: Raw, structural: Raw, spath: str, vpath: str) -> Errors:
    found: Errors = []
    if raw.get("not") is not None:
        found += _nested_complete(raw["not"], structural, spath, field.child(vpath, "not"))
    for key in ("allOf", "anyOf", "oneOf"):
        for position, one in enumerate(raw.get(key) or ()):
            found += _nested_complete(one, structural, spath, field.index(field.child(vpath, key), position))
    return found


def _nested_complete(raw: Raw, structural: Raw | None, spath: str, vpath: str) -> Errors:
    if structural is None:
        return [field.required(spath, f"because it is defined in {vpath}")]
    found = _complete(raw, structural, spath, vpath)
    items = _schema(raw.get("items"))
    if items is not None:
        there = _schema(structural.get("items"))
        found += _nested_complete(items, there, field.child(spath, "items"), field.child(vpath, "items"))
    known = _properties(structural)
    for name, one in _properties(raw).items():
        swhere = field.key(field.child(spath, "properties"), name)
        vwhere = field.key(field.child(vpath, "properties"), name)
        found += _nested_complete(one, known.get(name), swhere, vwhere)
    return found
