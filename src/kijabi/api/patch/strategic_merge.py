"""Strategic merge patch: a merge patch that knows which lists are merged, and by which key.

Directives in a patch: ``$patch: replace|delete|merge``, ``$retainKeys``, ``$setElementOrder/LIST`` and
``$deleteFromPrimitiveList/LIST``. An element of a merging list is found by its merge key; the order of the result
follows ``$setElementOrder`` if given, else the patch, with what only the server has kept in its relative place.

Source: "Update API Objects in Place Using kubectl patch" and the design proposal "strategic merge patch".
"""

from __future__ import annotations

import copy
from typing import Any

from kijabi.api import errors
from kijabi.api.schema import types

PATCH, RETAIN = "$patch", "$retainKeys"
ORDER, DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"

_BAD_RETAIN = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"

Map = dict[str, Any]
Items = list[Any]


def strategic(document: Map, patch: Any, info: types.Type | None) -> Map:
    """``info`` is ``Schemas.merge_info`` of the document's kind; custom resources have none and are refused."""
    return strategic_into(copy.deepcopy(document), copy.deepcopy(patch), info)


def strategic_into(document: Map, patch: Any, info: types.Type | None) -> Map:
    """The same without copies: both arguments are used up, for elements move from the patch into the result."""
    if info is None:
        raise errors.BadRequest("strategic merge patch format is not supported")
    if not isinstance(patch, dict):
        raise errors.BadRequest("invalid JSON document")
    return _merge_map(document, patch, info)


def _lookup(info: types.Type, key: str) -> tuple[types.Type, str, str]:
    """The type below ``key`` (a list's elements), its strategy without retainKeys, and its merge key."""
    declared = info.fields.get(key)
    if declared is None:
        name = info.go.rpartition(".")[2]
        raise _plain(f'unable to find api field in struct {name} for the json field "{key}"')
    strategy = next((word for word in declared.strategies if word != "retainKeys"), "")
    inner = declared.type
    if inner.kind == types.LIST and inner.item is not None:
        inner = inner.item
    return inner, strategy, declared.merge_key


def _merge_map(original: Map, patch: Map, info: types.Type) -> Map:
    directive = patch.get(PATCH)
    if PATCH in patch:
        if directive == "replace":
            del patch[PATCH]
            return patch
        if directive == "delete":
            return {}
        raise _plain(f"unknown patch type: {directive} in map: {printed(patch)}")
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(ORDER)]:
        _merge_ordered(original, patch, key, info)
    for key, value in patch.items():
        _merge_field(original, key, value, info)
    return original


def _retain_keys(original: Map, patch: Map) -> None:
    if RETAIN not in patch:
        return
    kept = patch.pop(RETAIN)
    if not isinstance(kept, list):
        raise errors.BadRequest(_BAD_RETAIN)
    for key, value in patch.items():
        if value is not None and not key.startswith((ORDER, DELETE_FROM)) and key not in kept:
            raise errors.BadRequest(_BAD_RETAIN)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _merge_field(original: Map, key: str, value: Any, info: types.Type) -> None:
    deleting = key.startswith(DELETE_FROM)
    if deleting:
        key = key.removeprefix(DELETE_FROM)
    if value is None:
        original.pop(key, None)
        return
    present = original.get(key)
    if present is None or _kind(present) != _kind(value):
        if not deleting:
            _take(original, key, value)
        return
    if isinstance(value, dict):
        inner, strategy, _ = _lookup_map(info, key)
        original[key] = value if strategy == "replace" else _merge_map(present, value, inner)
    elif isinstance(value, list):
        inner, strategy, merge_key = _lookup(info, key)
        merging = strategy == "merge" or deleting
        original[key] = _merge_list(present, value, inner, merge_key, deleting) if merging else value
    else:
        original[key] = value


def _lookup_map(info: types.Type, key: str) -> tuple[types.Type, str, str]:
    # Below a map of maps every key has the same type; below something free there is nothing to look up.
    if info.kind == types.MAP and info.item is not None:
        return info.item, "", ""
    if info.kind == types.ANY:
        return info, "", ""
    return _lookup(info, key)


def _take(original: Map, key: str, value: Any) -> None:
    kept, clean = _without_directives(_without_nulls(value))
    if kept:
        original[key] = clean
    else:
        original.pop(key, None)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _without_directives(value: Any) -> tuple[bool, Any]:
    """(is anything left, what is left)."""
    if isinstance(value, dict):
        if PATCH in value:
            return False, None
        cleaned = {key: _without_directives(item) for key, item in value.items()}
        return True, {key: item for key, (kept, item) in cleaned.items() if kept}
    if isinstance(value, list):
        return True, [item for kept, item in map(_without_directives, value) if kept]
    return True, value


def _merge_ordered(original: Map, patch: Map, directive: str, info: types.Type) -> None:
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise _plain(f"expected a []interface {{}}, but received a {_go_type(order)}")
    key = directive.removeprefix(ORDER)
    live, wanted = original.get(key), patch.get(key)
    for part in (live, wanted):
        if part is not None and not isinstance(part, list):
            raise _plain(f"expected a []interface {{}}, but received a {_go_type(part)}")
    inner, strategy, merge_key = _lookup(info, key)
    _check_order(wanted or [], order, merge_key)
    if live is None and wanted is None:
        return
    if wanted is None:
        merged = list(live or [])
    elif live is None:
        merged = _without_directives(wanted)[1]
    elif strategy == "merge":
        merged = _merge_list(list(live), wanted, inner, merge_key, False)
    else:
        merged = wanted
    original[key] = _ordered(merged, order, _places(live or [], wanted or [], merge_key), merge_key)
    patch.pop(key, None)


def _places(live: Items, wanted: Items, merge_key: str) -> Items:
    """What decides where a server's own elements go: its list, in which new elements take the place of deleted ones.

    Upstream deletes and appends in the very array it afterwards asks for the order, and clients see the outcome.
    """
    gone = [item.get(merge_key) for item in wanted if isinstance(item, dict) and item.get(PATCH) == "delete"]
    if not gone or not merge_key:
        return live
    left = [item for item in live if item.get(merge_key) not in gone]
    known = {item.get(merge_key) for item in live}
    new = [item for item in wanted if PATCH not in item and item.get(merge_key) not in known]
    return (left + new)[: len(live)]


def _check_order(wanted: Items, order: Items, merge_key: str) -> None:
    """What the patch sets must stand in the order list, in the same relative order."""
    if not wanted or not order:
        return
    remaining = iter(order)
    for item in wanted:
        if isinstance(item, dict) and PATCH in item:
            continue
        if not any(_identity(item, merge_key) == _identity(other, merge_key) for other in remaining):
            lists = f"{printed(wanted)}\n doesn't match $setElementOrder list:\n{printed(order)}\n"
            raise _plain(f"The order in patch list:\n{lists}")


def _merge_list(live: Items, wanted: Items, inner: types.Type, merge_key: str, deleting: bool) -> Items:
    if not live and not wanted:
        return live
    if not _are_maps(live + wanted):
        if deleting:
            return [item for item in live if item not in wanted]
        merged = list(dict.fromkeys(live + wanted))
        return _ordered(merged, wanted, live, "")
    if not merge_key:
        name = inner.go.rpartition(".")[2]
        raise _plain(f"cannot merge lists without merge key for {name}")
    server = list(live)
    live, additions = _directives(list(live), wanted, merge_key)
    merged = list(live)
    for item in additions:
        identity = _identity(item, merge_key)
        position = _find(merged, merge_key, identity)
        if position is None:
            merged.append(_without_directives(_without_nulls(item))[1])
        else:
            merged[position] = _merge_map(merged[position], item, inner)
    return _ordered(merged, additions, server, merge_key)


def _directives(live: Items, wanted: Items, merge_key: str) -> tuple[Items, Items]:
    """Carry out ``$patch`` elements; the live list after deletions, and the patch without them."""
    additions: Items = []
    replacing = False
    for item in wanted:
        if PATCH not in item:
            additions.append(item)
            continue
        match item[PATCH]:
            case "delete":
                identity = _identity(item, merge_key)
                live = [other for other in live if other.get(merge_key) != identity]
            case "replace":
                replacing = True
            case "merge":
                raise _plain("merging lists cannot yet be specified in the patch")
            case other:
                raise _plain(f"unknown patch type: {other} in map: {printed(item)}")
    return ([], additions) if replacing else (live, additions)


def _are_maps(items: Items) -> bool:
    kinds = {_kind(item) for item in items}
    if "list" in kinds:
        raise errors.Invalid("the server rejected our request due to an error in our request")
    if len(kinds) > 1:
        raise _plain(f"list element types are not identical: {printed([items])}")
    return kinds == {"map"}


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "map"
    if isinstance(value, list):
        return "list"
    return type(value).__name__


def _identity(item: Any, merge_key: str) -> Any:
    if not merge_key:
        return item
    if not isinstance(item, dict):
        raise _plain(f"expected a map[string]interface {{}}, but received a {_go_type(item)}")
    if merge_key not in item:
        raise _plain(f"map: {printed(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _find(items: Items, merge_key: str, identity: Any) -> int | None:
    for position, item in enumerate(items):
        if item.get(merge_key) == identity:
            return position
    return None


def _ordered(merged: Items, order: Items, live: Items, merge_key: str) -> Items:
    """``merged`` so that items of ``order`` follow it and the others keep their place relative to the live list."""
    ranks = {_identity(item, merge_key): rank for rank, item in reversed(list(enumerate(order)))}
    places = {_identity(item, merge_key): place for place, item in reversed(list(enumerate(live)))}
    named = [item for item in merged if _identity(item, merge_key) in ranks]
    others = [item for item in merged if _identity(item, merge_key) not in ranks]
    named.sort(key=lambda item: ranks[_identity(item, merge_key)])
    others.sort(key=lambda item: places.get(_identity(item, merge_key), len(places)))
    result: Items = []
    while named and others:
        left = places.get(_identity(others[0], merge_key))
        right = places.get(_identity(named[0], merge_key))
        first = left is not None and right is not None and left < right
        result.append(others.pop(0) if first else named.pop(0))
    return result + others + named


def _go_type(value: Any) -> str:
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}
    return names.get(type(value), "float64")


def printed(value: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(printed, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _plain(message: str) -> errors.ApiError:
    """What upstream reports as an error that is no Status: 500 without a reason, though the client is to blame."""
    error = errors.ApiError(message)
    error.reason = ""
    return error
