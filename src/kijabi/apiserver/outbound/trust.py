"""TLS contexts for the other side of a call, kept by the authorities they trust: a context is dear to make, and
connections are only used again under the same one."""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MOST = 256


class Untrusted(ValueError):
    """A bundle or a key pair that cannot be used; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate with its key, as PEM."""

    certificate: bytes
    key: bytes


class Contexts:
    """``identity`` gives who this server is to the other side, at the time a context is made; None: nobody."""

    def __init__(self, identity: Callable[[], Identity | None] = lambda: None) -> None:
        self._identity = identity
        self._made: dict[tuple[str, bool, Identity | None], ssl.SSLContext] = {}

    def get(self, bundle: str = "", *, insecure: bool = False) -> ssl.SSLContext:
        """For a ``caBundle`` as it stands in an object (base64 of PEM; empty: the system's). Raises Untrusted."""
        identity = self._identity()
        key = (bundle, insecure, identity)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            found = self._made[key] = context(decode(bundle), insecure=insecure, identity=identity)
        return found


def decode(bundle: str) -> bytes:
    try:
        return base64.b64decode(bundle, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("unable to load root certificates: unable to parse bytes as PEM block") from error


def context(pem: bytes, *, insecure: bool = False, identity: Identity | None = None) -> ssl.SSLContext:
    """Raises Untrusted."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # As Go: whatever stands in the bundle is trusted, be it a root or not; and a common name is no host name.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.hostname_checks_common_name = False
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif pem.strip():
        try:
            made.load_verify_locations(cadata=pem.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise Untrusted("unable to load root certificates: unable to parse bytes as PEM block") from error
    else:
        made.load_default_certs()
    if identity is not None:
        _show(made, identity)
    return made


def _show(made: ssl.SSLContext, identity: Identity) -> None:
    # The ssl module only reads a key pair from a file.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "client.pem"
        path.touch(mode=0o600)
        path.write_bytes(identity.certificate + b"\n" + identity.key)
        try:
            made.load_cert_chain(path)
        except ssl.SSLError as error:
            raise Untrusted("tls: failed to find any PEM data in certificate input") from error
