"""Whether a certificate and a private key, both in PEM, belong together; the words are those of Go's crypto/tls."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATE = b"CERTIFICATE"
_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def complaint(certificate: bytes, key: bytes) -> str:
    """What is wrong with the pair; empty where nothing is."""
    kinds = _BLOCK.findall(certificate)
    if not kinds:
        return "tls: failed to find any PEM data in certificate input"
    if _CERTIFICATE not in kinds:
        if len(kinds) == 1 and kinds[0].endswith(b"PRIVATE KEY") and _CERTIFICATE in _BLOCK.findall(key):
            return (
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
                "PEM inputs may have been switched"
            )
        return f'tls: failed to find "CERTIFICATE" PEM block in certificate input {_skipped(kinds)}'
    kinds = _BLOCK.findall(key)
    if not kinds:
        return "tls: failed to find any PEM data in key input"
    if not any(kind.endswith(b"PRIVATE KEY") for kind in kinds):
        if kinds == [_CERTIFICATE]:
            return "tls: found a certificate rather than a key in the PEM for the private key"
        return f'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input {_skipped(kinds)}'
    return _mismatch(certificate, key)


def _skipped(kinds: list[bytes]) -> str:
    return f"after skipping PEM blocks of the following types: [{' '.join(kind.decode() for kind in kinds)}]"


def _mismatch(certificate: bytes, key: bytes) -> str:
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        private = serialization.load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if type(public) is not type(private):
        return "tls: private key type does not match public key type"
    if public.public_bytes(*_SPKI) != private.public_bytes(*_SPKI):
        return "tls: private key does not match public key"
    return ""
