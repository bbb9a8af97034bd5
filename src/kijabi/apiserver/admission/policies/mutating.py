"""MutatingAdmissionPolicy: expressions that say how a request's object is to be changed."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from kijabi.api import errors, resource, served
from kijabi.api.cel import admission, conditions, environment, patches, types
from kijabi.api.cel.environment import Program
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.admission.policies import applying, criteria, metrics, sources
from kijabi.apiserver.admission.policies.invoking import Invocation, Invoker, Misconfigured

Object = contract.Object

_GROUP = "admissionregistration.k8s.io/v1"
POLICIES = served.find(_GROUP, "mutatingadmissionpolicies")
BINDINGS = served.find(_GROUP, "mutatingadmissionpolicybindings")
APPLY, JSON = "ApplyConfiguration", "JSONPatch"
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """``mutations``: the type of the patch and its expression, or why there is none."""

    conditions: conditions.Conditions | None
    variables: dict[str, Program | str]
    mutations: tuple[tuple[str, Program | str], ...]
    reinvoked: bool


def compile_policy(spec: Object) -> Compiled:
    has_params = spec.get("paramKind") is not None
    compiler = admission.Compiler(params=has_params, composed=True)
    for variable in spec.get("variables") or ():
        compiler.variable(variable.get("name", ""), variable.get("expression", ""))
    mutations = []
    for one in spec.get("mutations") or ():
        kind = one.get("patchType", "")
        key, wanted = ("jsonPatch", types.list_of(patches.JSON_PATCH)) if kind == JSON else (
            "applyConfiguration", patches.OBJECT,
        )  # fmt: skip
        text = (one.get(key) or {}).get("expression", "")
        mutations.append((kind, compiler.compile(text, wanted, patch=True)))
    listed = spec.get("matchConditions")
    matching = conditions.Conditions(listed, params=has_params) if listed else None
    return Compiled(matching, compiler.programs, tuple(mutations), spec.get("reinvocationPolicy") == "IfNeeded")


@dataclass(slots=True)
class Rounds:
    """Who is asked once more: policies that wish it, when the object changed after they saw it."""

    asked: set[_Key] = field(default_factory=set)
    again: set[_Key] = field(default_factory=set)
    left: bytes = b""

    def object_changed(self) -> None:
        self.again |= self.asked
        self.asked = set()


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str
    reason: str = ""


class MutatingPolicies(plugin.Plugin):
    name = "MutatingAdmissionPolicy"

    def __init__(
        self, access: contract.Access, authorizer: contract.Authorizer, counts: metrics.Metrics | None = None
    ) -> None:
        self._access = access
        self._source: sources.Source[Compiled] = sources.Source(access, POLICIES, BINDINGS, compile_policy)
        self._invoker = Invoker(access, authorizer)
        self._counts = counts or metrics.Metrics()

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return not criteria.is_exempt(what)

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        policies = self._source.all
        if not policies:
            return
        # All are matched against the object as it came; what one makes of it does not call for another.
        found = [one async for one in self._invoker.invocations(policies, attributes)]
        if not found:
            return
        rounds: Rounds = attributes.remembered(self.name, Rounds)
        if attributes.second_round and rounds.left != _image(attributes.object):
            rounds.object_changed()
        problems: list[_Problem] = []
        for one in found:
            if isinstance(one, Misconfigured):
                if not one.policy.ignores:
                    problems.append(_Problem(_denied(one.policy, one.binding, one.message)))
                continue
            problems += await self._invoke(one, attributes, rounds)
        rounds.left = _image(attributes.object)
        if problems:
            raise _refusal(attributes, problems)

    async def _invoke(
        self, invocation: Invocation[Compiled], attributes: contract.AdmissionAttributes, rounds: Rounds
    ) -> list[_Problem]:
        policy, compiled = invocation.policy, invocation.policy.compiled
        key = _key(invocation)
        held = await self._invoker.seen(invocation.match, attributes, attributes.object, attributes.old_object)
        given = self._invoker.given(invocation, attributes, held)
        if compiled.conditions is not None:
            matches = await compiled.conditions.matches(given)
            if isinstance(matches, conditions.Errored):
                return self._problem(invocation, matches.message)
            if not matches:
                return []
        if attributes.second_round and key not in rounds.again:
            return []
        before = _image(attributes.object)
        problems: list[_Problem] = []
        for position in range(len(compiled.mutations)):
            if attributes.object is not None:
                problems += await self._mutate(invocation, position, attributes)
        if _image(attributes.object) != before:
            rounds.object_changed()
            attributes.again = True
        if policy.compiled.reinvoked:
            rounds.asked.add(key)
        return problems

    def _problem(self, invocation: Invocation[Compiled], message: str) -> list[_Problem]:
        if invocation.policy.ignores:
            return []
        return [_Problem(_denied(invocation.policy, invocation.binding, message), "Invalid")]

    async def _mutate(
        self, invocation: Invocation[Compiled], position: int, attributes: contract.AdmissionAttributes
    ) -> list[_Problem]:
        """One mutation, written into the request's object. Every one sees what those before it did."""
        started = time.perf_counter()
        kind, program = invocation.policy.compiled.mutations[position]
        held = await self._invoker.seen(invocation.match, attributes, attributes.object, attributes.old_object)
        obj = held[0]
        if obj is None:
            return []
        given = self._invoker.given(invocation, attributes, held)
        problem = await self._patch(kind, program, (invocation, given, obj), attributes)
        action = "deny" if problem is not None else "allow"
        failed = metrics.INVALID if problem is not None else metrics.NO_ERROR
        names = (invocation.policy.name, invocation.binding.name)
        self._counts.checked(metrics.Check("mutating", *names, failed, action), time.perf_counter() - started)
        return self._problem(invocation, problem) if problem is not None else []

    async def _patch(
        self,
        kind: str,
        program: Program | str,
        about: tuple[Invocation[Compiled], admission.Input, Object],
        attributes: contract.AdmissionAttributes,
    ) -> str | None:
        invocation, given, obj = about
        if isinstance(program, str):
            return program
        evaluation = admission.Evaluation(given, environment.BUDGET, invocation.policy.compiled.variables)
        try:
            outcome = await evaluation.run(program)
            if outcome.failure is not None:
                return admission.failed(program, outcome)
            if kind == JSON:
                made = applying.patched(obj, applying.operations(outcome.value))
            else:
                shape = self._access.forms.shape(invocation.match.resource, attributes.subresource)
                made = copy.deepcopy(applying.merged(shape, obj, outcome.value))
        except (admission.OutOfBudget, applying.Unusable) as failure:
            return str(failure)
        await self._write_back(invocation.match, made, attributes)
        return None

    async def _write_back(self, match: criteria.Match, made: Object, attributes: contract.AdmissionAttributes) -> None:
        """Raises InternalError for an object its kind does not allow."""
        into = attributes.object
        if into is None or made == into:
            return
        forms = self._access.forms
        try:
            forms.settle(match.resource, match.kind, made)
            row = self._invoker.matcher.rows.row(attributes.resource)
            if (row.group, row.version) != (match.resource.group, match.resource.version):
                made = await forms.convert(made, match.resource, row)
        except errors.ApiError as error:
            text = f"Internal error occurred: {error.message}"
            raise errors.InternalError(text, details={"causes": [{"message": error.message}]}) from error
        into.clear()
        into.update(made)


def _key(invocation: Invocation[Compiled]) -> _Key:
    meta = (invocation.params or {}).get("metadata") or {}
    named = f"{meta.get('namespace', '')}/{meta.get('name', '')}"
    return invocation.policy.name, invocation.binding.name, named


def _denied(policy: sources.Policy[Any], binding: sources.Binding | None, message: str) -> str:
    if binding is None:
        return f'policy "{policy.name}" denied request: {message}'
    return f"policy '{policy.name}' with binding '{binding.name}' denied request: {message}"


def _refusal(attributes: contract.AdmissionAttributes, problems: list[_Problem]) -> errors.ApiError:
    forbidden = plugin.refused(attributes, "admission request denied by policy")
    details = {**(forbidden.details or {}), "causes": [{"message": problem.message} for problem in problems]}
    first = problems[0]
    # Upstream changes the reason and lets the code be.
    chosen = errors.Invalid if first.reason == "Invalid" else errors.Forbidden
    return chosen(first.message, details=details, code=403)


def _image(obj: Object | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS) if obj is not None else b""
