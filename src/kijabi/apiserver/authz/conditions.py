"""``matchConditions`` of an authorization webhook: CEL over the SubjectAccessReviewSpec that it would be asked.

Source: the documentation of AuthorizationConfiguration; k8s.io/apiserver authorization/cel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api import cel, field
from kijabi.api.cel import environment, types
from kijabi.api.cel.types import STRING, Type
from kijabi.apiserver import configfiles

MOST = 64
_TEXTS = types.list_of(STRING)
_PREFIX = "kubernetes."


def _struct(name: str) -> Type:
    return types.struct(_PREFIX + name)


_SELECTOR = {"rawSelector": STRING, "requirements": types.list_of(_struct("SelectorRequirement"))}
_FIELDS: dict[str, dict[str, Type]] = {
    "SubjectAccessReviewSpec": {
        "resourceAttributes": _struct("ResourceAttributes"),
        "nonResourceAttributes": _struct("NonResourceAttributes"),
        "user": STRING,
        "groups": _TEXTS,
        "extra": types.map_of(STRING, _TEXTS),
        "uid": STRING,
    },
    "ResourceAttributes": {
        **dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), STRING),
        "fieldSelector": _struct("FieldSelectorAttributes"),
        "labelSelector": _struct("LabelSelectorAttributes"),
    },
    "NonResourceAttributes": {"path": STRING, "verb": STRING},
    "FieldSelectorAttributes": _SELECTOR,
    "LabelSelectorAttributes": _SELECTOR,
    "SelectorRequirement": {"key": STRING, "operator": STRING, "values": _TEXTS},
}


class _Structs:
    def known(self, name: str) -> bool:
        return name.removeprefix(_PREFIX) in _FIELDS

    def field(self, name: str, key: str) -> Type | None:
        return _FIELDS.get(name.removeprefix(_PREFIX), {}).get(key)


_ENVIRONMENT = cel.Environment({"request": _struct("SubjectAccessReviewSpec")}, _Structs())


@dataclass(frozen=True, slots=True)
class Conditions:
    programs: tuple[cel.Program, ...]

    def match(self, spec: dict[str, Any]) -> bool | str:
        """Whether all are true; a text says why that cannot be told, and no condition is false."""
        if not self.programs:
            return True
        request = _complete(spec)
        problems = []
        for program in self.programs:
            outcome = program.evaluate({"request": request})
            if outcome.failure is not None:
                problems.append(
                    f"cel evaluation error: expression '{program.source}' resulted in error: {outcome.failure}"
                )
            elif outcome.value is False:
                return False
        return configfiles.aggregated(problems) if problems else True


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with every text that is left out where it is empty."""
    known = {"user": "", "uid": "", "groups": [], "extra": {}, **spec}
    asked = spec.get("resourceAttributes")
    if asked is not None:
        names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        known["resourceAttributes"] = {**dict.fromkeys(names, ""), **asked}
    return known


def compile_all(listed: Sequence[dict[str, Any]], path: str) -> tuple[Conditions, list[field.Error]]:
    """The conditions that compile, and what upstream refuses."""
    found: list[field.Error] = []
    if len(listed) > MOST:
        return Conditions(()), [field.too_many(path, len(listed), MOST)]
    programs: list[cel.Program] = []
    seen = set()
    for position, one in enumerate(listed):
        where, expression = f"{field.index(path, position)}.expression", one.get("expression") or ""
        if not expression.strip():
            found.append(field.required(where))
            continue
        if expression in seen:
            found.append(field.duplicate(where, expression))
            continue
        seen.add(expression)
        made = cel.compile(expression, _ENVIRONMENT)
        wrong = f"compilation failed: {made}" if isinstance(made, str) else environment.must_be(made, types.BOOL)
        if wrong is not None:
            found.append(field.invalid(where, expression, wrong))
        elif not isinstance(made, str):
            programs.append(made)
    return Conditions(tuple(programs)), found
