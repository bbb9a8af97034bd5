"""ValidatingAdmissionPolicy: expressions that must hold, or else the request is refused, warned about or noted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson

from kijabi.api import errors, resource, served
from kijabi.api.cel import admission, conditions, environment, types
from kijabi.api.cel.environment import Program
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin
from kijabi.apiserver.admission.policies import criteria, metrics, sources
from kijabi.apiserver.admission.policies.invoking import Invocation, Invoker, Misconfigured

Object = contract.Object

_GROUP = "admissionregistration.k8s.io/v1"
POLICIES = served.find(_GROUP, "validatingadmissionpolicies")
BINDINGS = served.find(_GROUP, "validatingadmissionpolicybindings")
_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_MAX_MESSAGE, _MAX_ANNOTATION = 5 * 1024, 10 * 1024
_CLASSES: dict[str, type[errors.ApiError]] = {
    "Forbidden": errors.Forbidden,
    "Unauthorized": errors.Unauthorized,
    "RequestEntityTooLarge": errors.TooLarge,
}


@dataclass(frozen=True, slots=True)
class Validation:
    raw: Object
    program: Program | str
    message: Program | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """All expressions of a policy. A text in a program's place says why there is none."""

    conditions: conditions.Conditions | None
    variables: dict[str, Program | str]
    validations: tuple[Validation, ...]
    annotations: tuple[tuple[str, Program | str], ...]


def compile_policy(spec: Object) -> Compiled:
    has_params = spec.get("paramKind") is not None
    compiler = admission.Compiler(params=has_params, composed=True)
    for variable in spec.get("variables") or ():
        compiler.variable(variable.get("name", ""), variable.get("expression", ""))
    validations = []
    for raw in spec.get("validations") or ():
        text = raw.get("messageExpression") or ""
        message = compiler.compile(text, types.STRING, authorizer=False) if text else None
        program = compiler.compile(raw.get("expression", ""), types.BOOL)
        validations.append(Validation(raw, program, message if isinstance(message, Program) else None))
    annotations = tuple(
        (one.get("key", ""), compiler.compile(one.get("valueExpression", ""), types.STRING, types.NULL))
        for one in spec.get("auditAnnotations") or ()
    )
    listed = spec.get("matchConditions")
    matching = conditions.Conditions(listed, params=has_params) if listed else None
    return Compiled(matching, compiler.programs, tuple(validations), annotations)


@dataclass(frozen=True, slots=True)
class Decision:
    """``denied``: the validation does not hold, or could not be evaluated and the policy does not ignore that."""

    position: int
    denied: bool
    message: str = ""
    reason: str = ""
    failed: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Verdict:
    """What comes of one request: refusals in order, and notes for the audit log by policy and key."""

    denials: list[tuple[str, str]]
    notes: dict[str, list[str]]


class ValidatingPolicies(plugin.Plugin):
    name = "ValidatingAdmissionPolicy"

    def __init__(
        self, access: contract.Access, authorizer: contract.Authorizer, counts: metrics.Metrics | None = None
    ) -> None:
        self._source: sources.Source[Compiled] = sources.Source(access, POLICIES, BINDINGS, compile_policy)
        self._invoker = Invoker(access, authorizer)
        self._counts = counts or metrics.Metrics()

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return not criteria.is_exempt(what)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        policies = self._source.all
        if not policies:
            return
        verdict = _Verdict([], {})
        async for one in self._invoker.invocations(policies, attributes):
            if isinstance(one, Misconfigured):
                if not one.policy.ignores:
                    verdict.denials.append((_denied(one.policy, one.binding, one.message), ""))
                continue
            await self._evaluate(one, attributes, verdict)
        for key, texts in verdict.notes.items():
            attributes.annotate(key, ", ".join(texts))
        if verdict.denials:
            raise _refusal(attributes, *verdict.denials[0])

    async def _evaluate(
        self, invocation: Invocation[Compiled], attributes: contract.AdmissionAttributes, verdict: _Verdict
    ) -> None:
        policy = invocation.policy
        try:
            held = await self._invoker.seen(invocation.match, attributes, attributes.object, attributes.old_object)
        except errors.ApiError as error:
            if not policy.ignores:
                text = f"failed to configure binding: failed to convert object version: {error.message}"
                verdict.denials.append((_denied(policy, invocation.binding, text), ""))
            return
        given = self._invoker.given(invocation, attributes, held)
        for decision in await decide(policy.compiled, given, ignores=policy.ignores):
            self._enforce(invocation, decision, attributes, verdict)
        if policy.compiled.annotations:
            await self._annotate(invocation, given, verdict)

    def _enforce(
        self,
        invocation: Invocation[Compiled],
        decision: Decision,
        attributes: contract.AdmissionAttributes,
        verdict: _Verdict,
    ) -> None:
        policy, binding = invocation.policy, invocation.binding
        if not decision.denied:
            if decision.failed:
                self._count(invocation, decision, "allow")
            return
        for action in binding.actions:
            if action == "Deny":
                verdict.denials.append((_denied(policy, binding, decision.message), decision.reason))
            elif action == "Audit":
                attributes.annotate(_FAILURE, _failure(invocation, decision))
            elif action == "Warn":
                told = f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
                attributes.warnings.append(f"{told}: {decision.message}")
            self._count(invocation, decision, action.lower())

    def _count(self, invocation: Invocation[Compiled], decision: Decision, action: str) -> None:
        names = (invocation.policy.name, invocation.binding.name)
        check = metrics.Check("validating", *names, decision.failed or metrics.NO_ERROR, action)
        self._counts.checked(check, decision.seconds)

    async def _annotate(self, invocation: Invocation[Compiled], given: admission.Input, verdict: _Verdict) -> None:
        policy, compiled = invocation.policy, invocation.policy.compiled
        evaluation = admission.Evaluation(given, environment.BUDGET, compiled.variables)
        for key, program in compiled.annotations:
            problem, value = await _value(evaluation, program)
            if problem is not None:
                if not policy.ignores:
                    verdict.denials.append((_denied(policy, invocation.binding, problem), ""))
                continue
            text = value.strip() if isinstance(value, str) else ""
            if text:
                texts = verdict.notes.setdefault(f"{policy.name}/{key}", [])
                if text[:_MAX_ANNOTATION] not in texts:
                    texts.append(text[:_MAX_ANNOTATION])


async def _value(evaluation: admission.Evaluation, program: Program | str) -> tuple[str | None, Any]:
    """(what is wrong, None) or (None, the value)."""
    if isinstance(program, str):
        return f"compilation error: {program}", None
    try:
        outcome = await evaluation.run(program)
    except admission.OutOfBudget as spent:
        return str(spent), None
    if outcome.failure is not None:
        return admission.failed(program, outcome), None
    return None, outcome.value


async def decide(compiled: Compiled, given: admission.Input, *, ignores: bool) -> list[Decision]:
    """What the validations say of a request; nothing where a match condition is false."""
    if compiled.conditions is not None:
        matches = await compiled.conditions.matches(given)
        if isinstance(matches, conditions.Errored):
            return [Decision(0, not ignores, matches.message, failed=metrics.INVALID)]
        if not matches:
            return []
    evaluation = admission.Evaluation(given, environment.BUDGET, compiled.variables)
    results: list[tuple[str | None, Any, float]] = []
    for validation in compiled.validations:
        started = time.perf_counter()
        program = validation.program
        if isinstance(program, str):
            results.append((f"compilation error: {program}", None, 0.0))
            continue
        try:
            outcome = await evaluation.run(program)
        except admission.OutOfBudget as spent:
            return [Decision(0, not ignores, str(spent), failed=metrics.BUDGET)]
        problem = admission.failed(program, outcome) if outcome.failure is not None else None
        results.append((problem, outcome.value, time.perf_counter() - started))
    decisions = []
    for position, (problem, value, seconds) in enumerate(results):
        if problem is not None:
            decisions.append(Decision(position, not ignores, problem, "", metrics.INVALID, seconds))
        elif value is True:
            decisions.append(Decision(position, False, seconds=seconds))
        else:
            decisions.append(await _refused(compiled.validations[position], position, evaluation, ignores, seconds))
    return decisions


async def _refused(
    validation: Validation, position: int, evaluation: admission.Evaluation, ignores: bool, seconds: float
) -> Decision:
    text = ""
    if validation.message is not None:
        try:
            outcome = await evaluation.run(validation.message)
        except admission.OutOfBudget as spent:
            message = f"failed messageExpression: {spent}"
            return Decision(position, not ignores, message, "", metrics.BUDGET, seconds)
        text = outcome.value.strip() if isinstance(outcome.value, str) else ""
        if len(text.encode()) > _MAX_MESSAGE or "\n" in text:
            text = ""
    raw = validation.raw
    text = text or str(raw.get("message") or "").strip() or f"failed expression: {raw.get('expression', '').strip()}"
    return Decision(position, True, text, raw.get("reason") or "Invalid", "", seconds)


def _denied(policy: sources.Policy[Any], binding: sources.Binding | None, message: str) -> str:
    bound = f" with binding '{binding.name}'" if binding is not None else ""
    return f"ValidatingAdmissionPolicy '{policy.name}'{bound} denied request: {message}"


def _refusal(attributes: contract.AdmissionAttributes, message: str, reason: str) -> errors.ApiError:
    forbidden = plugin.refused(attributes, message)
    details = {**(forbidden.details or {}), "causes": [{"message": message}]}
    return _CLASSES.get(reason or "Invalid", errors.Invalid)(forbidden.message, details=details)


def _failure(invocation: Invocation[Compiled], decision: Decision) -> str:
    told = {
        "message": decision.message,
        "policy": invocation.policy.name,
        "binding": invocation.binding.name,
        "expressionIndex": decision.position,
        "validationActions": list(invocation.binding.actions),
    }
    return orjson.dumps([told]).decode()
