"""Asking the API server who a caller is and what he may do, as every component with a port of its own does.

Client certificates are verified by TLS and read here; bearer tokens are asked about with a TokenReview; what the
caller wants is asked with a SubjectAccessReview. Answers are remembered for a short while.
Source: "Kubelet authentication/authorization", and k8s.io/apiserver's delegating options.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from kijabi.api import kinds
from kijabi.client import rest
from kijabi.kit import clock, jsons

REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For how many seconds answers are remembered: who a token is, that somebody may, that somebody may not."""

    token: float = 10.0
    allowed: float = 10.0
    denied: float = 10.0


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any
    until: float


class Delegated:
    """Raises what the client raises when the API server cannot be asked."""

    def __init__(
        self, client: rest.Client, timepiece: clock.Clock = clock.SYSTEM, lifetimes: Lifetimes | None = None
    ) -> None:
        self._client = client
        self._lifetimes = lifetimes or Lifetimes()
        self._clock = timepiece
        self._answers: dict[Any, _Answer] = {}

    async def authenticate(self, certificate: bytes | None, authorization: str) -> Caller | None:
        """The caller behind a DER certificate (already verified) or an ``Authorization`` header; None: nobody known."""
        named = of_certificate(certificate) if certificate is not None else None
        if named is not None:
            return named
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        # Not the token itself: it is a secret, and this memory lives long.
        key = ("token", hashlib.sha256(token.strip().encode()).digest())
        known = self._remembered(key)
        if known is not None:
            return known.value  # type: ignore[no-any-return]
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token.strip()}}
        status = (await self._client.create(kinds.TOKEN_REVIEWS, review)).get("status") or {}
        user = status.get("user") or {}
        caller = None
        if status.get("authenticated"):
            caller = Caller(
                user.get("username", ""), user.get("uid", ""), tuple(user.get("groups") or ()), user.get("extra") or {}
            )
        self._remember(key, caller, self._lifetimes.token)
        return caller

    async def authorize(
        self, caller: Caller, *, resource: Mapping[str, str] | None = None, path: str = "", verb: str = "get"
    ) -> tuple[bool, str]:
        """Whether the caller may, and why (not). ``resource`` is a ResourceAttributes, else ``path`` is meant."""
        what: dict[str, Any] = (
            {"resourceAttributes": {**resource, "verb": verb}}
            if resource is not None
            else {"nonResourceAttributes": {"path": path, "verb": verb}}
        )
        key = ("access", caller.name, caller.uid, caller.groups, jsons.dumps([dict(caller.extra), what]))
        known = self._remembered(key)
        if known is not None:
            return known.value  # type: ignore[no-any-return]
        spec = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": dict(caller.extra),
            **what,
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._client.create(kinds.SUBJECT_ACCESS_REVIEWS, review)).get("status") or {}
        answer = (bool(status.get("allowed")), str(status.get("reason") or ""))
        self._remember(key, answer, self._lifetimes.allowed if answer[0] else self._lifetimes.denied)
        return answer

    def _remembered(self, key: Any) -> _Answer | None:
        answer = self._answers.get(key)
        return answer if answer is not None and answer.until > self._clock.monotonic() else None

    def _remember(self, key: Any, value: Any, seconds: float) -> None:
        if len(self._answers) >= REMEMBERED:
            self._answers.clear()
        self._answers[key] = _Answer(value, self._clock.monotonic() + seconds)


def of_certificate(der: bytes) -> Caller | None:
    """The user that a client certificate names: common name and organizations. One without a name is nobody's."""
    subject = x509.load_der_x509_certificate(der).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[0].value:
        return None
    groups = [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Caller(str(names[0].value), groups=(*groups, "system:authenticated"))
