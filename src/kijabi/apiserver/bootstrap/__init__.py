"""What a cluster holds before anybody has asked for anything: namespaces, RBAC policy, priority classes, the API's own
Service.

Guarantees: everything is ensured at every start and doing so again changes nothing; what an administrator added to a
bootstrap role stays, what he took away comes back (unless the object says ``autoupdate: "false"``), as upstream.
Left out: flow schemas and priority levels.
"""
