"""``pods/log``, ``exec``, ``attach`` and ``portforward``: what only the kubelet of the pod's node can answer."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.proxies import connecting, locations, relay
from kijabi.kit import http

Object = contract.Object

_ERROR_BODY = 64 * 1024


class Kubelets:
    """Where kubelets are, and how to speak to them: with this server's client certificate."""

    def __init__(self, access: contract.Access, options: options_.Options) -> None:
        self._access = access
        self._options = options
        self._tls: ssl.SSLContext | None = None

    async def backend(self, node: str, path: str) -> relay.Backend:
        """Raises NotFound for a node that is not there, ApiError for one without an address."""
        found = await self._access.get(kinds.NODES, node)
        if found is None:
            raise errors.not_found("nodes", node)
        host, port = locations.kubelet_address(found, self._options.kubelet_preferred_address_types)
        return relay.Backend(host, port, path, self.tls())

    def tls(self) -> ssl.SSLContext:
        # Read when first needed: the files may be made after this server is put together.
        if self._tls is None:
            self._tls = _context(self._options)
        return self._tls


def _context(options: options_.Options) -> ssl.SSLContext:
    authority = options.kubelet_certificate_authority
    context = ssl.create_default_context(cafile=authority if authority and Path(authority).exists() else None)
    if not authority:
        # As upstream without --kubelet-certificate-authority: a kubelet may serve with a certificate of its own making.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.kubelet_client_certificate:
        context.load_cert_chain(options.kubelet_client_certificate, options.kubelet_client_key or None)
    return context


class Pods:
    def __init__(self, kubelets: Kubelets, wire: relay.Relay) -> None:
        self._kubelets = kubelets
        self._relay = wire

    async def log(self, context: contract.RequestContext) -> http.Response:
        request = context.request
        query = locations.log_query(request.query, context.info.name)
        pod = await _pod(context)
        inside = locations.container(pod, request.param("container"))
        headers = {"Content-Type": "text/plain"}
        node = pod["spec"].get("nodeName", "")
        if not node:
            return http.Response(200, b"", headers)
        backend = await self._kubelets.backend(node, _path("containerLogs", pod, inside, query))
        try:
            answer = await self._relay.send("GET", backend, relay.onward_headers(http.Request("GET", "/")), b"")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise relay.backend_error(f'Get "{backend.url}": {relay.reason(backend, error)}') from error
        if answer.status not in (200, 206):
            raise await _failure(answer, context.info.name)
        return http.Response(200, relay.chunks(answer), headers)

    async def exec(self, context: contract.RequestContext) -> http.Response:
        return await self._stream(context, "exec", locations.stream_query(context.request.query, command=True))

    async def attach(self, context: contract.RequestContext) -> http.Response:
        return await self._stream(context, "attach", locations.stream_query(context.request.query, command=False))

    async def port_forward(self, context: contract.RequestContext) -> http.Response:
        query = locations.port_forward_query(context.request.query)
        return await self._carry(context, "portForward", query, in_container=False)

    async def _stream(self, context: contract.RequestContext, kind: str, query: str) -> http.Response:
        return await self._carry(context, kind, query, in_container=True)

    async def _carry(
        self, context: contract.RequestContext, kind: str, query: str, *, in_container: bool
    ) -> http.Response:
        await connecting.admit(context, kinds.PODS)
        pod = await _pod(context)
        inside = locations.container(pod, context.request.param("container")) if in_container else ""
        backend = await self._kubelets.backend(locations.host(pod), _path(kind, pod, inside, query))
        if not relay.is_upgrade(context.request):
            raise errors.BadRequest("Upgrade request required")
        return await self._relay.upgrade(context.request, backend)


async def _pod(context: contract.RequestContext) -> Object:
    found = await context.access.get(kinds.PODS, context.info.name, context.info.namespace)
    if found is None:
        raise errors.not_found("pods", context.info.name)
    return found


def _path(kind: str, pod: Object, inside: str, query: str) -> str:
    path = locations.kubelet_path(kind, pod, inside)
    return f"{path}?{query}" if query else path


async def _failure(answer: aiohttp.ClientResponse, name: str) -> errors.ApiError:
    """A kubelet's refusal of a log as the API's: its text under the status that fits."""
    body = (await answer.content.read(_ERROR_BODY)).decode(errors="replace").strip()
    status = answer.status
    answer.close()
    if status == 500:
        return errors.InternalError(f"Internal error occurred: {body}", details={"causes": [{"message": body}]})
    if status == 400:
        return errors.BadRequest(body)
    if status == 404:
        return errors.NotFound(f"the server could not find the requested resource ( pods/log {name})")
    return errors.from_status({"message": body or f"the kubelet answered {status}"}, status)
