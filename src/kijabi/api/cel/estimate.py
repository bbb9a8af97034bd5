"""The worst an expression can cost, from the largest values its schema allows.

Works on checked nodes with cel-go's arithmetic: a cost is a range, sizes travel with paths into the schema, and all
saturates at 2**64-1. Macros are reckoned by the formula their expansion comes to.
Source: cel-go checker/cost, k8s.io/apiserver cel/library cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from kijabi.api.cel import declarations, ranges, types
from kijabi.api.cel.ranges import ONE, UNKNOWN, ZERO, Range, cap, fixed
from kijabi.api.cel.syntax import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, StructLiteral

MAX = ranges.MAX
_STRING, _REGEX = 0.1, 0.25
_SCALARS = {"bool", "double", "duration", "int", "timestamp", "uint"}
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the elements of a container are at most: the key (1 for a list's index) and the value."""

    of_list: bool
    key: Range
    value: Range

    def union(self, other: _Entry | None) -> _Entry | None:
        if other is None:
            return None
        return _Entry(self.of_list, self.key.union(other.key), self.value.union(other.value))


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    size: Range | None
    entry: _Entry | None = None


def estimate(root: Node, declared: declarations.Declared) -> int:
    """The highest cost of ``root`` where every variable is of the type ``declared``."""
    return _Estimator(declared).cost(root).high


class _Estimator:
    def __init__(self, declared: declarations.Declared) -> None:
        self._declared = declared
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, _Entry] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, node: Node) -> Range:
        match node:
            case Ident():
                local = self._local(node.name)
                self._paths[id(node)] = local.path if local is not None else (node.name,)
                return ONE
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case StructLiteral():
                total = fixed(40)
                for _, value, _, _ in node.fields:
                    total = total.plus(self.cost(value))
                return total
            case Fold():
                return self._fold(node)
        return ZERO

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def _path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.path
        return self._paths.get(id(node), ())

    def _by_path(self, path: Path) -> Range | None:
        if not path:
            return None
        current = self._declared
        for name in path[1:]:
            if name in ("@items", "@values"):
                below = current.item
            elif name == "@keys":
                # The keys of a map are strings of no known length.
                return Range(0, 0) if current.type.kind == "map" else None
            else:
                below = current.fields.get(name)
            if below is None:
                return None
            current = below
        return Range(0, current.largest)

    def size(self, node: Node) -> Range | None:
        if (known := self._sizes.get(id(node))) is not None:
            return known
        match node:
            case Literal():
                return fixed(len(node.value) if isinstance(node.value, (str, bytes)) else 1)
            case ListLiteral():
                return fixed(len(node.elements))
            case MapLiteral():
                return fixed(len(node.entries))
        found = self._by_path(self._path(node))
        if found is not None:
            self._sizes[id(node)] = found
            return found
        kind = node.type.params[0] if node.type.is_optional else node.type
        if kind.kind in _SCALARS:
            return ONE
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.size
        return None

    def sized(self, node: Node) -> Range:
        return self.size(node) or UNKNOWN

    def entry(self, node: Node) -> _Entry | None:
        known = self._entries.get(id(node))
        if known is None and isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.entry
        return known

    def _select(self, node: Select) -> Range:
        total = self.cost(node.operand)
        if node.test:
            return total
        if node.optional:
            return total.plus(ONE)
        if node.operand.type.kind in ("map", "struct", "param"):
            total = total.plus(ONE)
        self._paths[id(node)] = (*self._path(node.operand), node.field)
        return total

    def _list(self, node: ListLiteral) -> Range:
        total, item = fixed(10), Range(MAX, 0) if node.elements else ZERO
        for element in node.elements:
            total = total.plus(self.cost(element))
            item = item.union(self.sized(element))
        self._entries[id(node)] = _Entry(True, ONE, item)
        return total

    def _map(self, node: MapLiteral) -> Range:
        total = fixed(30)
        key = value = Range(MAX, 0) if node.entries else ZERO
        for left, right, _ in node.entries:
            total = total.plus(self.cost(left)).plus(self.cost(right))
            key, value = key.union(self.sized(left)), value.union(self.sized(right))
        self._entries[id(node)] = _Entry(False, key, value)
        return total

    def _call(self, node: Call) -> Range:
        costs = [self.cost(argument) for argument in node.args]
        if node.function == "dyn":
            self._copy(node, node.args[0])
            return ONE.plus(costs[0])
        total = self.cost(node.target) if node.target is not None else ZERO
        if node.function in ("_&&_", "_||_"):
            return Range(costs[0].low, costs[0].plus(costs[1]).high)
        if node.function == "_?_:_":
            _, yes, no = node.args
            self._sizes[id(node)] = self.sized(yes).union(self.sized(no))
            entry = self.entry(yes)
            if entry is not None and (joined := entry.union(self.entry(no))) is not None:
                self._entries[id(node)] = joined
            return costs[0].plus(costs[1].union(costs[2]))
        spent = ZERO
        for cost in costs:
            spent = spent.plus(cost)
        return total.plus(spent).plus(self._overloads(node))

    def _overloads(self, node: Call) -> Range:
        result: Range | None = None
        size: Range | None = None
        for overload in node.overloads:
            cost, made = self._function(node, overload.id)
            result = cost if result is None else result.union(cost)
            if made is not None:
                size = made if size is None else size.union(made)
            if overload.id in ("index_list", "index_map"):
                held = self.entry(node.args[0])
                size = held.value if held is not None else size
                suffix = "@items" if overload.id == "index_list" else "@values"
                self._paths[id(node)] = (*self._path(node.args[0]), suffix)
        if size is None:
            size = self.size(node)
        if size is not None:
            self._sizes[id(node)] = size
        return result or ONE

    def _copy(self, target: Node, source: Node) -> None:
        if (size := self.size(source)) is not None:
            self._sizes[id(target)] = size
        if (entry := self.entry(source)) is not None:
            self._entries[id(target)] = entry

    def _function(self, node: Call, overload: str) -> tuple[Range, Range | None]:
        """The cost of the call itself, and the size of what it gives."""
        rule = _RULES.get(node.function)
        return rule(self, node, overload) if rule is not None else (ONE, None)

    def element(self, node: Node) -> tuple[types.Type, Range] | None:
        """Type and size of a list's elements, None where ``node`` is no list."""
        if not node.type.params:
            return None
        path = self._path(node)
        return node.type.params[0], (self._by_path((*path, "@items")) if path else None) or UNKNOWN

    def _push(self, node: Fold) -> None:
        entry, path = self.entry(node.range), self._path(node.range)
        of_list = entry.of_list if entry is not None else node.range.type.kind == "list"
        key_name, value_name = ("@indices", "@items") if of_list else ("@keys", "@values")
        key = _Local((*path, key_name) if path else (), entry.key if entry else None)
        value = _Local((*path, value_name) if path else (), entry.value if entry else None)
        single = value if of_list else key
        pushed = [key, value] if len(node.variables) == 2 else [single]
        for name, local in zip(node.variables, pushed, strict=True):
            self._locals.setdefault(name, []).append(local)

    def _fold(self, node: Fold) -> Range:
        source = self.cost(node.range)
        if node.kind in ("optMap", "optFlatMap"):
            return self._through_optional(node, source)
        self._push(node)
        guard = self.cost(node.guard) if node.guard is not None else ZERO
        body = self.cost(node.body)
        made = self.sized(node.body)
        for name in node.variables:
            self._locals[name].pop()
        count = self.sized(node.range)
        start, step, end = _steps(node.kind, guard, body, guarded=node.guard is not None)
        if node.kind in ("map", "filter", "transformList", "transformMap", "transformMapEntry", "sortBy"):
            self._sizes[id(node)] = count
            if node.kind == "filter" and (entry := self.entry(node.range)) is not None:
                self._entries[id(node)] = entry
            elif node.kind in ("map", "transformList"):
                self._entries[id(node)] = _Entry(True, ONE, ZERO.union(made))
        else:
            self._sizes[id(node)] = ONE
        total = source.plus(start).plus(end).plus(count.times(step))
        if node.kind == "sortBy":
            total = total.plus(count.times(count)).plus(fixed(20))
        return total

    def _through_optional(self, node: Fold, source: Range) -> Range:
        self._locals.setdefault(node.variables[0], []).append(_Local((), None))
        body = self.cost(node.body)
        self._locals[node.variables[0]].pop()
        inner = fixed(11).plus(source).plus(body).plus(ONE if node.kind == "optMap" else ZERO)
        return source.plus(ONE).plus(ONE.union(inner))


def _steps(kind: str, guard: Range, body: Range, *, guarded: bool) -> tuple[Range, Range, Range]:
    """Before the loop, each round, and after, as the expansion of the macro comes to."""
    match kind:
        case "all":
            return ZERO, Range(3, cap(3 + body.high)), ONE
        case "exists":
            return ZERO, Range(4, cap(4 + body.high)), ONE
        case "exists_one":
            return ZERO, body.plus(Range(1, 2)), fixed(2)
        case "filter":
            return fixed(10), body.plus(Range(1, 13)), ONE
        case "transformMap" | "transformMapEntry":
            step = body.plus(fixed(3 if kind == "transformMap" else 2))
            return fixed(30), guard.plus(ONE.union(step)) if guarded else step, ONE
    step = body.plus(fixed(12))
    return fixed(10), guard.plus(ONE.union(step)) if guarded else step, ONE


Rule = Callable[[_Estimator, Call, str], tuple[Range, Range | None]]


def _all(node: Call) -> list[Node]:
    return [*([node.target] if node.target is not None else []), *node.args]


def _flat(cost: int) -> Rule:
    return lambda of, node, overload: (fixed(cost), None)


def _first(factor: float, *, sized: bool = False) -> Rule:
    def rule(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
        size = of.sized(_all(node)[0])
        return size.scaled(factor), size if sized else None

    return rule


def _argument(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    return of.sized(node.args[0]).scaled(_STRING), None


def _regex(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    text, pattern = map(of.sized, _all(node)[:2])
    cost = text.plus(ONE).scaled(_STRING).times(pattern.scaled(_REGEX))
    return cost, None if node.function == "matches" else Range(0, text.high)


def _contains(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    text, part = map(of.sized, _all(node)[:2])
    return text.scaled(_STRING).times(part.scaled(_STRING)), None


def _compared(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    left, right = node.args
    if left.type == right.type and left.type.name.startswith(("net.", "kubernetes.")):
        return ONE, None
    if not overload.endswith(("_string", "_bytes", "equals")):
        return ONE, None
    smaller = min(of.sized(left).high, of.sized(right).high)
    return Range(1 if smaller else 0, smaller).scaled(_STRING), None


def _added(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    if overload not in ("add_string", "add_bytes", "add_list"):
        return ONE, None
    left, right = node.args
    size = of.sized(left).plus(of.sized(right))
    entry = of.entry(left)
    joined = entry.union(of.entry(right)) if entry is not None else None
    if joined is not None:
        of._entries[id(node)] = joined
    return ONE if overload == "add_list" else size.scaled(_STRING), size


def _within(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    return (of.sized(node.args[1]), None) if overload == "in_list" else (ONE, None)


def _elements(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    """Every element looked at once, strings among them read."""
    if node.target is None:
        return ONE, None
    found = of.element(node.target)
    if found is None:
        return of.sized(node.target).scaled(_STRING), None
    kind, size = found
    each = ONE.plus(size.scaled(_STRING)) if kind.kind in ("string", "bytes") else ONE
    return of.sized(node.target).times(each), None


def _replaced(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    text, old, new = map(of.sized, _all(node)[:3])
    if old.low == 0:
        most, kept = cap(text.high + 1), text.high
    elif new.high <= old.low:
        most, kept = 0, text.high
    else:
        most, kept = math.ceil(text.high / old.low), 0
    if old.high == 0:
        least, left = text.low + 1, text.low
    elif old.high <= new.low:
        least, left = 0, text.low
    else:
        least, left = math.ceil(text.low / old.high), 0
    size = Range(least, most).times(new).plus(Range(left, kept))
    return text.scaled(2 * _STRING), size


def _split(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    text = of.sized(_all(node)[0])
    most = text.high
    if len(node.args) > 1 and isinstance(node.args[1], Literal) and type(node.args[1].value) is int:
        most = node.args[1].value % (MAX + 1)
    return text.scaled(2 * _STRING), Range(0, most)


def _joined(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    held = _all(node)[0]
    count = of.sized(held)
    found = of.element(held)
    size = count.times(found[1]) if found is not None else ZERO
    if node.args:
        between = Range(max(count.low - 1, 0), max(count.high - 1, 0))
        size = size.plus(of.sized(node.args[0]).times(between))
    return size.scaled(_STRING), size


def _converted(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    size = of.sized(node.args[0])
    if overload == "string_to_bytes":
        return size.scaled(_STRING), Range(size.low, cap(size.high * 4))
    if overload == "bytes_to_string":
        return size.scaled(_STRING), Range(size.low // 4, size.high)
    if node.function == "string" and node.args[0].type.kind in _SCALARS:
        # Numbers and instants are short: without a bound the documentation's own messageExpressions would be refused.
        return ONE, Range(1, 32)
    return ONE, None


def _quoted(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    size = of.sized(node.args[0])
    return size.scaled(_STRING), Range(cap(size.low + 2), cap(size.high * 2 + 2))


def _containing(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    address = Range(4, 16)
    cost = address.plus(address).scaled(_STRING)
    if node.function == "containsCIDR":
        cost = cost.plus(address.scaled(_STRING)).plus(ONE)
    if overload.endswith("_string"):
        cost = cost.plus(of.sized(node.args[0]).scaled(_STRING))
    return cost, None


def _validated(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    return of.sized(node.args[0]).scaled(_STRING).scaled(128 * _REGEX), None


def _address(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    return (ONE, None) if overload == "cidr_ip" else (of.sized(node.args[0]).scaled(_STRING), None)


def _selector(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    length = of.sized(node.args[0])
    return fixed(10).plus(length.scaled(_STRING)).plus(length.scaled(0.5).scaled(50.0)), None


def _whole_list(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    size = of.sized(_all(node)[0])
    return size.plus(ONE), Range(0, size.high)


def _pairs(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    size = of.sized(_all(node)[0])
    return size.times(size).plus(fixed(10)), size


def _sets(factor: int) -> Rule:
    def rule(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
        left, right = map(of.sized, node.args)
        return left.times(right).times(fixed(factor)).plus(ONE), None

    return rule


def _counted(of: _Estimator, node: Call, overload: str) -> tuple[Range, Range | None]:
    given = node.args[0]
    size = fixed(max(given.value, 0)) if isinstance(given, Literal) else UNKNOWN
    return size.plus(fixed(10)), size


_RULES: dict[str, Rule] = {
    "check": _flat(350_000),
    "fieldSelector": _selector,
    "labelSelector": _selector,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _elements),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _first(_STRING, sized=True)),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _first(_STRING, sized=True)),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    **dict.fromkeys(("find", "findAll", "matches"), _regex),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _argument),
    "ip": _address,
    "ip.isCanonical": _first(2 * _STRING),
    **dict.fromkeys(("containsIP", "containsCIDR"), _containing),
    "validate": _validated,
    "format": _first(_STRING),
    **dict.fromkeys(("startsWith", "endsWith"), _argument),
    "contains": _contains,
    "strings.quote": _quoted,
    **dict.fromkeys(("bytes", "string"), _converted),
    "@in": _within,
    "_+_": _added,
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _compared),
    **dict.fromkeys(("slice", "flatten", "reverse"), _whole_list),
    **dict.fromkeys(("distinct", "sort"), _pairs),
    "lists.range": _counted,
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "sets.equivalent": _sets(2),
}
