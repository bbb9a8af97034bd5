"""Calling out: where a Service is, whom to trust there, and what went wrong in the words that clients know.

Webhooks of every kind (admission, conversion) go through ``webhooks.Caller``; aggregation uses ``services``
and ``trust`` with the relay of ``proxies``. Guarantees: connections are kept and used again; an address is looked up
for every new one, so pods that come and go are noticed at once; nothing is spent while nobody is called. Left out:
credentials for webhooks (the kubeconfig of an admission configuration file), egress selectors, and HTTP/2.
"""

from __future__ import annotations

from dataclasses import dataclass

from kijabi.apiserver import contract
from kijabi.apiserver.outbound import services, webhooks


@dataclass(frozen=True, slots=True)
class Outbound:
    """``services`` finds addresses; ``webhooks`` calls, and is to be closed at the end."""

    services: services.Resolver
    webhooks: webhooks.Caller


def build(access: contract.Access, resolver: services.Resolver | None = None) -> Outbound:
    chosen = resolver or services.ServiceResolver(access)
    return Outbound(chosen, webhooks.Caller(chosen))
