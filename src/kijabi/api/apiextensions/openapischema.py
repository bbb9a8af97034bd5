"""Validation of the schema of one version of a definition, beyond its being structural.

Works on schemas as written. Source: apiextensions-apiserver's ValidateCustomResourceDefinitionOpenAPISchema,
pkg/apiserver/schema/defaulting/validation.go.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kijabi.api import field
from kijabi.api.apiextensions import fieldpaths
from kijabi.api.cel import rules
from kijabi.api.checks import Errors
from kijabi.api.structural import objectmeta, pruning, structure, values
from kijabi.api.structural import schema as structural

Raw = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_REASONS = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")


@dataclass(frozen=True, slots=True)
class Strictness:
    """What is asked of a schema; an update does not ask for what the stored definition lacked already."""

    schema: bool = True
    types: bool = True
    structural: bool = True
    pruned_defaults: bool = True
    atomic_sets: bool = True
    map_keys: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    """``reason``: why no defaults may stand here."""

    defaults: bool = True
    reason: str = ""
    in_meta: bool = False
    is_root: bool = False


def walk(raw: Any) -> Iterator[Raw]:
    """The schema and all below it."""
    if not isinstance(raw, Mapping):
        return
    yield raw
    for key in ("items", "additionalProperties", "not"):
        yield from walk(raw.get(key))
    for key in ("allOf", "anyOf", "oneOf"):
        for one in raw.get(key) or ():
            yield from walk(one)
    for one in (raw.get("properties") or {}).values():
        yield from walk(one)


def strictness(stored: list[Raw | None]) -> Strictness:
    """What may be asked of an update of a definition with these schemas."""
    given = [raw for raw in stored if raw is not None]
    nodes = [node for raw in given for node in walk(raw)]
    return Strictness(
        schema=len(given) == len(stored),
        types=all(not node.get("type") or node["type"] in TYPES for node in nodes),
        structural=not any(structure.validate(raw, "") for raw in given),
        pruned_defaults=not any(_unpruned(raw) for raw in given),
        atomic_sets=not any(_set_items(node, "", "") for node in nodes),
        map_keys=not any(_map_keys(node, "") for node in nodes),
    )


def _unpruned(raw: Raw) -> bool:
    for node in walk(raw):
        if node.get("default") is not None:
            pruned = copy.deepcopy(node["default"])
            pruning.prune_value(pruned, structural.parse(node))
            if pruned != node["default"]:
                return True
    return False


def validate(raw: Raw, path: str, wanted: Strictness, unchanged: bool = False) -> Errors:
    """All that is wrong with the schema of a kind. ``path`` is that of ``openAPIV3Schema``.

    ``unchanged``: it stood so before, and what its rules cost is no longer asked.
    """
    found: Errors = []
    if raw.get("nullable"):
        found.append(field.forbidden(field.child(path, "nullable"), "nullable cannot be true at the root"))
    if wanted.structural:
        wrong = structure.validate(raw, path)
        found += wrong or _defaults(raw, path, wanted)
    found += _node(raw, path, _Place(is_root=True), wanted)
    # Rules are only compiled for schemas that are valid without them.
    return found or rules.compile_schema(raw, unchanged=unchanged).errors(path)


# --- defaults


def _defaults(raw: Raw, path: str, wanted: Strictness) -> Errors:
    found: Errors = []
    default = raw.get("default")
    if default is not None:
        schema, where = structural.parse(raw), field.child(path, "default")
        pruned = copy.deepcopy(default)
        pruning.prune_value(pruned, schema)
        if wanted.pruned_defaults and pruned != default:
            found.append(field.invalid(where, default, "must not have unknown fields"))
        fatal = [one for one in objectmeta.coerce(copy.deepcopy(default), schema, where) if one.fatal]
        if fatal:
            found.append(field.invalid(where, default, fatal[0].text))
        else:
            wrong = objectmeta.validate(default, schema, where)
            wrong = wrong or values.prefixed(values.Validator(raw).validate(default), where)
            ruled = rules.compile_schema(raw, root=False, unchanged=True)
            found += wrong or ruled.validate(where, default)
    items = raw.get("items")
    if isinstance(items, Mapping):
        found += _defaults(items, field.child(path, "items"), wanted)
    for name, one in (raw.get("properties") or {}).items():
        found += _defaults(one or {}, field.key(field.child(path, "properties"), name), wanted)
    return found


# --- one node


def _node(raw: Raw, path: str, place: _Place, wanted: Strictness) -> Errors:
    found = _supported(raw, path, place, wanted) + _below(raw, path, place, wanted)
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        where = field.child(path, "x-kubernetes-preserve-unknown-fields")
        found.append(field.invalid(where, False, "must be true or undefined"))
    found += _map_type(raw, path) + _list_type(raw, path, wanted) + _list_keys(raw, path)
    if wanted.map_keys:
        found += _map_keys(raw, path)
    return found + _rules(raw, path)


def _supported(raw: Raw, path: str, place: _Place, wanted: Strictness) -> Errors:
    found: Errors = []
    type_ = raw.get("type") or ""
    if wanted.types and type_ and type_ not in TYPES:
        found.append(field.not_supported(field.child(path, "type"), type_, TYPES))
    if raw.get("default") is not None and not place.defaults:
        text = "must not be set" + (f" {place.reason}" if place.reason else "")
        found.append(field.forbidden(field.child(path, "default"), text))
    if raw.get("id"):
        found.append(field.forbidden(field.child(path, "id"), "id is not supported"))
    found += [
        field.forbidden(field.child(path, key), f"{key} is not supported")
        for key in _UNSUPPORTED
        if raw.get(key) is not None
    ]
    if type_ == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        found.append(field.forbidden(field.child(path, "type"), text))
    if isinstance(raw.get("items"), list):
        found.append(field.forbidden(field.child(path, "items"), "items must be a schema object and not an array"))
    if place.in_meta and raw.get("x-kubernetes-embedded-resource"):
        where = field.child(path, "x-kubernetes-embedded-resource")
        found.append(field.forbidden(where, "must not be used inside of resource meta"))
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(field.forbidden(field.child(path, "uniqueItems"), text))
    return found


def _below(raw: Raw, path: str, place: _Place, wanted: Strictness) -> Errors:
    found: Errors = []
    inner = replace(place, is_root=False)
    additional, properties = raw.get("additionalProperties"), raw.get("properties") or {}
    if additional is not None:
        where = field.child(path, "additionalProperties")
        if properties and additional is not True:
            found.append(field.forbidden(where, "additionalProperties and properties are mutual exclusive"))
        if isinstance(additional, Mapping):
            reason = "inside additionalProperties applying to object metadata"
            inside = replace(inner, defaults=False, reason=reason) if place.in_meta else inner
            found += _node(additional, where, inside, wanted)
    for name, one in properties.items():
        inside = inner
        if (place.is_root or raw.get("x-kubernetes-embedded-resource")) and name in structural.META_FIELDS:
            inside = replace(inside, in_meta=True)
            if place.is_root:
                inside = replace(inside, defaults=False, reason=f"in top-level {name}")
        found += _node(one or {}, field.key(field.child(path, "properties"), name), inside, wanted)
    for key in ("not", "items"):
        if isinstance(raw.get(key), Mapping):
            found += _node(raw[key], field.child(path, key), inner, wanted)
    for key in ("allOf", "oneOf", "anyOf"):
        for position, one in enumerate(raw.get(key) or ()):
            found += _node(one, field.index(field.child(path, key), position), inner, wanted)
    return found


def _must_be(raw: Raw, path: str, type_: str, extension: str) -> Errors:
    given, where = raw.get("type") or "", field.child(path, "type")
    text = f"must be {type_} if {extension} is specified"
    if given == type_:
        return []
    return [field.invalid(where, given, text) if given else field.required(where, text)]


def _map_type(raw: Raw, path: str) -> Errors:
    key = "x-kubernetes-map-type"
    if raw.get(key) is None:
        return []
    found = _must_be(raw, path, "object", key)
    if raw[key] not in ("atomic", "granular"):
        found.append(field.not_supported(field.child(path, key), raw[key], ("atomic", "granular")))
    return found


def _list_type(raw: Raw, path: str, wanted: Strictness) -> Errors:
    key = "x-kubernetes-list-type"
    if raw.get(key) is None:
        return []
    found = _must_be(raw, path, "array", key)
    if not found and wanted.atomic_sets:
        found = _set_items(raw, path, field.child(path, "items"))
    if raw[key] not in ("atomic", "set", "map"):
        found.append(field.not_supported(field.child(path, key), raw[key], ("atomic", "set", "map")))
    return found


def _set_items(raw: Raw, path: str, where: str) -> Errors:
    items = raw.get("items")
    if raw.get("x-kubernetes-list-type") != "set" or not isinstance(items, Mapping):
        return []
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    kind = items.get("type")
    given = items.get("x-kubernetes-list-type")
    if kind == "array" and given not in (None, "atomic"):
        return [field.invalid(field.child(where, "x-kubernetes-list-type"), given, text)]
    if kind == "object" and items.get("x-kubernetes-map-type") != "atomic":
        return [field.invalid(field.child(where, "x-kubernetes-map-type"), given, text)]
    return []


def _list_keys(raw: Raw, path: str) -> Errors:
    found: Errors = []
    keys, type_ = raw.get("x-kubernetes-list-map-keys") or [], raw.get("x-kubernetes-list-type")
    where, typed = field.child(path, "x-kubernetes-list-map-keys"), field.child(path, "x-kubernetes-list-type")
    if keys and type_ != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        found.append(field.required(typed, text) if type_ is None else field.invalid(typed, type_, text))
    if type_ != "map":
        return found
    items, below = raw.get("items"), field.child(path, "items")
    if not keys:
        found.append(field.required(where, "must not be empty if x-kubernetes-list-type is map"))
    if items is None:
        return [*found, field.required(below, "must have a schema if x-kubernetes-list-type is map")]
    if not isinstance(items, Mapping):
        text = "must only have a single schema if x-kubernetes-list-type is map"
        return [*found, field.invalid(below, items, text)]
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        return [*found, field.invalid(field.child(below, "type"), items.get("type") or "", text)]
    properties = items.get("properties") or {}
    for position, key in enumerate(keys):
        known = properties.get(key)
        if known is None:
            found.append(field.invalid(where, keys, "entries must all be names of item properties"))
        elif known.get("type") in ("array", "object"):
            at = field.child(field.key(field.child(below, "properties"), key), "type")
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            found.append(field.invalid(at, items.get("type"), text))
        if key in keys[:position]:
            found.append(field.invalid(where, keys, "must not contain duplicate entries"))
    return found


def _map_keys(raw: Raw, path: str) -> Errors:
    type_, items = raw.get("x-kubernetes-list-type"), raw.get("items")
    if type_ not in ("set", "map") or not isinstance(items, Mapping):
        return []
    found: Errors = []
    below = field.child(path, "items")
    if items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {type_}"
        found.append(field.forbidden(field.child(below, "nullable"), text))
    if type_ == "set":
        return found
    for key in raw.get("x-kubernetes-list-map-keys") or ():
        known = (items.get("properties") or {}).get(key)
        if known is None:
            continue
        where = field.key(field.child(below, "properties"), key)
        name = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and known.get("default") is None:
            text = f"{name} must have a default or be a required property"
            found.append(field.required(field.child(where, "default"), text))
        if known.get("nullable"):
            found.append(field.forbidden(field.child(where, "nullable"), f"{name} cannot be nullable"))
    return found


# --- rules in CEL: what can be said of them without compiling


def _rules(raw: Raw, path: str) -> Errors:
    found: Errors = []
    for position, rule in enumerate(raw.get(rules.KEY) or ()):
        found += _rule(raw, rule, field.index(field.child(path, rules.KEY), position))
    return found


def _rule(raw: Raw, rule: Raw, path: str) -> Errors:
    found: Errors = []
    text, message = rule.get("rule") or "", rule.get("message") or ""
    where = field.child(path, "message")
    if not text.strip():
        found.append(field.required(field.child(path, "rule"), "rule is not specified"))
    elif message and not message.strip():
        found.append(field.invalid(where, message, "must be non-empty if specified"))
    elif _has_breaks(message.strip()):
        found.append(field.invalid(where, message, "must not contain line breaks"))
    elif _has_breaks(text.strip()) and not message.strip():
        found.append(field.required(where, "message must be specified if rule contains line breaks"))
    expression, place = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    if expression and not expression.strip():
        text = "messageExpression must be non-empty if specified"
        found.append(field.required(field.child(path, "messageExpression"), text))
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        found.append(field.not_supported(field.child(path, "reason"), rule["reason"], _REASONS))
    where = field.child(path, "fieldPath")
    if place and not place.strip():
        found.append(field.invalid(where, place, "must be non-empty if specified"))
    if _has_breaks(place):
        found.append(field.invalid(where, place, "must not contain line breaks"))
    if place:
        try:
            fieldpaths.resolve(place, structural.parse(raw))
        except fieldpaths.Malformed:
            found.append(field.invalid(where, place, "must be a valid path"))
    return found


def _has_breaks(text: str) -> bool:
    return "\n" in text or "\r" in text
