"""Acting as another user, for those who may: the Impersonate-* headers.

Each thing that is asserted (user, every group, uid, every extra value) is authorized by itself with the verb
``impersonate``. Source: "Authenticating", user impersonation.
"""

from __future__ import annotations

from urllib.parse import unquote

from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver.authz import denial
from kijabi.apiserver.contract import Attributes, Authorizer, UserInfo, Verdict

_EXTRA = "impersonate-extra-"
_SERVICE_ACCOUNT = "system:serviceaccount:"
ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED = "system:anonymous", "system:authenticated", "system:unauthenticated"


def is_asked(headers: CIMultiDict[str]) -> bool:
    return any(name[:12].lower() == "impersonate-" for name in headers)


async def apply(headers: CIMultiDict[str], user: UserInfo, authorizer: Authorizer) -> UserInfo:
    """The user that is impersonated. Raises Forbidden, or InternalError for groups without a user."""
    name, uid = headers.get("Impersonate-User", ""), headers.get("Impersonate-Uid", "")
    groups = list(headers.getall("Impersonate-Group", []))
    extra: dict[str, list[str]] = {}
    for header, value in headers.items():
        if header.lower().startswith(_EXTRA):
            extra.setdefault(unquote(header[len(_EXTRA) :].lower()), []).append(value)
    if not name:
        if groups or extra or uid:
            raise errors.InternalError(
                f"Internal error occurred: requested {groups or [*extra, uid]} without impersonating a user"
            )
        return user
    for attributes in _claims(user, name, uid, groups, extra):
        decision = await authorizer.authorize(attributes)
        if decision.verdict is not Verdict.ALLOW:
            raise denial.forbidden(attributes, decision.reason)
    return UserInfo(name, uid, _groups(name, groups), {key: tuple(values) for key, values in extra.items()})


def _claims(user: UserInfo, name: str, uid: str, groups: list[str], extra: dict[str, list[str]]) -> list[Attributes]:
    claims = []
    account = name.removeprefix(_SERVICE_ACCOUNT).split(":") if name.startswith(_SERVICE_ACCOUNT) else []
    if len(account) == 2:
        claims.append(Attributes(user, "impersonate", account[0], "", "v1", "serviceaccounts", name=account[1]))
    else:
        claims.append(Attributes(user, "impersonate", "", "", "v1", "users", name=name))
    claims += [Attributes(user, "impersonate", "", "", "v1", "groups", name=group) for group in groups]
    authentication = "authentication.k8s.io"
    claims += [
        Attributes(user, "impersonate", "", authentication, "v1", "userextras", subresource=key, name=value)
        for key, values in extra.items()
        for value in values
    ]
    if uid:
        claims.append(Attributes(user, "impersonate", "", authentication, "v1", "uids", name=uid))
    return claims


def _groups(name: str, asserted: list[str]) -> tuple[str, ...]:
    groups = list(asserted)
    account = name.removeprefix(_SERVICE_ACCOUNT).split(":") if name.startswith(_SERVICE_ACCOUNT) else []
    if not groups and len(account) == 2:
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    if name == ANONYMOUS:
        return (*groups, UNAUTHENTICATED) if UNAUTHENTICATED not in groups else tuple(groups)
    if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    return tuple(groups)
