"""The API server: one file is one step of a request.

``server`` reads it from the socket; ``chain`` leads it through ``requestinfo``, ``authn``, ``authz``, ``flow`` and on
to ``registry`` (stored objects), ``specials`` and ``proxies`` (other resources), ``aggregation`` (other servers) or
``pages`` (discovery, health, metrics). What is called outside goes through ``outbound``. ``watchcache`` is what reads
and watches are served from. ``contract`` holds the shapes they share, ``program`` puts them together.

Guarantees: behaviour, texts and status codes are upstream's; an answered write is durable and seen by the next read.
Left out: CBOR.
"""
