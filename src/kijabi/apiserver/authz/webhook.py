"""The Webhook authorizer: a SubjectAccessReview to a server elsewhere, whose answers are kept for a while.

Source: the Kubernetes documentation, "Webhook Mode"; k8s.io/apiserver plugin/pkg/authorizer/webhook.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from kijabi.api import labels, selectors
from kijabi.apiserver import contract, tally
from kijabi.apiserver.authz import conditions, union
from kijabi.apiserver.outbound import webhooks
from kijabi.kit import clock

log = logging.getLogger(__name__)

_GROUP = "authorization.k8s.io"
_MOST = 8192
# What the caller chooses may be this long, in characters, for the answer to be kept.
_MOST_ASKED = 10_000
_LABEL_OPERATORS = {
    "=": "In",
    "==": "In",
    "in": "In",
    "!=": "NotIn",
    "notin": "NotIn",
    "exists": "Exists",
    "!": "DoesNotExist",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds; answers with a time of 0 are not kept. ``on_error`` decides when nobody answers."""

    name: str
    version: str = "v1"
    authorized: float = 300.0
    unauthorized: float = 30.0
    on_error: contract.Verdict = contract.Verdict.NO_OPINION
    conditions: conditions.Conditions = field(default_factory=lambda: conditions.Conditions(()))


class Server(Protocol):
    async def review(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises webhooks.Failed."""
        ...

    async def close(self) -> None: ...


class Webhook:
    def __init__(
        self,
        settings: Settings,
        server: Server,
        timepiece: clock.Clock = clock.SYSTEM,
        counts: tally.Tally | None = None,
    ) -> None:
        self._counts = counts or tally.Tally()
        self._settings = settings
        self._server = server
        self._clock = timepiece
        self._known: OrderedDict[bytes, tuple[float, dict[str, Any]]] = OrderedDict()

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        spec = review_spec(attributes)
        matched = self._settings.conditions.match(spec)
        if matched is False:
            self._counts.add(tally.EXCLUSIONS, "Webhook", self._settings.name)
            return contract.NO_OPINION
        if isinstance(matched, str):
            self._counts.add(tally.MATCH_ERRORS, "Webhook", self._settings.name)
            return contract.Decision(self._settings.on_error, "", matched)
        key = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        status = self._remembered(key)
        if status is None:
            answer = await self._ask(spec)
            if isinstance(answer, contract.Decision):
                return answer
            status = answer
            if _size(attributes) < _MOST_ASKED:
                self._remember(key, status)
        return _decision(status)

    async def _ask(self, spec: dict[str, Any]) -> dict[str, Any] | contract.Decision:
        """The status of the answer; what is decided where there is none."""
        name, on_error = self._settings.name, self._settings.on_error
        try:
            answer = await self._server.review(self._body(spec))
        except webhooks.Failed as error:
            log.error("Failed to make webhook authorizer request: %s", error.message)
            result = "timeout" if "deadline exceeded" in error.message or error.code == 504 else "error"
            self._counts.add(tally.EVALUATIONS, name, result)
            if on_error is contract.Verdict.NO_OPINION:
                self._counts.add(tally.FAIL_OPEN, name, result)
            return contract.Decision(on_error, "", error.message)
        self._counts.add(tally.EVALUATIONS, name, "success")
        return answer.get("status") or {}

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> union.Rules:
        return union.Rules([], True, ["webhook authorizer does not support user rule resolution"])

    async def close(self) -> None:
        await self._server.close()

    def _body(self, spec: dict[str, Any]) -> dict[str, Any]:
        if self._settings.version == "v1beta1" and "groups" in spec:
            # The one field that has another name there.
            spec = {("group" if key == "groups" else key): value for key, value in spec.items()}
        return {
            "kind": "SubjectAccessReview",
            "apiVersion": f"{_GROUP}/{self._settings.version}",
            "metadata": {},
            "spec": spec,
            "status": {"allowed": False},
        }

    def _remembered(self, key: bytes) -> dict[str, Any] | None:
        known = self._known.get(key)
        if known is None or known[0] <= self._clock.monotonic():
            return None
        self._known.move_to_end(key)
        return known[1]

    def _remember(self, key: bytes, status: dict[str, Any]) -> None:
        seconds = self._settings.authorized if status.get("allowed") else self._settings.unauthorized
        if seconds <= 0:
            return
        self._known[key] = (self._clock.monotonic() + seconds, status)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def _decision(status: dict[str, Any]) -> contract.Decision:
    reason = status.get("reason") or ""
    if status.get("denied"):
        both = "webhook subject access review returned both allow and deny response" if status.get("allowed") else ""
        return contract.Decision(contract.Verdict.DENY, reason, both)
    return contract.Decision(contract.Verdict.ALLOW if status.get("allowed") else contract.Verdict.NO_OPINION, reason)


def _size(asked: contract.Attributes) -> int:
    texts = (asked.namespace, asked.verb, asked.api_group, asked.api_version, asked.resource, asked.subresource)
    return sum(map(len, (*texts, asked.name, asked.path)))


def review_spec(asked: contract.Attributes) -> dict[str, Any]:
    """A SubjectAccessReviewSpec without what is empty."""
    spec: dict[str, Any] = {}
    if asked.is_resource:
        spec["resourceAttributes"] = _resource(asked)
    else:
        spec["nonResourceAttributes"] = {
            key: value for key, value in (("path", asked.path), ("verb", asked.verb)) if value
        }
    user = asked.user
    extra = {key: list(values) for key, values in user.extra.items()}
    rest = {"user": user.name, "groups": list(user.groups), "extra": extra, "uid": user.uid}
    return spec | {key: value for key, value in rest.items() if value}


def _resource(asked: contract.Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {
        "namespace": asked.namespace,
        "verb": asked.verb,
        "group": asked.api_group,
        "version": asked.api_version,
        "resource": asked.resource,
        "subresource": asked.subresource,
        "name": asked.name,
    }
    for key, requirements in (
        ("fieldSelector", _fields(asked.field_selector)),
        ("labelSelector", _labels(asked.label_selector)),
    ):
        if requirements:
            found[key] = {"requirements": requirements}
    return {key: value for key, value in found.items() if value}


def _fields(text: str) -> list[dict[str, Any]]:
    # A selector only narrows: one that cannot be read leaves the wider question, which is safe to ask.
    try:
        parsed = selectors.parse_fields(text)
    except ValueError:
        return []
    return [
        {"key": one.field, "operator": "NotIn" if one.negated else "In", "values": [one.value]}
        for one in parsed.requirements
    ]


def _labels(text: str) -> list[dict[str, Any]]:
    try:
        parsed = labels.parse(text)
    except ValueError:
        return []
    found = []
    for one in parsed.requirements:
        operator = _LABEL_OPERATORS.get(one.operator)
        if operator is not None:
            told: dict[str, Any] = {"key": one.key, "operator": operator}
            found.append({**told, "values": list(one.values)} if one.values else told)
    return found
