import pytest

from kijabi.api.flowcontrol import defaults
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.apiserver.fairness import rules

SCHEMAS = rules.in_order(map(rules.read, defaults.MANDATORY_SCHEMAS + defaults.SUGGESTED_SCHEMAS))
KNOWN = ("system:authenticated",)
ACCOUNTS = ("system:serviceaccounts", *KNOWN)


def on(verb, resource, namespace="", group="", subresource=""):
    return RequestInfo(True, "", verb, api_group=group, namespace=namespace, resource=resource, subresource=subresource)


def account(namespace, name):
    return UserInfo(f"system:serviceaccount:{namespace}:{name}", groups=ACCOUNTS)


NODE = UserInfo("system:node:n", groups=("system:nodes", *KNOWN))
MANAGER = UserInfo("system:kube-controller-manager", groups=KNOWN)
ANN = UserInfo("ann", groups=KNOWN)
LEASES = "coordination.k8s.io"


@pytest.mark.parametrize(
    ("info", "user", "name", "flow"),
    [
        pytest.param(on("list", "pods"), UserInfo("a", groups=("system:masters",)), "exempt", "", id="masters"),
        pytest.param(RequestInfo(False, "/healthz", "get"), ANN, "probes", "", id="probe"),
        pytest.param(RequestInfo(False, "/healthz/ping", "get"), ANN, "probes", "", id="below a probe"),
        pytest.param(RequestInfo(False, "/version", "get"), ANN, "global-default", "ann", id="page"),
        pytest.param(on("update", "leases", "x", LEASES), MANAGER, "system-leader-election", MANAGER.name, id="leader"),
        pytest.param(
            on("update", "leases", "x", LEASES),
            account("kube-system", "a"),
            "system-leader-election",
            "system:serviceaccount:kube-system:a",
            id="any account of the system",
        ),
        pytest.param(on("patch", "nodes", subresource="status"), NODE, "system-node-high", NODE.name, id="heartbeat"),
        pytest.param(on("list", "pods"), NODE, "system-nodes", NODE.name, id="node"),
        pytest.param(on("list", "pods", "x"), MANAGER, "kube-controller-manager", "x", id="by namespace"),
        pytest.param(
            on("list", "pods", "y"), account("kube-system", "a"), "kube-system-service-accounts", "y", id="system"
        ),
        pytest.param(
            on("list", "pods"),
            account("kube-systems", "a"),
            "service-accounts",
            "system:serviceaccount:kube-systems:a",
            id="account of another namespace",
        ),
        pytest.param(on("list", "pods"), UserInfo("x"), None, "", id="nobody"),
    ],
)
def test_the_default_schemas(info, user, name, flow):
    found = next((schema for schema in SCHEMAS if schema.matches(info, user)), None)
    assert (found.name if found else None) == name
    if found is not None:
        assert found.distinguisher(info, user) == flow


def test_a_rule_without_cluster_scope_needs_a_namespace():
    schema = rules.read(
        {
            "metadata": {"name": "s"},
            "spec": {
                "priorityLevelConfiguration": {"name": "l"},
                "rules": [
                    {
                        "subjects": [{"kind": "User", "user": {"name": "*"}}],
                        "resourceRules": [
                            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"], "namespaces": ["a"]}
                        ],
                    }
                ],
            },
        }
    )
    assert schema.matches(on("get", "pods", "a", subresource="log"), ANN)
    assert not schema.matches(on("get", "pods", "b", subresource="log"), ANN)
    assert not schema.matches(on("get", "pods", "a"), ANN)
    assert not schema.matches(on("get", "pods", subresource="log"), ANN)
