"""Validation of values: types, ranges, patterns, formats, enumerations, and what must hold of several schemas at once.

A schema is compiled once into a tree of ``Validator``; an update forgives what was wrong before and has not changed
(ratcheting). Source: kube-openapi pkg/validation; apiextensions-apiserver pkg/apiserver/validation; KEP-4008.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kijabi.api import field
from kijabi.api.structural import formats, patterns
from kijabi.kit import jsons

Errors = list[field.Error]

# Stands for "there was no value before, or none that could be told to be this one".
ABSENT: Any = object()
# What upstream calls a path of nothing.
NOWHERE = "<nil>"

_NAMES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def _pointed(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _number(value: float) -> str:
    """As Go prints a float64 by default."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(float(value))


class Validator:
    """One node. ``prefix`` of a path is the caller's; messages name the path without it, as upstream's do."""

    __slots__ = (
        "_all",
        "_any",
        "_enum",
        "_format",
        "_items",
        "_keys",
        "_lists",
        "_map_type",
        "_not",
        "_nullable",
        "_numbers",
        "_one",
        "_pattern",
        "_properties",
        "_raw",
        "_required",
        "_strings",
        "_types",
        "_values",
    )

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        named = raw.get("type") or ""
        self._types: tuple[str, ...] = (named,) if named else ()
        if raw.get("x-kubernetes-int-or-string"):
            self._types = ("integer", "string")
        self._nullable = bool(raw.get("nullable"))
        self._enum = raw.get("enum") or None
        self._pattern = raw.get("pattern") or ""
        self._format = raw.get("format") or ""
        self._numbers = any(raw.get(key) is not None for key in ("minimum", "maximum", "multipleOf"))
        self._strings = bool(self._pattern or self._format) or any(
            raw.get(key) is not None for key in ("minLength", "maxLength")
        )
        self._lists = raw.get("x-kubernetes-list-type") or ""
        self._keys = tuple(raw.get("x-kubernetes-list-map-keys") or ())
        self._map_type = raw.get("x-kubernetes-map-type") or ""
        self._properties = {name: Validator(one or {}) for name, one in (raw.get("properties") or {}).items()}
        self._required = tuple(raw.get("required") or ())
        additional, items = raw.get("additionalProperties"), raw.get("items")
        self._values = Validator(additional) if isinstance(additional, Mapping) else None
        self._items = Validator(items) if isinstance(items, Mapping) else None
        self._all, self._any, self._one = (
            [Validator(one) for one in raw.get(key) or ()] for key in ("allOf", "anyOf", "oneOf")
        )
        self._not = Validator(raw["not"]) if raw.get("not") is not None else None

    # --- the walk

    def validate(self, value: Any, path: str = "", old: Any = ABSENT) -> Errors:
        """What is wrong with ``value``; ``old`` is what stood there before an update."""
        found = self._check(value, path, old)
        if found and old is not ABSENT and old == value:
            return []
        return found

    def _check(self, value: Any, path: str, old: Any) -> Errors:
        found: Errors = []
        if self._types and not self._fits(value):
            found.append(_wrong_type(path, ",".join(self._types), _NAMES.get(type(value), "object")))
        if value is None:
            return found + self._enumerated(value, path)
        found += self._combined(value, path)
        kind = type(value)
        if kind is str:
            if self._strings:
                found += self._string(value, path)
        elif kind is dict:
            found += self._object(value, path, old)
        elif kind is list:
            found += self._list(value, path, old)
        elif kind is not bool and self._numbers:
            found += self._range(value, path)
        return found + self._enumerated(value, path)

    def _fits(self, value: Any) -> bool:
        kind = type(value)
        if value is None:
            return self._nullable
        name = _NAMES.get(kind, "object")
        if name in self._types:
            return True
        if kind is int:
            return "number" in self._types
        return kind is float and "integer" in self._types and value.is_integer()

    def _enumerated(self, value: Any, path: str) -> Errors:
        if self._enum is None or any(_same(value, choice) for choice in self._enum):
            return []
        choices = [choice if isinstance(choice, str) else jsons.dumps(choice).decode() for choice in self._enum]
        # Listed as written: upstream does not sort here.
        listed = ", ".join(f'"{choice}"' for choice in choices)
        return [field.Error(field.NOT_SUPPORTED, path or NOWHERE, value, f"supported values: {listed}")]

    def _string(self, value: str, path: str) -> Errors:
        found: Errors = []
        longest, shortest = self._raw.get("maxLength"), self._raw.get("minLength")
        if longest is not None and len(value) > longest:
            found.append(field.too_long(path, int(longest)))
        if shortest is not None and len(value) < shortest:
            found.append(field.invalid(path, value, f"{path} in body should be at least {int(shortest)} chars long"))
        if self._pattern and not _matches(self._pattern, value):
            found.append(field.invalid(path, value, f"{path} in body should match '{self._pattern}'"))
        if self._format and self._types in ((), ("string",)) and not formats.fits(self._format, value):
            text = f"{path} in body must be of type {self._format}: {jsons.dumps(value).decode()}"
            found.append(field.type_invalid(path, value, text))
        return found

    def _range(self, value: float, path: str) -> Errors:
        raw, found = self._raw, []
        step, most, least = raw.get("multipleOf"), raw.get("maximum"), raw.get("minimum")
        if step is not None and not _is_multiple(value, step):
            found.append(f"should be a multiple of {_number(step)}")
        if most is not None:
            exclusive = bool(raw.get("exclusiveMaximum"))
            if value > most or (exclusive and value == most):
                found.append(f"should be less than {'' if exclusive else 'or equal to '}{_number(most)}")
        if least is not None:
            exclusive = bool(raw.get("exclusiveMinimum"))
            if value < least or (exclusive and value == least):
                found.append(f"should be greater than {'' if exclusive else 'or equal to '}{_number(least)}")
        return [field.invalid(path, value, f"{path} in body {text}") for text in found]

    def _list(self, value: list[Any], path: str, old: Any) -> Errors:
        raw = self._raw
        found: Errors = []
        if self._items is not None:
            before = self._earlier(old)
            for position, item in enumerate(value):
                known = before.get(self._key(item), ABSENT) if before else ABSENT
                found += self._items.validate(item, f"{path}[{position}]", known)
        least, most = raw.get("minItems"), raw.get("maxItems")
        if least is not None and len(value) < least:
            found.append(field.invalid(path, len(value), f"{path} in body should have at least {int(least)} items"))
        if most is not None and len(value) > most:
            found.append(field.too_many(path, len(value), int(most)))
        if raw.get("uniqueItems") and len({jsons.dumps(item) for item in value}) < len(value):
            found.append(field.invalid(path, "", f"{path} in body shouldn't contain duplicates"))
        return found

    def _key(self, item: Any) -> bytes:
        return jsons.dumps([item.get(name) for name in self._keys]) if isinstance(item, dict) else b""

    def _earlier(self, old: Any) -> dict[bytes, Any]:
        """The former items by key; empty where the list is not a map, for then none can be told to be the same."""
        if self._lists != "map" or not isinstance(old, list):
            return {}
        return {self._key(item): item for item in old if isinstance(item, dict)}

    def _object(self, value: dict[str, Any], path: str, old: Any) -> Errors:
        raw = self._raw
        found: Errors = []
        least, most = raw.get("minProperties"), raw.get("maxProperties")
        if least is not None and len(value) < least:
            found.append(
                field.invalid(
                    path or NOWHERE, len(value), f"{path} in body should have at least {int(least)} properties"
                )
            )
        if most is not None and len(value) > most:
            found.append(field.too_many(path or NOWHERE, len(value), int(most)))
        before = old if isinstance(old, dict) and self._map_type != "atomic" else {}
        properties, values = self._properties, self._values
        for name, item in value.items():
            known = properties.get(name, values)
            if known is not None:
                is_type = not path and name in ("apiVersion", "kind")
                found += known.validate(item, _pointed(path, name), ABSENT if is_type else before.get(name, ABSENT))
        found += [field.required(_pointed(path, name)) for name in self._required if name not in value]
        return found

    # --- several schemas

    def _combined(self, value: Any, path: str) -> Errors:
        found: Errors = []
        quoted = jsons.dumps(path).decode()
        if self._any:
            failed: list[Errors] = [one.validate(value, path) for one in self._any]
            if all(failed):
                found.append(_plain(f"{quoted} must validate at least one schema (anyOf)"))
                found += _fewest(failed)
        if self._one:
            failed = [one.validate(value, path) for one in self._one]
            valid = sum(not one for one in failed)
            if valid != 1:
                how = "Found none valid" if not valid else f"Found {valid} valid alternatives"
                found.append(_plain(f"{quoted} must validate one and only one schema (oneOf). {how}"))
                if not valid:
                    found += _fewest(failed)
        if self._all:
            failed = [one.validate(value, path) for one in self._all]
            found += [error for one in failed for error in one]
            if any(failed):
                how = ". None validated" if all(failed) else ""
                found.append(_plain(f"{quoted} must validate all the schemas (allOf){how}"))
        if self._not is not None and not self._not.validate(value, path):
            found.append(_plain(f"{quoted} must not validate the schema (not)"))
        return found


def _fewest(failed: list[Errors]) -> Errors:
    return min(failed, key=lambda errors: len(errors))


def _plain(text: str) -> field.Error:
    # Upstream loses the path of these.
    return field.invalid(NOWHERE, "", text)


def _wrong_type(path: str, wanted: str, given: str) -> field.Error:
    return field.type_invalid(path or NOWHERE, given, f'{path} in body must be of type {wanted}: "{given}"')


def _same(value: Any, choice: Any) -> bool:
    return bool(value == choice) and (type(value) is bool) == (type(choice) is bool)


def _matches(pattern: str, value: str) -> bool:
    try:
        return patterns.matches(pattern, value)
    except patterns.Malformed:
        # Upstream refuses every value of a pattern that it cannot read.
        return False


def _is_multiple(value: float, step: float) -> bool:
    if step <= 0:
        return True
    if isinstance(value, int) and float(step).is_integer():
        return value % int(step) == 0
    quotient = value / step
    return math.isfinite(quotient) and abs(quotient - round(quotient)) < 1e-9


def prefixed(errors: Errors, path: str) -> Errors:
    """The same errors below a path that messages do not name, as those of ``/status`` are."""
    return [
        field.Error(error.type, path if error.path == NOWHERE else _joined(path, error.path), error.value, error.detail)
        for error in errors
    ]


def _joined(path: str, below: str) -> str:
    return f"{path}{below}" if below.startswith("[") else f"{path}.{below}" if below else path


def is_blocking(errors: Errors) -> bool:
    """Whether rules in CEL cannot be asked about an object with these errors."""
    blocking = (field.NOT_SUPPORTED, field.REQUIRED, field.TOO_LONG, field.TOO_MANY, field.TYPE_INVALID)
    return any(error.type in blocking for error in errors)


UNCHECKED = field.Error(
    field.INVALID,
    NOWHERE,
    "null",
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)
