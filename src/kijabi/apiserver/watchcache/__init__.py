"""Every object the server knows, as bytes, and the recent changes: what get, list and watch are served from.

``entry`` is one object's stored bytes with the facts selectors ask about, made only when asked. ``codec`` turns stored
bytes into what a version of the API sends. ``cache`` is one resource: current entries, a ring of recent changes, and
the watchers. ``feed`` reads the store's one stream of events and hands each to its resource's cache. ``listing``
answers a list, ``watcher`` a watch.

Guarantees: a write is answered after this server's cache has it, so a client reads its own writes; every watcher sees
every change once, in revision order, or is cut off; an event is encoded once per version and kind of change, and the
same bytes go to every watcher. Over a store that several servers share, a read that asks for the present is answered
only when the caches have proved to hold it.
"""
