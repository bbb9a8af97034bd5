"""Failed calls in Go's words, which administrators search the web for."""

from __future__ import annotations

import errno
import re
import ssl

import aiohttp

from kijabi.apiserver.outbound import services

_DIALED = re.compile(r"Connect call failed \('([^']+)', (\d+)")
_VERIFY = "tls: failed to verify certificate: x509: "
# OpenSSL's verification results.
_EXPIRED, _NOT_YET, _HOST, _IP = 10, 9, 62, 64
_CONNECT = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
}


def words(error: BaseException, host: str, port: int) -> str:
    """``host`` and ``port`` are what was dialed, as far as known."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, services.Unresolvable):
        return str(cause)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {host}: no such host"
    certificate = getattr(error, "certificate_error", None)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        return _certificate(certificate, host)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate(cause, host)
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return (
            "tls: first record does not look like a TLS handshake" if "WRONG_VERSION" in str(cause) else f"tls: {cause}"
        )
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(cause, OSError):
        return _socket(error, cause, host, port)
    return str(error) or type(error).__name__


def _socket(error: BaseException, cause: OSError, host: str, port: int) -> str:
    found = _DIALED.search(str(cause))
    where = f"{found[1]}:{found[2]}" if found else f"{host}:{port}"
    number = next((code for code in _CONNECT if code == cause.errno), 0)
    if not number and isinstance(cause, ConnectionRefusedError):
        number = errno.ECONNREFUSED
    dialing = isinstance(error, aiohttp.ClientConnectorError) or found is not None
    if number and dialing:
        return f"dial tcp {where}: connect: {_CONNECT[number]}"
    if number:
        return f"read tcp {where}: read: {_CONNECT[number]}"
    if isinstance(cause, TimeoutError):
        return f"dial tcp {where}: i/o timeout"
    return str(cause) or type(cause).__name__


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code == _HOST:
        return f"{_VERIFY}certificate is not valid for any names, but wanted to match {host}"
    if error.verify_code == _IP:
        return f"{_VERIFY}cannot validate certificate for {host} because it doesn't contain any IP SANs"
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return f"{_VERIFY}certificate has expired or is not yet valid"
    return f"{_VERIFY}certificate signed by unknown authority"
