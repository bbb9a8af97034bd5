"""Nobody grants what he does not hold: checks on writes of RBAC objects, as storage hooks.

A role may be written by who holds all of its rules or may ``escalate`` it; a binding by who holds all rules of the role
or may ``bind`` it. Source: the Kubernetes documentation, "Privilege escalation prevention and bootstrapping".
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authz import rbac, rules, union

GROUP = "rbac.authorization.k8s.io"
Object = contract.Object


class _Hook:
    """What the two checks share: when they apply. Only the ``before_*`` do anything; nothing is held to give back."""

    plural: str

    def __init__(self, plural: str, authorizer: contract.Authorizer, decider: rbac.Rbac) -> None:
        self.plural = plural
        self._authorizer = authorizer
        self._decider = decider

    async def before_create(self, context: contract.RequestContext, obj: Object) -> None:
        if union.MASTERS not in context.user.groups:
            await self._check(context, obj, None)

    async def before_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        if union.MASTERS not in context.user.groups and not only_garbage_collection(new, old):
            await self._check(context, new, old)

    async def after_create(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    async def after_failed_create(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    async def after_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return None

    async def after_failed_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return None

    async def after_delete(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    async def _check(self, context: contract.RequestContext, new: Object, old: Object | None) -> None:
        raise AssertionError("a subclass says what is checked")

    async def _may(self, user: contract.UserInfo, verb: str, resource: str, name: str, namespace: str) -> bool:
        attributes = contract.Attributes(
            user, verb, namespace=namespace, api_group=GROUP, api_version="*", resource=resource, name=name
        )
        decision = await self._authorizer.authorize(attributes)
        return decision.verdict is contract.Verdict.ALLOW

    def _escalates(self, user: contract.UserInfo, namespace: str, wanted: Sequence[rules.Rule]) -> str:
        """Why the user may not grant ``wanted``; empty when he may."""
        owned, problems = self._decider.rules_for(user, namespace)
        lacking = rules.missing(owned, wanted)
        if not lacking:
            return ""
        text = (
            f'user "{user.name}" (groups={rules.quoted(user.groups)}) is attempting to grant RBAC permissions '
            f"not currently held:\n" + "\n".join(rules.describe(lacking))
        )
        return f"{text}; resolution errors: [{problems}]" if problems else text

    def _refuse(self, obj: Object, why: str) -> errors.Forbidden:
        return errors.forbidden(self.plural, obj["metadata"].get("name", ""), why, GROUP)


class RoleHook(_Hook):
    async def _check(self, context: contract.RequestContext, new: Object, old: Object | None) -> None:
        namespace = new["metadata"].get("namespace", "")
        name = context.info.name
        if await self._may(context.user, "escalate", self.plural, name, namespace):
            return
        why = self._escalates(context.user, namespace, new.get("rules") or ())
        if why:
            raise self._refuse(new, why)
        if not (_aggregates(new) or _aggregates(old)):
            return
        if self._escalates(context.user, namespace, rules.FULL_AUTHORITY):
            raise self._refuse(new, "must have cluster-admin privileges to use the aggregationRule")


class BindingHook(_Hook):
    async def _check(self, context: contract.RequestContext, new: Object, old: Object | None) -> None:
        namespace = new["metadata"].get("namespace", "")
        ref = new.get("roleRef") or {}
        plural = {"ClusterRole": "clusterroles", "Role": "roles"}.get(ref.get("kind", ""), "")
        name = ref.get("name", "")
        if plural and await self._may(context.user, "bind", plural, name, namespace):
            return
        resolved = self._decider.index.resolve(ref, namespace)
        if isinstance(resolved, str):
            # Upstream names the binding's own resource, though it is the role that is not there.
            raise errors.not_found(self.plural, name, GROUP) if plural else errors.InternalError(resolved)
        why = self._escalates(context.user, namespace, resolved)
        if why:
            raise self._refuse(new, why)


def _aggregates(role: Object | None) -> bool:
    return bool(((role or {}).get("aggregationRule") or {}).get("clusterRoleSelectors"))


def only_garbage_collection(new: Object, old: Object) -> bool:
    """Whether an update touches nothing but what deletion needs (finalizers, owners); no update at all counts not."""
    if new == old:
        return False

    def rest(obj: Object) -> Any:
        stripped = copy.deepcopy(obj)
        for key in ("finalizers", "ownerReferences", "managedFields", "resourceVersion", "selfLink"):
            stripped["metadata"].pop(key, None)
        return stripped

    return bool(rest(new) == rest(old))


def hooks(authorizer: contract.Authorizer, decider: rbac.Rbac) -> dict[tuple[str, str], contract.StorageHook]:
    """(group, plural) -> hook."""
    return {
        (GROUP, "roles"): RoleHook("roles", authorizer, decider),
        (GROUP, "clusterroles"): RoleHook("clusterroles", authorizer, decider),
        (GROUP, "rolebindings"): BindingHook("rolebindings", authorizer, decider),
        (GROUP, "clusterrolebindings"): BindingHook("clusterrolebindings", authorizer, decider),
    }
