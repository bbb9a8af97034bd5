"""The store that several API servers share: an etcd cluster, spoken to in etcd's v3 API.

``wire`` has the messages, ``endpoints`` the road to a member that answers, ``watch`` the stream of events, ``leases``
the times to live, ``store`` the contract. Guarantees, beside the contract's: a call is tried again at another member
when one is lost, and a write that was tried twice is not reported as refused by itself; a watch goes on after the last
revision it has seen, wherever it is connected. The messages are our own handful (``protobufs``): the client library
that exists brings a watcher and a retry policy of its own, and neither could give these guarantees.

Left out: etcd's own authentication by name and password (certificates are the way in), as upstream leaves it out.
"""
