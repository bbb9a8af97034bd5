"""Users named in headers by a front proxy: another API server that authenticated them, and hands their request on.

Believed only over a client certificate of the front proxies' own authority, with one of the allowed names where any
are listed. Source: "Authenticating Proxy"; k8s.io/apiserver authentication/request/headerrequest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.authn import certificates
from kijabi.kit import clock, http

_MAX_KNOWN = 4096


def authorities(path: str) -> list[x509.Certificate]:
    """The certificates in a file; none for no file. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificates(Path(path).read_bytes()) if path else []


def build(options: options_.Options, timepiece: clock.Clock = clock.SYSTEM) -> FrontProxy | None:
    """None where no front proxy is trusted. Raises OSError, ValueError for its file."""
    trusted = authorities(options.requestheader_client_ca_file)
    return FrontProxy(trusted, options, timepiece) if trusted else None


class FrontProxy:
    def __init__(
        self, trusted: Sequence[x509.Certificate], options: options_.Options, timepiece: clock.Clock = clock.SYSTEM
    ) -> None:
        self._authorities = trusted
        self._allowed = frozenset(options.requestheader_allowed_names)
        self._names = options.requestheader_username_headers
        self._uids = options.requestheader_uid_headers
        self._groups = options.requestheader_group_headers
        self._prefixes = tuple(prefix.lower() for prefix in options.requestheader_extra_headers_prefix)
        self._clock = timepiece
        # What is wrong with a certificate of ours (empty: nothing); None: it is not ours.
        self._known: dict[bytes, tuple[str, float, float] | None] = {}

    def vouches(self, der: bytes) -> bool:
        """Whether the front proxies' authority signed it."""
        return self._look(der) is not None

    async def authenticate(self, request: http.Request) -> contract.UserInfo | None:
        der = request.peer_certificate
        if der is None:
            return None
        found = self._look(der)
        if found is None:
            return None
        problem, start, end = found
        if problem:
            raise errors.Unauthorized(problem)
        if not start <= self._clock.time() <= end:
            raise errors.Unauthorized("x509: certificate has expired or is not yet valid")
        return self._user(request)

    def _look(self, der: bytes) -> tuple[str, float, float] | None:
        if der not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[der] = self._read(der)
        return self._known[der]

    def _read(self, der: bytes) -> tuple[str, float, float] | None:
        if not certificates.signed_by(der, self._authorities):
            return None
        holder = certificates.holder(der)
        if isinstance(holder, str):
            return holder, 0.0, 0.0
        subject = x509.load_der_x509_certificate(der).subject
        name = "".join(str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)[:1])
        problem = "" if not self._allowed or name in self._allowed else f"x509: subject with cn={name} is not allowed"
        return problem, holder.start, holder.end

    def _user(self, request: http.Request) -> contract.UserInfo | None:
        headers = request.headers
        name = _first(headers, self._names)
        if not name:
            return None
        groups = tuple(value for header in self._groups for value in headers.getall(header, ()) if value)
        user = contract.UserInfo(name, _first(headers, self._uids), groups, self._extra(headers))
        # They have done their work: what handles the request must not take them for the caller's own.
        request.headers = self._without(headers)
        return user

    def _extra(self, headers: CIMultiDict[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for prefix in self._prefixes:
            for header, value in headers.items():
                if header.lower().startswith(prefix):
                    key = unquote(header[len(prefix) :].lower())
                    found[key] = (*found.get(key, ()), value)
        return found

    def _without(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        spent = {header.lower() for header in (*self._names, *self._uids, *self._groups)}
        kept = (
            (header, value)
            for header, value in headers.items()
            if header.lower() not in spent and not header.lower().startswith(self._prefixes)
        )
        return CIMultiDict(kept)


def _first(headers: CIMultiDict[str], names: Iterable[str]) -> str:
    return next((value for name in names for value in headers.getall(name, ()) if value), "")
