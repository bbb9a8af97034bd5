"""What a new object has is what comparing it with nothing finds, in the order in which it is written."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from kijabi.api import schema
from kijabi.api.managed import appearing, comparing, sets, shapes
from kijabi.api.schema import types

KINDS = [
    ("", "v1", "Pod"),
    ("", "v1", "Service"),
    ("", "v1", "ConfigMap"),
    ("apps", "v1", "Deployment"),
    ("networking.k8s.io", "v1", "Ingress"),
]
_SCALARS: dict[str, list[Any]] = {
    types.STRING: ["a", "b", "", "z<"],
    types.ANY: [{"q": 1}, None, [1], "s"],
    types.BOOL: [True, False],
    types.INT32: [0, 1, 80],
    types.INT64: [0, 1, 80],
}


def _value(chance: random.Random, kind: types.Type, depth: int = 0) -> Any:
    if kind.kind == types.STRUCT:
        names = [name for name in kind.fields if depth < 9 and chance.random() < (0.5 if depth < 3 else 0.15)]
        chance.shuffle(names)
        return {name: _value(chance, kind.fields[name].type, depth + 1) for name in names}
    if kind.kind == types.LIST and kind.item is not None:
        return [_value(chance, kind.item, depth + 1) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
    if kind.kind == types.MAP and kind.item is not None:
        keys = chance.sample("abcdef", chance.choice([0, 1, 2, 3]))
        return {key: _value(chance, kind.item, depth + 1) for key in keys}
    return chance.choice(_SCALARS.get(kind.kind, ["1", "x"]))


@pytest.mark.parametrize("gvk", KINDS, ids=lambda gvk: gvk[2])
def test_all_of_a_new_object_is_found(gvk: tuple[str, str, str]) -> None:
    kind, chance = schema.Schemas.load().type_of(gvk), random.Random(7)
    assert kind is not None
    known = shapes.Shapes().of(kind)
    for _ in range(40):
        obj = _value(chance, kind)
        for shape in (known, shapes.FREE):
            expected = sets.ordered(comparing.compare(shape, {}, obj)[0])
            assert json.dumps(appearing.appeared(shape, obj)) == json.dumps(expected)
