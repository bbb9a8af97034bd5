"""Between the stored bytes of a custom resource and objects of one of its versions.

What is stored may be of any version that ever was the storage version, and older than the schema. So what is read is
pruned and defaulted as the schema has it today, and converted; since most objects are read many times, the outcome is
remembered by the stored bytes. Where versions differ only in their names this needs nobody else; a webhook's codec must
be made ``ready`` for values before it is asked about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from kijabi.api.resource import Object, Resource
from kijabi.apiserver.crds.conversion import Converter
from kijabi.apiserver.crds.kind import Custom
from kijabi.apiserver.watchcache import codec

# How many stored values an outcome is remembered for.
_REMEMBERED = 20_000


class CustomCodec:
    """``customs`` are all versions of the definition by apiVersion; ``storage`` is the one written."""

    def __init__(
        self,
        what: Resource,
        storage: Resource,
        customs: Mapping[str, Custom],
        converter: Converter | None = None,
    ) -> None:
        self.kind = what.kind
        self.api_version = what.api_version
        self.converter = converter
        self._own = codec.Codec(what)
        self._storage = codec.Codec(storage)
        self._storage_version = storage.api_version
        self._customs = customs
        self._remembered: dict[bytes, bytes] = {}

    # --- reading

    def _form(self, value: bytes) -> bytes:
        """The value in this version, in stored form."""
        made = self._remembered.get(value)
        if made is not None:
            return made
        obj = self.normalized(value)
        if self.converter is not None and obj.get("apiVersion") != self.api_version:
            # Who did not wait for the webhook gets the object under another name, and nobody else does.
            return self._own.encode(self._converted(obj))
        return self._remember(value, self._own.encode(self._converted(obj)))

    def _remember(self, value: bytes, made: bytes) -> bytes:
        if len(self._remembered) >= _REMEMBERED:
            for old in list(self._remembered)[: _REMEMBERED // 4]:
                del self._remembered[old]
        if made == value:
            # One object for both: most values need no change, and should not be kept twice.
            made = value
        self._remembered[value] = made
        return made

    def normalized(self, value: bytes) -> Object:
        """The stored object in its own version, as that version's schema has it."""
        obj: Object = orjson.loads(value)
        custom = self._customs.get(obj.get("apiVersion", ""))
        if custom is not None:
            custom.normalize(obj)
        return obj

    def _converted(self, obj: Object) -> Object:
        if obj.get("apiVersion") != self.api_version:
            obj["apiVersion"] = self.api_version
            self._customs[self.api_version].normalize(obj)
        return obj

    async def ready(self, values: Iterable[bytes]) -> None:
        """Convert what is not converted yet, in one review. Raises InternalError."""
        converter = self.converter
        if converter is None:
            return
        missing = [value for value in dict.fromkeys(values) if value not in self._remembered]
        if not missing:
            return
        converted = await converter.convert([self.normalized(value) for value in missing], self.api_version)
        for value, obj in zip(missing, converted, strict=True):
            self._customs[self.api_version].normalize(obj)
            self._remember(value, self._own.encode(obj))

    def full(self, value: bytes, revision: int) -> bytes:
        return self._own.full(self._form(value), revision)

    def item(self, value: bytes, revision: int) -> codec.Pieces:
        # Unlike built-in kinds, items of custom resources name their kind.
        return (self._own.full(self._form(value), revision),)

    def empty(self, meta: Object) -> bytes:
        return orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": meta})

    def decode(self, value: bytes, revision: int) -> Object:
        return self._own.decode(self._form(value), revision)

    # --- writing

    def encode(self, obj: Object) -> bytes:
        """As it is stored. Where a webhook converts, ``obj`` must be of the storage version already."""
        if obj.get("apiVersion") != self._storage_version and self.api_version != self._storage_version:
            obj = orjson.loads(orjson.dumps(obj))
            obj["apiVersion"] = self._storage_version
            custom = self._customs.get(self._storage_version)
            if custom is not None:
                custom.normalize(obj)
        return self._storage.encode(obj)

    async def stored(self, obj: Object) -> bytes:
        """The same, converted first where that is a webhook's business; what it made is remembered for reading."""
        if self.converter is None or self.api_version == self._storage_version:
            return self.encode(obj)
        [converted] = await self.converter.convert([obj], self._storage_version)
        custom = self._customs.get(self._storage_version)
        if custom is not None:
            custom.normalize(converted)
        value = self._storage.encode(converted)
        await self.ready([value])
        return value
