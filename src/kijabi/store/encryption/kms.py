"""KMS v2: values are encrypted here with keys derived from a seed, and a plugin encrypts the seed.

The plugin is asked for its status every minute. When it names another key, a new seed is made and encrypted with that
key; while it is silent or unwell, reading goes on with the seeds that are known, and writing goes on for three minutes.
Source: the Kubernetes documentation, "Using a KMS provider for data encryption"; KEP-3299.
"""

from __future__ import annotations

import logging
import os
import uuid
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf import message

from kijabi.kit import clock
from kijabi.store import protobufs
from kijabi.store.encryption import ciphers
from kijabi.store.encryption.ciphers import Unreadable
from kijabi.store.encryption.providers import Opened

log = logging.getLogger(__name__)

# Seconds: between two questions for the status while it is well and while it is not; how long writing goes on when
# it is not.
WELL, UNWELL, COAST = 60.0, 10.0, 180.0

# Bytes.
LONGEST_KEY_ID, LONGEST_SEED, LARGEST_ANNOTATIONS = 1024, 1024, 32 * 1024
# encryptedDEKSourceType: the key of a plain AES-GCM (old data), the seed of SeededGcm.
PLAIN_KEY, SEED = 0, 1

MESSAGES = protobufs.messages(
    "v2",
    {
        "StatusRequest": "",
        "StatusResponse": "version:string=1 healthz:string=2 key_id:string=3",
        "DecryptRequest": "ciphertext:bytes=1 uid:string=2 key_id:string=3 annotations:%bytes=4",
        "DecryptResponse": "plaintext:bytes=1",
        "EncryptRequest": "plaintext:bytes=1 uid:string=2",
        "EncryptResponse": "ciphertext:bytes=1 key_id:string=2 annotations:%bytes=3",
        "EncryptedObject": "encryptedData:bytes=1 keyID:string=2 encryptedDEKSource:bytes=3 annotations:%bytes=4 "
        "encryptedDEKSourceType:int32=5",
    },
)
EncryptedObject: Any = MESSAGES["EncryptedObject"]


class Failed(Exception):
    """The plugin does not answer, or not as it should."""


class Plugin:
    """The plugin at a unix socket. ``endpoint`` is ``unix:///path``, ``timeout`` in seconds."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        # unix:///@name is a socket in the abstract name space.
        path = endpoint.removeprefix("unix://")
        target = f"unix-abstract:{path[2:]}" if path.startswith("/@") else f"unix:{path}"
        self._channel = grpc.aio.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),))
        self._timeout = timeout

    async def ask(self, method: str, **values: Any) -> Any:
        """Raises Failed."""
        call = self._channel.unary_unary(
            f"/v2.KeyManagementService/{method}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=MESSAGES[f"{method}Response"].FromString,
        )
        try:
            return await call(MESSAGES[f"{method}Request"](**values), timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise Failed(f"rpc error: code = {error.code().name} desc = {error.details()}") from error

    async def close(self) -> None:
        await self._channel.close()


@dataclass(frozen=True, slots=True)
class Seed:
    """What is written with: ``cipher`` with its seed as the plugin has encrypted it."""

    cipher: ciphers.Cipher
    key_id: str
    sealed: bytes
    annotations: dict[str, bytes] = field(default_factory=dict)


class Kms:
    """The provider, for the prefix ``k8s:enc:kms:v2:NAME:``. ``poll`` before the first write, ``run`` ever after.

    ``problem`` is what the health check says; empty while all is well.
    """

    def __init__(self, name: str, plugin: Plugin, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self.name = name
        self.prefix = f"k8s:enc:kms:v2:{name}:".encode()
        self.problem = f"kmsv2 Provider {name} is not healthy, error: it has not been asked yet"
        self._plugin = plugin
        self._clock = timepiece
        self._seed: Seed | None = None
        self._writable_until = 0.0
        self._version = ""
        # Ciphers by what their seed looks like when it is encrypted, for reading.
        self._known: dict[bytes, ciphers.Cipher] = {}

    # --- the plugin

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self._clock.sleep(UNWELL if self.problem else WELL)
            await self.poll()

    async def poll(self) -> None:
        """Ask for the status once, and make a new seed where the key has changed."""
        until = self._clock.monotonic() + COAST
        try:
            status = await self._plugin.ask("Status")
            self._check(status)
            if self._seed is None or self._seed.key_id != status.key_id:
                await self._rotate(status.key_id)
        except Failed as error:
            self.problem = f"kmsv2 Provider {self.name} is not healthy, error: {error}"
            log.warning("%s", self.problem)
            return
        self._writable_until = until
        self.problem = ""

    def _check(self, status: Any) -> None:
        if status.healthz != "ok":
            raise Failed(f"got unexpected healthz status: {status.healthz}")
        if status.version not in ("v2", "v2beta1"):
            raise Failed(f"expected KMSv2 API version v2, got {status.version}")
        if self._version and self._version != status.version:
            raise Failed(
                "KMSv2 API version should not change after the initial status response version "
                f"{self._version}, got {status.version}"
            )
        self._version = status.version
        _check_key_id(status.key_id)

    async def _rotate(self, key_id: str) -> None:
        seed = os.urandom(ciphers.SEED)
        answer = await self._plugin.ask("Encrypt", plaintext=seed, uid=str(uuid.uuid4()))
        _check_key_id(answer.key_id)
        if answer.key_id != key_id:
            # The status is the plugin's word on what its key is; two words are none.
            raise Failed("failed to rotate DEK: the key of the encryption is not that of the status")
        if not 0 < len(answer.ciphertext) <= LONGEST_SEED:
            size = len(answer.ciphertext)
            raise Failed(
                f"encrypted DEK source is {size} bytes, which exceeds the max size of {LONGEST_SEED}"
                if size
                else "encrypted DEK source is empty"
            )
        if sum(len(key) + len(value) for key, value in answer.annotations.items()) > LARGEST_ANNOTATIONS:
            raise Failed(f"total size of annotations exceeds the max size of {LARGEST_ANNOTATIONS}")
        made = Seed(ciphers.SeededGcm(seed), key_id, answer.ciphertext, dict(answer.annotations))
        self._known[_identity(SEED, made.sealed, key_id, made.annotations)] = made.cipher
        self._seed = made

    # --- the provider

    def mark(self) -> bytes:
        return self._mark(self._seed.key_id if self._seed is not None else "", SEED)

    def _mark(self, key_id: str, type_: int) -> bytes:
        return self.prefix + key_id.encode() + b":%d" % type_

    def seal(self, value: bytes, about: bytes) -> bytes:
        seed = self._seed
        if seed is None:
            raise Unreadable(self.problem)
        if self._clock.monotonic() > self._writable_until:
            raise Unreadable(f"encryptedDEKSource expired: {self.problem}")
        sealed = EncryptedObject(
            encryptedData=seed.cipher.seal(value, about),
            keyID=seed.key_id,
            encryptedDEKSource=seed.sealed,
            annotations=seed.annotations,
            encryptedDEKSourceType=SEED,
        )
        return self.prefix + bytes(sealed.SerializeToString())

    def _parse(self, data: bytes) -> Any:
        try:
            found = EncryptedObject.FromString(data[len(self.prefix) :])
        except message.DecodeError as error:
            raise Unreadable(f"the stored data is no EncryptedObject: {error}") from error
        if found.encryptedDEKSourceType not in (PLAIN_KEY, SEED):
            raise Unreadable(f"unknown encryptedDEKSourceType: {found.encryptedDEKSourceType}")
        return found

    def open_nowait(self, data: bytes, about: bytes) -> Opened | None:
        found = self._parse(data)
        cipher = self._known.get(_of(found))
        return self._opened(found, cipher, about) if cipher is not None else None

    def _opened(self, found: Any, cipher: ciphers.Cipher, about: bytes) -> Opened:
        value = cipher.open(found.encryptedData, about)
        return Opened(value, self._mark(found.keyID, found.encryptedDEKSourceType))

    async def open(self, data: bytes, about: bytes) -> Opened:
        found = self._parse(data)
        cipher = self._known.get(_of(found)) or await self._ask_for(found)
        return self._opened(found, cipher, about)

    async def _ask_for(self, found: Any) -> ciphers.Cipher:
        try:
            answer = await self._plugin.ask(
                "Decrypt",
                ciphertext=found.encryptedDEKSource,
                uid=str(uuid.uuid4()),
                key_id=found.keyID,
                annotations=dict(found.annotations),
            )
        except Failed as error:
            raise Unreadable(f"failed to decrypt DEK, error: {error}") from error
        make = ciphers.SeededGcm if found.encryptedDEKSourceType == SEED else ciphers.AesGcm
        cipher = self._known[_of(found)] = make(answer.plaintext)
        return cipher

    async def close(self) -> None:
        await self._plugin.close()


def _check_key_id(key_id: str) -> None:
    if not key_id:
        raise Failed("got invalid KMSv2 KeyID: keyID is empty")
    if len(key_id.encode()) > LONGEST_KEY_ID:
        raise Failed(f"keyID is {len(key_id.encode())} bytes, which exceeds the max size of {LONGEST_KEY_ID}")


def _of(found: Any) -> bytes:
    annotations = dict(found.annotations)
    return _identity(found.encryptedDEKSourceType, found.encryptedDEKSource, found.keyID, annotations)


def _identity(type_: int, sealed: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
    parts = [b"%d" % type_, sealed, key_id.encode()]
    parts += [part for key in sorted(annotations) for part in (key.encode(), annotations[key])]
    # Lengths in front, so that no two lists of parts run together to the same bytes.
    return b"".join(b"%d:" % len(part) + part for part in parts)
