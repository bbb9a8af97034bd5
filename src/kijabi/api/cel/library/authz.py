"""``authorizer``: asking from within an expression whether somebody may do something.

An answer takes time and an expression is evaluated in one go, so a question whose answer is not known yet ends the
evaluation (``Question``, a ``Stop``); whoever runs it has the question answered, adds the answer and evaluates again.
Source: kubernetes.io "Kubernetes authorizer library".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from kijabi.api import names
from kijabi.api.cel import functions, types, values
from kijabi.api.cel.types import BOOL, STRING
from kijabi.api.cel.values import Failure

FUNCTIONS = functions.Functions()
_PREFIX = "kubernetes.authorization."
AUTHORIZER, PATH = types.struct(f"{_PREFIX}Authorizer"), types.struct(f"{_PREFIX}PathCheck")
GROUP, RESOURCE = types.struct(f"{_PREFIX}GroupCheck"), types.struct(f"{_PREFIX}ResourceCheck")
DECISION = types.struct(f"{_PREFIX}Decision")
# Two checks an expression, with little to spare.
_CHECK_COST = 350_000


@dataclass(frozen=True, slots=True)
class User:
    """Whom to ask for. ``extra`` pairs a key with its values."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One question: of a resource, or of a ``path`` where that is set."""

    user: User
    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


class Question(values.Stop):
    """An answer is needed before the evaluation can go on."""

    def __init__(self, check: Check) -> None:
        super().__init__(check)
        self.check = check


@dataclass(frozen=True, slots=True)
class Decision(values.Opaque):
    TYPE = DECISION
    allowed: bool
    reason: str = ""
    error: str | None = None


Answers = MutableMapping[Check, Decision]


@dataclass(frozen=True, slots=True)
class Authorizer(values.Opaque):
    TYPE = AUTHORIZER
    user: User
    answers: Mapping[Check, Decision] = field(compare=False)


@dataclass(frozen=True, slots=True)
class PathCheck(values.Opaque):
    TYPE = PATH
    check: Check
    answers: Mapping[Check, Decision] = field(compare=False)


@dataclass(frozen=True, slots=True)
class GroupCheck(values.Opaque):
    TYPE = GROUP
    check: Check
    answers: Mapping[Check, Decision] = field(compare=False)


@dataclass(frozen=True, slots=True)
class ResourceCheck(values.Opaque):
    TYPE = RESOURCE
    check: Check
    answers: Mapping[Check, Decision] = field(compare=False)


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise Failure("path must not be empty")
    return PathCheck(Check(authorizer.user, "", path=path), authorizer.answers)


def _group(authorizer: Authorizer, group: str) -> GroupCheck:
    return GroupCheck(Check(authorizer.user, "", group=group), authorizer.answers)


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if names.dns_subdomain(name):
        raise Failure("Invalid service account name")
    if names.dns_label(namespace):
        raise Failure("Invalid service account namespace")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return Authorizer(User(f"system:serviceaccount:{namespace}:{name}", "", groups), authorizer.answers)


def _resource(group: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise Failure("resource must not be empty")
    return ResourceCheck(replace(group.check, resource=resource), group.answers)


def _narrowed(part: str) -> Any:
    return lambda check, value: replace(check, check=replace(check.check, **{part: value}))


def _decide(check: PathCheck | ResourceCheck, verb: str) -> Decision:
    asked = replace(check.check, verb=verb)
    answer = check.answers.get(asked)
    if answer is None:
        raise Question(asked)
    return answer


def _selector_cost(args: Any, result: Any) -> int:
    length = len(args[1])
    return 10 + math.ceil(length * functions.STRING_COST) + math.ceil(math.ceil(length * 0.5) * 50)


def _declare() -> None:
    add = FUNCTIONS.member
    add("path", "authorizer_path", (AUTHORIZER, STRING), PATH, _path)
    add("group", "authorizer_group", (AUTHORIZER, STRING), GROUP, _group)
    add("serviceAccount", "authorizer_serviceaccount", (AUTHORIZER, STRING, STRING), AUTHORIZER, _service_account)
    add("resource", "groupcheck_resource", (GROUP, STRING), RESOURCE, _resource)
    for part in ("subresource", "namespace", "name"):
        add(part, f"resourcecheck_{part}", (RESOURCE, STRING), RESOURCE, _narrowed(part))
    narrowed, labelled = _narrowed("field_selector"), _narrowed("label_selector")
    add("fieldSelector", "authorizer_fieldselector", (RESOURCE, STRING), RESOURCE, narrowed, _selector_cost)
    add("labelSelector", "authorizer_labelselector", (RESOURCE, STRING), RESOURCE, labelled, _selector_cost)
    add("check", "pathcheck_check", (PATH, STRING), DECISION, _decide, lambda args, result: _CHECK_COST)
    add("check", "resourcecheck_check", (RESOURCE, STRING), DECISION, _decide, lambda args, result: _CHECK_COST)
    add("allowed", "decision_allowed", (DECISION,), BOOL, lambda decision: decision.allowed)
    add("reason", "decision_reason", (DECISION,), STRING, lambda decision: decision.reason)
    add("errored", "decision_errored", (DECISION,), BOOL, lambda decision: decision.error is not None)
    add("error", "decision_error", (DECISION,), STRING, lambda decision: decision.error or "")


_declare()
