"""What a request is about, in the version that a hook wants to see it in."""

from __future__ import annotations

import orjson

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission.webhooks import review
from kijabi.apiserver.admission.webhooks.matching import Invocation, Kind, Matcher, kind_of

Object = contract.Object
_SCALE = "scale"


class Subject:
    """The request's object and the old one, in one version at a time (``see``). ``changed`` by ``replace``."""

    def __init__(self, access: contract.Access, matcher: Matcher, attributes: contract.AdmissionAttributes) -> None:
        self._forms = access.forms
        self._attributes = attributes
        self._what = matcher.row(attributes.resource)
        self.requested = kind_of(self._what, attributes.subresource)
        self.resource: resource.Resource = self._what
        self.kind: Kind = self.requested
        self.object, self.old = self._shown(attributes.object), self._shown(attributes.old_object)
        self.changed = False
        self._encoded: dict[str, orjson.Fragment] = {}

    def _shown(self, obj: Object | None) -> Object | None:
        is_scale = self._attributes.subresource == _SCALE and obj is not None and obj.get("kind") != "Scale"
        return self._forms.scale(self._attributes.resource, obj or {}) if is_scale else obj

    async def see(self, invocation: Invocation) -> None:
        """Raises ApiError where the conversion fails."""
        if invocation.kind == self.kind:
            self.resource = invocation.resource
            return
        self.object = await self._converted(self.object, invocation.resource)
        self.old = await self._converted(self.old, invocation.resource)
        self.resource, self.kind = invocation.resource, invocation.kind
        self._encoded.clear()

    async def _converted(self, obj: Object | None, target: resource.Resource) -> Object | None:
        return await self._forms.convert(obj, self.resource, target) if obj is not None else None

    def encoded(self, name: str) -> orjson.Fragment:
        """``object`` or ``old`` as it is sent."""
        found = self._encoded.get(name)
        if found is None:
            obj = self.typed(name)
            body = orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS) if obj is not None else None
            found = self._encoded[name] = orjson.Fragment(body) if body is not None else review.NOTHING
        return found

    def typed(self, name: str) -> Object | None:
        """``object`` or ``old``, saying what it is."""
        obj: Object | None = getattr(self, name)
        if obj is None or (obj.get("kind") and obj.get("apiVersion")):
            return obj
        group, version, kind = self.kind
        return {"kind": kind, "apiVersion": f"{group}/{version}" if group else version, **obj}

    def replace(self, obj: Object) -> None:
        """Raises BadRequest for an object that its kind does not allow."""
        self._forms.settle(self.resource, self.kind, obj)
        self.object, self.changed = obj, True
        self._encoded.pop("object", None)

    async def write_back(self) -> None:
        """Give the request what the object has become."""
        into = self._attributes.object
        if not self.changed or into is None or self.object is None:
            return
        self.changed = False
        if self._attributes.subresource == _SCALE and into.get("kind") != "Scale":
            into.setdefault("spec", {})["replicas"] = (self.object.get("spec") or {}).get("replicas", 0)
            return
        final = self.object
        if self.kind != self.requested:
            final = await self._forms.convert(final, self.resource, self._what)
        into.clear()
        into.update(final)
