"""``proxy`` below nodes, pods and services: HTTP through the API server to what runs in the cluster."""

from __future__ import annotations

import random
import ssl
from urllib.parse import unquote

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.proxies import connecting, locations, relay
from kijabi.apiserver.proxies.pods import Kubelets
from kijabi.kit import http

Object = contract.Object


class Proxies:
    def __init__(self, kubelets: Kubelets, wire: relay.Relay, source: random.Random | None = None) -> None:
        self._kubelets = kubelets
        self._relay = wire
        self._random = source or random.Random()
        self._unverified: ssl.SSLContext | None = None

    async def node(self, context: contract.RequestContext) -> http.Response:
        scheme, name, port = _split(context, "node")
        path = _path(context, namespaced=False)
        await connecting.admit(context, kinds.NODES, _shown(path))
        if path is None:
            return _with_slash(context)
        kubelet = await self._kubelets.backend(name, path)
        if not port or port == str(kubelet.port):
            return await self._go(context, kubelet)
        locations.check_proxyable(kubelet.host)
        return await self._go(context, relay.Backend(kubelet.host, int(port), path, self._tls(scheme)))

    async def pod(self, context: contract.RequestContext) -> http.Response:
        scheme, name, port = _split(context, "pod")
        path = _path(context, namespaced=True)
        await connecting.admit(context, kinds.PODS, _shown(path))
        if path is None:
            return _with_slash(context)
        found = await context.access.get(kinds.PODS, name, context.info.namespace)
        if found is None:
            raise errors.not_found("pods", name)
        address, number = locations.pod_location(found, port)
        return await self._go(context, relay.Backend(address, number, path, self._tls(scheme)))

    async def service(self, context: contract.RequestContext) -> http.Response:
        scheme, name, port = _split(context, "service")
        path = _path(context, namespaced=True)
        await connecting.admit(context, kinds.SERVICES, _shown(path))
        if path is None:
            return _with_slash(context)
        namespace = context.info.namespace
        found = await context.access.get(kinds.SERVICES, name, namespace)
        if found is None:
            raise errors.not_found("services", name)
        wanted = locations.service_port(found, port)
        label = f"kubernetes.io/service-name={name}"
        slices = await context.access.list(kinds.ENDPOINT_SLICES, namespace, label)
        backends = locations.service_backends(slices, wanted)
        if not backends:
            raise errors.ServiceUnavailable(f'no endpoints available for service "{context.info.name}"')
        address, number = self._random.choice(backends)
        locations.check_proxyable(address)
        return await self._go(context, relay.Backend(address, number, path, self._tls(scheme)))

    async def _go(self, context: contract.RequestContext, backend: relay.Backend) -> http.Response:
        if relay.is_upgrade(context.request):
            return await self._relay.upgrade(context.request, backend)
        return await self._relay.pass_on(context.request, backend)

    def _tls(self, scheme: str) -> ssl.SSLContext | None:
        if scheme != "https":
            return None
        if self._unverified is None:
            # Upstream as well: what a pod serves with is nobody's to vouch for.
            self._unverified = ssl.create_default_context()
            self._unverified.check_hostname = False
            self._unverified.verify_mode = ssl.CERT_NONE
        return self._unverified


def _split(context: contract.RequestContext, kind: str) -> tuple[str, str, str]:
    found = locations.split(context.info.name)
    if found is None:
        raise errors.BadRequest(f'invalid {kind} request "{context.info.name}"')
    return found


def _path(context: contract.RequestContext, *, namespaced: bool) -> str | None:
    request = context.request
    below = locations.remainder(request.raw_path or request.path, namespaced)
    if below is None:
        # Without the slash relative links of the page would lead elsewhere; other methods just go to the root.
        if request.method in ("GET", "HEAD") and not relay.is_upgrade(request):
            return None
        below = "/"
    return f"{below}?{request.query_string}" if request.query_string else below


def _shown(path: str | None) -> str:
    return unquote((path or "").partition("?")[0])


def _with_slash(context: contract.RequestContext) -> http.Response:
    request = context.request
    where = (request.raw_path or request.path).split("?")[0] + "/"
    query = f"?{request.query_string}" if request.query_string else ""
    return http.Response(301, b"", {"Location": where + query})
