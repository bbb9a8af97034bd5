"""From a request about a stored resource to its verb, and from the outcome to the answer."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from kijabi.api import errors
from kijabi.apiserver import negotiation, params, responses
from kijabi.apiserver.contract import RequestContext
from kijabi.apiserver.registry import (
    applying,
    creating,
    decoding,
    deleting,
    metadata,
    ownership,
    parts,
    patching,
    reading,
    registry,
    scaling,
    watching,
)
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry, Stored
from kijabi.apiserver.registry.updating import Part, Update, update
from kijabi.apiserver.watchcache import listing
from kijabi.kit import http

Handler = Callable[[RequestContext, Endpoint], Awaitable[http.Response]]

_READS = ("get", "list", "watch")


class Verbs:
    """``shortest_watch`` in seconds. ``authorize_create`` decides whether a PUT may create."""

    def __init__(self, reg: Registry, deadlines: watching.Deadlines, shortest_watch: int = 1800) -> None:
        self._reg = reg
        self._deadlines = deadlines
        self._shortest_watch = shortest_watch
        self.authorize_create: Callable[[RequestContext], Awaitable[None]] | None = None
        self._handlers: dict[tuple[str, str], Handler] = {
            ("get", ""): self._get,
            ("list", ""): self._list,
            ("watch", ""): self._watch,
            ("create", ""): self._create,
            ("update", ""): self._update,
            ("patch", ""): self._patch,
            ("delete", ""): self._delete,
            ("deletecollection", ""): self._delete_collection,
            ("get", "status"): self._get,
            ("update", "status"): self._update,
            ("patch", "status"): self._patch,
            ("get", "scale"): self._get_scale,
            ("update", "scale"): self._update_scale,
            ("patch", "scale"): self._patch_scale,
        }

    async def handle(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        """Raises ApiErrors: NotFound for a subresource that is not there, MethodNotAllowed for a verb that is not."""
        info, what = context.info, endpoint.resource
        if (info.subresource and info.subresource not in what.subresources) or len(info.parts) > 3:
            raise no_such_resource()
        # A named part of an object is read and written like its status.
        part = "status" if (info.resource, info.subresource) in parts.PARTS else info.subresource
        handler = self._handlers.get((info.verb, part))
        if handler is None or (not info.subresource and info.verb not in what.verbs):
            raise not_allowed()
        if info.verb in _READS and context.request.method != "GET":
            # HEAD, and anything but GET below /watch/.
            raise not_allowed()
        if not info.name and info.verb in ("update", "patch"):
            raise not_allowed()
        if what.namespaced and not info.namespace and info.verb not in ("list", "watch"):
            raise no_such_resource() if info.name else not_allowed()
        if not what.namespaced and info.namespace and (what.plural != "namespaces" or info.name != info.namespace):
            raise no_such_resource()
        if info.subresource == "finalize" and info.verb != "update":
            raise not_allowed()
        if not what.namespaced:
            info.namespace = ""
        if not endpoint.warnings:
            return await handler(context, endpoint)
        if info.verb in _READS:
            return responses.warn(await handler(context, endpoint), list(endpoint.warnings))
        context.warnings.extend(endpoint.warnings)
        return await handler(context, endpoint)

    async def _get(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        return await reading.get(self._reg, context, endpoint)

    async def _list(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        return await reading.list_(self._reg, context, endpoint)

    async def _watch(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        return await watching.watch(self._reg, self._deadlines, context, endpoint, self._shortest_watch)

    def _answer(
        self, context: RequestContext, endpoint: Endpoint, body: bytes, media: negotiation.Media, status: int = 200
    ) -> http.Response:
        response = reading.present(self._reg, context.request, endpoint, body, media, status)
        return responses.warn(response, context.warnings)

    def _decode(
        self,
        context: RequestContext,
        gvk: tuple[str, str, str],
        schemas: registry.Typing | None,
        options: params.WriteOptions,
    ) -> Object:
        context.dry_run = options.dry_run
        return decoding.body_object(context.request, gvk, schemas, options.field_validation, context.warnings)

    async def _create(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        if context.info.name:
            raise not_allowed()
        media = negotiation.accept(context.request)
        options = params.writing(context.request, "CreateOptions")
        obj = self._decode(context, endpoint.gvk, endpoint.schemas, options)
        stored = await creating.create(self._reg, context, endpoint, obj, options)
        return self._answer(context, endpoint, endpoint.full(stored), media, 201)

    async def _update(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        media = negotiation.accept(context.request)
        options = params.writing(context.request, "UpdateOptions")
        obj = self._decode(context, endpoint.gvk, endpoint.schemas, options)
        info = context.info
        meta = metadata.of(obj)
        metadata.ensure_namespace(meta, info.namespace)
        metadata.check_name(meta, info.name)
        metadata.dedup_owners(meta, context.warnings, after_admission=False)
        body = orjson.dumps(obj)
        wanted = Update(
            info.namespace,
            info.name,
            lambda old: orjson.loads(body),
            options,
            _part(info.subresource),
            info.subresource,
            meta.get("uid", ""),
            may_create=not info.subresource,
            authorize_create=lambda: self._may_create(context),
            manager=ownership.writer(context, options),
            take=parts.PARTS.get((info.resource, info.subresource)),
        )
        stored = await update(self._reg, context, endpoint, wanted)
        return self._answer(context, endpoint, endpoint.full(stored), media, 201 if stored.created else 200)

    async def _may_create(self, context: RequestContext) -> None:
        if self.authorize_create is not None:
            creation = replace(context, info=replace(context.info, verb="create"))
            await self.authorize_create(creation)

    async def _patch(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        stored, media = await self._patched(context, endpoint)
        return self._answer(context, endpoint, endpoint.full(stored), media, 201 if stored.created else 200)

    async def _patched(self, context: RequestContext, endpoint: Endpoint) -> tuple[Stored, negotiation.Media]:
        request, info = context.request, context.info
        if patching.patch_type(request) == patching.APPLY_PATCH:
            return await self._applied(context, endpoint)
        media = negotiation.accept(request)
        options = params.writing(request, "PatchOptions")
        context.dry_run = options.dry_run
        patcher = patching.Patcher(context, endpoint.gvk, endpoint.schemas, options.field_validation)

        def make(old: Object | None) -> Object:
            if old is None:
                raise endpoint.not_found(info.name)
            return patcher(old)

        wanted = Update(
            info.namespace,
            info.name,
            make,
            _as_update(options),
            _part(info.subresource),
            info.subresource,
            manager=ownership.writer(context, options),
            take=parts.PARTS.get((info.resource, info.subresource)),
        )
        return await update(self._reg, context, endpoint, wanted), media

    async def _applied(self, context: RequestContext, endpoint: Endpoint) -> tuple[Stored, negotiation.Media]:
        request, info = context.request, context.info
        media = negotiation.accept(request)
        options = params.writing(request, "PatchOptions", apply=True)
        context.dry_run = options.dry_run
        applier = applying.Applier(context, endpoint.gvk, endpoint.schemas, options, self._reg.clock.time)
        view = ownership.view(self._reg, endpoint, info.subresource)
        wanted = Update(
            info.namespace,
            info.name,
            lambda old: applier(view, old or {}),
            _as_update(options),
            _part(info.subresource),
            info.subresource,
            may_create=not info.subresource,
            applies=True,
            authorize_create=lambda: self._may_create(context),
            take=parts.PARTS.get((info.resource, info.subresource)),
        )
        return await update(self._reg, context, endpoint, wanted), media

    async def _delete(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        request, info = context.request, context.info
        media = negotiation.accept(request)
        options = params.deletion(request, decoding.delete_options)
        context.dry_run = bool(options.get("dryRun"))
        deleted = await deleting.delete(self._reg, context, endpoint, info.namespace, info.name, options)
        # Upstream answers 202 only where an old client asked for a cascade by orphanDependents=false.
        status = 202 if not deleted.gone and options.get("orphanDependents") is False else 200
        if deleted.gone and not endpoint.traits.returns_deleted:
            answer = deleting.status_of(endpoint, deleted.stored)
            response = responses.of_object(request, answer, status, negotiation.plain(request))
            return responses.warn(response, context.warnings)
        return self._answer(context, endpoint, endpoint.full(deleted.stored), media, status)

    async def _delete_collection(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        request = context.request
        media = negotiation.accept(request)
        list_options = params.listing(request)
        options = params.deletion(request, decoding.delete_options)
        context.dry_run = bool(options.get("dryRun"))
        listed = await reading.page(self._reg, context, endpoint, list_options)
        await deleting.delete_all(self._reg, context, endpoint, listed.entries, options)
        body = reading.encode(endpoint, listed)
        return responses.warn(responses.of_json(request, body, media), context.warnings)

    # --- scale

    def _scale_answer(
        self, context: RequestContext, endpoint: Endpoint, obj: Object, media: negotiation.Media
    ) -> http.Response:
        scale = scaling.scale_of(endpoint, obj)
        plain = media if not media.kind else negotiation.DEFAULT
        return responses.warn(responses.of_object(context.request, scale, 200, plain), context.warnings)

    async def _get_scale(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        media = negotiation.accept(context.request)
        await listing.consistent(self._reg.feed)
        entry = endpoint.cache.get(context.info.namespace, context.info.name)
        if entry is None:
            raise endpoint.not_found(context.info.name)
        return self._scale_answer(context, endpoint, endpoint.codec.decode(entry.value, entry.revision), media)

    async def _update_scale(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        media = negotiation.accept(context.request)
        options = params.writing(context.request, "UpdateOptions")
        scale = self._decode(context, scaling.GVK, self._reg.parts.schemas, options)
        metadata.check_name(metadata.of(scale), context.info.name)
        body = orjson.dumps(scale)
        change = scaling.Tracked(lambda old: orjson.loads(body), ownership.writer(context, options), self._reg)
        obj = await self._rescale(context, endpoint, options, change)
        return self._scale_answer(context, endpoint, obj, media)

    async def _patch_scale(self, context: RequestContext, endpoint: Endpoint) -> http.Response:
        request = context.request
        applies = patching.patch_type(request) == patching.APPLY_PATCH
        media = negotiation.accept(request)
        options = params.writing(request, "PatchOptions", apply=applies)
        context.dry_run = options.dry_run
        schemas = self._reg.parts.schemas
        change: Callable[[Object], Object]
        if applies:
            applier = applying.Applier(context, scaling.GVK, schemas, options, self._reg.clock.time)
            view = scaling.view(self._reg)
            change = lambda scale: applier(view, scale)  # noqa: E731
        else:
            change = scaling.Tracked(
                patching.Patcher(context, scaling.GVK, schemas, options.field_validation),
                ownership.writer(context, options),
                self._reg,
            )
        patched = await self._rescale(context, endpoint, _as_update(options), change)
        return self._scale_answer(context, endpoint, patched, media)

    async def _rescale(
        self,
        context: RequestContext,
        endpoint: Endpoint,
        options: params.WriteOptions,
        change: Callable[[Object], Object],
    ) -> Object:
        """``change`` makes the new Scale, with its managed fields, from the present one."""
        info = context.info

        def make(old: Object | None) -> Object:
            if old is None:
                raise endpoint.not_found(info.name)
            entries = old["metadata"].get("managedFields")
            scale = change(scaling.with_managers(endpoint, old))
            problems = scaling.problems(scale)
            if problems:
                raise errors.invalid("Scale", info.name, problems, "autoscaling")
            return scaling.scaled(endpoint, old, scale, entries)

        wanted = Update(info.namespace, info.name, make, options, Part.WHOLE, "scale")
        return endpoint.decode(await update(self._reg, context, endpoint, wanted))


def no_such_resource() -> errors.NotFound:
    return errors.NotFound("the server could not find the requested resource", details={})


def _part(subresource: str) -> Part:
    return {"": Part.WHOLE, "status": Part.STATUS}.get(subresource, Part.RAW)


def not_allowed() -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})


@functools.lru_cache(maxsize=256)
def _as_update(options: params.WriteOptions) -> params.WriteOptions:
    # Admission hears of a patch as of the update that it comes to.
    return replace(options, kind="UpdateOptions")
