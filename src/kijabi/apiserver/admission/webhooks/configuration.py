"""The hooks that the configuration objects of one kind make, ready to be matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kijabi.api import labels, resource, served
from kijabi.api.cel import conditions
from kijabi.apiserver import contract

Object = contract.Object

_GROUP = "admissionregistration.k8s.io/v1"
MUTATING = served.find(_GROUP, "mutatingwebhookconfigurations")
VALIDATING = served.find(_GROUP, "validatingwebhookconfigurations")
# What could shut out the administrator who comes to repair it.
EXEMPT = frozenset(row.plural for row in served.RESOURCES if row.api_version == _GROUP)


def is_exempt(what: resource.Resource) -> bool:
    return what.group == MUTATING.group and what.plural in EXEMPT


@dataclass(frozen=True, slots=True)
class Rule:
    """``resources`` are (resource, subresource), either may be ``*``."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str = "*"


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook. ``ignores`` failures, ``reinvoked`` where later ones change the object; ``effects`` on dry runs."""

    configuration: str
    name: str
    uid: str
    rules: tuple[Rule, ...]
    namespaces: labels.Selector
    objects: labels.Selector
    client: Mapping[str, Any]
    conditions: conditions.Conditions | None = None
    equivalent: bool = True
    ignores: bool = False
    seconds: int = 10
    effects: str = ""
    versions: tuple[str, ...] = ("v1",)
    reinvoked: bool = False


def hooks_of(configuration: Object) -> list[Hook]:
    meta = configuration["metadata"]
    found = []
    seen: dict[str, int] = {}
    for one in configuration.get("webhooks") or ():
        name = one.get("name", "")
        # Names are unique today; those of older objects may not be.
        number = seen[name] = seen.get(name, -1) + 1
        found.append(
            Hook(
                meta["name"],
                name,
                f"{meta['name']}/{name}/{number}",
                tuple(rule_of(rule) for rule in one.get("rules") or ()),
                labels.from_label_selector(one.get("namespaceSelector") or {}),
                labels.from_label_selector(one.get("objectSelector") or {}),
                one.get("clientConfig") or {},
                conditions.Conditions(one["matchConditions"]) if one.get("matchConditions") else None,
                one.get("matchPolicy", "Equivalent") == "Equivalent",
                one.get("failurePolicy", "Fail") == "Ignore",
                int(one.get("timeoutSeconds") or 10),
                one.get("sideEffects", ""),
                tuple(one.get("admissionReviewVersions") or ()),
                one.get("reinvocationPolicy") == "IfNeeded",
            )
        )
    return found


def rule_of(rule: Object) -> Rule:
    resources = [text.partition("/") for text in rule.get("resources") or ()]
    return Rule(
        frozenset(rule.get("operations") or ()),
        frozenset(rule.get("apiGroups") or ()),
        frozenset(rule.get("apiVersions") or ()),
        tuple((name, below) for name, _, below in resources),
        rule.get("scope") or "*",
    )


class Hooks:
    """``all`` in the order in which they are asked: by the name of their configuration, then as they stand in it."""

    def __init__(self, access: contract.Access, what: resource.Resource) -> None:
        self._by_name: dict[str, list[Hook]] = {}
        self.all: tuple[Hook, ...] = ()
        access.subscribe(what, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._by_name[new["metadata"]["name"]] = hooks_of(new)
        elif old is not None:
            self._by_name.pop(old["metadata"]["name"], None)
        self.all = tuple(hook for name in sorted(self._by_name) for hook in self._by_name[name])
