"""Service account tokens: the claims in them, signing, and reading a token whose signature holds.

Whether the claims are still true (the account exists, the pod runs) is decided in ``serviceaccounts``.
Source: KEP-1205 (bound service account tokens), KEP-4193 (their node information).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from kijabi.apiserver.authn import keys, names

# Clocks differ; go-jose, which upstream uses, grants a minute.
LEEWAY = 60.0

PRIVATE = "kubernetes.io"
_BAD_SIGNATURE = "go-jose/go-jose: error in cryptographic primitive"


class Invalid(Exception):
    """A token that claims to be ours and cannot be accepted; the text says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    name: str
    uid: str = ""

    def claim(self) -> dict[str, str]:
        return {key: value for key, value in (("name", self.name), ("uid", self.uid)) if value}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose token it is and what it is bound to. A pod-bound token also carries the pod's node."""

    namespace: str
    account: Reference
    pod: Reference | None = None
    secret: Reference | None = None
    node: Reference | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token. Times are seconds since the epoch, 0 where the token has none."""

    subject: Subject
    audiences: tuple[str, ...]
    issued: float
    starts: float
    expires: float
    id: str = ""
    warn_after: float = 0.0


def claims(
    subject: Subject, audiences: Sequence[str], now: float, seconds: int, warn_seconds: int = 0
) -> dict[str, Any]:
    """What a token says, but for its issuer."""
    private: dict[str, Any] = {"namespace": subject.namespace, "serviceaccount": subject.account.claim()}
    for key, ref in (("pod", subject.pod), ("secret", subject.secret), ("node", subject.node)):
        if ref is not None:
            private[key] = ref.claim()
    if warn_seconds:
        private["warnafter"] = int(now) + warn_seconds
    return {
        "aud": list(audiences),
        "exp": int(now) + seconds,
        "iat": int(now),
        "jti": str(uuid.uuid4()),
        PRIVATE: private,
        "nbf": int(now),
        "sub": names.service_account(subject.namespace, subject.account.name),
    }


class Issuer:
    """Signs tokens as ``url``."""

    def __init__(self, url: str, signer: keys.Signer) -> None:
        self.url = url
        self._signer = signer

    def sign(self, said: dict[str, Any]) -> str:
        return jwt.encode(
            {"iss": self.url, **said},
            self._signer.key,
            algorithm=self._signer.verifier.algorithm,
            headers={"kid": self._signer.verifier.id, "typ": ""},
        )


class Reader:
    """Reads tokens of the given issuers, signed by one of the given keys."""

    def __init__(self, issuers: Sequence[str], verifiers: Sequence[keys.Verifier]) -> None:
        self._issuers = frozenset(issuers)
        self._verifiers = tuple(verifiers)

    def read(self, token: str) -> Claims | None:
        """The claims; None for a token that is not of these issuers. Raises Invalid."""
        payload = self.payload(token)
        if payload is None:
            return None
        try:
            return _claims(payload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Invalid("service account token claims could not be validated") from error

    def payload(self, token: str) -> dict[str, Any] | None:
        """What the token says, in whatever form; None for one that is not of these issuers. Raises Invalid."""
        return self._verified(token) if self._ours(token) else None

    def _ours(self, token: str) -> bool:
        try:
            payload = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return False
        issuer = payload.get("iss")
        return isinstance(issuer, str) and issuer in self._issuers

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise Invalid(_BAD_SIGNATURE) from error
        hint = header.get("kid")
        candidates = [one for one in self._verifiers if one.id == hint] if hint else self._verifiers
        if not candidates:
            raise Invalid("invalid signature, no keys found")
        for one in candidates:
            try:
                # Dates and audience are checked by us, with upstream's leeway and texts.
                payload: dict[str, Any] = jwt.decode(
                    token,
                    one.key,
                    algorithms=[one.algorithm],
                    options={
                        "verify_aud": False,
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                        "verify_sub": False,
                        "verify_jti": False,
                    },
                )
            except jwt.PyJWTError:
                continue
            return payload
        raise Invalid(_BAD_SIGNATURE)


def audiences_of(payload: dict[str, Any]) -> tuple[str, ...]:
    said = payload.get("aud") or ()
    return (said,) if isinstance(said, str) else tuple(said)


def meant(said: Sequence[str], wanted: Sequence[str], implicit: Sequence[str]) -> tuple[str, ...]:
    """The audiences both of the token and of the caller. A token that names none is for the API server. Raises
    Invalid where there are none."""
    mine = said or implicit
    found = tuple(one for one in mine if one in wanted)
    if not found and implicit:
        raise Invalid(f"token audiences {_list(mine)} is invalid for the target audiences {_list(wanted)}")
    return found


def _list(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"


def _claims(payload: dict[str, Any]) -> Claims:
    private = payload[PRIVATE]
    subject = Subject(
        private["namespace"],
        _reference(private["serviceaccount"]),
        *(_reference(private[key]) if private.get(key) else None for key in ("pod", "secret", "node")),
    )
    return Claims(
        subject,
        audiences_of(payload),
        issued=float(payload.get("iat") or 0),
        starts=float(payload.get("nbf") or 0),
        expires=float(payload.get("exp") or 0),
        id=str(payload.get("jti") or ""),
        warn_after=float(private.get("warnafter") or 0),
    )


def _reference(claim: dict[str, str]) -> Reference:
    return Reference(claim["name"], claim.get("uid", ""))


def check_dates(said: Claims, now: float) -> None:
    """Raises Invalid for a token before or after its time."""
    if said.expires and now - LEEWAY > said.expires:
        raise Invalid("service account token has expired")
    if said.starts and now + LEEWAY < said.starts:
        raise Invalid("service account token is not valid yet")
    if said.issued and now + LEEWAY < said.issued:
        raise Invalid("service account token is issued in the future")
