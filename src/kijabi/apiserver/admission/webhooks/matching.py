"""Whether a hook is to be asked about a request, and as which version of the resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, kinds, resource, served
from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks.configuration import Hook, Rule

Object = contract.Object
Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The hook is asked about the request as if it had been made of ``resource``, with an object of ``kind``."""

    hook: Hook
    resource: resource.Resource
    kind: Kind


def kind_of(what: resource.Resource, subresource: str) -> Kind:
    """The kind of object that goes over the wire there."""
    below = served.subresource(what, subresource) if subresource else None
    if below is None:
        return what.group, what.version, what.kind
    if below.version:
        return below.group, below.version, below.kind
    return what.group, what.version, below.kind


def applies(rule: Rule, attributes: contract.AdmissionAttributes, what: resource.Resource) -> bool:
    """Whether the request, were it made of ``what``, is one that the rule names."""
    return (
        ("*" in rule.operations or attributes.operation in rule.operations)
        and ("*" in rule.groups or what.group in rule.groups)
        and ("*" in rule.versions or what.version in rule.versions)
        and any(name in ("*", what.plural) and below in ("*", attributes.subresource) for name, below in rule.resources)
        and _in_scope(rule.scope, attributes, what)
    )


def _in_scope(scope: str, attributes: contract.AdmissionAttributes, what: resource.Resource) -> bool:
    if scope == "*":
        return True
    # A Namespace is admitted as in itself, and yet belongs to the cluster.
    is_cluster = not attributes.namespace or _is_namespace(what)
    return is_cluster == (scope == "Cluster")


def _is_namespace(what: resource.Resource) -> bool:
    return what.plural == kinds.NAMESPACES.plural and not what.group


class Matcher:
    def __init__(self, access: contract.Access) -> None:
        self._access = access

    def row(self, what: resource.Resource) -> resource.Resource:
        """The resource with all that is served below it, which an address alone does not have."""
        strategy = self._access.strategy(what.group, what.version, what.plural)
        return strategy.resource if strategy is not None else what

    def find(
        self, hook: Hook, attributes: contract.AdmissionAttributes, obj: Object | None, old: Object | None
    ) -> Invocation | None:
        """``obj`` and ``old`` are the request's objects as they now are. Raises NotFound for its namespace."""
        failure: errors.ApiError | None = None
        try:
            if not self._selects_namespace(hook, attributes, obj):
                return None
        except errors.ApiError as error:
            failure = error
        if not hook.objects.everything and not (_selects(hook, obj) or _selects(hook, old)):
            return None
        found = self._by_rules(hook, attributes)
        # A namespace that is not there is no matter where the hook is not concerned.
        if found is not None and failure is not None:
            raise failure
        return found

    def _by_rules(self, hook: Hook, attributes: contract.AdmissionAttributes) -> Invocation | None:
        what, below = attributes.resource, attributes.subresource
        if any(applies(rule, attributes, what) for rule in hook.rules):
            row = self.row(what)
            return Invocation(hook, row, kind_of(row, below))
        if not hook.equivalent:
            return None
        others = self._access.forms.equivalents(what)
        for rule in hook.rules:
            for other in others:
                if applies(rule, attributes, other) and (not below or below in other.subresources):
                    return Invocation(hook, other, kind_of(other, below))
        return None

    def _selects_namespace(self, hook: Hook, attributes: contract.AdmissionAttributes, obj: Object | None) -> bool:
        is_namespace = attributes.resource.plural == kinds.NAMESPACES.plural
        if hook.namespaces.everything or (not attributes.namespace and not is_namespace):
            return True
        if is_namespace and not attributes.subresource and attributes.operation in (contract.CREATE, contract.UPDATE):
            return hook.namespaces.matches(_labels(obj or {}))
        namespace = self._access.get_nowait(kinds.NAMESPACES, attributes.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", attributes.namespace)
        return hook.namespaces.matches(_labels(namespace))


def _selects(hook: Hook, obj: Object | None) -> bool:
    return obj is not None and hook.objects.matches(_labels(obj))


def _labels(obj: Object) -> dict[str, Any]:
    return (obj.get("metadata") or {}).get("labels") or {}
