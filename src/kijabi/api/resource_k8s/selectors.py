"""CEL selectors of devices: they must compile, be boolean, and not be longer than anybody needs.

Source: "CELDeviceSelector" in the API reference of resource.k8s.io. Left out: upstream's limit on the estimated cost of
an expression, and looking into those that use ``cel.bind``, which no other expression of Kubernetes knows.
"""

from __future__ import annotations

import functools

from kijabi.api import field
from kijabi.api.cel import environment, types
from kijabi.api.cel.library import amounts
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_MOST, _LONGEST = 32, 10 * 1024
_DEVICE = types.struct("DRADevice")
_FIELDS = {
    "driver": types.STRING,
    "attributes": types.map_of(types.STRING, types.map_of(types.STRING, types.DYN)),
    "capacity": types.map_of(types.STRING, types.map_of(types.STRING, amounts.QUANTITY)),
    "allowMultipleAllocations": types.BOOL,
}


class _Structs:
    """The one type with fields that a selector sees."""

    def known(self, name: str) -> bool:
        return name == _DEVICE.name

    def field(self, name: str, key: str) -> types.Type | None:
        return _FIELDS.get(key) if name == _DEVICE.name else None


_ENVIRONMENT = environment.Environment({"device": _DEVICE}, _Structs())


@functools.lru_cache(maxsize=1024)
def _problem(expression: str) -> str:
    if "cel.bind(" in expression:
        return ""
    program = environment.compile(expression, _ENVIRONMENT)
    if isinstance(program, str):
        return f"compilation failed: {program}"
    if program.type not in (types.BOOL, types.DYN):
        return f"must evaluate to bool or the unknown type, not {program.type}"
    return ""


def validate(selectors: list[Object], path: str) -> Errors:
    if len(selectors) > _MOST:
        return [field.too_many(path, len(selectors), _MOST)]
    found: Errors = []
    for position, selector in enumerate(selectors):
        where = field.child(field.index(path, position), "cel")
        cel = selector.get("cel")
        if cel is None:
            found.append(field.required(where))
            continue
        expression, where = cel.get("expression", ""), field.child(where, "expression")
        if len(expression) > _LONGEST:
            found.append(field.too_long(where, _LONGEST))
            continue
        problem = _problem(expression)
        if problem:
            found.append(field.invalid(where, expression, problem))
    return found
