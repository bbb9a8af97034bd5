"""``matchConditions``: whether a webhook or policy is about a request at all.

Source: kubernetes.io "Matching requests: matchConditions". A condition that is false decides alone; otherwise one
that fails leaves the decision to the failure policy of whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api import field, names
from kijabi.api.cel import admission, environment, types

MAX_CONDITIONS = 64


@dataclass(frozen=True, slots=True)
class Errored:
    """No condition is false, but not all could be evaluated. ``message`` is upstream's."""

    message: str


class Conditions:
    """Compiled conditions. ``problems`` lists (position, message) of those that do not compile."""

    def __init__(self, conditions: Sequence[dict[str, Any]], *, params: bool = False, composed: bool = False) -> None:
        self._compiler = admission.Compiler(params=params, composed=composed)
        self._programs = [
            (str(one.get("name", "")), self._compiler.compile(str(one.get("expression", "")).strip(), types.BOOL))
            for one in conditions
        ]
        self.problems = [(at, made) for at, (_, made) in enumerate(self._programs) if isinstance(made, str)]

    async def matches(self, given: admission.Input) -> bool | Errored:
        """Whether all are true. ``given.ask`` answers what the expressions ask of the authorizer."""
        evaluation = admission.Evaluation(given, environment.MATCH_BUDGET)
        problems: list[str] = []
        false = False
        for _, program in self._programs:
            if isinstance(program, str):
                problems.append(f"compilation error: {program}")
                continue
            try:
                outcome = await evaluation.run(program)
            except admission.OutOfBudget as spent:
                return Errored(str(spent))
            if outcome.failure is not None:
                problems.append(admission.failed(program, outcome))
            elif outcome.value is False:
                false = True
        if false:
            return False
        return Errored(admission.join(problems)) if problems else True


def validate(conditions: Sequence[dict[str, Any]], path: str, *, params: bool = False) -> list[field.Error]:
    """What upstream refuses in a list of match conditions, expressions included."""
    found: list[field.Error] = []
    if len(conditions) > MAX_CONDITIONS:
        found.append(field.too_many(path, len(conditions), MAX_CONDITIONS))
    seen: set[str] = set()
    compiler = admission.Compiler(params=params, composed=False)
    for position, condition in enumerate(conditions):
        where = field.index(path, position)
        expression, name = str(condition.get("expression") or "").strip(), str(condition.get("name") or "")
        if not expression:
            found.append(field.required(f"{where}.expression"))
        elif isinstance(wrong := compiler.compile(expression, types.BOOL), str):
            found.append(field.invalid(f"{where}.expression", expression, wrong))
        if not name:
            found.append(field.required(f"{where}.name"))
            continue
        found += [field.invalid(f"{where}.name", name, text) for text in names.label_key(name)]
        if name in seen:
            found.append(field.duplicate(f"{where}.name", name))
        seen.add(name)
    return found
