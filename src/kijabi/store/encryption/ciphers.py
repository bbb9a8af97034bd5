"""Authenticated encryption of one value. ``about`` is the value's key in the store.

Source: the Kubernetes documentation, "Encrypting Confidential Data at Rest"; the layouts are upstream's.
"""

from __future__ import annotations

import os
from typing import Protocol

import nacl.exceptions
import nacl.secret
from cryptography import exceptions
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

BLOCK = 16
NONCE = 12
SEED = 32


class Unreadable(Exception):
    """The value cannot be decrypted: another key, damaged, or not encrypted this way."""


class Cipher(Protocol):
    def seal(self, value: bytes, about: bytes) -> bytes: ...

    def open(self, data: bytes, about: bytes) -> bytes:
        """Raises Unreadable."""
        ...


class AesGcm:
    """Random nonces of 12 bytes: a key is good for 200,000 writes or so, and must be rotated (as upstream says)."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, value: bytes, about: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._aead.encrypt(nonce, value, about)

    def open(self, data: bytes, about: bytes) -> bytes:
        if len(data) < NONCE + BLOCK:
            raise Unreadable("the stored data was shorter than the required size")
        try:
            return self._aead.decrypt(data[:NONCE], data[NONCE:], about)
        except exceptions.InvalidTag as error:
            raise Unreadable("cipher: message authentication failed") from error


class AesCbc:
    """Not authenticated: kept because clusters have data in it."""

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.AES(key)

    def seal(self, value: bytes, about: bytes) -> bytes:
        start = os.urandom(BLOCK)
        padder = padding.PKCS7(BLOCK * 8).padder()
        padded = padder.update(value) + padder.finalize()
        encryptor = BlockCipher(self._key, modes.CBC(start)).encryptor()
        return start + encryptor.update(padded) + encryptor.finalize()

    def open(self, data: bytes, about: bytes) -> bytes:
        if len(data) < BLOCK:
            raise Unreadable("the stored data was shorter than the required size")
        if len(data) % BLOCK or len(data) == BLOCK:
            raise Unreadable("the stored data is not a multiple of the block size")
        decryptor = BlockCipher(self._key, modes.CBC(data[:BLOCK])).decryptor()
        padded = decryptor.update(data[BLOCK:]) + decryptor.finalize()
        unpadder = padding.PKCS7(BLOCK * 8).unpadder()
        try:
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError as error:
            raise Unreadable("invalid padding on input") from error


class Secretbox:
    """XSalsa20 and Poly1305."""

    def __init__(self, key: bytes) -> None:
        self._box = nacl.secret.SecretBox(key)

    def seal(self, value: bytes, about: bytes) -> bytes:
        return bytes(self._box.encrypt(value))

    def open(self, data: bytes, about: bytes) -> bytes:
        try:
            return self._box.decrypt(data)
        except (nacl.exceptions.CryptoError, ValueError) as error:
            raise Unreadable("output array was not large enough for encryption") from error


class SeededGcm:
    """AES-GCM with a key of its own for every write, derived from a seed and 32 random bytes that lie before the value:
    no number of writes wears the seed out. What KMS v2 encrypts with."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) < SEED:
            raise Unreadable(f"invalid seed length {len(seed)} used for key generation")
        self._seed = seed

    def _derived(self, info: bytes) -> AesGcm:
        return AesGcm(HKDFExpand(hashes.SHA256(), 32, info).derive(self._seed))

    def seal(self, value: bytes, about: bytes) -> bytes:
        info = os.urandom(SEED)
        return info + self._derived(info).seal(value, about)

    def open(self, data: bytes, about: bytes) -> bytes:
        if len(data) < SEED:
            raise Unreadable("the stored data was shorter than the required size")
        return self._derived(data[:SEED]).open(data[SEED:], about)
