"""``matchConditions`` of a hook: expressions on the request, the last word on whether it is asked.

Source: "Matching requests: matchConditions"; k8s.io/apiserver admission/plugin/webhook/matchconditions.
"""

from __future__ import annotations

from kijabi.api import errors
from kijabi.api.cel import admission, conditions
from kijabi.api.cel.library import authz
from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks import metrics, review
from kijabi.apiserver.admission.webhooks.matching import Invocation
from kijabi.apiserver.admission.webhooks.subject import Subject

Object = contract.Object


class Conditions:
    """``kind`` is ``admit`` or ``validating``, for the metrics."""

    def __init__(self, authorizer: contract.Authorizer | None, counts: metrics.Metrics, kind: str) -> None:
        self._ask = _asking(authorizer) if authorizer is not None else None
        self._counts = counts
        self._kind = kind

    async def hold(self, invocation: Invocation, attributes: contract.AdmissionAttributes, subject: Subject) -> bool:
        """``subject`` is in the invocation's version. Raises Forbidden where they fail and the hook must not."""
        hook = invocation.hook
        if hook.conditions is None:
            return True
        given = admission.Input(
            subject.typed("object"),
            subject.typed("old"),
            review.request_of(invocation, subject.requested, attributes),
            _user(attributes.user),
            self._ask,
        )
        found = await hook.conditions.matches(given)
        if found is True:
            return True
        call = metrics.Call(hook.name, self._kind, attributes.operation)
        if isinstance(found, conditions.Errored):
            self._counts.condition_failed(call)
            if not hook.ignores:
                what = attributes.resource
                raise errors.forbidden(what.plural, attributes.name, found.message, what.group)
            return False
        self._counts.excluded(call)
        return False


def _user(user: contract.UserInfo) -> authz.User:
    extra = tuple(sorted((key, tuple(values)) for key, values in user.extra.items()))
    return authz.User(user.name, user.uid, tuple(user.groups), extra)


def _asking(authorizer: contract.Authorizer) -> admission.Ask:
    async def ask(check: authz.Check) -> authz.Decision:
        user = contract.UserInfo(check.user.name, check.user.uid, check.user.groups, dict(check.user.extra))
        decision = await authorizer.authorize(
            contract.Attributes(user, check.verb, path=check.path, is_resource=False)
            if check.path
            else contract.Attributes(
                user,
                check.verb,
                check.namespace,
                check.group,
                "*",
                check.resource,
                check.subresource,
                check.name,
                "",
                True,
                check.field_selector,
                check.label_selector,
            )
        )
        return authz.Decision(decision.verdict is contract.Verdict.ALLOW, decision.reason, decision.error or None)

    return ask
