"""The API server: one file is one step of a request.

``server`` reads it from the socket; ``chain`` leads it through ``requestinfo``, ``authn``, ``authz``, ``flow`` and on
to ``registry`` (stored objects), ``specials`` and ``proxies`` (other resources) or ``pages`` (discovery, health,
metrics). ``watchcache`` is what reads and watches are served from. ``contract`` holds the shapes they share,
``program`` puts them together.

Guarantees: behaviour, texts and status codes are upstream's; an answered write is durable and seen by the next read.
Left out: server-side apply, custom resources, aggregation, admission webhooks, CBOR.
"""
