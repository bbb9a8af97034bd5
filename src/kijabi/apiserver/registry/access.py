"""The server's own reads and writes (``contract.Access``)."""

from __future__ import annotations

import copy
from collections.abc import Callable

from kijabi.api import resource, served
from kijabi.apiserver import contract, negotiation, params, responses
from kijabi.apiserver.contract import Object, RequestContext, RequestInfo, UserInfo
from kijabi.apiserver.registry import creating, decoding, deleting, forms, ownership, registry, selection
from kijabi.apiserver.registry.registry import Registry
from kijabi.apiserver.registry.updating import Part, Update, update
from kijabi.apiserver.watchcache.entry import Entry
from kijabi.kit import http


class RegistryAccess:
    def __init__(self, reg: Registry) -> None:
        self._reg = reg
        self.forms = forms.Forms(reg)

    def strategy(self, group: str, version: str, plural: str) -> resource.Strategy | None:
        endpoint = self._reg.endpoints.get((group, version, plural))
        if endpoint is not None:
            return endpoint.strategy
        return self._reg.parts.catalog.by_path(group, version, plural)

    def by_kind(self, group: str, version: str, kind: str) -> resource.Strategy | None:
        for endpoint in self._reg.endpoints.values():
            if endpoint.gvk == (group, version, kind):
                return endpoint.strategy
        return None

    def get_nowait(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None:
        endpoint = self._reg.endpoint(what)
        entry = endpoint.cache.get(namespace, name)
        return endpoint.codec.decode(entry.value, entry.revision) if entry is not None else None

    def peek(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None:
        endpoint = self._reg.endpoint(what)
        entry = endpoint.cache.get(namespace, name)
        if entry is None:
            return None
        if entry.peeked is None or entry.peeked[0] is not endpoint.codec:
            entry.peeked = endpoint.codec, endpoint.codec.decode(entry.value, entry.revision)
        return entry.peeked[1]

    async def get(self, what: resource.Resource, name: str, namespace: str = "") -> Object | None:
        return self.get_nowait(what, name, namespace)

    async def list(self, what: resource.Resource, namespace: str = "", label_selector: str = "") -> list[Object]:
        endpoint = self._reg.endpoint(what)
        interest = selection.interest(endpoint, namespace, label_selector, "")
        read, decode = endpoint.cache.read, endpoint.codec.decode
        found = [entry for entry in endpoint.cache.select(namespace) if interest.wants(entry, read)]
        return [decode(entry.value, entry.revision) for entry in found]

    def subscribe(self, what: resource.Resource, handler: contract.Subscriber) -> None:
        endpoint = self._reg.endpoint(what)
        codec, under_way = endpoint.codec, self._reg.under_way

        def shown(entry: Entry) -> Object:
            change = under_way.get(entry.key)
            known = change.of(codec, entry) if change is not None else None
            return known if known is not None else codec.decode(entry.value, entry.revision)

        def told(old: Entry | None, new: Entry | None) -> None:
            handler(shown(old) if old is not None else None, shown(new) if new is not None else None)

        endpoint.cache.subscribe(told)

    def context(
        self, what: resource.Resource, verb: str, name: str, namespace: str, user: UserInfo, dry_run: bool
    ) -> RequestContext:
        """The context of a write that no request stands behind."""
        path = what.path(namespace, name)
        info = RequestInfo(
            True,
            path,
            verb,
            api_group=what.group,
            api_version=what.version,
            namespace=namespace,
            resource=what.plural,
            name=name,
        )
        request = http.Request("", path)
        strategy = self.strategy(what.group, what.version, what.plural)
        return RequestContext(request, info, user, self, strategy, dry_run)

    async def create(
        self,
        what: resource.Resource,
        obj: Object,
        *,
        user: UserInfo = contract.SYSTEM,
        dry_run: bool = False,
    ) -> Object:
        endpoint = self._reg.endpoint(what)
        namespace = (obj.get("metadata") or {}).get("namespace", "") if what.namespaced else ""
        context = self.context(what, "create", "", namespace, user, dry_run)
        # What is stored is shown to subscribers, and the caller keeps what it gave.
        obj = copy.deepcopy(obj)
        decoding.check_type(obj, endpoint.gvk)
        decoding.check(obj, endpoint.gvk, endpoint.schemas, "Strict", context.warnings, [])
        options = params.WriteOptions("CreateOptions", dry_run)
        return endpoint.decode(await creating.create(self._reg, context, endpoint, obj, options))

    async def mutate(
        self,
        what: resource.Resource,
        name: str,
        namespace: str,
        change: Callable[[Object], None],
        *,
        user: UserInfo = contract.SYSTEM,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        endpoint = self._reg.endpoint(what)

        def make(old: Object | None) -> Object:
            if old is None:
                raise endpoint.not_found(name)
            change(old)
            return old

        part = {"": Part.WHOLE, "status": Part.STATUS}.get(subresource, Part.RAW)
        # Upstream's bindings and the like write past the field manager.
        manager = ownership.SERVER if part is not Part.RAW else None
        context = self.context(what, "update", name, namespace, user, dry_run)
        options = params.WriteOptions("UpdateOptions", dry_run)
        wanted = Update(namespace, name, make, options, part, subresource, manager=manager)
        return endpoint.decode(await update(self._reg, context, endpoint, wanted))

    async def delete(
        self,
        what: resource.Resource,
        name: str,
        namespace: str = "",
        *,
        options: Object | None = None,
        user: UserInfo = contract.SYSTEM,
        dry_run: bool = False,
    ) -> Object:
        endpoint = self._reg.endpoint(what)
        context = self.context(what, "delete", name, namespace, user, dry_run)
        deleted = await deleting.delete(self._reg, context, endpoint, namespace, name, options or {})
        if deleted.gone and not endpoint.traits.returns_deleted:
            return deleting.status_of(endpoint, deleted.stored)
        return endpoint.decode(deleted.stored)

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        chain = self._reg.parts.admission
        chosen = registry.plugins(chain, attributes.operation, attributes.resource, attributes.subresource)
        await registry.admit(chosen, attributes)
        await registry.validate(chosen, attributes)

    def decode(self, context: RequestContext) -> Object:
        negotiation.refuse_tables(context.request)
        options = params.writing(context.request, "CreateOptions")
        context.dry_run = options.dry_run
        default = _expected(context)
        schemas = self._reg.parts.schemas
        obj = decoding.parse(context.request.body, negotiation.body_type(context.request), default)
        return decoding.as_any_object(obj, default, schemas, options.field_validation, context.warnings)

    def respond(self, context: RequestContext, obj: Object, status: int = 200) -> http.Response:
        return responses.warn(responses.of_object(context.request, obj, status), context.warnings)


def _expected(context: RequestContext) -> tuple[str, str, str]:
    """Group, version and kind of the body that a path takes."""
    if context.strategy is None:
        return "", "", ""
    what, name = context.strategy.resource, context.info.subresource
    below = served.subresource(what, name) if name else None
    if below is None:
        return what.group, what.version, what.kind
    if below.version:
        return below.group, below.version, below.kind
    return what.group, what.version, below.kind
