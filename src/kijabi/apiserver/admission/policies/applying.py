"""What a mutation makes of an object: a merge as apply does it, or a JSON patch."""

from __future__ import annotations

from typing import Any

from kijabi.api import errors, patch
from kijabi.api.cel import patches, values
from kijabi.api.managed import merging, shapes

Object = dict[str, Any]


class Unusable(Exception):
    """The expression's value cannot be applied; the message is upstream's."""


def merged(shape: shapes.Shape, obj: Object, built: Any) -> Object:
    """``obj`` with what an ``Object{…}`` says. Raises Unusable; neither argument is changed."""
    wrong = patches.misnamed(built)
    if wrong:
        raise Unusable("type mismatch: " + "\n".join(wrong))
    try:
        applied = patches.plain(built)
    except values.Failure as failure:
        raise Unusable(f"error applying patch: {failure}") from None
    atomic = list(_atomics(shape, applied, ""))
    if atomic:
        text = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Unusable(f"error applying patch: invalid ApplyConfiguration: {text}")
    return merging.merge(shape, obj, applied)


def _atomics(shape: shapes.Shape, value: Any, path: str) -> list[str]:
    """The paths at which a whole would be replaced for the part that is named."""
    found: list[str] = []
    if isinstance(value, dict):
        if shape.leaf and shape.kind is not shapes.Kind.SCALAR:
            found.append(path)
        for key, item in value.items():
            found += _atomics(shape.part(key)[1], item, f"{path}.{key}")
    elif isinstance(value, list):
        if shape.leaf:
            found.append(path)
        for position, item in enumerate(value):
            found += _atomics(shape.item or shapes.FREE, item, f"{path}[{position}]")
    return found


def operations(listed: Any) -> list[Object]:
    """A list of ``JSONPatch{…}`` as a JSON patch. Raises Unusable."""
    made = []
    for one in listed:
        if not isinstance(one, patches.Built) or one.name != "JSONPatch":
            text = "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch"
            raise Unusable(text)
        operation: Object = {"op": one.fields.get("op", ""), "path": one.fields.get("path", "")}
        if one.fields.get("from"):
            operation["from"] = one.fields["from"]
        if "value" in one.fields:
            operation["value"] = _value(one.fields["value"])
        made.append(operation)
    return made


def _value(value: Any) -> Any:
    # A part of an object is named after where it stands; only what is below it can disagree.
    wrong = patches.misnamed(value, value.name) if isinstance(value, patches.Built) else []
    if wrong:
        raise Unusable("type mismatch: " + "\n".join(wrong))
    try:
        return patches.plain(value)
    except values.Failure as failure:
        text = "JSONPath valueExpression evaluated to a type that could not marshal to JSON"
        raise Unusable(f"{text}: {failure}") from None


def patched(obj: Object, listed: list[Object]) -> Object:
    """``obj`` after a JSON patch; itself where a test operation says no. Raises Unusable."""
    try:
        made = patch.json(obj, listed)
    except errors.ApiError as error:
        cause = str(error.__cause__ or error.message)
        if cause.endswith("test failed"):
            return obj
        raise Unusable(f"JSON Patch: {cause}") from error
    if not isinstance(made, dict):
        raise Unusable("JSON Patch: the result is no object")
    return made
