"""Giving every node its type, and every call the overloads it may mean.

Source: the CEL specification, "Gradual type checking". Problems are collected, not raised: an expression with three
mistakes is told of all three.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kijabi.api.cel import functions, instants, patterns, syntax, types, values
from kijabi.api.cel.syntax import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, StructLiteral
from kijabi.api.cel.types import BOOL, DYN, INT, Type

_LITERALS = {
    "bool": BOOL,
    "int": INT,
    "uint": types.UINT,
    "double": types.DOUBLE,
    "string": types.STRING,
    "bytes": types.BYTES,
    "null_type": types.NULL,
}
_TYPE_NAMES = {
    **types.SCALARS,
    "list": types.list_of(DYN),
    "map": types.map_of(DYN, DYN),
    "null_type": types.NULL,
    "type": types.type_of(DYN),
    "optional_type": types.optional(DYN),
    "google.protobuf.Timestamp": types.TIMESTAMP,
    "google.protobuf.Duration": types.DURATION,
    "net.IP": Type("opaque", "net.IP"),
    "net.CIDR": Type("opaque", "net.CIDR"),
    "kubernetes.URL": types.struct("kubernetes.URL"),
    "kubernetes.Quantity": types.struct("kubernetes.Quantity"),
    "kubernetes.Semver": types.struct("kubernetes.Semver"),
    "kubernetes.NamedFormat": types.struct("kubernetes.NamedFormat"),
}


class Structs(Protocol):
    """What is known of the types with fields."""

    def known(self, name: str) -> bool: ...

    def field(self, name: str, key: str) -> Type | None:
        """The type of a field, None where there is none of that name."""
        ...


@dataclass(slots=True)
class _Scope:
    variables: Mapping[str, Type]
    local: list[dict[str, Type]] = field(default_factory=list)

    def find(self, name: str) -> Type | None:
        for scope in reversed(self.local):
            if name in scope:
                return scope[name]
        return self.variables.get(name)


class Checker:
    """One check of one expression."""

    def __init__(self, variables: Mapping[str, Type], table: functions.Functions, structs: Structs) -> None:
        self._scope = _Scope(variables)
        self._table = table
        self._structs = structs
        self._bindings: types.Bindings = {}
        self._fresh = itertools.count()
        self.problems: list[syntax.Problem] = []

    def check(self, node: Node) -> Type:
        """The type of ``node``; its parts are typed as well."""
        node.type = self._visit(node)
        return node.type

    def settle(self, node: Node) -> Type:
        return types.substitute(node.type, self._bindings, free_is_dyn=True)

    def resolve(self, kind: Type) -> Type:
        return types.substitute(kind, self._bindings, free_is_dyn=True)

    def _report(self, offset: int, message: str) -> Type:
        self.problems.append(syntax.Problem(offset, message))
        return types.ERROR

    def _visit(self, node: Node) -> Type:
        match node:
            case Literal():
                return _LITERALS[values.kind_of(node.value)]
            case Ident():
                return self._ident(node)
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
        return types.ERROR

    def _ident(self, node: Ident) -> Type:
        found = self._scope.find(node.name)
        if found is not None:
            return found
        if node.name in _TYPE_NAMES:
            return types.type_of(_TYPE_NAMES[node.name])
        if self._structs.known(node.name):
            return types.type_of(types.struct(node.name))
        return self._undeclared(node.offset, node.name)

    def _undeclared(self, offset: int, name: str) -> Type:
        return self._report(offset, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select) -> Type:
        name = qualified(node)
        if name is not None and not self._is_local(name):
            found = self._scope.find(name)
            if found is None and name in _TYPE_NAMES:
                found = types.type_of(_TYPE_NAMES[name])
            if found is not None:
                return found
        operand = types.substitute(self.check(node.operand), self._bindings)
        was_optional = operand.is_optional
        result = self._field(node, operand.params[0] if was_optional else operand)
        if node.test:
            return BOOL
        return types.optional(result) if was_optional or node.optional else result

    def _is_local(self, name: str) -> bool:
        first = name.partition(".")[0]
        return any(first in scope for scope in self._scope.local)

    def _field(self, node: Select, target: Type) -> Type:
        if target.kind == "map":
            return target.params[1]
        if target.kind == "struct":
            found = self._structs.field(target.name, node.field)
            if found is not None:
                return found
            return self._report(node.offset, f"undefined field '{node.field}'")
        if target.kind == "param":
            types.assign(self._bindings, DYN, target)
        elif not target.is_dyn:
            self._report(node.offset, f"type '{target}' does not support field selection")
        return DYN

    def _call(self, node: Call) -> Type:
        arguments = [self.check(argument) for argument in node.args]
        if node.target is not None:
            prefix = qualified(node.target)
            if prefix is not None and f"{prefix}.{node.function}" in self._table:
                node.function, node.target = f"{prefix}.{node.function}", None
            else:
                arguments.insert(0, self.check(node.target))
        if node.function == "_?_:_":
            return self._conditional(node, arguments)
        if node.function in ("_&&_", "_||_"):
            for argument, kind in zip(node.args, arguments, strict=True):
                self._must(argument, kind, BOOL)
            return BOOL
        overloads = self._table.get(node.function)
        if overloads is None:
            return self._undeclared(node.offset, node.function)
        self._literal_argument(node)
        return self._resolve(node, overloads, arguments)

    def _must(self, node: Node, given: Type, wanted: Type) -> None:
        if not types.assign(self._bindings, given, wanted):
            given = types.substitute(given, self._bindings, free_is_dyn=True)
            self._report(node.offset, f"expected type '{wanted}' but found '{given}'")

    def _conditional(self, node: Call, arguments: list[Type]) -> Type:
        trial = dict(self._bindings)
        condition, yes, no = arguments
        if types.assign(trial, condition, BOOL) and types.assign(trial, yes, no):
            self._bindings = trial
            yes, no = types.substitute(yes, trial), types.substitute(no, trial)
            return (
                yes if not yes.is_dyn and not no.is_dyn and yes.kind != "null" else (no if yes.kind == "null" else DYN)
            )
        return self._no_overload(node, arguments)

    def _no_overload(self, node: Call, arguments: list[Type]) -> Type:
        shown = [str(types.substitute(kind, self._bindings, free_is_dyn=True)) for kind in arguments]
        signature = f"{shown[0]}.({', '.join(shown[1:])})" if node.target is not None else f"({', '.join(shown)})"
        text = f"found no matching overload for '{node.function}' applied to '{signature}'"
        return self._report(node.offset, text)

    def _resolve(self, node: Call, overloads: list[functions.Overload], arguments: list[Type]) -> Type:
        result: Type | None = None
        for overload in overloads:
            if overload.member != (node.target is not None) or len(overload.params) != len(arguments):
                continue
            trial = dict(self._bindings)
            renamed = self._renamed(overload)
            params = [types.substitute(kind, renamed) for kind in overload.params]
            if not all(types.assign(trial, given, kind) for given, kind in zip(arguments, params, strict=True)):
                continue
            self._bindings = trial
            node.overloads.append(overload)
            given = types.substitute(types.substitute(overload.result, renamed), trial)
            if result is None:
                result = given
            elif not result.is_dyn and given != result:
                result = DYN
        return result if result is not None else self._no_overload(node, arguments)

    def _renamed(self, overload: functions.Overload) -> dict[str, Type]:
        # Every use of an overload has parameters of its own.
        number = next(self._fresh)
        return {name: Type("param", f"{name}{number}") for name in ("A", "B")}

    def _literal_argument(self, node: Call) -> None:
        """What can be known to fail before it runs: literal durations, instants and patterns."""
        argument = node.args[-1] if node.args else None
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            return
        try:
            if node.function == "duration":
                instants.parse_span(argument.value)
            elif node.function == "timestamp":
                instants.parse_time(argument.value)
            elif node.function == "matches":
                patterns.compiled(argument.value)
        except (values.Failure, patterns.Illegal):
            self._report(argument.offset, f"invalid {node.function} argument")

    def _list(self, node: ListLiteral) -> Type:
        item: Type | None = None
        for position, element in enumerate(node.elements):
            given = self.check(element)
            if position in node.optional:
                given = self._unwrapped(element, given)
            item = self._joined(element, item, given)
        if item is None:
            item = Type("param", f"E{next(self._fresh)}")
        return types.list_of(item)

    def _unwrapped(self, node: Node, given: Type) -> Type:
        given = types.substitute(given, self._bindings)
        if given.is_optional:
            return given.params[0]
        if not given.is_dyn:
            self._report(node.offset, f"expected type 'optional_type({given})' but found '{given}'")
        return DYN

    def _joined(self, node: Node, known: Type | None, given: Type) -> Type:
        """Elements of one literal must be of one type."""
        if known is None or known == given:
            return given
        trial = dict(self._bindings)
        if types.assign(trial, known, given):
            self._bindings = trial
            return DYN if known.is_dyn or given.is_dyn else known
        shown = types.substitute(given, self._bindings, free_is_dyn=True)
        self._report(node.offset, f"expected type '{known}' but found '{shown}'")
        return known

    def _map(self, node: MapLiteral) -> Type:
        key: Type | None = None
        value: Type | None = None
        for left, right, optional in node.entries:
            key = self._joined(left, key, self.check(left))
            given = self.check(right)
            value = self._joined(right, value, self._unwrapped(right, given) if optional else given)
        if key is None or value is None:
            number = next(self._fresh)
            return types.map_of(Type("param", f"K{number}"), Type("param", f"V{number}"))
        return types.map_of(key, value)

    def _struct(self, node: StructLiteral) -> Type:
        if not self._structs.known(node.name):
            return self._undeclared(node.offset, node.name)
        for name, value, optional, offset in node.fields:
            given = self.check(value)
            if optional:
                given = self._unwrapped(value, given)
            wanted = self._structs.field(node.name, name)
            if wanted is None:
                self._report(offset, f"undefined field '{name}'")
            elif not types.assign(self._bindings, given, wanted):
                text = f"expected type of field '{name}' is '{wanted}' but provided type is '{given}'"
                self._report(offset, text)
        return types.struct(node.name)

    def _fold(self, node: Fold) -> Type:
        source = types.substitute(self.check(node.range), self._bindings)
        names = self._variables(node, source)
        self._scope.local.append(names)
        if node.guard is not None:
            self._must(node.guard, self.check(node.guard), BOOL)
        body = self.check(node.body)
        self._scope.local.pop()
        match node.kind:
            case "all" | "exists" | "exists_one":
                self._must(node.body, body, BOOL)
                return BOOL
            case "filter":
                self._must(node.body, body, BOOL)
                return types.list_of(names[node.variables[0]])
            case "map" | "transformList":
                return types.list_of(body)
            case "transformMap":
                return types.map_of(names[node.variables[0]], body)
            case "transformMapEntry":
                return body
            case "sortBy":
                return source if source.kind == "list" else types.list_of(DYN)
            case "optMap":
                return types.optional(body)
        return body

    def _variables(self, node: Fold, source: Type) -> dict[str, Type]:
        if node.kind in ("optMap", "optFlatMap"):
            if source.is_optional:
                return {node.variables[0]: source.params[0]}
            if not source.is_dyn:
                self._report(node.offset, f"found no matching overload for 'hasValue' applied to '{source}.()'")
            return {node.variables[0]: DYN}
        if source.kind == "param":
            types.assign(self._bindings, DYN, source)
            source = DYN
        if source.kind == "list":
            kinds = [INT, source.params[0]]
        elif source.kind == "map":
            kinds = list(source.params)
        else:
            kinds = [DYN, DYN]
            if not source.is_dyn:
                text = (
                    f"expression of type '{source}' cannot be range of a comprehension (must be list, map, or dynamic)"
                )
                self._report(node.range.offset, text)
        if len(node.variables) == 2:
            return dict(zip(node.variables, kinds, strict=True))
        return {node.variables[0]: kinds[1] if source.kind == "list" else kinds[0]}


def qualified(node: Node) -> str | None:
    """``a.b.c`` as one name, None where it is none."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        prefix = qualified(node.operand)
        return f"{prefix}.{node.field}" if prefix is not None else None
    return None
