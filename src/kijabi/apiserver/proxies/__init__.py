"""Requests that end elsewhere: at a kubelet (logs, exec, attach, port-forward) or at what runs in the cluster (proxy).

Guarantees: an upgraded connection is carried byte for byte, under back-pressure in both directions, whatever protocol
it speaks; the caller's credentials go no further than this server. Left out: rewriting links in proxied HTML pages, and
the old ``/proxy`` prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kijabi.apiserver import contract
from kijabi.apiserver import options as options_
from kijabi.apiserver.proxies import pods, relay, subresources

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Forwarding:
    """``handlers`` for the router; ``relay`` is to be closed at the end. ``kubelets`` knows the way to them."""

    handlers: Mapping[contract.SpecialKey, contract.Special]
    relay: relay.Relay
    kubelets: pods.Kubelets


def build(access: contract.Access, options: options_.Options) -> Forwarding:
    wire = relay.Relay()
    kubelets = pods.Kubelets(access, options)
    inside, outside = pods.Pods(kubelets, wire), subresources.Proxies(kubelets, wire)
    handlers: dict[contract.SpecialKey, contract.Special] = {contract.SpecialKey("", "pods", "log", "GET"): inside.log}
    for subresource, handler in (
        ("exec", inside.exec),
        ("attach", inside.attach),
        ("portforward", inside.port_forward),
    ):
        # A WebSocket can only be opened by GET.
        for method in ("GET", "POST"):
            handlers[contract.SpecialKey("", "pods", subresource, method)] = handler
    for resource, proxy in (("nodes", outside.node), ("pods", outside.pod), ("services", outside.service)):
        for method in _METHODS:
            handlers[contract.SpecialKey("", resource, "proxy", method)] = proxy
    return Forwarding(handlers, wire, kubelets)
