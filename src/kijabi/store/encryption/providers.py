"""The providers of one resource, in the order of the configuration: the first writes, every one reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kijabi.store.encryption import ciphers
from kijabi.store.encryption.ciphers import Unreadable

ENCRYPTED = b"k8s:enc:"


class Opened(NamedTuple):
    """A value, and a mark of what it was encrypted with; equal marks are the same key."""

    value: bytes
    mark: bytes


class Provider(Protocol):
    prefix: bytes

    def mark(self) -> bytes:
        """The mark of what is written now."""
        ...

    def seal(self, value: bytes, about: bytes) -> bytes:
        """Raises Unreadable where the provider cannot write now."""
        ...

    def open_nowait(self, data: bytes, about: bytes) -> Opened | None:
        """``data`` begins with ``prefix``. None where somebody far away has to be asked first. Raises Unreadable."""
        ...

    async def open(self, data: bytes, about: bytes) -> Opened: ...


class Identity:
    """No encryption. It does not take what is encrypted for plain text."""

    prefix = b""

    def mark(self) -> bytes:
        return b""

    def seal(self, value: bytes, about: bytes) -> bytes:
        return value

    def open_nowait(self, data: bytes, about: bytes) -> Opened:
        if data.startswith(ENCRYPTED):
            raise Unreadable("identity transformer tried to read encrypted data")
        return Opened(data, b"")

    async def open(self, data: bytes, about: bytes) -> Opened:
        return self.open_nowait(data, about)


class Keyed:
    """Keys of one algorithm by name; the first writes. ``prefix`` is the algorithm's: ``k8s:enc:aescbc:v1:``."""

    def __init__(self, prefix: bytes, keys: Sequence[tuple[str, ciphers.Cipher]], words: str) -> None:
        self.prefix = prefix
        self._keys = [(prefix + name.encode() + b":", cipher) for name, cipher in keys]
        self._words = words

    def mark(self) -> bytes:
        return self._keys[0][0]

    def seal(self, value: bytes, about: bytes) -> bytes:
        head, cipher = self._keys[0]
        return head + cipher.seal(value, about)

    def open_nowait(self, data: bytes, about: bytes) -> Opened:
        problem = Unreadable(f"no matching key was found for the provided {self._words} transformer")
        for head, cipher in self._keys:
            if data.startswith(head):
                try:
                    return Opened(cipher.open(data[len(head) :], about), head)
                except Unreadable as error:
                    # The same name may stand for several keys, one of them right.
                    problem = error
        raise problem

    async def open(self, data: bytes, about: bytes) -> Opened:
        return self.open_nowait(data, about)


class Providers:
    def __init__(self, listed: Sequence[Provider]) -> None:
        self._listed = tuple(listed)

    def mark(self) -> bytes:
        return self._listed[0].mark()

    def seal(self, value: bytes, about: bytes) -> bytes:
        return self._listed[0].seal(value, about)

    def open_nowait(self, data: bytes, about: bytes) -> Opened | None:
        problems: list[Unreadable] = []
        for provider in self._fitting(data):
            try:
                return provider.open_nowait(data, about)
            except Unreadable as error:
                problems.append(error)
        raise _worst(problems)

    async def open(self, data: bytes, about: bytes) -> Opened:
        problems: list[Unreadable] = []
        for provider in self._fitting(data):
            try:
                return await provider.open(data, about)
            except Unreadable as error:
                problems.append(error)
        raise _worst(problems)

    def _fitting(self, data: bytes) -> list[Provider]:
        # What is encrypted is none of identity's business, wherever it stands in the list.
        sealed = data.startswith(ENCRYPTED)
        return [one for one in self._listed if data.startswith(one.prefix) and (one.prefix or not sealed)]


def _worst(problems: list[Unreadable]) -> Unreadable:
    return problems[0] if problems else Unreadable("no matching prefix found")


PLAIN = Providers([Identity()])
