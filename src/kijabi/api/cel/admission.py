"""The variables of policies and match conditions, compiling against them, and evaluating with an authorizer.

An ``Input`` is one request as expressions see it. ``Evaluation`` runs programs on it: questions to the authorizer are
answered between two attempts, cost is taken from a budget, and lazy ``variables`` are computed once.

Source: kubernetes.io "Validating Admission Policy"; k8s.io/apiserver admission/plugin/cel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kijabi.api.cel import checker, environment, library, patches, types, values
from kijabi.api.cel.environment import Environment, Outcome, Program
from kijabi.api.cel.library import authz
from kijabi.api.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Type

Object = dict[str, Any]
Ask = Callable[[authz.Check], Awaitable[authz.Decision]]

OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_TEXTS = types.list_of(STRING)
_PAIRS = types.map_of(STRING, STRING)


def _struct(name: str) -> Type:
    return types.struct(f"kubernetes.{name}")


_GVK = {"group": STRING, "version": STRING, "kind": STRING}
_GVR = {"group": STRING, "version": STRING, "resource": STRING}
_FIELDS: dict[str, dict[str, Type]] = {
    "GroupVersionKind": _GVK,
    "GroupVersionResource": _GVR,
    "UserInfo": {"username": STRING, "uid": STRING, "groups": _TEXTS, "extra": types.map_of(STRING, _TEXTS)},
    "AdmissionRequest": {
        "kind": _struct("GroupVersionKind"),
        "resource": _struct("GroupVersionResource"),
        "subResource": STRING,
        "requestKind": _struct("GroupVersionKind"),
        "requestResource": _struct("GroupVersionResource"),
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": _struct("UserInfo"),
        "dryRun": BOOL,
        "options": DYN,
    },
    "NamespaceMetadata": {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), STRING),
        "labels": _PAIRS,
        "annotations": _PAIRS,
        "creationTimestamp": TIMESTAMP,
        "deletionTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT,
        "generation": INT,
        "finalizers": _TEXTS,
    },
    "NamespaceSpec": {"finalizers": _TEXTS},
    "NamespaceCondition": {
        **dict.fromkeys(("status", "type", "message", "reason"), STRING),
        "lastTransitionTime": TIMESTAMP,
    },
    "NamespaceStatus": {"conditions": types.list_of(_struct("NamespaceCondition")), "phase": STRING},
    "Namespace": {
        "metadata": _struct("NamespaceMetadata"),
        "spec": _struct("NamespaceSpec"),
        "status": _struct("NamespaceStatus"),
    },
}
_PREFIX = "kubernetes."
_VARIABLES = "kubernetes.variables"


@dataclass(frozen=True, slots=True)
class _Structs:
    """The types of the request; ``more`` are those of the policy (its variables, what a patch builds, a schema)."""

    variables: Mapping[str, Type]
    patches: bool
    schema: checker.Structs | None = None

    def known(self, name: str) -> bool:
        if name.startswith(_PREFIX):
            return name == _VARIABLES or name[len(_PREFIX) :] in _FIELDS
        return (self.patches and patches.known(name)) or (self.schema is not None and self.schema.known(name))

    def field(self, name: str, key: str) -> Type | None:
        if name == _VARIABLES:
            return self.variables.get(key)
        if name.startswith(_PREFIX):
            return _FIELDS.get(name[len(_PREFIX) :], {}).get(key)
        if self.patches and patches.known(name):
            return patches.field(name, key)
        return self.schema.field(name, key) if self.schema is not None else None


@dataclass(frozen=True, slots=True)
class Known:
    """The types of the objects, where a policy's expressions are checked against a schema."""

    object: Type
    params: Type
    structs: checker.Structs


class Compiler:
    """Compiles the expressions of one policy: each variable is known to the expressions after it."""

    def __init__(self, *, params: bool, composed: bool, known: Known | None = None) -> None:
        self.variables: dict[str, Type] = {}
        self.programs: dict[str, Program | str] = {}
        declared: dict[str, Type] = {
            "object": known.object if known else DYN,
            "oldObject": known.object if known else DYN,
            "namespaceObject": _struct("Namespace"),
            "request": _struct("AdmissionRequest"),
        }
        if params:
            declared["params"] = known.params if known else DYN
        if composed:
            declared["variables"] = types.struct(_VARIABLES)
        asking = {**declared, "authorizer": authz.AUTHORIZER, "authorizer.requestResource": authz.RESOURCE}
        schema = known.structs if known else None
        structs = _Structs(self.variables, False, schema)
        self._plain = Environment(declared, structs)
        self._asking = Environment(asking, structs)
        self._patching = Environment(asking, _Structs(self.variables, True, schema), library.PATCHES, patches.make)

    def compile(self, expression: str, *wanted: Type, authorizer: bool = True, patch: bool = False) -> Program | str:
        """The program, or what is wrong as upstream's validation says it. No ``wanted``: any type will do."""
        chosen = self._patching if patch else self._asking if authorizer else self._plain
        made = environment.compile(expression, chosen)
        if isinstance(made, str):
            return f"compilation failed: {made}"
        wrong = environment.must_be(made, *wanted) if wanted else None
        return made if wrong is None else wrong

    def variable(self, name: str, expression: str) -> str | None:
        """Compile and remember one of the policy's variables; what is wrong with it."""
        made = self.compile(expression)
        self.programs[name] = made
        self.variables[name] = DYN if isinstance(made, str) else _declared(made.type)
        return made if isinstance(made, str) else None


def _declared(kind: Type) -> Type:
    # As upstream: only scalars, lists and maps keep their type in ``variables``.
    if kind.kind in ("list", "map"):
        return Type(kind.kind, params=tuple(map(_declared, kind.params)))
    return (
        kind
        if kind.kind in ("bool", "bytes", "double", "duration", "int", "null", "string", "timestamp", "uint")
        else DYN
    )


@dataclass(frozen=True, slots=True)
class Input:
    """One request. ``request`` is an AdmissionRequest without its objects. ``ask`` None: no authorizer."""

    object: Object | None
    old_object: Object | None
    request: Object
    user: authz.User
    ask: Ask | None = None
    params: Object | None = None
    namespace: Object | None = None

    def variables(self, answers: authz.Answers) -> dict[str, Any]:
        found: dict[str, Any] = {
            "object": self.object,
            "oldObject": self.old_object,
            "request": self.request,
            "params": self.params,
            "namespaceObject": self.namespace,
        }
        if self.ask is not None:
            resource = self.request.get("resource") or {}
            check = authz.Check(
                self.user,
                "",
                group=resource.get("group", ""),
                resource=resource.get("resource", ""),
                subresource=self.request.get("subResource", ""),
                namespace=self.request.get("namespace", ""),
                name=self.request.get("name", ""),
            )
            found["authorizer"] = authz.Authorizer(self.user, answers)
            found["authorizer.requestResource"] = authz.ResourceCheck(check, answers)
        return found


class _Lazy(values.Record):
    """``variables``: each computed when first read. Failed ones fail again; their cost is counted once."""

    __slots__ = ("_known", "_outer", "_programs", "cost")

    def __init__(self, programs: Mapping[str, Program | str], outer: Mapping[str, Any]) -> None:
        self._programs = programs
        self._outer = outer
        self._known: dict[str, Outcome] = {}
        self.cost = 0

    def has(self, name: str) -> bool:
        return name in self._programs

    def get(self, name: str) -> Any:
        outcome = self._known.get(name)
        if outcome is None:
            program = self._programs.get(name)
            if program is None:
                raise values.Failure(f"no such key: {name}")
            if isinstance(program, str):
                raise values.Failure(f'composited variable "{name}" fails to compile: {program}')
            outcome = program.evaluate(self._outer)
            self._known[name] = outcome
            self.cost += outcome.cost
        if outcome.failure is not None:
            raise values.Failure(f'composited variable "{name}" fails to evaluate: {outcome.failure}')
        return outcome.value


class OutOfBudget(Exception):
    """The expressions together cost more than they may; nothing more is evaluated."""

    def __init__(self) -> None:
        super().__init__(OUT_OF_BUDGET)


class Evaluation:
    """Runs programs on one input, on one ``budget``. ``programs`` are the compiled variables of the policy."""

    def __init__(
        self, given: Input, budget: int = environment.BUDGET, programs: Mapping[str, Program | str] | None = None
    ) -> None:
        self._given = given
        self._answers: authz.Answers = {}
        self._variables = given.variables(self._answers)
        self._lazy = _Lazy(programs or {}, self._variables)
        self._variables["variables"] = self._lazy
        self.budget = budget

    async def run(self, program: Program) -> Outcome:
        """Raises OutOfBudget."""
        while True:
            try:
                outcome = program.evaluate(self._variables)
                break
            except authz.Question as question:
                ask = self._given.ask
                if ask is None:
                    return Outcome(None, 0, "no such attribute(s): authorizer")
                self._answers[question.check] = await ask(question.check)
        spent = outcome.cost + self._lazy.cost
        self._lazy.cost = 0
        if spent > self.budget:
            raise OutOfBudget
        self.budget -= spent
        return outcome


def failed(program: Program, outcome: Outcome) -> str:
    """How a failure of an expression is told."""
    return f"expression '{program.source}' resulted in error: {outcome.failure}"


def join(problems: Iterable[str]) -> str:
    """Several errors as upstream's aggregate shows them: each once, in brackets when more than one."""
    listed = list(dict.fromkeys(problems))
    return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
