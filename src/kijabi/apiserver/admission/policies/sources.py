"""Policies with their bindings, compiled when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission.policies import criteria

Object = contract.Object
_Compiled = TypeVar("_Compiled")


@dataclass(frozen=True, slots=True)
class Binding:
    name: str
    policy: str
    criteria: criteria.Criteria | None
    reference: Object | None
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy(Generic[_Compiled]):
    """A policy with at least one binding. ``ignores`` failures."""

    name: str
    spec: Object
    criteria: criteria.Criteria
    ignores: bool
    compiled: _Compiled
    bindings: tuple[Binding, ...] = field(default=())


def _binding(obj: Object) -> Binding:
    spec = obj.get("spec") or {}
    match = spec.get("matchResources")
    return Binding(
        obj["metadata"]["name"],
        spec.get("policyName", ""),
        criteria.parse(match) if match is not None else None,
        spec.get("paramRef"),
        tuple(spec.get("validationActions") or ()),
    )


class Source(Generic[_Compiled]):
    """``all`` that are bound, by name. Compiling is done once a generation of the policy's spec."""

    def __init__(
        self,
        access: contract.Access,
        policies: resource.Resource,
        bindings: resource.Resource,
        compiler: Callable[[Object], _Compiled],
    ) -> None:
        self._compiler = compiler
        self._policies: dict[str, Policy[_Compiled]] = {}
        self._bindings: dict[str, Binding] = {}
        self.all: tuple[Policy[_Compiled], ...] = ()
        access.subscribe(policies, self._policy_changed)
        access.subscribe(bindings, self._binding_changed)

    def _policy_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._policies.pop(old["metadata"]["name"], None)
        elif self._is_other(new):
            self._policies[new["metadata"]["name"]] = self._made(new)
        else:
            return
        self._arrange()

    def _is_other(self, new: Object) -> bool:
        known = self._policies.get(new["metadata"]["name"])
        return known is None or known.spec != new.get("spec")

    def _made(self, obj: Object) -> Policy[_Compiled]:
        spec: dict[str, Any] = obj.get("spec") or {}
        return Policy(
            obj["metadata"]["name"],
            spec,
            criteria.parse(spec.get("matchConstraints")),
            spec.get("failurePolicy") == "Ignore",
            self._compiler(spec),
        )

    def _binding_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._bindings[new["metadata"]["name"]] = _binding(new)
        elif old is not None:
            self._bindings.pop(old["metadata"]["name"], None)
        self._arrange()

    def _arrange(self) -> None:
        bound: dict[str, list[Binding]] = {}
        for name in sorted(self._bindings):
            bound.setdefault(self._bindings[name].policy, []).append(self._bindings[name])
        arranged = []
        for name in sorted(self._policies):
            if name in bound:
                known = self._policies[name]
                arranged.append(
                    Policy(known.name, known.spec, known.criteria, known.ignores, known.compiled, tuple(bound[name]))
                )
        self.all = tuple(arranged)
