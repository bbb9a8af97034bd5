"""The ABAC authorizer: a file with one policy a line, read once.

Source: the Kubernetes documentation, "Using ABAC Authorization"; the reasons and errors are upstream's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kijabi.apiserver import contract
from kijabi.apiserver.authz import union
from kijabi.kit import config

_VERSIONS = ("abac.authorization.kubernetes.io/v0", "abac.authorization.kubernetes.io/v1beta1")
_READING = frozenset(("get", "list", "watch"))
_AUTHENTICATED = "system:authenticated"


class Unusable(config.Unusable):
    """A line that is no policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    user: str = ""
    group: str = ""
    namespace: str = ""
    resource: str = ""
    api_group: str = ""
    path: str = ""
    readonly: bool = False

    def about(self, user: contract.UserInfo) -> bool:
        """Whether the user is meant. A policy that names neither user nor group means nobody."""
        if self.user not in ("", user.name) or (self.group and self.group not in user.groups):
            return False
        return bool(self.user or self.group)

    def allows(self, asked: contract.Attributes) -> bool:
        if not self.about(asked.user) or (self.readonly and asked.verb not in _READING):
            return False
        if asked.is_resource:
            return (
                self.namespace in ("*", asked.namespace)
                and self.resource in ("*", asked.resource)
                and self.api_group in ("*", asked.api_group)
            )
        if self.path.endswith("*") and asked.path.startswith(self.path.rstrip("*")):
            return True
        return self.path == asked.path


class Abac:
    def __init__(self, policies: list[Policy]) -> None:
        self._policies = policies

    async def authorize(self, attributes: contract.Attributes) -> contract.Decision:
        if any(policy.allows(attributes) for policy in self._policies):
            return contract.ALLOW
        return contract.Decision(contract.Verdict.NO_OPINION, "No policy matched.")

    def resolve_rules(self, user: contract.UserInfo, namespace: str) -> union.Rules:
        told = union.Rules()
        for policy in self._policies:
            if not policy.about(user) or policy.namespace not in ("*", namespace):
                continue
            verbs = ["get", "list", "watch"] if policy.readonly else ["*"]
            if policy.resource:
                told.found.append({"verbs": verbs, "apiGroups": [policy.api_group], "resources": [policy.resource]})
            if policy.path:
                told.found.append({"verbs": verbs, "nonResourceURLs": [policy.path]})
        return told


def read(path: str) -> Abac:
    """Raises Unusable, OSError."""
    policies = []
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        try:
            policies += parse(line)
        except ValueError as error:
            raise Unusable(f"error reading policy file {path}, line {number}: {line}: {error}") from error
    return Abac(policies)


def parse(line: str) -> list[Policy]:
    """The policies of one line: those of version 0 may mean two. Raises ValueError."""
    said = orjson.loads(line)
    if not isinstance(said, dict):
        raise ValueError("a policy is a JSON object")
    version = said.get("apiVersion", "")
    if version == _VERSIONS[1]:
        if said.get("kind") != "Policy":
            raise ValueError(f"unrecognized object: {said.get('kind')}")
        return [_current(said.get("spec") or {})]
    if version not in ("", _VERSIONS[0]):
        raise ValueError(f'no kind "{said.get("kind", "")}" is registered for version "{version}"')
    return [_original(said)]


def _current(spec: dict[str, Any]) -> Policy:
    user, group = _text(spec, "user"), _text(spec, "group")
    everyone = user == "*" or group == "*"
    return Policy(
        "" if everyone else user,
        _AUTHENTICATED if everyone else group,
        _text(spec, "namespace"),
        _text(spec, "resource"),
        _text(spec, "apiGroup"),
        _text(spec, "nonResourcePath"),
        spec.get("readonly") is True,
    )


def _original(said: dict[str, Any]) -> Policy:
    """Version 0: what is left open means everything, and nobody named means all who are known."""
    user, group = _text(said, "user"), _text(said, "group")
    everyone = (not user and not group) or user == "*" or group == "*"
    namespace, resource = _text(said, "namespace"), _text(said, "resource")
    # Only a policy about everything reaches paths that are no resources.
    path = "" if namespace or resource else "*"
    return Policy(
        "" if everyone else user,
        _AUTHENTICATED if everyone else group,
        namespace or "*",
        resource or "*",
        "*",
        path,
        said.get("readonly") is True,
    )


def _text(said: dict[str, Any], key: str) -> str:
    value = said.get(key) or ""
    if not isinstance(value, str):
        raise ValueError(f"json: cannot unmarshal value into Go struct field .{key} of type string")
    return value
