"""The RBAC objects a cluster starts with, built from the tables beside this.

A rule is one line, ``verbs | groups | resources | names`` or ``verbs | urls``; lists are separated by blanks (groups by
commas), ``core`` is the empty group, ``read`` and ``write`` stand for upstream's sets of verbs, and ``events`` alone is
the permission to write events. Every list comes out sorted, as upstream stores it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kijabi.api import kinds
from kijabi.api.resource import Object, Resource
from kijabi.apiserver.authz.policy import cluster_roles, controller_roles

GROUP = "rbac.authorization.k8s.io"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

_VERBS = {
    "read": ("get", "list", "watch"),
    "write": ("create", "delete", "deletecollection", "patch", "update"),
}
_EVENTS = "create patch update | core,events.k8s.io | events"

_SYSTEM, _PUBLIC = "kube-system", "kube-public"

# Role name -> subjects: "user:NAME", "group:NAME" or "sa:NAME" (of kube-system).
_CLUSTER_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("group:system:masters",),
    "system:basic-user": ("group:system:authenticated",),
    "system:discovery": ("group:system:authenticated",),
    "system:kube-controller-manager": ("user:system:kube-controller-manager",),
    "system:kube-dns": ("sa:kube-dns",),
    "system:kube-scheduler": ("user:system:kube-scheduler",),
    "system:monitoring": ("group:system:monitoring",),
    # Nodes are authorized by the Node authorizer; the binding stays, with nobody in it.
    "system:node": (),
    "system:node-proxier": ("user:system:kube-proxy",),
    "system:public-info-viewer": ("group:system:authenticated", "group:system:unauthenticated"),
    "system:service-account-issuer-discovery": ("group:system:serviceaccounts",),
    "system:volume-scheduler": ("user:system:kube-scheduler",),
}

_LOCKING = """
    create get list update watch | coordination.k8s.io | leases
    create get list update watch | coordination.k8s.io | leasecandidates
"""

_ROLES: dict[tuple[str, str], str] = {
    (_SYSTEM, "extension-apiserver-authentication-reader"): """
        read | core | configmaps | extension-apiserver-authentication
    """,
    (_SYSTEM, "system:controller:bootstrap-signer"): "read | core | secrets",
    (_SYSTEM, "system:controller:cloud-provider"): "create read | core | configmaps",
    (_SYSTEM, "system:controller:token-cleaner"): """
        read delete | core | secrets
        events
    """,
    (_SYSTEM, "system::leader-locking-kube-controller-manager"): _LOCKING,
    (_SYSTEM, "system::leader-locking-kube-scheduler"): _LOCKING,
    (_PUBLIC, "system:controller:bootstrap-signer"): """
        read | core | configmaps
        update | core | configmaps | cluster-info
        events
    """,
}

# (namespace, binding's name) -> (role's name, subjects)
_BINDINGS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    (_SYSTEM, "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        ("user:system:kube-controller-manager", "user:system:kube-scheduler"),
    ),
    (_SYSTEM, "system::leader-locking-kube-controller-manager"): (
        "system::leader-locking-kube-controller-manager",
        ("user:system:kube-controller-manager", "sa:kube-controller-manager", "sa:leader-election-controller"),
    ),
    (_SYSTEM, "system::leader-locking-kube-scheduler"): (
        "system::leader-locking-kube-scheduler",
        ("user:system:kube-scheduler", "sa:kube-scheduler"),
    ),
    (_SYSTEM, "system:controller:bootstrap-signer"): ("system:controller:bootstrap-signer", ("sa:bootstrap-signer",)),
    (_SYSTEM, "system:controller:cloud-provider"): ("system:controller:cloud-provider", ("sa:cloud-provider",)),
    (_SYSTEM, "system:controller:token-cleaner"): ("system:controller:token-cleaner", ("sa:token-cleaner",)),
    (_PUBLIC, "system:controller:bootstrap-signer"): ("system:controller:bootstrap-signer", ("sa:bootstrap-signer",)),
}


def rule(line: str) -> Object:
    """One PolicyRule from its line."""
    if line == "events":
        line = _EVENTS
    verbs_, first, *rest = (part.split() for part in line.split("|"))
    verbs = sorted({verb for word in verbs_ for verb in _VERBS.get(word, (word,))})
    if not rest:
        return {"verbs": verbs, "nonResourceURLs": sorted(first)}
    groups = sorted("" if group == "core" else group for group in first[0].split(","))
    made: Object = {"verbs": verbs, "apiGroups": groups, "resources": sorted(rest[0])}
    if len(rest) > 1:
        made["resourceNames"] = sorted(rest[1])
    return made


def rules(text: str) -> list[Object]:
    return [rule(line) for line in map(str.strip, text.splitlines()) if line]


def node_rules() -> list[Object]:
    """What every node may do, before the Node authorizer narrows it to the node's own objects."""
    return rules(cluster_roles.ROLES["system:node"])


def objects() -> Iterator[tuple[Resource, Object]]:
    """Every bootstrap role and binding, roles first."""
    for name, text in cluster_roles.ROLES.items():
        yield kinds.CLUSTER_ROLES, _object(kinds.CLUSTER_ROLES, name, labels=_feeds(name), rules=rules(text))
    for name, feeds in cluster_roles.AGGREGATED.items():
        yield kinds.CLUSTER_ROLES, _aggregated(name, feeds)
    for name, text in controller_roles.ROLES.items():
        yield kinds.CLUSTER_ROLES, _object(kinds.CLUSTER_ROLES, controller_roles.PREFIX + name, rules=rules(text))
    for (namespace, name), text in _ROLES.items():
        yield kinds.ROLES, _object(kinds.ROLES, name, namespace=namespace, rules=rules(text))
    for name, subjects in _CLUSTER_BINDINGS.items():
        yield kinds.CLUSTER_ROLE_BINDINGS, _cluster_binding(name, subjects)
    for name in controller_roles.ROLES:
        yield kinds.CLUSTER_ROLE_BINDINGS, _cluster_binding(controller_roles.PREFIX + name, (f"sa:{name}",))
    for (namespace, name), (role, subjects) in _BINDINGS.items():
        yield (
            kinds.ROLE_BINDINGS,
            _object(
                kinds.ROLE_BINDINGS,
                name,
                namespace=namespace,
                roleRef=_ref("Role", role),
                subjects=_subjects(subjects),
            ),
        )


def _object(
    resource: Resource, name: str, *, namespace: str = "", labels: dict[str, str] | None = None, **body: object
) -> Object:
    metadata: Object = {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **(labels or {})},
        "annotations": {AUTOUPDATE: "true"},
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **body}


def _feeds(name: str) -> dict[str, str]:
    target = name.removeprefix("system:aggregate-to-")
    return {AGGREGATE + target: "true"} if target != name else {}


def _aggregated(name: str, feeds: str) -> Object:
    selector = {"matchLabels": {AGGREGATE + name: "true"}}
    labels = {AGGREGATE + feeds: "true"} if feeds else {}
    return _object(
        kinds.CLUSTER_ROLES,
        name,
        labels=labels,
        aggregationRule={"clusterRoleSelectors": [selector]},
        rules=_collected(name),
    )


def _collected(name: str) -> list[Object]:
    # As the aggregation controller does it: roles with the label in order of their names, each rule once. An aggregated
    # role that carries the label itself (edit -> admin) comes with all it has collected.
    feeding = {
        source: rules(text) for source, text in cluster_roles.ROLES.items() if AGGREGATE + name in _feeds(source)
    }
    for source, target in cluster_roles.AGGREGATED.items():
        if target == name:
            feeding[source] = _collected(source)
    collected: list[Object] = []
    for source in sorted(feeding):
        collected += [one for one in feeding[source] if one not in collected]
    return collected


def _cluster_binding(role: str, subjects: Iterable[str]) -> Object:
    listed = _subjects(subjects)
    made = _object(kinds.CLUSTER_ROLE_BINDINGS, role, roleRef=_ref("ClusterRole", role))
    if listed:
        made["subjects"] = listed
    return made


def _ref(kind: str, name: str) -> Object:
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def _subjects(texts: Iterable[str]) -> list[Object]:
    made: list[Object] = []
    for text in texts:
        kind, name = text.split(":", 1)
        if kind == "sa":
            made.append({"kind": "ServiceAccount", "name": name, "namespace": _SYSTEM})
        else:
            made.append({"apiGroup": GROUP, "kind": kind.capitalize(), "name": name})
    return made
