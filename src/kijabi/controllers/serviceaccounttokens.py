"""Tokens in Secrets: fills Secrets of type kubernetes.io/service-account-token, and removes them with their account.

Source: the Kubernetes documentation, "Manage Service Accounts" (token controller); upstream's
pkg/controller/serviceaccount TokensController.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kijabi.api import errors, kinds
from kijabi.api.resource import Object
from kijabi.client import informer
from kijabi.controllers import contract
from kijabi.kit import config

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_ISSUER = "kubernetes/serviceaccount"
_CLAIMS = "kubernetes.io/serviceaccount/"
_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class UnsuitableKey(config.Unusable):
    """A key file that holds no RSA or elliptic-curve key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with what is derived from it."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    algorithm: str
    id: str

    def token(self, secret: Object, account: Object) -> str:
        """A token for an account that is good as long as the Secret and the account are there."""
        there = account["metadata"]
        claims = {
            "iss": _ISSUER,
            _CLAIMS + "namespace": there["namespace"],
            _CLAIMS + "secret.name": secret["metadata"]["name"],
            _CLAIMS + "service-account.name": there["name"],
            _CLAIMS + "service-account.uid": there["uid"],
            "sub": f"system:serviceaccount:{there['namespace']}:{there['name']}",
        }
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": self.id, "typ": ""})


def read_signer(path: str) -> Signer:
    """Raises UnsuitableKey, OSError."""
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise UnsuitableKey(f"{path}: {error}") from error
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = "RS256"
    elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        algorithm = _ALGORITHMS[key.curve.name]
    else:
        raise UnsuitableKey(f"{path} holds no RSA or elliptic-curve key")
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    # As the API server names it: what verifies tokens looks for this name.
    identity = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
    return Signer(key, algorithm, identity)


def account_of(secret: Object) -> tuple[str, str]:
    """Name and uid (empty: any) of the account that a Secret is for."""
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(NAME) or "", annotations.get(UID) or ""


def filled(secret: Object, account: Object, authority: bytes, signer: Signer) -> Object | None:
    """The Secret with all that it lacks; None where it lacks nothing."""
    data: dict[str, Any] = dict(secret.get("data") or {})
    if authority and data.get("ca.crt") != _encoded(authority):
        data["ca.crt"] = _encoded(authority)
    if not data.get("namespace"):
        data["namespace"] = _encoded(secret["metadata"]["namespace"].encode())
    if not data.get("token"):
        data["token"] = _encoded(signer.token(secret, account).encode())
    if data == (secret.get("data") or {}):
        return None
    made = copy.deepcopy(secret)
    made["data"] = data
    annotations = made["metadata"].setdefault("annotations", {})
    annotations[NAME], annotations[UID] = account["metadata"]["name"], account["metadata"]["uid"]
    return made


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class ServiceAccountTokens(contract.KeyedController):
    """Keys are ``namespace/name`` of Secrets; ``namespace/name/account`` for one that is gone, whose account may still
    name it."""

    name = "serviceaccount-token-controller"
    # There must be tokens before there are accounts to work under.
    account = contract.OWN_IDENTITY

    def __init__(self, context: contract.Context) -> None:
        super().__init__(context)
        self._secrets = context.informers.of(kinds.SECRETS)
        self._accounts = context.informers.of(kinds.SERVICE_ACCOUNTS)
        options = context.options
        path = options.service_account_private_key_file
        self._signer = read_signer(path) if path else None
        self._authority = Path(options.root_ca_file).read_bytes() if options.root_ca_file else b""

    def watch(self) -> list[informer.Informer]:
        self._secrets.subscribe(self._secret_changed)
        self._accounts.subscribe(self._account_changed)
        return [self._secrets, self._accounts]

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            if new.get("type") == TYPE:
                self.enqueue(new)
        elif old is not None and old.get("type") == TYPE:
            self.queue.add(f"{informer.key_of(old)}/{account_of(old)[0]}")

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        """Look at the tokens of an account that is gone, or is another of the same name."""
        if old is None or (new is not None and new["metadata"]["uid"] == old["metadata"]["uid"]):
            return
        meta = old["metadata"]
        for secret in self._secrets.items(meta["namespace"]):
            if secret.get("type") == TYPE and account_of(secret)[0] == meta["name"]:
                self.enqueue(secret)

    async def run(self) -> None:
        if self._signer is None:
            # Nothing to sign with (upstream does not start this controller either).
            await asyncio.Event().wait()
        await super().run()

    async def reconcile(self, key: str) -> float | None:
        namespace, name, *gone = key.split("/")
        secret = self._secrets.get(name, namespace)
        if secret is None:
            if gone:
                await self._forget(namespace, gone[0], name)
            return None
        if secret.get("type") != TYPE:
            return None
        account = await self._account(secret)
        try:
            if account is None:
                await self.client.delete(kinds.SECRETS, name, namespace, uid=secret["metadata"]["uid"])
                return None
            assert self._signer is not None, "run waits for ever without a key"
            made = filled(secret, account, self._authority, self._signer)
            if made is not None:
                await self.client.update(kinds.SECRETS, made)
        except (errors.NotFound, errors.Conflict):
            # Somebody else was quicker: there will be an event about it.
            return None
        return None

    async def _account(self, secret: Object) -> Object | None:
        """The live account: asked for where the cache has none, which may be behind."""
        name, uid = account_of(secret)
        if not name:
            return None
        namespace = secret["metadata"]["namespace"]
        known = self._accounts.get(name, namespace)
        if known is not None and uid in ("", known["metadata"]["uid"]):
            return known
        try:
            live = await self.client.get(kinds.SERVICE_ACCOUNTS, name, namespace)
        except errors.NotFound:
            return None
        return live if uid in ("", live["metadata"]["uid"]) else None

    async def _forget(self, namespace: str, account: str, secret: str) -> None:
        """Take a Secret that is gone out of its account's list."""
        known = self._accounts.get(account, namespace)
        if known is None or not _names(known, secret):
            return
        live = await self.client.get(kinds.SERVICE_ACCOUNTS, account, namespace)
        if _names(live, secret):
            live["secrets"] = [one for one in live["secrets"] if one.get("name") != secret]
            await self.client.update(kinds.SERVICE_ACCOUNTS, live)


def _names(account: Object, secret: str) -> bool:
    return any(one.get("name") == secret for one in account.get("secrets") or ())
