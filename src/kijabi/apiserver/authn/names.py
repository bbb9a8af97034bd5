"""Names of users and groups that the system gives out, and what a user's ``extra`` is keyed by."""

from __future__ import annotations

import dataclasses
import re

from kijabi.apiserver import contract

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
SERVICE_ACCOUNTS = "system:serviceaccounts"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
BOOTSTRAPPERS = "system:bootstrappers"

EXTRA = "authentication.kubernetes.io/"
CREDENTIAL_ID, POD_NAME, POD_UID, NODE_NAME, NODE_UID = (
    EXTRA + name for name in ("credential-id", "pod-name", "pod-uid", "node-name", "node-uid")
)

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def service_account(namespace: str, name: str) -> str:
    return f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    return (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}")


def split_service_account(username: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for any other."""
    if not username.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    parts = username.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")
    if len(parts) != 2 or not _LABEL.fullmatch(parts[0]) or not _SUBDOMAIN.fullmatch(parts[1]) or len(parts[1]) > 253:
        return None
    return parts[0], parts[1]


def authenticated(user: contract.UserInfo) -> contract.UserInfo:
    """The user with the group of all who are known, unless a credential already said which."""
    if AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return dataclasses.replace(user, groups=(*user.groups, AUTHENTICATED))
