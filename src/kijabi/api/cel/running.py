"""Running the rules of a schema on an object: what is compared with what, which failures count, when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kijabi.api import field as fields
from kijabi.api.cel import declarations, environment, values
from kijabi.api.cel.declarations import Declared, Schema
from kijabi.api.cel.environment import Program

ITEMS, VALUES = "@items", "@values"
MAX_MESSAGE = 5 * 1024
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_REASONS: dict[str, Callable[[str, Any, str], fields.Error]] = {
    "FieldValueForbidden": lambda path, value, text: fields.forbidden(path, text),
    "FieldValueRequired": lambda path, value, text: fields.required(path, text),
    "FieldValueDuplicate": lambda path, value, text: fields.duplicate(path, value),
}


@dataclass(slots=True)
class Rule:
    """``program`` None: it does not compile, ``problem`` says why."""

    raw: Schema
    program: Program | None
    message: Program | None
    problem: str = ""
    field_path: str = ""

    @property
    def name(self) -> str:
        return str(self.raw.get("message") or "").strip() or str(self.raw.get("rule") or "").strip()

    @property
    def default_message(self) -> str:
        return str(self.raw.get("message") or "").strip() or f"failed rule: {self.name}"


@dataclass(slots=True, eq=False)
class Node:
    """One place of a schema that has rules, or has such below it."""

    declared: Declared
    type: str
    root: bool = False
    rules: list[Rule] = field(default_factory=list)
    properties: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    values: Node | None = None
    all_of: list[Node] = field(default_factory=list)
    map_type: str = "granular"
    list_keys: tuple[str, ...] = ()

    @property
    def matters(self) -> bool:
        below = self.properties or self.items is not None or self.values is not None
        return bool(self.rules or self.all_of or below)

    def add(self, name: str, node: Node) -> None:
        if name == ITEMS:
            self.items = node
        elif name == VALUES:
            self.values = node
        else:
            self.properties[name] = node


@dataclass(slots=True)
class _Pair:
    """A value and the one it replaces, for ratcheting; compared once, when first asked."""

    new: Any
    old: Any
    same: bool | None = None

    def unchanged(self) -> bool:
        if self.same is None:
            self.same = values.equal(self.new, self.old)
        return self.same


@dataclass(frozen=True, slots=True)
class _Before:
    """Where the old object stands: ``here`` if this place has an old value, ``above`` the nearest that has."""

    here: _Pair | None = None
    above: _Pair | None = None

    def holds(self) -> bool:
        judge = self.here or self.above
        return judge is not None and judge.unchanged()

    def key(self, name: str, new: Any) -> _Before:
        if self.here is None:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return _Before()
        old = self.here.old
        found = isinstance(old, dict) and old.get(name) is not None
        return _Before(_Pair(new, old[name]) if found else None, self.here)

    def item(self, new: Any, old: Any) -> _Before:
        if self.here is None:
            return self
        return _Before(_Pair(new, old) if old is not None else None, self.here)


class Run:
    """One object against the rules of its schema."""

    def __init__(self, budget: int, warnings: list[str] | None) -> None:
        self._budget = budget
        self._warnings = warnings
        self._errors: list[fields.Error] = []

    def validate(self, root: Node, path: str, new: Any, old: Any) -> list[fields.Error]:
        before = _Before(_Pair(new, old)) if old is not None else _Before()
        self._node(root, path, new, old, before)
        return self._errors

    def _node(self, node: Node, path: str, new: Any, old: Any, before: _Before) -> bool:
        """False when the budget is spent and nothing more may run."""
        if new is None:
            return True
        if node.rules and not self._rules(node, path, new, old, before):
            return False
        for inner in node.all_of:
            if not self._node(inner, path, new, old, _Before(None, before.above)):
                return False
        if isinstance(new, list):
            return node.items is None or self._list(node, node.items, path, new, old, before)
        if isinstance(new, dict):
            return self._map(node, path, new, old, before)
        return True

    def _map(self, node: Node, path: str, new: dict[str, Any], old: Any, before: _Before) -> bool:
        correlated = isinstance(old, dict) and node.map_type in ("granular", "atomic")
        for key, value in new.items():
            below = node.properties.get(key)
            where = fields.child(path, key)
            if below is None:
                if node.values is None:
                    continue
                below, where = node.values, fields.key(path, key)
            earlier = old.get(key) if correlated else None
            if not self._node(below, where, value, earlier, before.key(key, value)):
                return False
        return True

    def _list(self, node: Node, items: Node, path: str, new: list[Any], old: Any, before: _Before) -> bool:
        earlier: dict[Any, Any] = {}
        if node.list_keys and isinstance(old, list):
            for item in reversed(old):
                earlier[_key(item, node.list_keys)] = item
        for position, value in enumerate(new):
            found = earlier.get(_key(value, node.list_keys)) if earlier else None
            where = fields.index(path, position)
            if not self._node(items, where, value, found, before.item(value, found)):
                return False
        return True

    def _rules(self, node: Node, path: str, new: Any, old: Any, before: _Before) -> bool:
        if self._budget <= 0:
            self._errors.append(fields.invalid(path, node.type, _OUT_OF_BUDGET))
            return False
        own = declarations.adapt(new, node.declared)
        earlier = declarations.adapt(old, node.declared) if old is not None else None
        return all(self._rule(rule, node, path, (new, own, earlier), before) for rule in node.rules)

    def _rule(self, rule: Rule, node: Node, path: str, held: tuple[Any, Any, Any], before: _Before) -> bool:
        new, own, earlier = held
        program = rule.program
        if program is None:
            self._errors.append(fields.invalid(path, node.type, f"rule compile error: {rule.problem}"))
            return True
        optional = bool(rule.raw.get("optionalOldSelf"))
        transition = "oldSelf" in program.used
        if transition and earlier is None and not optional:
            return True
        given: dict[str, Any] = {"self": own, "oldSelf": earlier}
        if optional:
            given["oldSelf"] = values.Optional(earlier, True) if earlier is not None else values.NONE
        outcome = program.evaluate(given)
        if outcome.cost > self._budget:
            self._errors.append(fields.invalid(path, node.type, _OUT_OF_BUDGET))
            return False
        self._budget -= outcome.cost
        if outcome.failure is not None:
            self._errors.append(fields.invalid(path, node.type, _failure(outcome, rule)))
            return not outcome.exceeded
        if outcome.value is True:
            return True
        return self._failed(rule, node, path, new, given, excused=not transition and before.holds())

    def _failed(self, rule: Rule, node: Node, path: str, new: Any, given: dict[str, Any], *, excused: bool) -> bool:
        where = path
        if rule.field_path:
            where = path + rule.field_path if rule.field_path[0] == "[" else fields.child(path, rule.field_path)
        text, more = self._message(rule, given)
        if not more:
            self._add(fields.invalid(where, node.type, text), excused=excused)
            return False
        shown = fields.OMITTED if node.type in ("object", "array") else new
        make = _REASONS.get(str(rule.raw.get("reason") or ""), fields.invalid)
        self._add(make(where, shown, text or rule.default_message), excused=excused)
        return True

    def _add(self, error: fields.Error, *, excused: bool) -> None:
        if not excused:
            self._errors.append(error)
        elif self._warnings is not None:
            self._warnings.append(str(error))

    def _message(self, rule: Rule, given: dict[str, Any]) -> tuple[str, bool]:
        """The text of ``messageExpression``, empty where there is no good one; False where the budget is spent."""
        if rule.message is None:
            return "", True
        outcome = rule.message.evaluate(given)
        if outcome.cost > self._budget:
            text = "messageExpression evaluation failed due to running out of cost budget, "
            return text + "no further validation rules will be run", False
        if outcome.exceeded:
            text = "no further validation rules will be run due to call cost exceeds limit for messageExpression: "
            return f'{text}"{rule.message.source}"', False
        self._budget -= outcome.cost
        if not isinstance(outcome.value, str):
            return "", True
        text = outcome.value.strip()
        return ("" if len(text.encode()) > MAX_MESSAGE or "\n" in text else text), True


def _failure(outcome: environment.Outcome, rule: Rule) -> str:
    failure = outcome.failure or ""
    if failure.startswith(values.OVERLOAD):
        text = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{failure}': {text}: {rule.name}"
    if outcome.exceeded:
        text = "no further validation rules will be run due to call cost exceeds limit for rule"
        return f"'{failure}': {text}: {rule.name}"
    return f"{failure} evaluating rule: {rule.name}"


def _key(item: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(item, dict):
        return None
    return tuple(repr(item.get(key)) for key in keys)
