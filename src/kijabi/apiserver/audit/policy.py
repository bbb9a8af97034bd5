"""The audit policy: how much of a request is kept, as the first rule that matches it says.

Source: the reference of audit.k8s.io/v1, Policy; upstream's texts for files that cannot be used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.api import field, names
from kijabi.apiserver.contract import Attributes
from kijabi.kit import config, yamls

log = logging.getLogger(__name__)

NONE, METADATA, REQUEST, REQUEST_RESPONSE = LEVELS = ("None", "Metadata", "Request", "RequestResponse")
RECEIVED, STARTED, COMPLETE, PANIC = STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")

Object = dict[str, Any]


class Unusable(config.Unusable):
    """The policy cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is kept of one request. ``omit_managed_fields`` concerns the objects within."""

    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    @property
    def has_request(self) -> bool:
        return self.level in (REQUEST, REQUEST_RESPONSE)

    @property
    def has_response(self) -> bool:
        return self.level == REQUEST_RESPONSE


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of a group; a resource is named as ``pods``, ``pods/log``, ``pods/*`` or ``*/status``."""

    group: str
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, asked: Attributes) -> bool:
        if self.group not in (asked.api_group, "*"):
            return False
        if not self.resources:
            return True
        if self.names and asked.name not in self.names:
            return False
        whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        accepted = {whole, "*", f"{asked.resource}/*"}
        if asked.subresource:
            accepted.add(f"*/{asked.subresource}")
        return not accepted.isdisjoint(self.resources)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is empty matches everything."""

    decision: Decision
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    resources: tuple[Resources, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, asked: Attributes) -> bool:
        if self.users and asked.user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(asked.user.groups):
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return self._is_about(asked)
        if self.urls:
            return not asked.is_resource and any(_covers(url, asked.path) for url in self.urls)
        return True

    def _is_about(self, asked: Attributes) -> bool:
        if not asked.is_resource or (self.namespaces and asked.namespace not in self.namespaces):
            return False
        return not self.resources or any(one.matches(asked) for one in self.resources)


def _covers(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


@dataclass(frozen=True, slots=True)
class Policy:
    rules: tuple[Rule, ...]
    otherwise: Decision = Decision(NONE)

    def decide(self, asked: Attributes) -> Decision:
        for rule in self.rules:
            if rule.matches(asked):
                return rule.decision
        return self.otherwise


def load(path: str) -> Policy:
    """Raises Unusable."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise Unusable(f'failed to read file path "{path}": {error}') from error
    try:
        return parse(text)
    except Unusable as error:
        raise Unusable(f"{error}: from file {path}") from error


def parse(text: bytes) -> Policy:
    """Raises Unusable. Unknown fields are tolerated, with a warning."""
    try:
        given = yamls.loads(text)
    except yamls.Malformed as error:
        raise Unusable(f"failed decoding: {error}") from error
    if not isinstance(given, dict) or not given.get("kind"):
        raise Unusable("failed decoding: Object 'Kind' is missing")
    if (given.get("apiVersion"), given["kind"]) != ("audit.k8s.io/v1", "Policy"):
        raise Unusable(f"unknown group version field {given.get('apiVersion', '')}, Kind={given['kind']} in policy")
    _warn_of_unknown(given)
    problems = _problems(given)
    if problems:
        shown = str(problems[0]) if len(problems) == 1 else f"[{', '.join(map(str, problems))}]"
        raise Unusable(f"loaded invalid policy: {shown}")
    if not given.get("rules"):
        raise Unusable("loaded illegal policy with 0 rules")
    stages = frozenset(given.get("omitStages") or ())
    omitted = bool(given.get("omitManagedFields"))
    rules = tuple(_rule(one, stages, omitted) for one in given["rules"])
    return Policy(rules, Decision(NONE, stages, omitted))


_KNOWN = {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}
_KNOWN_IN_RULES = {
    *("level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages"),
    "omitManagedFields",
}


def _warn_of_unknown(given: Object) -> None:
    unknown = sorted(given.keys() - _KNOWN)
    for position, rule in enumerate(given.get("rules") or ()):
        unknown += [f"rules[{position}].{key}" for key in sorted(rule.keys() - _KNOWN_IN_RULES)]
    if unknown:
        found = ", ".join(f'unknown field "{name}"' for name in unknown)
        log.warning("Audit policy contains errors, falling back to lenient decoding: %s", found)


def _rule(given: Object, stages: frozenset[str], omitted: bool) -> Rule:
    own = given.get("omitManagedFields")
    decision = Decision(
        given["level"],
        stages | frozenset(given.get("omitStages") or ()),
        omitted if own is None else bool(own),
    )
    return Rule(
        decision,
        frozenset(given.get("users") or ()),
        frozenset(given.get("userGroups") or ()),
        frozenset(given.get("verbs") or ()),
        frozenset(given.get("namespaces") or ()),
        tuple(
            Resources(one.get("group") or "", tuple(one.get("resources") or ()), tuple(one.get("resourceNames") or ()))
            for one in given.get("resources") or ()
        ),
        tuple(given.get("nonResourceURLs") or ()),
    )


def _problems(given: Object) -> list[field.Error]:
    found = _stage_problems(given.get("omitStages") or (), "omitStages")
    for position, rule in enumerate(given.get("rules") or ()):
        found += _rule_problems(rule, f"rules[{position}]")
    return found


def _stage_problems(stages: Iterable[str], path: str) -> list[field.Error]:
    text = "allowed stages are " + ",".join(STAGES)
    return [field.invalid(f"{path}[{n}]", stage, text) for n, stage in enumerate(stages) if stage not in STAGES]


def _rule_problems(rule: Object, path: str) -> list[field.Error]:
    found: list[field.Error] = []
    level = rule.get("level", "")
    if not level:
        found.append(field.required(f"{path}.level"))
    elif level not in LEVELS:
        found.append(field.not_supported(f"{path}.level", level, LEVELS))
    urls = rule.get("nonResourceURLs") or ()
    for position, url in enumerate(urls):
        where = f"{path}.nonResourceURLs[{position}]"
        if url != "*" and not url.startswith("/"):
            found.append(field.invalid(where, url, "non-resource URL rules must begin with a '/' character"))
        if "*" in url[:-1]:
            text = "non-resource URL wildcards '*' must be the final character of the rule"
            found.append(field.invalid(where, url, text))
    for one in rule.get("resources") or ():
        found += _group_problems(one, f"{path}.resources")
    found += _stage_problems(rule.get("omitStages") or (), f"{path}.omitStages")
    if urls and (rule.get("resources") or rule.get("namespaces")):
        text = "rules cannot apply to both regular resources and non-resource URLs"
        found.append(field.invalid(f"{path}.nonResourceURLs", list(urls), text))
    return found


def _group_problems(given: Object, path: str) -> list[field.Error]:
    found: list[field.Error] = []
    group = given.get("group") or ""
    if group not in ("", "*"):
        wrong = names.dns_subdomain(group)
        if wrong:
            found.append(field.invalid(f"{path}.group", group, ",".join(wrong)))
    if given.get("resourceNames") and not given.get("resources"):
        text = "using resourceNames requires at least one resource"
        found.append(field.invalid(f"{path}.resourceNames", given["resourceNames"], text))
    return found
