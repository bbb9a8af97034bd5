"""From a request to the evaluations it needs: which policies, which bindings, which parameters."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kijabi.api import errors
from kijabi.api.cel import admission
from kijabi.apiserver import contract
from kijabi.apiserver.admission.policies import criteria, parameters, requests, sources
from kijabi.apiserver.admission.webhooks import matching

Object = contract.Object
_Compiled = TypeVar("_Compiled")


@dataclass(frozen=True, slots=True)
class Misconfigured(Generic[_Compiled]):
    """A policy that cannot be used on the request; ``binding`` where it is the binding that cannot."""

    policy: sources.Policy[_Compiled]
    binding: sources.Binding | None
    message: str


@dataclass(frozen=True, slots=True)
class Invocation(Generic[_Compiled]):
    """One evaluation of a policy: for one binding and one parameter object (None: without)."""

    policy: sources.Policy[_Compiled]
    binding: sources.Binding
    match: criteria.Match
    params: Object | None


class Invoker:
    def __init__(self, access: contract.Access, authorizer: contract.Authorizer) -> None:
        self._access = access
        self._ask = requests.asking(authorizer)
        self.matcher = criteria.Matcher(access)
        self._parameters = parameters.Parameters(access)

    async def invocations(
        self, policies: tuple[sources.Policy[_Compiled], ...], attributes: contract.AdmissionAttributes
    ) -> AsyncIterator[Invocation[_Compiled] | Misconfigured[_Compiled]]:
        for policy in policies:
            try:
                match = self.matcher.find(policy.criteria, attributes)
                if match is None:
                    continue
                if policy.spec.get("paramKind") is not None:
                    self._parameters.find(policy.spec["paramKind"])
            except (errors.ApiError, parameters.Unusable) as failure:
                yield Misconfigured(policy, None, f"failed to configure policy: {_text(failure)}")
                continue
            for binding in policy.bindings:
                async for one in self._of_binding(policy, binding, match, attributes):
                    yield one

    async def _of_binding(
        self,
        policy: sources.Policy[_Compiled],
        binding: sources.Binding,
        match: criteria.Match,
        attributes: contract.AdmissionAttributes,
    ) -> AsyncIterator[Invocation[_Compiled] | Misconfigured[_Compiled]]:
        try:
            if binding.criteria is not None and self.matcher.find(binding.criteria, attributes) is None:
                return
            kind, where = policy.spec.get("paramKind"), attributes.namespace
            found = await self._parameters.collect(kind, binding.reference, where)
        except (errors.ApiError, parameters.Unusable) as failure:
            yield Misconfigured(policy, binding, f"failed to configure binding: {_text(failure)}")
            return
        for params in found:
            yield Invocation(policy, binding, match, params)

    def given(
        self,
        invocation: Invocation[Any],
        attributes: contract.AdmissionAttributes,
        held: tuple[Object | None, Object | None],
    ) -> admission.Input:
        """What the expressions see; ``held`` are the objects in the version of the match. Raises NotFound."""
        match = invocation.match
        row = self.matcher.rows.row(attributes.resource)
        requested = matching.kind_of(row, attributes.subresource)
        name = requests.namespace_name(attributes)
        namespace = requests.namespace_of(self.matcher.namespace(name)) if name else None
        return admission.Input(
            requests.typed(held[0], match.kind),
            requests.typed(held[1], match.kind),
            requests.request_of(attributes, match, requested),
            requests.user_of(attributes.user),
            self._ask,
            invocation.params,
            namespace,
        )

    async def seen(
        self, match: criteria.Match, attributes: contract.AdmissionAttributes, obj: Object | None, old: Object | None
    ) -> tuple[Object | None, Object | None]:
        """Both objects in the version of ``match``. Raises ApiError where they cannot be converted."""
        row = self.matcher.rows.row(attributes.resource)
        if (row.group, row.version) == (match.resource.group, match.resource.version):
            return obj, old
        forms = self._access.forms
        converted = [
            await forms.convert(copy.deepcopy(one), row, match.resource) if one is not None else None
            for one in (obj, old)
        ]
        return converted[0], converted[1]


def _text(failure: Exception) -> str:
    return failure.message if isinstance(failure, errors.ApiError) else str(failure)
