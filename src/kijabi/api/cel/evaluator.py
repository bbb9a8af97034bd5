"""From checked nodes to Python closures that compute the value and count what it costs.

Every closure takes a ``Frame`` and gives a value or raises ``values.Failure``. The cost of a step is upstream's; an
evaluation that exceeds its limit is ended from within the loops, which alone can make one long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kijabi.api.cel import checker, functions, operators, values
from kijabi.api.cel.frames import Frame
from kijabi.api.cel.library import lists, optionals
from kijabi.api.cel.syntax import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, StructLiteral
from kijabi.api.cel.values import Failure, Optional, Record

_LIST_COST, _MAP_COST, _STRUCT_COST = 10, 30, 40


Step = Callable[[Frame], Any]
Make = Callable[[str, dict[str, Any]], Any]


class Planner:
    """Plans one expression. ``variables`` are the declared names, ``make`` builds what a struct literal says."""

    def __init__(self, variables: Iterable[str], make: Make) -> None:
        self._declared = frozenset(variables)
        self._make = make
        self._names: list[tuple[str, int]] = []
        self.slots = 0
        self.used: set[str] = set()

    def plan(self, node: Node) -> Step:
        match node:
            case Literal():
                value = node.value
                return lambda frame: value
            case Ident():
                return self._ident(node.name)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case StructLiteral():
                return self._struct(node)
            case Fold():
                return self._fold(node)
        raise TypeError(node)

    def _slot(self, name: str) -> int | None:
        return next((slot for known, slot in reversed(self._names) if known == name), None)

    def _ident(self, name: str) -> Step:
        slot = self._slot(name)
        if slot is not None:
            return _local(slot)
        if name not in self._declared:
            value = values.TypeValue(name)
            return lambda frame: value
        self.used.add(name)
        return _variable(name)

    def _select(self, node: Select) -> Step:
        name = checker.qualified(node)
        if name is not None and self._slot(name.partition(".")[0]) is None:
            if name in self._declared:
                return self._ident(name)
            if name.startswith(("google.protobuf.", "net.", "kubernetes.")):
                return self._ident(name)
        operand, field = self.plan(node.operand), node.field
        if node.test:
            return lambda frame: _has(operand(frame), field)
        if node.optional:
            return _counted(lambda frame: _optional_field(operand(frame), field))
        return _field(operand, field)

    def _call(self, node: Call) -> Step:
        parts = [self.plan(part) for part in ([node.target] if node.target is not None else []) + node.args]
        match node.function:
            case "_&&_":
                return _and(parts[0], parts[1])
            case "_||_":
                return _or(parts[0], parts[1])
            case "_?_:_":
                return _conditional(*parts)
            case "_[_]":
                return _index(parts[0], parts[1])
        return _apply(node.overloads, parts)

    def _list(self, node: ListLiteral) -> Step:
        parts = [self.plan(part) for part in node.elements]
        optional = node.optional

        def build(frame: Frame) -> list[Any]:
            made: list[Any] = []
            for position, part in enumerate(parts):
                value = part(frame)
                if position not in optional:
                    made.append(value)
                elif value.present:
                    made.append(value.value)
            frame.cost += _LIST_COST
            return made

        return build

    def _map(self, node: MapLiteral) -> Step:
        parts = [(self.plan(key), self.plan(value), optional) for key, value, optional in node.entries]

        def build(frame: Frame) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for key_of, value_of, optional in parts:
                key, value = values.hashable(key_of(frame)), value_of(frame)
                if optional and not value.present:
                    continue
                if key in made:
                    raise Failure(f"insert failed: key {operators.shown(key)} already exists")
                made[key] = value.value if optional else value
            frame.cost += _MAP_COST
            return made

        return build

    def _struct(self, node: StructLiteral) -> Step:
        parts = [(name, self.plan(value), optional) for name, value, optional, _ in node.fields]
        make, name = self._make, node.name

        def build(frame: Frame) -> Any:
            made: dict[str, Any] = {}
            for key, value_of, optional in parts:
                value = value_of(frame)
                if not optional:
                    made[key] = value
                elif value.present:
                    made[key] = value.value
            frame.cost += _STRUCT_COST
            return make(name, made)

        return build

    def _fold(self, node: Fold) -> Step:
        source = self.plan(node.range)
        slots = []
        for name in node.variables:
            slots.append(self.slots)
            self._names.append((name, self.slots))
            self.slots += 1
        guard = self.plan(node.guard) if node.guard is not None else None
        body = self.plan(node.body)
        del self._names[-len(node.variables) :]
        match node.kind:
            case "all":
                return _quantified(source, slots, body, stop=False, base=3)
            case "exists":
                return _quantified(source, slots, body, stop=True, base=4)
            case "exists_one":
                return _exactly_one(source, slots, body)
            case "filter":
                return _filter(source, slots, body)
            case "map" | "transformList":
                return _transform(source, slots, body, guard)
            case "transformMap" | "transformMapEntry":
                return _transform_map(source, slots, body, guard, entries=node.kind == "transformMapEntry")
            case "sortBy":
                return _sort(source, slots[0], body)
        return _through_optional(source, slots[0], body, wrap=node.kind == "optMap")


def _local(slot: int) -> Step:
    def read(frame: Frame) -> Any:
        frame.cost += 1
        return frame.slots[slot]

    return read


def _variable(name: str) -> Step:
    def read(frame: Frame) -> Any:
        frame.cost += 1
        try:
            return frame.variables[name]
        except KeyError:
            raise Failure(f"no such attribute(s): {name}") from None

    return read


def _counted(step: Step) -> Step:
    def run(frame: Frame) -> Any:
        frame.cost += 1
        return step(frame)

    return run


def _field(operand: Step, field: str) -> Step:
    def read(frame: Frame) -> Any:
        value = operand(frame)
        frame.cost += 1
        if isinstance(value, dict):
            try:
                return value[field]
            except KeyError:
                raise Failure(f"no such key: {field}") from None
        if isinstance(value, Record):
            return value.get(field)
        if type(value) is Optional:
            return (
                _optional_field(value, field) if not value.present else Optional(_plain_field(value.value, field), True)
            )
        raise Failure(values.OVERLOAD)

    return read


def _plain_field(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        return operators.entry(value, field)
    if isinstance(value, Record):
        return value.get(field)
    raise Failure(values.OVERLOAD)


def _has(value: Any, field: str) -> bool:
    if isinstance(value, dict):
        return field in value
    if isinstance(value, Record):
        return value.has(field)
    if type(value) is Optional:
        return value.present and _has(value.value, field)
    raise Failure(values.OVERLOAD)


def _optional_field(value: Any, field: str) -> Optional:
    if type(value) is Optional:
        return _optional_field(value.value, field) if value.present else values.NONE
    if isinstance(value, dict):
        return Optional(value[field], True) if field in value else values.NONE
    if isinstance(value, Record):
        return Optional(value.get(field), True) if value.has(field) else values.NONE
    raise Failure(values.OVERLOAD)


def _and(left: Step, right: Step) -> Step:
    def run(frame: Frame) -> bool:
        try:
            first = left(frame)
        except Failure:
            if right(frame) is False:
                return False
            raise
        if first is False:
            return False
        second = right(frame)
        if second is False:
            return False
        if first is not True or second is not True:
            raise Failure(values.OVERLOAD)
        return True

    return run


def _or(left: Step, right: Step) -> Step:
    def run(frame: Frame) -> bool:
        try:
            first = left(frame)
        except Failure:
            if right(frame) is True:
                return True
            raise
        if first is True:
            return True
        second = right(frame)
        if second is True:
            return True
        if first is not False or second is not False:
            raise Failure(values.OVERLOAD)
        return False

    return run


def _conditional(condition: Step, yes: Step, no: Step) -> Step:
    def run(frame: Frame) -> Any:
        chosen = condition(frame)
        if chosen is True:
            return yes(frame)
        if chosen is False:
            return no(frame)
        raise Failure(values.OVERLOAD)

    return run


def _index(container: Step, key: Step) -> Step:
    def run(frame: Frame) -> Any:
        held, wanted = container(frame), key(frame)
        frame.cost += 1
        if isinstance(held, list):
            return operators.element(held, wanted)
        if isinstance(held, dict):
            return operators.entry(held, wanted)
        if isinstance(held, Record) and isinstance(wanted, str):
            return held.get(wanted)
        if type(held) is Optional:
            found = optionals.index(held, wanted)
            return found if found.present or not held.present else Optional(_index_plain(held.value, wanted), True)
        raise Failure(values.OVERLOAD)

    return run


def _index_plain(held: Any, wanted: Any) -> Any:
    return operators.element(held, wanted) if isinstance(held, list) else operators.entry(held, wanted)


def _apply(overloads: list[functions.Overload], parts: list[Step]) -> Step:
    only = overloads[0] if len(overloads) == 1 else None

    def run(frame: Frame) -> Any:
        args = [part(frame) for part in parts]
        chosen = only
        if chosen is None or not chosen.fits(args):
            chosen = next((overload for overload in overloads if overload.fits(args)), None)
            if chosen is None:
                raise Failure(values.OVERLOAD)
        result = chosen.run(*args)
        frame.cost += 1 if chosen.cost is None else chosen.cost(args, result)
        return result

    return run


def _rounds(frame: Frame, source: Step, slots: list[int]) -> Iterator[Any]:
    """Sets the loop variables for every element; gives what a one-variable loop sees. Checks the limit every round."""
    held = source(frame)
    two = len(slots) == 2
    if isinstance(held, list):
        pairs: Iterable[tuple[Any, Any]] = enumerate(held)
    elif isinstance(held, dict):
        pairs = held.items()
    else:
        raise Failure(values.OVERLOAD)
    first_is_value = isinstance(held, list) and not two
    for key, value in list(pairs):
        frame.check()
        frame.slots[slots[0]] = value if first_is_value else key
        if two:
            frame.slots[slots[1]] = value
        yield frame.slots[slots[0]]


def _quantified(source: Step, slots: list[int], body: Step, *, stop: bool, base: int) -> Step:
    def run(frame: Frame) -> bool:
        failure: Failure | None = None
        for _ in _rounds(frame, source, slots):
            frame.cost += base
            try:
                answer = body(frame)
            except Failure as failed:
                failure = failed
                continue
            if answer is True or answer is False:
                if answer == stop:
                    frame.cost += base - 1
                    return stop
            else:
                failure = Failure(values.OVERLOAD)
        frame.cost += 1
        if failure is not None:
            raise failure
        return not stop

    return run


def _exactly_one(source: Step, slots: list[int], body: Step) -> Step:
    def run(frame: Frame) -> bool:
        count = 0
        for _ in _rounds(frame, source, slots):
            answer = body(frame)
            if answer is True:
                count += 1
            elif answer is not False:
                raise Failure(values.OVERLOAD)
            frame.cost += 2 if answer else 1
        frame.cost += 2
        return count == 1

    return run


def _filter(source: Step, slots: list[int], body: Step) -> Step:
    def run(frame: Frame) -> list[Any]:
        kept: list[Any] = []
        for value in _rounds(frame, source, slots):
            answer = body(frame)
            if answer is True:
                kept.append(value)
                frame.cost += 13
            elif answer is False:
                frame.cost += 1
            else:
                raise Failure(values.OVERLOAD)
        frame.cost += _LIST_COST + 1
        return kept

    return run


def _passes(frame: Frame, guard: Step | None) -> bool:
    if guard is None:
        return True
    answer = guard(frame)
    if answer is not True:
        if answer is not False:
            raise Failure(values.OVERLOAD)
        frame.cost += 1
    return bool(answer)


def _transform(source: Step, slots: list[int], body: Step, guard: Step | None) -> Step:
    def run(frame: Frame) -> list[Any]:
        made: list[Any] = []
        for _ in _rounds(frame, source, slots):
            if _passes(frame, guard):
                made.append(body(frame))
                frame.cost += 12
        frame.cost += _LIST_COST + 1
        return made

    return run


def _transform_map(source: Step, slots: list[int], body: Step, guard: Step | None, *, entries: bool) -> Step:
    def run(frame: Frame) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key in _rounds(frame, source, slots):
            if not _passes(frame, guard):
                continue
            value = body(frame)
            frame.cost += 2 if entries else 3
            if entries and not isinstance(value, dict):
                raise Failure(values.OVERLOAD)
            for name, item in (value if entries else {key: value}).items():
                if name in made:
                    raise Failure(f"insert failed: key {operators.shown(name)} already exists")
                made[name] = item
        frame.cost += _MAP_COST + 1
        return made

    return run


def _sort(source: Step, slot: int, body: Step) -> Step:
    def run(frame: Frame) -> list[Any]:
        items = source(frame)
        if not isinstance(items, list):
            raise Failure(values.OVERLOAD)
        keys = [body(frame) for _ in _rounds(frame, lambda _: items, [slot])]
        frame.cost += 2 * _LIST_COST + 13 * len(items) + len(items) * len(items)
        frame.check()
        return lists.sort_by(items, keys)

    return run


def _through_optional(source: Step, slot: int, body: Step, *, wrap: bool) -> Step:
    def run(frame: Frame) -> Any:
        held = source(frame)
        if type(held) is not Optional:
            raise Failure(values.OVERLOAD)
        frame.cost += 1
        if not held.present:
            return values.NONE
        frame.slots[slot] = held.value
        frame.cost += _LIST_COST + 2
        made = body(frame)
        return Optional(made, True) if wrap else made

    return run
