"""Users by the tokens that Secrets of type kubernetes.io/service-account-token hold: they never expire, and live as
long as their Secret does. When one was last used is kept in a label, so that unused ones can be found and removed.

Source: the Kubernetes documentation, "Manage Service Accounts"; KEP-2799.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api import errors, kinds
from kijabi.apiserver import contract, tally
from kijabi.apiserver.authn import bearer, names, tokens
from kijabi.kit import clock

log = logging.getLogger(__name__)

ISSUER = "kubernetes/serviceaccount"
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_CLAIMS = "kubernetes.io/serviceaccount/"
_ANNOTATION = "authentication.k8s.io/"
_GENERATED = (
    "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated "
    "secret-based tokens."
)


@dataclass(frozen=True, slots=True)
class Said:
    namespace: str
    secret: str
    account: str
    uid: str


def read(payload: dict[str, Any]) -> Said:
    """The claims of a token whose signature holds. Raises tokens.Invalid."""
    if not payload.get("sub"):
        raise tokens.Invalid("sub claim is missing")
    found = []
    for claim, shown in (
        ("namespace", "namespace"),
        ("secret.name", "secretName"),
        ("service-account.name", "serviceAccountName"),
        ("service-account.uid", "serviceAccountUID"),
    ):
        value = payload.get(_CLAIMS + claim)
        if not isinstance(value, str) or not value:
            raise tokens.Invalid(f"{shown} claim is missing")
        found.append(value)
    said = Said(*found)
    if names.split_service_account(str(payload["sub"])) != (said.namespace, said.account):
        raise tokens.Invalid("sub claim is invalid")
    return said


class LegacyTokens:
    """A token authenticator. Without ``lookup`` the signature alone is believed."""

    def __init__(
        self,
        access: contract.Access,
        reader: tokens.Reader,
        audiences: Sequence[str],
        timepiece: clock.Clock,
        *,
        lookup: bool = True,
        counts: tally.Tally | None = None,
    ) -> None:
        self._counts = counts or tally.Tally()
        self._access = access
        self._reader = reader
        self._implicit = tuple(audiences)
        self._clock = timepiece
        self._lookup = lookup

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearer.Authenticated | None:
        try:
            payload = self._reader.payload(token)
            if payload is None:
                return None
            meant = tokens.meant(tokens.audiences_of(payload), audiences, self._implicit)
            self._counts.add(tally.LEGACY)
            said = read(payload)
            notes = await self._check(said, token) if self._lookup else ()
        except tokens.Invalid as error:
            raise bearer.Rejected(str(error)) from error
        user = contract.UserInfo(
            names.service_account(said.namespace, said.account),
            uid=said.uid,
            groups=names.service_account_groups(said.namespace),
        )
        return bearer.Authenticated(user, meant, notes=((f"{_ANNOTATION}legacy-token", user.name), *notes))

    async def _check(self, said: Said, token: str) -> tuple[tuple[str, str], ...]:
        """Hold the claims against the Secret and the account; gives notes. Raises tokens.Invalid."""
        secret = self._access.get_nowait(kinds.SECRETS, said.secret, said.namespace)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            raise tokens.Invalid("Token has been invalidated")
        if not hmac.compare_digest(_decoded((secret.get("data") or {}).get("token") or ""), token.encode()):
            raise tokens.Invalid("Token does not match server's copy")
        account = self._account(said)
        labels = secret["metadata"].get("labels") or {}
        await self._mark(secret, labels.get(LAST_USED, ""))
        if labels.get(INVALID_SINCE):
            self._counts.add(tally.INVALIDATED)
            raise tokens.Invalid(
                f"the token in secret {said.namespace}/{said.secret} for service account "
                f"{said.namespace}/{said.account} has been marked invalid. Use tokens from the TokenRequest API or "
                f"manually created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to "
                "temporarily allow use of this token"
            )
        generated = any(one.get("name") == said.secret for one in account.get("secrets") or ())
        self._counts.add(tally.GENERATED if generated else tally.MANUAL)
        if not generated:
            return ((f"{_ANNOTATION}legacy-token-manual-secret", said.secret),)
        return (contract.WARNING, _GENERATED), (f"{_ANNOTATION}legacy-token-autogenerated-secret", said.secret)

    def _account(self, said: Said) -> contract.Object:
        account = self._access.get_nowait(kinds.SERVICE_ACCOUNTS, said.account, said.namespace)
        if account is None:
            raise tokens.Invalid(f'serviceaccounts "{said.account}" not found')
        meta = account["metadata"]
        if meta.get("deletionTimestamp"):
            raise tokens.Invalid(f"ServiceAccount {said.namespace}/{said.account} has been deleted")
        if meta.get("uid") != said.uid:
            raise tokens.Invalid(f"ServiceAccount UID ({meta.get('uid')}) does not match claim ({said.uid})")
        return account

    async def _mark(self, secret: contract.Object, last: str) -> None:
        """Label the Secret with today's date, once a day."""
        now = datetime.datetime.fromtimestamp(self._clock.time(), datetime.UTC).date()
        today = now.isoformat()
        # Another server's clock may be in tomorrow already.
        if last in (today, (now + datetime.timedelta(days=1)).isoformat()):
            return

        def change(live: contract.Object) -> None:
            if live["metadata"].get("uid") != secret["metadata"].get("uid"):
                raise errors.conflict("secrets", secret["metadata"]["name"], why="the Secret is another one")
            live["metadata"].setdefault("labels", {})[LAST_USED] = today

        meta = secret["metadata"]
        try:
            await self._access.mutate(kinds.SECRETS, meta["name"], meta["namespace"], change)
        except errors.ApiError as error:
            # The caller is who he is, whether this is remembered or not.
            log.error(
                "Failed to label legacy service account token %s/%s with last-used date, err: %s",
                meta["name"],
                meta["namespace"],
                error,
            )


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError):
        return b""
