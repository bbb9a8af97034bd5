"""``metrics.k8s.io``: what nodes and pods use now, for ``kubectl top`` and autoscalers, without a server of its own.

Told by the kubelets at ``/metrics/resource``. Where an APIService names another server for the group, that one
answers, and this is silent. Source: metrics.k8s.io/v1beta1; the documentation, "Resource metrics pipeline".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp

from kijabi.api import errors, kinds, labels, resource, selectors
from kijabi.apiserver import contract, discovery, negotiation, params, responses, tables
from kijabi.apiserver.proxies import pods, relay
from kijabi.apiserver.resourcemetrics import collector, samples, shapes
from kijabi.kit import clock, http

Object = contract.Object

_SECONDS = 10.0
_VERBS = ["get", "list"]
_READERS = "system:aggregated-metrics-reader"


class ResourceMetrics:
    """``find`` and ``answer`` are for the chain (``Elsewhere``); ``offered`` for discovery."""

    def __init__(
        self,
        access: contract.Access,
        kubelets: pods.Kubelets,
        wire: relay.Relay,
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._access = access
        self._kubelets = kubelets
        self._relay = wire
        self._clock = timepiece
        self.collector = collector.Collector(self._nodes, self._fetch, timepiece)

    def find(self, info: contract.RequestInfo) -> Any:
        if info.api_group != shapes.GROUP or not info.is_resource:
            return None
        return self if info.api_version == shapes.VERSION else None

    def offered(self) -> discovery.Offered:
        rows = [
            {
                "name": strategy.resource.plural,
                "singularName": "",
                "namespaced": strategy.resource.namespaced,
                "kind": strategy.resource.kind,
                "verbs": _VERBS,
            }
            for strategy in shapes.STRATEGIES.values()
        ]
        return discovery.Offered(shapes.GROUP, shapes.VERSION, rows, 100, 100)

    async def ensure_role(self) -> None:
        """Who may view a namespace may see what its pods use. Raises an ApiError when it cannot be written."""
        aggregate = {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true" for name in ("admin", "edit", "view")}
        rule = {"apiGroups": [shapes.GROUP], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
        role = {
            "kind": "ClusterRole",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": _READERS, "labels": aggregate},
            "rules": [rule],
        }
        if await self._access.get(kinds.CLUSTER_ROLES, _READERS) is None:
            try:
                await self._access.create(kinds.CLUSTER_ROLES, role)
            except errors.AlreadyExists:
                # Another server of the same cluster was quicker.
                return

    # --- requests

    async def answer(self, context: contract.RequestContext, found: Any) -> http.Response:
        info = context.info
        strategy = shapes.STRATEGIES.get(info.resource)
        if strategy is None or info.subresource or (info.name and strategy.resource.namespaced and not info.namespace):
            raise errors.NotFound("the server could not find the requested resource", details={})
        if info.verb not in _VERBS:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        media = negotiation.accept(context.request)
        await self.collector.ready()
        now, include = self._clock.time(), tables.include_object(context.request)
        if info.name:
            source = await self._access.get(_source(info.resource), info.name, info.namespace)
            made = self._measured(info.resource, source) if source is not None else None
            if made is None:
                name = f"{info.namespace}/{info.name}" if info.namespace else info.name
                raise errors.not_found(strategy.resource.kind.lower(), name, shapes.GROUP)
            shaped = tables.shape(strategy, made, media, include, now) if media.kind else made
            return responses.of_object(context.request, shaped, 200, media)
        listed = await self._listed(context)
        if media.kind:
            shaped = tables.shape_list(strategy, listed, {}, media, include, now)
        else:
            kind = f"{strategy.resource.kind}List"
            shaped = {"kind": kind, "apiVersion": strategy.resource.api_version, "metadata": {}, "items": listed}
        return responses.of_object(context.request, shaped, 200, media)

    async def _listed(self, context: contract.RequestContext) -> list[Object]:
        info, options = context.info, params.listing(context.request)
        try:
            labels.parse(options.label_selector)
            wanted = selectors.parse_fields(options.field_selector)
        except (labels.Malformed, selectors.Malformed) as error:
            raise errors.BadRequest(str(error)) from error
        found = await self._access.list(_source(info.resource), info.namespace, options.label_selector)
        chosen = (one for one in found if wanted.matches(_fields(one)))
        made = (self._measured(info.resource, one) for one in chosen)
        return [one for one in made if one is not None]

    def _measured(self, plural: str, source: Object) -> Object | None:
        """None where not everything is known yet, as a sum of some of it would mislead."""
        meta = source["metadata"]
        if plural == "nodes":
            usage = self.collector.node(meta["name"])
            return shapes.node_metrics(source, usage) if usage is not None else None
        node = source["spec"].get("nodeName", "")
        running = [
            one["name"]
            for key in ("initContainerStatuses", "containerStatuses")
            for one in (source.get("status") or {}).get(key) or ()
            if "running" in (one.get("state") or {})
        ]
        used: dict[str, samples.Usage] = {}
        for name in running:
            usage = self.collector.container(node, (meta["namespace"], meta["name"], name))
            if usage is None:
                return None
            used[name] = usage
        return shapes.pod_metrics(source, used) if used else None

    # --- the kubelets

    async def _nodes(self) -> Iterable[str]:
        return [node["metadata"]["name"] for node in await self._access.list(kinds.NODES)]

    async def _fetch(self, node: str) -> str:
        """Raises OSError."""
        try:
            backend = await self._kubelets.backend(node, "/metrics/resource")
        except errors.ApiError as error:
            raise OSError(error.message) from error
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._relay.send("GET", backend, relay.onward_headers(http.Request("GET", "/")), b"")
                try:
                    text = await answer.text()
                finally:
                    answer.close()
        except aiohttp.ClientError as error:
            raise OSError(relay.reason(backend, error)) from error
        if answer.status != 200:
            raise OSError(f"the kubelet answered {answer.status}")
        return text


def _source(plural: str) -> resource.Resource:
    return kinds.NODES if plural == "nodes" else kinds.PODS


def _fields(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
