"""Acting as another user by headers: ``Impersonate-User``, ``-Group``, ``-Uid``, ``-Extra-KEY``.

Each part is authorized by itself with the verb ``impersonate``.
Source: the Kubernetes documentation, "User impersonation".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authn import names

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-"
_AUTHENTICATION = "authentication.k8s.io"


class Denial(Protocol):
    def __call__(self, attributes: contract.Attributes, reason: str) -> errors.Forbidden: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    user: str
    groups: tuple[str, ...]
    uid: str
    extra: Mapping[str, tuple[str, ...]]


def wanted(headers: CIMultiDict[str]) -> Wanted | None:
    """Whom the request wants to act as; None for as itself. Raises BadRequest for parts without a user."""
    user = headers.get(USER, "")
    groups = tuple(headers.getall(GROUP, ()))
    uid = headers.get(UID, "")
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(EXTRA.lower()):
            key = unquote(name[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    if user:
        return Wanted(user, groups, uid, extra)
    if groups or uid or extra:
        parts = [f"{{Group {one}}}" for one in groups] + [f"{{UserExtra {one}}}" for one in extra]
        parts += [f"{{UID {uid}}}"] if uid else []
        raise errors.BadRequest(f"requested [{' '.join(parts)}] without impersonating a user")
    return None


def checks(caller: contract.UserInfo, target: Wanted) -> list[contract.Attributes]:
    """What the caller must be allowed, one entry for each part."""

    def ask(resource: str, name: str, *, group: str = "", namespace: str = "", sub: str = "") -> contract.Attributes:
        version = "v1" if group else ""
        return contract.Attributes(
            caller, "impersonate", namespace, group, version, resource=resource, subresource=sub, name=name
        )

    account = names.split_service_account(target.user)
    asked = [ask("serviceaccounts", account[1], namespace=account[0]) if account else ask("users", target.user)]
    asked += [ask("groups", group) for group in target.groups]
    for key, values in target.extra.items():
        asked += [ask("userextras", value, group=_AUTHENTICATION, sub=key) for value in values]
    if target.uid:
        asked.append(ask("uids", target.uid, group=_AUTHENTICATION))
    return asked


def becomes(target: Wanted) -> contract.UserInfo:
    """The user that results, with the groups that go without saying."""
    groups = target.groups
    account = names.split_service_account(target.user)
    if account and not groups:
        groups = names.service_account_groups(account[0])
    if target.user == names.ANONYMOUS:
        if names.UNAUTHENTICATED not in groups:
            groups = (*groups, names.UNAUTHENTICATED)
    elif names.AUTHENTICATED not in groups and names.UNAUTHENTICATED not in groups:
        groups = (*groups, names.AUTHENTICATED)
    return contract.UserInfo(target.user, uid=target.uid, groups=groups, extra=target.extra)


async def impersonate(
    caller: contract.UserInfo, headers: CIMultiDict[str], authorizer: contract.Authorizer, denial: Denial
) -> contract.UserInfo:
    """Who the request acts as, and the headers cleared of it. Raises Forbidden (made by ``denial``) or BadRequest."""
    target = wanted(headers)
    if target is None:
        return caller
    for attributes in checks(caller, target):
        decision = await authorizer.authorize(attributes)
        if decision.verdict is not contract.Verdict.ALLOW:
            raise denial(attributes, decision.reason)
    for name in list(headers):
        if name.lower().startswith("impersonate-"):
            headers.popall(name, None)
    return becomes(target)
