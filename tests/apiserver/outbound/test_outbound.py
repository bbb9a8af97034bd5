"""From a Service to an address, from a clientConfig to a URL, from a failure to Go's words for it."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from kijabi.api import kinds
from kijabi.apiserver.outbound import services, trust, webhooks
from kijabi.kit import pki

PORTS = [{"name": "https", "port": 443, "targetPort": 8443}]


def endpoints(*addresses: str, ready: bool | None = True, family: str = "IPv4", port: str = "https") -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {
        "addressType": family,
        "ports": [{"name": port, "port": 8443}],
        "endpoints": [{"addresses": [address], "conditions": conditions} for address in addresses],
    }


@pytest.mark.parametrize(
    ("slices", "found"),
    [
        pytest.param([endpoints("10.0.0.1", "10.0.0.2")], ["10.0.0.1", "10.0.0.2"], id="all that are ready"),
        pytest.param([endpoints("10.0.0.1", ready=None)], ["10.0.0.1"], id="nothing said is ready"),
        pytest.param([endpoints("10.0.0.1", ready=False)], [], id="not ready"),
        pytest.param([endpoints("10.0.0.1", port="http")], [], id="another port"),
        pytest.param([endpoints("fd00::1", family="IPv6"), endpoints("10.0.0.1")], ["10.0.0.1"], id="own family first"),
        pytest.param([endpoints("fd00::1", family="IPv6")], ["fd00::1"], id="the other family, if there is no more"),
        pytest.param([], [], id="nobody"),
    ],
)
def test_ready_endpoints(slices: list[Any], found: list[str]) -> None:
    assert services.ready(slices, "https", "IPv4") == [(address, 8443) for address in found]


@pytest.mark.parametrize(
    ("spec", "port", "why"),
    [
        pytest.param(None, 443, 'service "s" not found', id="no service"),
        pytest.param({"ports": PORTS}, 80, 'no service port 80 found for service "s"', id="no such port"),
        pytest.param(
            {"type": "ExternalName"}, 443, 'unsupported service type "ExternalName"', id="a name somewhere else"
        ),
        pytest.param({"ports": PORTS}, 443, 'no endpoints available for service "s"', id="no endpoints"),
    ],
)
async def test_why_a_service_has_no_address(access: Any, spec: Any, port: int, why: str) -> None:
    if spec is not None:
        access.add(kinds.SERVICES, "s", "n", spec=spec)
    with pytest.raises(services.Unresolvable) as caught:
        await services.ServiceResolver(access).resolve("n", "s", port)
    assert str(caught.value) == why


async def test_an_endpoint_is_chosen(access: Any) -> None:
    access.add(kinds.SERVICES, "s", "n", spec={"ports": PORTS})
    access.add(kinds.ENDPOINT_SLICES, "s-1", "n", **endpoints("10.0.0.1", "10.0.0.2"))
    resolver = services.ServiceResolver(access, random.Random(1))
    assert {await resolver.resolve("n", "s", 443) for _ in range(20)} == {("10.0.0.1", 8443), ("10.0.0.2", 8443)}


@pytest.mark.parametrize(
    ("config", "url"),
    [
        pytest.param({"service": {"name": "s", "namespace": "n"}}, "https://s.n.svc:443/", id="a service"),
        pytest.param(
            {"service": {"name": "s", "namespace": "n", "port": 8, "path": "/a/b/"}},
            "https://s.n.svc:8/a/b",
            id="a service's port and path",
        ),
        pytest.param({"url": "https://host"}, "https://host/", id="a host"),
        pytest.param({"url": "https://host:8443/x//y"}, "https://host:8443/x/y", id="a URL"),
    ],
)
def test_where_a_webhook_is(config: Any, url: str) -> None:
    assert webhooks.target(config).url == url


@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        pytest.param(
            500,
            b"boom\n",
            'an error on the server ("boom") has prevented the request from succeeding',
            500,
            id="an error with a text",
        ),
        pytest.param(404, b"", "the server could not find the requested resource", 404, id="nothing there"),
        pytest.param(
            502, b"", 'an error on the server ("unknown") has prevented the request from succeeding', 502, id="no text"
        ),
        pytest.param(
            418, b"", "the server responded with the status code 418 but did not return more information", 418
        ),
        pytest.param(403, b'{"kind":"Status","message":"not you","code":403}', "not you", 403, id="its own Status"),
    ],
)
def test_an_answer_that_is_a_refusal(status: int, body: bytes, message: str, code: int) -> None:
    failed = webhooks.refusal(status, body)
    assert (failed.message, failed.code) == (message, code)


def test_contexts_are_kept_by_whom_they_trust() -> None:
    bundles = [base64.b64encode(pki.create_ca(name).cert_pem).decode() for name in ("a", "b")]
    contexts = trust.Contexts()
    first, second = (contexts.get(bundle) for bundle in bundles)
    assert first is contexts.get(bundles[0])
    assert first is not second
    assert contexts.get(bundles[0], insecure=True) is not first
    with pytest.raises(trust.Untrusted, match="unable to parse bytes as PEM block"):
        contexts.get(base64.b64encode(b"no certificate").decode())
