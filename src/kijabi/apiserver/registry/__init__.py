"""The verbs over stored objects, the same for every kind.

``registry`` owns the endpoints (one per served version of a resource) and the road to the store; ``creating``,
``updating``, ``patching``, ``applying``, ``deleting``, ``reading``, ``watching``, ``scaling`` are the verbs; ``verbs``
picks one for a request; ``ownership`` keeps managed fields; ``access`` offers them to the rest of the server. What a
kind does differently is in its strategy (``api/``), in ``traits`` (upstream's switches), and in storage hooks.
"""
