"""Embedded resources, and the root of every custom resource: apiVersion, kind and metadata of the right types.

Source: apiextensions-apiserver schema/objectmeta.
"""

from __future__ import annotations

import functools
from typing import Any

from kijabi.api import field, metadata, names, schema
from kijabi.api.schema import check, types
from kijabi.api.structural.schema import Schema

Object = dict[str, Any]

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@functools.cache
def meta_type() -> types.Type:
    return schema.Schemas.load().graph.definition(_OBJECT_META)


@functools.cache
def _is_proper() -> check.Test:
    return check.Tests().of(meta_type())


def coerce_meta(obj: Object, path: str = "") -> list[check.Problem]:
    """Bring ``obj["metadata"]`` into its stored form; unknown fields are dropped and reported, wrong types fatal."""
    meta = obj.get("metadata")
    if meta is None or _is_proper()(meta):
        return []
    if type(meta) is not dict:
        text = "json: cannot unmarshal array into Go value of type v1.ObjectMeta"
        if type(meta) is not list:
            text = text.replace("array", "string" if type(meta) is str else "number")
        return [check.Problem(text, True, "metadata")]
    problems = check.Walk().run(meta_type(), meta)
    prefix = field.child(path, "metadata")
    return [
        one if one.fatal else check.Problem(f'unknown field "{prefix}.{one.path}"', False, f"{prefix}.{one.path}")
        for one in problems
    ]


def has_embedded(one: Schema | None) -> bool:
    """Whether ``coerce`` and ``validate`` have anything to look for below the root."""
    if one is None:
        return False
    below = [*one.properties.values(), one.items, one.values]
    return one.embedded or any(has_embedded(child) for child in below)


def coerce(value: Any, one: Schema | None, path: str = "") -> list[check.Problem]:
    """Problems of embedded resources' types, which are put into their stored form."""
    if one is None:
        return []
    found: list[check.Problem] = []
    if type(value) is dict:
        if one.embedded:
            found += _coerce_type(value, path)
        for key, item in value.items():
            if type(item) is dict or type(item) is list:
                below = field.child(path, key) if key in one.properties else field.key(path, key)
                found += coerce(item, one.child(key), below)
    elif type(value) is list:
        for position, item in enumerate(value):
            found += coerce(item, one.items, field.index(path, position))
    return found


def _coerce_type(value: Object, path: str) -> list[check.Problem]:
    found = []
    for key in ("apiVersion", "kind"):
        if key in value and type(value[key]) is not str:
            where = field.child(path, key)
            found.append(check.Problem(str(field.invalid(where, value[key], "must be a string")), True, where))
    for problem in coerce_meta(value, path):
        if problem.fatal:
            where = field.child(path, "metadata")
            text = str(field.invalid(where, value["metadata"], problem.text))
            problem = check.Problem(text, True, where)
        found.append(problem)
    return found


def validate(value: Any, one: Schema | None, path: str = "") -> list[field.Error]:
    """What is wrong with embedded resources' types, names and metadata."""
    if one is None:
        return []
    found: list[field.Error] = []
    if type(value) is dict:
        if one.embedded:
            found += _embedded(value, path)
        for key, item in value.items():
            if type(item) is dict or type(item) is list:
                below = field.child(path, key) if key in one.properties else field.key(path, key)
                found += validate(item, one.child(key), below)
    elif type(value) is list:
        for position, item in enumerate(value):
            found += validate(item, one.items, field.index(path, position))
    return found


def _embedded(value: Object, path: str) -> list[field.Error]:
    found: list[field.Error] = []
    version, kind = field.child(path, "apiVersion"), field.child(path, "kind")
    for key, where in (("apiVersion", version), ("kind", kind)):
        if key not in value:
            found.append(field.required(where))
        elif type(value[key]) is not str:
            found.append(field.invalid(where, value[key], "must be a string"))
        elif not value[key]:
            found.append(field.invalid(where, value[key], "must not be empty"))
        elif key == "apiVersion" and value[key].count("/") > 1:
            found.append(field.invalid(where, value[key], f"unexpected GroupVersion string: {value[key]}"))
        elif key == "kind":
            complaints = names.dns1035_label(value[key].lower())
            if complaints:
                text = "may have mixed case, but should otherwise match: " + ",".join(complaints)
                found.append(field.invalid(where, value[key], text))
    meta = value.get("metadata")
    if type(meta) is dict:
        # Something has to stand for a name that may be missing here.
        named = {**meta, "name": meta.get("name") or "fakename"}
        found += metadata.validate(named, bool(meta.get("namespace")), metadata.segment, field.child(path, "metadata"))
    return found
