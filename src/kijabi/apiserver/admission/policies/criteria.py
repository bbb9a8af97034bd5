"""What a policy or a binding is about: rules with names and exceptions, and two selectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, kinds, labels, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks import configuration, matching

Object = contract.Object

# Reviews are asked on the way of other requests: a policy that refused them could stop the cluster.
_REVIEWS = frozenset(("authentication.k8s.io", "authorization.k8s.io"))


def is_exempt(what: resource.Resource) -> bool:
    """Whether no policy is ever about it."""
    return configuration.is_exempt(what) or what.group in _REVIEWS


@dataclass(frozen=True, slots=True)
class NamedRule:
    """``names`` empty: objects of any name."""

    rule: configuration.Rule
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Match:
    """The request seen as one of ``resource``, with objects of ``kind``."""

    resource: resource.Resource
    kind: matching.Kind


@dataclass(frozen=True, slots=True)
class Criteria:
    """MatchResources, ready to be asked. No ``rules``: any resource, as a binding may say."""

    rules: tuple[NamedRule, ...]
    excluded: tuple[NamedRule, ...]
    namespaces: labels.Selector
    objects: labels.Selector
    equivalent: bool


def parse(match: Object | None) -> Criteria:
    match = match or {}
    return Criteria(
        tuple(_rules(match.get("resourceRules"))),
        tuple(_rules(match.get("excludeResourceRules"))),
        labels.from_label_selector(match.get("namespaceSelector") or {}),
        labels.from_label_selector(match.get("objectSelector") or {}),
        match.get("matchPolicy", "Equivalent") == "Equivalent",
    )


def _rules(listed: Iterable[Object] | None) -> Iterable[NamedRule]:
    for rule in listed or ():
        yield NamedRule(configuration.rule_of(rule), frozenset(rule.get("resourceNames") or ()))


class Matcher:
    """Asks criteria about requests."""

    def __init__(self, access: contract.Access) -> None:
        self._access = access
        self.rows = matching.Matcher(access)

    def find(self, criteria: Criteria, attributes: contract.AdmissionAttributes) -> Match | None:
        """Raises NotFound for the request's namespace, where only that keeps from deciding."""
        failure: errors.ApiError | None = None
        try:
            if not self._selects_namespace(criteria, attributes):
                return None
        except errors.ApiError as error:
            failure = error
        if not criteria.objects.everything:
            held = (attributes.object, attributes.old_object)
            if not any(obj is not None and criteria.objects.matches(_labels(obj)) for obj in held):
                return None
        if criteria.excluded and self._named(criteria.excluded, criteria.equivalent, attributes) is not None:
            return None
        if criteria.rules:
            found = self._named(criteria.rules, criteria.equivalent, attributes)
        else:
            found = self._as_asked(attributes)
        if found is not None and failure is not None:
            raise failure
        return found

    def _as_asked(self, attributes: contract.AdmissionAttributes) -> Match:
        row = self.rows.row(attributes.resource)
        return Match(row, matching.kind_of(row, attributes.subresource))

    def _named(
        self, rules: tuple[NamedRule, ...], equivalent: bool, attributes: contract.AdmissionAttributes
    ) -> Match | None:
        name = attributes.name
        if any(_applies(rule, attributes, attributes.resource, name) for rule in rules):
            return self._as_asked(attributes)
        if not equivalent:
            return None
        below = attributes.subresource
        for rule in rules:
            for other in self._access.forms.equivalents(attributes.resource):
                if _applies(rule, attributes, other, name) and (not below or below in other.subresources):
                    return Match(other, matching.kind_of(other, below))
        return None

    def _selects_namespace(self, criteria: Criteria, attributes: contract.AdmissionAttributes) -> bool:
        is_namespace = attributes.resource.plural == kinds.NAMESPACES.plural and not attributes.resource.group
        if criteria.namespaces.everything or (not attributes.namespace and not is_namespace):
            return True
        if is_namespace and not attributes.subresource and attributes.object is not None:
            return criteria.namespaces.matches(_labels(attributes.object))
        return criteria.namespaces.matches(_labels(self.namespace(attributes.namespace)))

    def namespace(self, name: str) -> Object:
        """Raises NotFound."""
        found = self._access.get_nowait(kinds.NAMESPACES, name)
        if found is None:
            raise errors.not_found("namespaces", name)
        return found


def _applies(named: NamedRule, attributes: contract.AdmissionAttributes, what: resource.Resource, name: str) -> bool:
    return matching.applies(named.rule, attributes, what) and (not named.names or name in named.names)


def _labels(obj: Object) -> dict[str, Any]:
    return (obj.get("metadata") or {}).get("labels") or {}
