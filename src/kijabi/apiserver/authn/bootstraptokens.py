"""Users by bootstrap token (``abcdef.0123456789abcdef``), kept in Secrets of kube-system; how a node first joins.

Source: the Kubernetes documentation, "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import re
from collections.abc import Sequence

from kijabi.api import kinds
from kijabi.apiserver import contract
from kijabi.apiserver.authn import bearer, names
from kijabi.kit import clock

SECRET_TYPE = "bootstrap.kubernetes.io/token"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    def __init__(self, access: contract.Access, timepiece: clock.Clock) -> None:
        self._access = access
        self._clock = timepiece

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearer.Authenticated | None:
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        secret = self._access.get_nowait(kinds.SECRETS, f"bootstrap-token-{match[1]}", "kube-system")
        user = holder(secret, match[1], match[2], self._clock.time()) if secret is not None else None
        return bearer.Authenticated(user, tuple(audiences)) if user is not None else None


def holder(secret: contract.Object, token_id: str, token_secret: str, now: float) -> contract.UserInfo | None:
    """The user of a token by its Secret; None where the Secret does not vouch for it."""
    data = {key: _text(value) for key, value in (secret.get("data") or {}).items()}
    good = (
        secret.get("type") == SECRET_TYPE
        and not secret["metadata"].get("deletionTimestamp")
        and hmac.compare_digest(data.get("token-secret", ""), token_secret)
        and data.get("token-id") == token_id
        and not _expired(data.get("expiration", ""), now)
        and data.get("usage-bootstrap-authentication") == "true"
    )
    extra = [group for group in data.get("auth-extra-groups", "").split(",") if group]
    if not good or not all(_GROUP.fullmatch(group) for group in extra):
        return None
    return contract.UserInfo(f"system:bootstrap:{token_id}", groups=tuple(sorted({names.BOOTSTRAPPERS, *extra})))


def _text(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, ValueError):
        return ""


def _expired(stamp: str, now: float) -> bool:
    if not stamp:
        return False
    try:
        return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() <= now
    except ValueError:
        # What cannot be read has no claim to be still good.
        return True
