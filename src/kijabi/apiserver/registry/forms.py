"""An object in its other shapes (``contract.Forms``)."""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api import resource
from kijabi.api.managed import shapes
from kijabi.apiserver.contract import Object
from kijabi.apiserver.registry import decoding, ownership, scaling
from kijabi.apiserver.registry.registry import Registry


class Forms:
    def __init__(self, reg: Registry) -> None:
        self._reg = reg

    def equivalents(self, what: resource.Resource) -> Sequence[resource.Resource]:
        own = self._reg.endpoints.get((what.group, what.version, what.plural))
        if own is None:
            return ()
        # Versions of one resource share the cache of what is stored.
        return [one.resource for one in self._reg.endpoints.values() if one.cache is own.cache and one is not own]

    async def convert(self, obj: Object, source: resource.Resource, target: resource.Resource) -> Object:
        seen = self._reg.endpoint(target)
        encoded = await self._reg.endpoint(source).encode(obj)
        if seen.remote is not None:
            await seen.remote.ready([encoded])
        converted = seen.codec.decode(encoded, 0)
        version = obj["metadata"].get("resourceVersion")
        if version:
            converted["metadata"]["resourceVersion"] = version
        return converted

    def settle(self, what: resource.Resource, kind: tuple[str, str, str], obj: Object) -> None:
        endpoint = self._reg.endpoints.get((what.group, what.version, what.plural))
        whole = kind == (what.group, what.version, what.kind)
        schemas = endpoint.schemas if endpoint is not None and whole else self._reg.parts.schemas
        decoding.check_type(obj, kind)
        decoding.check(obj, kind, schemas, "Ignore", [], [])
        if endpoint is not None and whole:
            endpoint.strategy.default(obj)

    def scale(self, what: resource.Resource, obj: Object) -> Object:
        return scaling.scale_of(self._reg.endpoint(what), obj)

    def shape(self, what: resource.Resource, subresource: str) -> shapes.Shape:
        return ownership.view(self._reg, self._reg.endpoint(what), subresource).shape
