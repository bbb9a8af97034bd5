"""Between stored bytes and objects of one API version.

Stored bytes are ``{"kind":K,"apiVersion":V,"metadata":{`` followed by the rest, without ``resourceVersion``: a store
knows an entry's revision, and writing it inside would mean encoding after the revision is known. Since the head is the
same for every object of a kind, the revision is spliced in behind it by joining three pieces, without parsing.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from kijabi.api import resource

Object = resource.Object
# Bytes that are not joined yet: copying every item of a long list by itself would cost more than all else about it.
Pieces = tuple[bytes | memoryview, ...]


class Codec:
    """For a kind whose served version is also the one stored."""

    __slots__ = ("_head", "_skip", "api_version", "kind")

    def __init__(self, what: resource.Resource) -> None:
        self.kind = what.kind
        self.api_version = what.api_version
        head = f'{{"kind":"{what.kind}","apiVersion":"{what.api_version}","metadata":{{'
        self._head = head.encode() + b'"resourceVersion":"%d",'
        self._skip = len(head)

    def full(self, value: bytes, revision: int) -> bytes:
        """The object as it is sent alone and in watch events. Revision 0 is an object that is not stored."""
        return self._head % revision + value[self._skip :] if revision else value

    def empty(self, meta: Object) -> bytes:
        """What a bookmark carries: no object, only metadata, in stored form."""
        return orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": meta})

    def item(self, value: bytes, revision: int) -> Pieces:
        """The object as an item of a list, which like upstream's has neither kind nor apiVersion."""
        return b'{"metadata":{"resourceVersion":"%d",' % revision, memoryview(value)[self._skip :]

    def decode(self, value: bytes, revision: int) -> Object:
        obj: Object = orjson.loads(value)
        if revision:
            obj["metadata"]["resourceVersion"] = str(revision)
        return obj

    def encode(self, obj: Object) -> bytes:
        """``obj`` as it is stored. Its metadata must hold a name; its resourceVersion is left out."""
        meta = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
        ordered: dict[str, Any] = {"kind": self.kind, "apiVersion": self.api_version, "metadata": meta}
        for key, value in obj.items():
            if key not in ordered:
                ordered[key] = value
        # orjson gives what it wrote in the buffer that it wrote into, up to four times as large, and this is kept.
        return bytes(memoryview(orjson.dumps(ordered, option=orjson.OPT_NON_STR_KEYS)))


class Converting:
    """For a version that is stored as another one: every object is parsed and converted on its way."""

    __slots__ = ("_from", "_stored", "_to", "api_version", "kind")

    def __init__(self, what: resource.Resource, stored: Codec, from_stored: Any, to_stored: Any) -> None:
        self.kind = what.kind
        self.api_version = what.api_version
        self._stored = stored
        self._from = from_stored
        self._to = to_stored

    def full(self, value: bytes, revision: int) -> bytes:
        return orjson.dumps(self.decode(value, revision))

    def empty(self, meta: Object) -> bytes:
        return self._stored.empty(meta)

    def item(self, value: bytes, revision: int) -> Pieces:
        obj = self.decode(value, revision)
        del obj["kind"], obj["apiVersion"]
        return (orjson.dumps(obj),)

    def decode(self, value: bytes, revision: int) -> Object:
        obj: Object = self._from(self._stored.decode(value, revision))
        return {"kind": self.kind, "apiVersion": self.api_version, **_without_type(obj)}

    def encode(self, obj: Object) -> bytes:
        return self._stored.encode(self._to(obj))


class AnyCodec(Protocol):
    """What the registry asks of a codec. Reading and writing one object is a matter of bytes and never waits."""

    kind: str
    api_version: str

    def full(self, value: bytes, revision: int) -> bytes: ...

    def empty(self, meta: Object) -> bytes: ...

    def item(self, value: bytes, revision: int) -> Pieces: ...

    def decode(self, value: bytes, revision: int) -> Object: ...

    def encode(self, obj: Object) -> bytes: ...


def _without_type(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
