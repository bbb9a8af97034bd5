"""What an expression may refer to, and compiling and running one.

``compile`` gives a ``Program`` or the problems as upstream prints them; a ``Program`` is run with plain Python values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kijabi.api.cel import checker, evaluator, frames, functions, library, parser, syntax, values
from kijabi.api.cel.types import Type

# Source: k8s.io/apiserver apis/cel. In units of cost: roughly 0.1 s a call, 1 s an object or binding, in upstream.
PER_CALL_LIMIT, BUDGET, MATCH_BUDGET = 1_000_000, 10_000_000, 2_500_000


class NoStructs:
    """No type has fields."""

    def known(self, name: str) -> bool:
        return False

    def field(self, name: str, key: str) -> Type | None:
        return None


NO_STRUCTS = NoStructs()


def _make_nothing(name: str, fields: dict[str, Any]) -> Any:
    raise values.Failure(f"unknown type: {name}")


@dataclass(frozen=True, slots=True)
class Environment:
    """``variables`` may have dotted names (``authorizer.requestResource``)."""

    variables: Mapping[str, Type]
    structs: checker.Structs = NO_STRUCTS
    functions: functions.Functions = field(default_factory=lambda: library.BASE)
    make: evaluator.Make = _make_nothing

    def extended(self, variables: Mapping[str, Type]) -> Environment:
        return Environment({**self.variables, **variables}, self.structs, self.functions, self.make)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``failure`` is set where there is no value. ``cost`` is what it took either way."""

    value: Any
    cost: int
    failure: str | None = None
    exceeded: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. ``used`` are the variables it may read."""

    source: str
    type: Type
    root: syntax.Node
    used: frozenset[str]
    _step: evaluator.Step
    _slots: int

    def evaluate(self, variables: Mapping[str, Any], limit: int = PER_CALL_LIMIT) -> Outcome:
        """Never raises but a ``values.Stop`` that is not about cost (a question to an authorizer)."""
        frame = frames.Frame(variables, self._slots, limit)
        try:
            value = self._step(frame)
            frame.check()
        except values.Failure as failure:
            return Outcome(None, frame.cost, str(failure))
        except values.CostExceeded as exceeded:
            return Outcome(None, frame.cost, str(exceeded), exceeded=True)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
            # A value that is not what its schema says reached a function: upstream's words for the same.
            return Outcome(None, frame.cost, values.OVERLOAD)
        return Outcome(value, frame.cost)


def compile(expression: str, environment: Environment) -> Program | str:
    """The program, or all that is wrong with it in upstream's form (``ERROR: <input>:1:1: …``)."""
    try:
        return _compile(expression, environment)
    except parser.SyntaxProblem as wrong:
        return syntax.show(expression, [wrong.problem])
    except RecursionError:
        # Long chains without brackets: ``a.b.c…`` and ``1+1+…`` are as deep as they are long.
        return syntax.show(expression, [syntax.Problem(0, "expression recursion limit exceeded")])


def _compile(expression: str, environment: Environment) -> Program | str:
    root = parser.parse(expression)
    check = checker.Checker(environment.variables, environment.functions, environment.structs)
    check.check(root)
    if check.problems:
        return syntax.show(expression, check.problems)
    _settle(root, check)
    planner = evaluator.Planner(environment.variables, environment.make)
    step = planner.plan(root)
    return Program(expression, root.type, root, frozenset(planner.used), step, planner.slots)


def _settle(node: syntax.Node, check: checker.Checker) -> None:
    node.type = check.resolve(node.type)
    for part in parts(node):
        _settle(part, check)


def parts(node: syntax.Node) -> list[syntax.Node]:
    """The nodes directly below."""
    match node:
        case syntax.Select():
            return [node.operand]
        case syntax.Call():
            return [*([node.target] if node.target is not None else []), *node.args]
        case syntax.ListLiteral():
            return node.elements
        case syntax.MapLiteral():
            return [part for key, value, _ in node.entries for part in (key, value)]
        case syntax.StructLiteral():
            return [value for _, value, _, _ in node.fields]
        case syntax.Fold():
            return [node.range, *([node.guard] if node.guard is not None else []), node.body]
    return []


def must_be(program: Program, *wanted: Type) -> str | None:
    """What is wrong with the type of the whole, in the words of the admission plugins."""
    if program.type in wanted:
        return None
    names = [_go_name(kind) for kind in wanted]
    if len(names) == 1:
        return f"must evaluate to {names[0]} but got {_go_name(program.type)}"
    return f"must evaluate to one of [{' '.join(names)}] but got {_go_name(program.type)}"


def _go_name(kind: Type) -> str:
    return "null_type" if kind.kind == "null" else str(kind)
