"""ComponentStatuses: whether scheduler, controller manager and store are well, asked when somebody asks.

As upstream's, the two programs are looked for on this machine at their usual ports; a cluster that uses others shows
them as unhealthy. Deprecated since 1.19, and said so in a warning. Source: pkg/registry/core/componentstatus.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from kijabi.api import errors, labels, selectors
from kijabi.apiserver import negotiation, params, responses, tables
from kijabi.apiserver.contract import Object, RequestContext
from kijabi.kit import clock, http

_PORTS = {"controller-manager": 10257, "scheduler": 10259}
_PATIENCE = 5.0
_DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"


class ComponentStatuses:
    """``ports``: the secure port of each component on the loopback interface."""

    def __init__(self, timepiece: clock.Clock, ports: dict[str, int] | None = None) -> None:
        self._clock = timepiece
        self._ports = _PORTS if ports is None else ports

    async def serve(self, context: RequestContext) -> http.Response:
        """GET of one or of all. Raises NotFound, NotAcceptable, or BadRequest for a bad selector."""
        request, strategy = context.request, context.strategy
        assert strategy is not None
        media = negotiation.accept(request)
        context.warnings.append(_DEPRECATED)
        if len(context.info.parts) > 1:
            shaped = await self._one(context.info.name)
            if media.kind:
                include = tables.include_object(request)
                shaped = tables.shape(strategy, shaped, media, include, self._clock.time())
        else:
            wanted = _selector(params.listing(request))
            items = [obj for obj in await self._all() if wanted(obj["metadata"]["name"])]
            shaped = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}
            if media.kind:
                include = tables.include_object(request)
                shaped = tables.shape_list(strategy, items, {}, media, include, self._clock.time())
        return responses.warn(responses.of_object(request, shaped, 200, media), context.warnings)

    async def _one(self, name: str) -> Object:
        if name == "etcd-0":
            return status(name, "")
        if name not in self._ports:
            raise errors.not_found("componentstatuses", name)
        return status(name, await probe(self._ports[name]))

    async def _all(self) -> list[Object]:
        return list(await asyncio.gather(*(self._one(name) for name in (*self._ports, "etcd-0"))))


def _selector(options: params.ListOptions) -> Callable[[str], bool]:
    """Raises BadRequest."""
    try:
        by_label, by_field = labels.parse(options.label_selector), selectors.parse_fields(options.field_selector)
    except (labels.Malformed, selectors.Malformed) as error:
        raise errors.BadRequest(str(error)) from error
    return lambda name: by_label.matches({}) and by_field.matches({"metadata.name": name})


def status(name: str, problem: str) -> Object:
    """The ComponentStatus; ``problem`` is empty for a component that is well."""
    condition = {"type": "Healthy", "status": "False" if problem else "True", "message": problem or "ok"}
    meta = {"name": name}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": meta, "conditions": [condition]}


async def probe(port: int) -> str:
    """What is wrong with the component at a port, as upstream words it; empty where it is well."""
    address = f"127.0.0.1:{port}"
    # Whoever answers there is asked for nothing but a word, so its certificate is not looked at.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PATIENCE):
            return _judge(await _ask(port, tls))
    except ConnectionRefusedError:
        return f'Get "https://{address}/healthz": dial tcp {address}: connect: connection refused'
    except (OSError, TimeoutError, EOFError) as error:
        return f'Get "https://{address}/healthz": {error or "context deadline exceeded"}'


async def _ask(port: int, tls: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return await reader.read(64 * 1024)
    finally:
        writer.transport.abort()


def _judge(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    code = head[9:12].decode("latin-1")
    return "" if code == "200" else f"HTTP probe failed with statuscode: {code or 'none'} {body[:200]!r}"
