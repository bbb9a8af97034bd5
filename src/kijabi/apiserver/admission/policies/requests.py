"""What the expressions of policies see of a request, and how they ask the authorizer."""

from __future__ import annotations

from typing import Any

from kijabi.api import kinds
from kijabi.api.cel import admission
from kijabi.api.cel.library import authz
from kijabi.apiserver import contract
from kijabi.apiserver.admission.policies.criteria import Match
from kijabi.apiserver.admission.webhooks import matching

Object = contract.Object
_HIDDEN = ("managedFields", "ownerReferences", "selfLink")


def user_of(user: contract.UserInfo) -> authz.User:
    extra = tuple(sorted((key, tuple(values)) for key, values in user.extra.items()))
    return authz.User(user.name, user.uid, tuple(user.groups), extra)


def asking(authorizer: contract.Authorizer) -> admission.Ask:
    async def ask(check: authz.Check) -> authz.Decision:
        decision = await authorizer.authorize(_attributes(check))
        return authz.Decision(decision.verdict is contract.Verdict.ALLOW, decision.reason, decision.error or None)

    return ask


def _attributes(check: authz.Check) -> contract.Attributes:
    user = check.user
    asker = contract.UserInfo(user.name, user.uid, user.groups, dict(user.extra))
    if check.path:
        return contract.Attributes(asker, check.verb, path=check.path, is_resource=False)
    return contract.Attributes(
        asker,
        check.verb,
        namespace=check.namespace,
        api_group=check.group,
        api_version="*",
        resource=check.resource,
        subresource=check.subresource,
        name=check.name,
        field_selector=check.field_selector,
        label_selector=check.label_selector,
    )


def request_of(attributes: contract.AdmissionAttributes, match: Match, requested: matching.Kind) -> Object:
    """An AdmissionRequest without its objects, empty names left out as its JSON form does."""
    asked, seen = attributes.resource, match.resource
    made: Object = {
        "uid": "",
        "kind": _kind(match.kind),
        "resource": {"group": seen.group, "version": seen.version, "resource": seen.plural},
        "requestKind": _kind(requested),
        "requestResource": {"group": asked.group, "version": asked.version, "resource": asked.plural},
        "operation": attributes.operation,
        "userInfo": _user(attributes.user),
        "dryRun": attributes.dry_run,
        "options": attributes.options or None,
    }
    for key, value in (
        ("subResource", attributes.subresource),
        ("requestSubResource", attributes.subresource),
        ("name", attributes.name),
        ("namespace", attributes.namespace),
    ):
        if value:
            made[key] = value
    return made


def _kind(kind: matching.Kind) -> dict[str, str]:
    return {"group": kind[0], "version": kind[1], "kind": kind[2]}


def _user(user: contract.UserInfo) -> dict[str, Any]:
    made: dict[str, Any] = {"username": user.name}
    if user.uid:
        made["uid"] = user.uid
    if user.groups:
        made["groups"] = list(user.groups)
    if user.extra:
        made["extra"] = {key: list(values) for key, values in user.extra.items()}
    return made


def namespace_name(attributes: contract.AdmissionAttributes) -> str:
    """The namespace expressions are told of: a Namespace itself has none."""
    what = attributes.resource
    return "" if (what.group, what.plural) == ("", kinds.NAMESPACES.plural) else attributes.namespace


def namespace_of(found: Object) -> Object:
    """A Namespace as expressions see it; what is given is the caller's own."""
    shown: Object = {key: found[key] for key in ("spec", "status") if key in found}
    meta = {key: value for key, value in found["metadata"].items() if key not in _HIDDEN}
    return {"metadata": meta, **shown}


def typed(obj: Object | None, kind: matching.Kind) -> Object | None:
    """``obj`` saying what it is."""
    if obj is None or (obj.get("kind") and obj.get("apiVersion")):
        return obj
    group, version, name = kind
    return {"apiVersion": f"{group}/{version}" if group else version, "kind": name, **obj}
