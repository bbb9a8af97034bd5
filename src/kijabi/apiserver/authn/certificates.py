"""Users by client certificate: the common name is the user, the organizations are the groups.

The TLS layer has verified the chain when a certificate gets here: up to the client CA, or to that of front proxies
where both are trusted, and then who signed is looked at again. Usage and dates are checked here, dates at every
request, because a connection outlives its handshake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import exceptions, x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authn import names
from kijabi.kit import clock, http

UID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
_MAX_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a certificate is about (None: it names nobody), and from when to when, in seconds since the epoch."""

    user: contract.UserInfo | None
    start: float
    end: float


def holder(der: bytes) -> Holder | str:
    """What a certificate says; a text says why it cannot be used."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        usable = _for_clients(certificate)
        subject = certificate.subject
    except ValueError as error:
        return f"x509: {error}"
    if not usable:
        return "x509: certificate specifies an incompatible key usage"
    common = _values(subject, NameOID.COMMON_NAME)
    user = None
    if common and common[0]:
        user = contract.UserInfo(
            common[0],
            uid=next(iter(_values(subject, UID_OID)), ""),
            groups=tuple(_values(subject, NameOID.ORGANIZATION_NAME)),
            extra={names.CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)},
        )
    start, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return Holder(user, start, end)


def _values(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        # RFC 5280: a certificate without the extension may be used for anything.
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def signed_by(der: bytes, authorities: Sequence[x509.Certificate]) -> bool:
    """Whether one of the authorities issued the certificate itself (not through another one)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        return False
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, exceptions.InvalidSignature):
            continue
        return True
    return False


class Certificates:
    """The authenticator. What a certificate says is read once and kept by its bytes."""

    def __init__(
        self, timepiece: clock.Clock = clock.SYSTEM, authorities: Sequence[x509.Certificate] | None = None
    ) -> None:
        """``authorities``: only who is signed by one of them is known here; None: everyone whom TLS let through."""
        self._clock = timepiece
        self._authorities = authorities
        self._strangers: set[bytes] = set()
        self._known: dict[bytes, Holder | str] = {}

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        der = request.peer_certificate
        if der is None or der in self._strangers:
            return None
        found = self._known.get(der)
        if found is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
                self._strangers.clear()
            if self._authorities is not None and not signed_by(der, self._authorities):
                self._strangers.add(der)
                return None
            found = self._known[der] = holder(der)
        if isinstance(found, str):
            raise errors.Unauthorized(found)
        if not found.start <= self._clock.time() <= found.end:
            raise errors.Unauthorized("x509: certificate has expired or is not yet valid")
        return found.user
