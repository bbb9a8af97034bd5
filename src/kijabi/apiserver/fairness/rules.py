"""Which flow schema a request falls under. Pure: plain data in, a ``Flow`` out.

Source: "API Priority and Fairness", FlowSchema; upstream's matching of verbs, resources and paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kijabi.api.resource import Object
from kijabi.apiserver.contract import RequestInfo, UserInfo

_ACCOUNT = "system:serviceaccount:"

Test = Callable[[RequestInfo, UserInfo], bool]


@dataclass(frozen=True, slots=True)
class Schema:
    """A flow schema that leads somewhere. ``by`` is ``ByUser``, ``ByNamespace`` or empty."""

    name: str
    uid: str
    level: str
    precedence: int
    by: str
    rules: tuple[Object, ...]

    def matches(self, info: RequestInfo, user: UserInfo) -> bool:
        return any(_rule_matches(rule, info, user) for rule in self.rules)

    def distinguisher(self, info: RequestInfo, user: UserInfo) -> str:
        """What tells this request's flow from others of the schema."""
        if self.by == "ByUser":
            return user.name
        return info.namespace if self.by == "ByNamespace" else ""


def read(obj: Object) -> Schema:
    meta, spec = obj["metadata"], obj["spec"]
    return Schema(
        meta["name"],
        meta.get("uid", ""),
        spec["priorityLevelConfiguration"]["name"],
        spec.get("matchingPrecedence", 1000),
        (spec.get("distinguisherMethod") or {}).get("type", ""),
        tuple(spec.get("rules") or ()),
    )


def in_order(schemas: Iterable[Schema]) -> list[Schema]:
    """The order of matching: by precedence, then by name."""
    return sorted(schemas, key=lambda schema: (schema.precedence, schema.name))


def _rule_matches(rule: Object, info: RequestInfo, user: UserInfo) -> bool:
    if not any(_is_subject(subject, user) for subject in rule.get("subjects") or ()):
        return False
    if info.is_resource:
        return any(_covers_resource(one, info) for one in rule.get("resourceRules") or ())
    return any(_covers_path(one, info) for one in rule.get("nonResourceRules") or ())


def _is_subject(subject: Object, user: UserInfo) -> bool:
    kind = subject.get("kind")
    if kind == "User":
        return (subject.get("user") or {}).get("name") in ("*", user.name)
    if kind == "Group":
        name = (subject.get("group") or {}).get("name")
        return name == "*" or name in user.groups
    account = subject.get("serviceAccount") or {}
    if kind != "ServiceAccount" or not account:
        return False
    prefix = f"{_ACCOUNT}{account.get('namespace')}:"
    return user.name.startswith(prefix) if account.get("name") == "*" else user.name == prefix + account.get("name", "")


def _has(value: str, listed: Sequence[str]) -> bool:
    return value in listed or list(listed) == ["*"]


def _covers_resource(rule: Object, info: RequestInfo) -> bool:
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (
        _has(info.verb, rule.get("verbs") or ())
        and _has(what, rule.get("resources") or ())
        and _has(info.api_group, rule.get("apiGroups") or ())
    ):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _has(info.namespace, rule.get("namespaces") or ())


def _covers_path(rule: Object, info: RequestInfo) -> bool:
    if not _has(info.verb, rule.get("verbs") or ()):
        return False
    for url in rule.get("nonResourceURLs") or ():
        if url in ("*", info.path):
            return True
        prefix = url.removesuffix("*")
        if info.path.startswith(prefix if prefix.endswith("/") else prefix + "/"):
            return True
    return False
