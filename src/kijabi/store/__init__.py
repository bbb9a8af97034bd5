"""A revisioned key-value store: what the API server keeps its objects in.

One global revision counts up by one per write. ``contract`` says what every store promises; ``memory``, ``sqlite`` and
``etcd`` keep it, and one test suite checks them all. Nothing here knows what an object is.
"""
