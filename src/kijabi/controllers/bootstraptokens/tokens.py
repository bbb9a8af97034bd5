"""What the Secret of a bootstrap token says, and the signature that it makes. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable

import orjson

from kijabi.api import timestamps
from kijabi.api.resource import Object

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
_NAME = re.compile(r"bootstrap-token-([a-z0-9]{6})")

KUBECONFIG, SIGNATURE = "kubeconfig", "jws-kubeconfig-"


def said(secret: Object, key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode()
    except (binascii.Error, ValueError):
        return ""


def time_left(secret: Object, now: float) -> float | None:
    """Seconds until the token expires, 0 or less where it has; None for one that never does.

    A time that cannot be read has passed.
    """
    stamp = said(secret, "expiration")
    if not stamp:
        return None
    try:
        return timestamps.parse(stamp) - now
    except timestamps.Malformed:
        return 0.0


def signing(secrets: Iterable[Object], now: float) -> dict[str, str]:
    """Token secrets by token id, of those tokens that may sign."""
    found: dict[str, str] = {}
    for secret in secrets:
        match = _NAME.fullmatch(secret["metadata"]["name"])
        left = time_left(secret, now)
        good = (
            match is not None
            and secret.get("type") == TYPE
            and said(secret, "token-id") == match[1]
            and said(secret, "usage-bootstrap-signing") == "true"
            and (left is None or left > 0)
        )
        key = said(secret, "token-secret")
        if match is not None and good and key:
            found[match[1]] = key
    return found


def signature(content: str, token_id: str, token_secret: str) -> str:
    """A JSON Web Signature (HS256) without its content (RFC 7515, appendix F)."""
    header = _encoded(orjson.dumps({"alg": "HS256", "kid": token_id}))
    signed = b".".join((header, _encoded(content.encode())))
    made = hmac.digest(token_secret.encode(), signed, "sha256")
    return f"{header.decode()}..{_encoded(made).decode()}"


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(data: dict[str, str], keys: dict[str, str]) -> dict[str, str]:
    """The data of cluster-info with the signatures of just these tokens."""
    content = data[KUBECONFIG]
    kept = {key: value for key, value in data.items() if not key.startswith(SIGNATURE)}
    made = {SIGNATURE + token_id: signature(content, token_id, secret) for token_id, secret in keys.items()}
    return {**kept, **made}
