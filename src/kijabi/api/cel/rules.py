"""``x-kubernetes-validations``: the rules of a schema, compiled once and run on each object written.

``compile_schema`` finds every rule of a structural schema, checks it against the types of the place it stands at and
adds up what it can cost at worst; ``Rules.errors`` are upstream's refusals of a definition that holds such rules.
``Rules.validate`` runs them on an object: transition rules where an old value can be found (properties, values of maps,
items of lists by their keys), nothing that did not change unless a rule looks at the change itself.

Source: kubernetes.io "Validation rules"; apiextensions-apiserver schema/cel and validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import field as fields
from kijabi.api.cel import declarations, environment, estimate, fieldpath, running, types
from kijabi.api.cel.declarations import Declared, Schema
from kijabi.api.cel.environment import Environment, Program

KEY = "x-kubernetes-validations"
RULE_LIMIT, TOTAL_LIMIT = 10_000_000, 100_000_000


@dataclass(slots=True)
class Rules:
    """All rules of one schema. ``problems``: (path below the schema, message) of each that may not be written."""

    problems: list[tuple[str, str]]
    _errors: list[fields.Error]
    _root: running.Node | None

    @property
    def has_any(self) -> bool:
        return self._root is not None

    def errors(self, path: str) -> list[fields.Error]:
        """The problems as field errors at ``path``, that of the schema."""
        return [
            fields.Error(
                error.type, path + error.path if error.path[:1] in ("", "[") else fields.child(path, error.path),
                error.value, error.detail,
            )
            for error in self._errors
        ]  # fmt: skip

    def validate(
        self, path: str, new: Any, old: Any | None = None, warnings: list[str] | None = None
    ) -> list[fields.Error]:
        """What is wrong with ``new``, that replaces ``old`` (None for a creation).

        Failures that only the old object is to blame for are not given back but put into ``warnings``.
        """
        if self._root is None:
            return []
        return running.Run(environment.BUDGET, warnings).validate(self._root, path, new, old)


@dataclass(slots=True)
class _Cost:
    """What all rules of a definition come to, and those that count most."""

    total: int = 0
    largest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, cost: int, path: str) -> None:
        self.total = min(self.total + cost, estimate.MAX)
        if cost >= TOTAL_LIMIT // 100:
            self.largest = sorted([*self.largest, (cost, path)], key=lambda pair: -pair[0])[:4]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the compiler is. ``count``: how often this place can occur, None for without bound."""

    path: str
    count: int | None = 1
    uncorrelated: str | None = None

    def below(self, path: str, schema: Schema) -> _Place:
        most = _elements(schema)
        count = None if self.count is None or most is None else min(self.count * most, estimate.MAX)
        return _Place(f"{self.path}.{path}" if self.path else path, count, self.uncorrelated)


def _elements(schema: Schema) -> int | None:
    """By how much a schema multiplies what is below it."""
    limit: Any = 1
    if schema.get("type") == "array":
        limit = schema.get("maxItems")
    elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        limit = schema.get("maxProperties")
    return max(limit, 0) if limit is not None else None


def compile_schema(schema: Schema, *, root: bool = True, unchanged: bool = False) -> Rules:
    """The rules of an ``openAPIV3Schema``.

    ``root``: it is that of a custom resource. ``unchanged``: it stood so before, and single rules are no longer
    measured. Invalid schemas give rules for what can be understood of them.
    """
    if not _any(schema):
        return Rules([], [], None)
    compiler = _Compiler(unchanged)
    declared = declarations.declare(schema, root=root)
    node = compiler.node(schema, declared, _Place(""), root=root) if declared is not None else None
    errors = compiler.errors
    if compiler.cost.total > TOTAL_LIMIT:
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        errors += [fields.forbidden(path, text) for _, path in compiler.cost.largest]
        name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        errors.append(fields.forbidden("", _over(name, compiler.cost.total, TOTAL_LIMIT)))
    return Rules([(error.path, error.detail) for error in errors], errors, node)


def _any(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return bool(schema.get(KEY)) or any(_any(value) for value in schema.values())
    return isinstance(schema, list) and any(map(_any, schema))


def _over(name: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    advice = "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and "
    return f"{name} exceeds budget by factor of {shown} ({advice}strings are declared)"


class _Compiler:
    def __init__(self, unchanged: bool) -> None:
        self.errors: list[fields.Error] = []
        self.cost = _Cost()
        self._unchanged = unchanged

    def node(
        self, schema: Schema, declared: Declared, place: _Place, *, root: bool = False, spine: Schema | None = None
    ) -> running.Node | None:
        """``schema`` with its rules on values of type ``declared``; ``spine`` where the rules stand in an allOf."""
        shape = schema if spine is None else spine
        made = running.Node(declared, str(shape.get("type") or ""), root=root)
        made.map_type = str(shape.get("x-kubernetes-map-type") or "granular")
        made.list_keys = declared.list_keys if declared.list_type == "map" else ()
        for name, below, kind, where in self._children(schema, declared, place, shape):
            child = self.node(below, kind, where, root=bool(below.get("x-kubernetes-embedded-resource")),
                              spine=_part(shape, name) if spine is not None else None)  # fmt: skip
            if child is not None:
                made.add(name, child)
        for below in schema.get("allOf") or ():
            inner = _Compiler(True)
            child = inner.node(below, declared, place, root=root, spine=shape)
            if child is not None:
                made.all_of.append(child)
        made.rules = self._rules(schema, declared, place, root=root, shape=shape)
        return made if made.matters else None

    def _children(
        self, schema: Schema, declared: Declared, place: _Place, shape: Schema
    ) -> Iterator[tuple[str, Schema, Declared, _Place]]:
        for key, below in (schema.get("properties") or {}).items():
            known = _part(shape, key)
            if known is None:
                continue
            identifier = declarations.escape(key)
            kind = declared.fields.get(identifier) if identifier is not None else declarations.declare(known)
            if kind is not None:
                yield key, below, kind, self._inside(place.below(f"properties[{key}]", schema), place, schema)
        if declared.item is None:
            return
        if isinstance(schema.get("items"), Mapping):
            where = place.below("items", schema)
            if schema.get("x-kubernetes-list-type") != "map":
                where = _Place(where.path, where.count, place.uncorrelated or place.path or "<root>")
            yield running.ITEMS, schema["items"], declared.item, where
        if isinstance(schema.get("additionalProperties"), Mapping):
            where = self._inside(place.below("additionalProperties", schema), place, schema)
            yield running.VALUES, schema["additionalProperties"], declared.item, where

    def _inside(self, where: _Place, place: _Place, schema: Schema) -> _Place:
        if schema.get("x-kubernetes-map-type", "granular") in ("granular", "atomic"):
            return where
        return _Place(where.path, where.count, place.uncorrelated or place.path or "<root>")

    def _rules(
        self, schema: Schema, declared: Declared, place: _Place, *, root: bool, shape: Schema
    ) -> list[running.Rule]:
        listed = schema.get(KEY) or ()
        if not listed:
            return []
        plain = Environment({"self": declared.type, "oldSelf": declared.type}, declarations.Structs(declared))
        loose = plain.extended({"oldSelf": types.optional(declared.type)})
        made = []
        for position, raw in enumerate(listed):
            path = f"{place.path}.{KEY}[{position}]" if place.path else f"{KEY}[{position}]"
            chosen = loose if raw.get("optionalOldSelf") else plain
            rule = self._rule(raw, chosen, declared, place, path)
            if rule is not None:
                if raw.get("fieldPath"):
                    rule.field_path = fieldpath.normalized(raw["fieldPath"], shape)
                made.append(rule)
        return made

    def _rule(
        self, raw: Schema, chosen: Environment, declared: Declared, place: _Place, path: str
    ) -> running.Rule | None:
        text = raw.get("rule") or ""
        if not text.strip():
            return None
        made = environment.compile(text, chosen)
        problem = f"compilation failed: {made}" if isinstance(made, str) else None
        if isinstance(made, Program) and made.type != types.BOOL:
            problem = "cel expression must evaluate to a bool"
        if problem is not None or isinstance(made, str):
            self.errors.append(fields.invalid(f"{path}.rule", _shown(raw), problem or ""))
            return running.Rule(raw, None, None, problem or "")
        self._measure(made, declared, place, f"{path}.rule", "estimated rule cost")
        message = self._message(raw, chosen, declared, path)
        uses = "oldSelf" in made.used
        if uses and place.uncorrelated is not None:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            self.errors.append(fields.invalid(f"{path}.rule", text, why))
        elif not uses and raw.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            self.errors.append(fields.invalid(f"{path}.optionalOldSelf", raw["optionalOldSelf"], why))
        return running.Rule(raw, made, message)

    def _message(self, raw: Schema, chosen: Environment, declared: Declared, path: str) -> Program | None:
        text = raw.get("messageExpression") or ""
        if not text:
            return None
        made = environment.compile(text, chosen)
        if isinstance(made, str) or made.type != types.STRING:
            problem = "messageExpression must evaluate to a string"
            if isinstance(made, str):
                problem = f"messageExpression compilation failed: {made}"
            self.errors.append(fields.invalid(f"{path}.messageExpression", _shown(raw), problem))
            return None
        # Upstream does not multiply this one: it is evaluated for a failed rule only.
        once = _Place(path)
        self._measure(made, declared, once, f"{path}.messageExpression", "estimated messageExpression cost")
        return made

    def _measure(self, made: Program, declared: Declared, place: _Place, path: str, name: str) -> None:
        count = place.count
        if count is None:
            count = declarations.MAX_REQUEST // (declared.smallest + 1)
        cost = min(estimate.estimate(made.root, declared) * count, estimate.MAX)
        if cost > RULE_LIMIT and not self._unchanged:
            self.errors.append(fields.forbidden(path, _over(name, cost, RULE_LIMIT)))
        self.cost.add(cost, path)


def _part(schema: Schema, name: str) -> Schema | None:
    if name == running.ITEMS:
        found = schema.get("items")
    elif name == running.VALUES:
        found = schema.get("additionalProperties")
    else:
        found = (schema.get("properties") or {}).get(name)
    return found if isinstance(found, Mapping) else None


def _shown(raw: Schema) -> dict[str, Any]:
    """A rule as upstream shows it in a message: the internal form, all fields."""
    return {
        "Rule": raw.get("rule", ""),
        "Message": raw.get("message", ""),
        "MessageExpression": raw.get("messageExpression", ""),
        "Reason": raw.get("reason"),
        "FieldPath": raw.get("fieldPath", ""),
        "OptionalOldSelf": raw.get("optionalOldSelf"),
    }
