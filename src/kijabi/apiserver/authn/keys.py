"""The keys of service account tokens: which algorithm and key id each has, and the documents that publish them.

A key is used with the one algorithm that its type fixes: a token can never choose (``none``, HMAC with a public key).
Source: RFC 7517 (JWK), OpenID Connect Discovery 1.0, the documentation's "Service account issuer discovery".
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kijabi.kit import jsons

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

_CURVES = {
    "secp256r1": ("ES256", "P-256", 32),
    "secp384r1": ("ES384", "P-384", 48),
    "secp521r1": ("ES512", "P-521", 66),
}

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


class UnsuitableKey(ValueError):
    """A key file that holds no RSA or elliptic-curve key."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with what is derived from it. ``id`` is not reversible: it cannot be taken for the key."""

    key: PublicKey
    id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Signer:
    key: PrivateKey
    verifier: Verifier


def verifier(key: PublicKey) -> Verifier:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Verifier(key, _base64url(hashlib.sha256(der).digest()), _algorithm(key))


def signer(key: PrivateKey) -> Signer:
    return Signer(key, verifier(key.public_key()))


def read_signer(path: Path) -> Signer:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise UnsuitableKey(f"{path} holds no RSA or elliptic-curve key")
    return signer(key)


def read_verifiers(path: Path) -> list[Verifier]:
    """The keys of a PEM file: public ones, private ones, or those of certificates. Raises UnsuitableKey, OSError."""
    found = []
    for kind, block in _blocks(path.read_bytes()):
        key: object = None
        if kind.endswith("PRIVATE KEY"):
            key = serialization.load_pem_private_key(block, None).public_key()
        elif kind.endswith("PUBLIC KEY"):
            key = serialization.load_pem_public_key(block)
        elif kind == "CERTIFICATE":
            key = x509.load_pem_x509_certificate(block).public_key()
        if isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
            found.append(verifier(key))
    if not found:
        raise UnsuitableKey(f"{path} holds no RSA or elliptic-curve key")
    return found


def _blocks(pem: bytes) -> list[tuple[str, bytes]]:
    return [(match[1].decode(), match[0]) for match in _BLOCK.finditer(pem)]


def _algorithm(key: PublicKey) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if key.curve.name not in _CURVES:
        raise UnsuitableKey("unknown private key curve, must be 256, 384, or 521")
    return _CURVES[key.curve.name][0]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(one: Verifier) -> dict[str, str]:
    common = {"use": "sig", "kid": one.id, "alg": one.algorithm}
    if isinstance(one.key, rsa.RSAPublicKey):
        numbers = one.key.public_numbers()
        return {**common, "kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    _, curve, size = _CURVES[one.key.curve.name]
    point = one.key.public_numbers()
    return {**common, "kty": "EC", "crv": curve, "x": _integer(point.x, size), "y": _integer(point.y, size)}


def _integer(value: int, size: int = 0) -> str:
    return _base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class Document:
    """Served as it is, to whoever may GET its path."""

    content_type: str
    body: bytes
    cache_control: str = "public, max-age=3600"


def documents(issuer: str, verifiers: Sequence[Verifier], jwks_uri: str) -> dict[str, Document]:
    """Path -> discovery document. None for an issuer that OpenID does not allow (not HTTPS, or with a query)."""
    if not issuer.startswith("https://") or "?" in issuer or "#" in issuer or not verifiers:
        return {}
    configuration: dict[str, Any] = {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({one.algorithm for one in verifiers}),
    }
    return {
        CONFIGURATION_PATH: Document("application/json", jsons.dumps(configuration)),
        JWKS_PATH: Document(
            "application/jwk-set+json", jsons.dumps({"keys": [jwk(one) for one in _unique(verifiers)]})
        ),
    }


def _unique(verifiers: Iterable[Verifier]) -> list[Verifier]:
    return list({one.id: one for one in verifiers}.values())
