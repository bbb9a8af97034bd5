"""The flow schemas and priority levels that a cluster starts with.

Mandatory ones are always as here; suggested ones are an administrator's to change or delete.
Source: "API Priority and Fairness", Default configuration objects.
"""

from __future__ import annotations

from collections.abc import Sequence

from kijabi.api.resource import Object

# An object that says "true" here follows the server's own idea of it through upgrades.
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
EXEMPT, CATCH_ALL = "exempt", "catch-all"

_ALL = ["*"]
_EVERYBODY = ("system:unauthenticated", "system:authenticated")
_ACCOUNTS_OF_THE_SYSTEM = {"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "kube-system"}}
_ANY_RESOURCE = {"verbs": _ALL, "apiGroups": _ALL, "resources": _ALL, "namespaces": _ALL, "clusterScope": True}
_ANY_PATH = {"verbs": _ALL, "nonResourceURLs": _ALL}
_ANYTHING = {"resourceRules": [_ANY_RESOURCE], "nonResourceRules": [_ANY_PATH]}


def _object(kind: str, name: str, spec: Object) -> Object:
    return {
        "kind": kind,
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "metadata": {"name": name, "annotations": {AUTO_UPDATE: "true"}},
        "spec": spec,
    }


def _level(name: str, shares: int, lendable: int, queues: int = 0, hand: int = 0) -> Object:
    """A limited level; without queues what is over the limit is refused at once."""
    response: Object = {"type": "Reject"}
    if queues:
        response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50}}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return _object("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})


def _schema(
    name: str, level: str, precedence: int, by: str, subjects: Sequence[Object], rules: Object = _ANYTHING
) -> Object:
    """``by`` tells flows apart: ``ByUser``, ``ByNamespace``, or empty."""
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if by:
        spec["distinguisherMethod"] = {"type": by}
    spec["rules"] = [{"subjects": list(subjects), **rules}]
    return _object("FlowSchema", name, spec)


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _on(verbs: Sequence[str], group: str, resources: Sequence[str], cluster: bool) -> Object:
    rule: Object = {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources), "namespaces": _ALL}
    return {**rule, "clusterScope": True} if cluster else rule


MANDATORY_LEVELS: tuple[Object, ...] = (
    _object(
        "PriorityLevelConfiguration",
        EXEMPT,
        {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    ),
    _level(CATCH_ALL, 5, 0),
)
MANDATORY_SCHEMAS: tuple[Object, ...] = (
    _schema(EXEMPT, EXEMPT, 1, "", _groups("system:masters")),
    _schema(CATCH_ALL, CATCH_ALL, 10000, "ByUser", _groups(*_EVERYBODY)),
)
SUGGESTED_LEVELS: tuple[Object, ...] = (
    _level("system", 30, 33, 64, 6),
    _level("node-high", 40, 25, 64, 6),
    _level("leader-election", 10, 0, 16, 4),
    _level("workload-high", 40, 50, 128, 6),
    _level("workload-low", 100, 90, 128, 6),
    _level("global-default", 20, 50, 128, 6),
)
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_LEASES = "coordination.k8s.io"
SUGGESTED_SCHEMAS: tuple[Object, ...] = (
    _schema("system-nodes", "system", 500, "ByUser", _groups("system:nodes")),
    _schema(
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        _groups("system:nodes"),
        {"resourceRules": [_on("*", "", ("nodes", "nodes/status"), True), _on("*", _LEASES, ("leases",), False)]},
    ),
    _schema(
        "probes",
        EXEMPT,
        2,
        "",
        _groups(*_EVERYBODY),
        {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]},
    ),
    _schema(
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        [*_users(_MANAGER, _SCHEDULER), _ACCOUNTS_OF_THE_SYSTEM],
        {"resourceRules": [_on(("get", "create", "update"), _LEASES, ("leases",), False)]},
    ),
    _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", _users(_MANAGER)),
    _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _users(_SCHEDULER)),
    _schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", [_ACCOUNTS_OF_THE_SYSTEM]),
    _schema("service-accounts", "workload-low", 9000, "ByUser", _groups("system:serviceaccounts")),
    _schema("global-default", "global-default", 9900, "ByUser", _groups(*_EVERYBODY)),
)


def fixed_spec(kind: str, name: str) -> Object | None:
    """What the spec of a mandatory object must be; None where nothing prescribes it."""
    for one in MANDATORY_LEVELS + MANDATORY_SCHEMAS:
        if (one["kind"], one["metadata"]["name"]) == (kind, name):
            spec: Object = one["spec"]
            return spec
    return None
