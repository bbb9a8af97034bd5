"""JSON patch, RFC 6902, with the error texts of the library upstream uses.

Written here rather than on the package ``jsonpatch``: its exceptions do not say enough to build those texts, and it
copies the whole document twice. As upstream, ``-1`` and other negative indexes count from the end.
"""

from __future__ import annotations

import copy
from typing import Any

from kijabi.api import errors

MAX_OPERATIONS = 10_000


class _Failure(Exception):
    """An operation does not apply; the message is the library's."""


_NAMES = {dict: "object", str: "string", int: "number", float: "number", bool: "bool"}


def json(document: Any, operations: Any) -> Any:
    if not isinstance(operations, list):
        shown = _NAMES.get(type(operations), "null")
        raise errors.BadRequest(f"json: cannot unmarshal {shown} into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise errors.TooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    result = copy.deepcopy(document)
    try:
        for operation in operations:
            if not isinstance(operation, dict):
                shown = _NAMES.get(type(operation), "array")
                raise errors.BadRequest(f"json: cannot unmarshal {shown} into Go value of type jsonpatch.Operation")
            result = _apply(result, operation)
    except _Failure as failure:
        # Upstream's answer says no more than this; the cause stays in our log through the chained exception.
        raise errors.Invalid("the server rejected our request due to an error in our request", details={}) from failure
    return result


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    name = operation.get("op")
    path = operation.get("path")
    if not isinstance(path, str):
        raise _Failure(f"{name} operation failed to decode path: missing value")
    match name:
        case "add":
            return _add(document, path, _value(operation), "add")
        case "remove":
            return _remove(document, path, "remove")
        case "replace":
            return _replace(document, path, _value(operation))
        case "move" | "copy":
            return _transfer(document, path, operation, name)
        case "test":
            return _test(document, path, operation.get("value"))
    raise _Failure(f"Unexpected kind: {name}")


def _value(operation: dict[str, Any]) -> Any:
    return copy.deepcopy(operation.get("value"))


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _container(document: Any, path: str) -> tuple[Any, str] | None:
    """What holds the last step of ``path``, and that step; ``None`` where the way there is missing."""
    steps = _steps(path)
    if not steps:
        return None
    at = document
    for step in steps[:-1]:
        if isinstance(at, dict):
            at = at.get(step)
        elif isinstance(at, list):
            position = _index(step, len(at))
            at = at[position] if isinstance(position, int) else None
        if not isinstance(at, (dict, list)):
            return None
    return at, steps[-1]


def _index(step: str, length: int) -> int | str:
    """A position in a list of ``length``, or what is wrong with it."""
    try:
        position = int(step)
    except ValueError:
        return f"value was not a proper array index: '{step}': strconv.Atoi: parsing \"{step}\": invalid syntax"
    if not -length <= position < length:
        return f"Unable to access invalid index: {position}: invalid index referenced"
    return position if position >= 0 else position + length


def _add(document: Any, path: str, value: Any, name: str) -> Any:
    if not path:
        return value
    found = _container(document, path)
    if found is None:
        raise _Failure(f'{name} operation does not apply: doc is missing path: "{path}": missing value')
    holder, key = found
    if isinstance(holder, dict):
        holder[key] = value
    elif key == "-":
        holder.append(value)
    else:
        # One past the end is allowed: that is an append.
        position = _index(key, len(holder) + 1)
        if isinstance(position, str):
            raise _Failure(f"error in {name} for path: '{path}': {position}")
        holder.insert(position, value)
    return document


def _get(holder: Any, key: str) -> tuple[Any, str]:
    """The value and an empty text, or nothing and the complaint."""
    if isinstance(holder, dict):
        return (holder[key], "") if key in holder else (None, "missing value")
    position = _index(key, len(holder))
    return (None, position) if isinstance(position, str) else (holder[position], "")


def _remove(document: Any, path: str, name: str) -> Any:
    found = _container(document, path)
    if found is None:
        raise _Failure(f'{name} operation does not apply: doc is missing path: "{path}": missing value')
    holder, key = found
    if isinstance(holder, dict):
        if key not in holder:
            raise _Failure(
                f"error in {name} for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        del holder[key]
    else:
        position = _index(key, len(holder))
        if isinstance(position, str):
            raise _Failure(f"error in {name} for path: '{path}': {position}")
        del holder[position]
    return document


def _replace(document: Any, path: str, value: Any) -> Any:
    if not path:
        return value
    found = _container(document, path)
    if found is None:
        raise _Failure(f"replace operation does not apply: doc is missing path: {path}: missing value")
    holder, key = found
    # As upstream's library: what is missing in an object is added.
    if isinstance(holder, list) and _get(holder, key)[1]:
        raise _Failure(f"replace operation does not apply: doc is missing key: {path}: missing value")
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder[int(key)] = value
    return document


def _transfer(document: Any, path: str, operation: dict[str, Any], name: str) -> Any:
    origin = operation.get("from")
    if not isinstance(origin, str):
        raise _Failure(f"{name} operation failed to decode from: missing value")
    found = _container(document, origin)
    if found is None:
        raise _Failure(f"{name} operation does not apply: doc is missing from path: {origin}: missing value")
    value, complaint = _get(*found)
    if complaint:
        raise _Failure(f"error in {name} for path: '{origin}': {complaint}")
    value = copy.deepcopy(value)
    if name == "move":
        document = _remove(document, origin, "move")
    return _add(document, path, value, name)


def _test(document: Any, path: str, expected: Any) -> Any:
    if not path:
        actual: Any = document
    else:
        found = _container(document, path)
        if found is None:
            raise _Failure(f"test operation does not apply: is missing path: {path}: missing value")
        actual, complaint = _get(*found)
        if complaint and complaint != "missing value":
            raise _Failure(f"error in test for path: '{path}': {complaint}")
    if not _equal(actual, expected):
        raise _Failure(f"testing value {path} failed: test failed")
    return document


def _equal(left: Any, right: Any) -> bool:
    # In Python True == 1 and 1 == 1.0; in JSON only the second holds.
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)
