import pytest

from kijabi.apiserver import contract
from kijabi.apiserver.authz import graph, node, policy

NODE = contract.UserInfo("system:node:one", groups=("system:nodes", "system:authenticated"))


def pod(name="p", node_name="one", **more):
    spec = {
        "nodeName": node_name,
        "serviceAccountName": "builder",
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [
            {
                "name": "c",
                "envFrom": [{"configMapRef": {"name": "from"}}],
                "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}],
            }
        ],
        "volumes": [
            {"name": "a", "secret": {"secretName": "vol"}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "root"}}, {"serviceAccountToken": {}}]}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "d", "ephemeral": {"volumeClaimTemplate": {}}},
        ],
    }
    return {"metadata": {"name": name, "namespace": "ns", **more}, "spec": spec}


VOLUME = {
    "metadata": {"name": "pv"},
    "spec": {
        "claimRef": {"namespace": "ns", "name": "data"},
        "csi": {"nodeStageSecretRef": {"namespace": "vault", "name": "stage"}},
    },
}


def authorizer(*pods):
    edges = graph.Graph()
    for one in pods:
        edges.pod_changed(None, one)
    edges.volume_changed(None, VOLUME)
    return node.NodeAuthorizer(edges, policy.node_rules())


def ask(verb, resource, name="", namespace="ns", **more):
    return contract.Attributes(NODE, verb, resource=resource, name=name, namespace=namespace, **more)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (ask("get", "secrets", "pull"), None),
        (ask("get", "secrets", "env"), None),
        (ask("watch", "secrets", "vol"), None),
        (ask("get", "configmaps", "from"), None),
        (ask("get", "configmaps", "root"), None),
        (ask("get", "persistentvolumeclaims", "data"), None),
        (ask("get", "persistentvolumeclaims", "p-d"), None),
        (ask("get", "persistentvolumes", "pv", ""), None),
        (ask("get", "secrets", "stage", "vault"), None),
        (ask("create", "serviceaccounts", "builder", subresource="token"), None),
        (ask("get", "pods", "p"), None),
        (ask("list", "pods", namespace="", field_selector="spec.nodeName=one"), None),
        (ask("watch", "pods", namespace="", field_selector="status.phase!=Failed,spec.nodeName==one"), None),
        (ask("update", "pods", "p", subresource="status"), None),
        (ask("get", "nodes", "one", ""), None),
        (ask("patch", "nodes", "one", "", subresource="status"), None),
        (ask("update", "leases", "one", "kube-node-lease", api_group="coordination.k8s.io"), None),
        (ask("list", "services", namespace=""), None),
        (ask("get", "secrets", "other"), "no relationship found between node 'one' and this object"),
        (ask("update", "secrets", "pull"), "can only read resources of this type"),
        (ask("list", "secrets"), "No Object name found"),
        (ask("list", "secrets", namespace=""), "can only read namespaced object of this type"),
        (ask("create", "serviceaccounts", "other", subresource="token"), "no relationship found between node 'one' "),
        (ask("list", "pods", namespace=""), "can only list/watch pods with spec.nodeName field selector"),
        (
            ask("list", "pods", namespace="", field_selector="spec.nodeName=two"),
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (ask("list", "nodes", namespace=""), "node 'one' cannot read all nodes, only its own Node object"),
        (ask("get", "nodes", "two", ""), "node 'one' cannot read 'two', only its own Node object"),
        (
            ask("update", "leases", "two", "kube-node-lease", api_group="coordination.k8s.io"),
            "can only access node lease with the same name as the requesting node",
        ),
        (ask("delete", "nodes", "one", ""), ""),
        (ask("create", "deployments", api_group="apps"), ""),
    ],
)
async def test_a_node_reaches_only_its_own(attributes, reason):
    decision = await authorizer(pod()).authorize(attributes)
    if reason is None:
        assert decision.verdict is contract.Verdict.ALLOW
    else:
        assert decision.verdict is contract.Verdict.NO_OPINION
        assert decision.reason.startswith(reason)


async def test_access_ends_with_the_last_pod_that_refers_to_the_object():
    both = authorizer(pod("a"), pod("b"))
    secret = ask("get", "secrets", "pull")
    both.graph.pod_changed(pod("a"), None)
    assert (await both.authorize(secret)).verdict is contract.Verdict.ALLOW
    both.graph.pod_changed(pod("b"), None)
    assert (await both.authorize(secret)).verdict is contract.Verdict.NO_OPINION


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pod(node_name="two"), id="other-node"),
        pytest.param(pod(node_name=""), id="not-bound"),
        pytest.param(pod(annotations={"kubernetes.io/config.mirror": "x"}), id="mirror-pod"),
    ],
)
async def test_such_pods_give_no_access(one):
    decision = await authorizer(one).authorize(ask("get", "secrets", "pull"))
    assert decision.verdict is contract.Verdict.NO_OPINION


@pytest.mark.parametrize(
    ("name", "groups", "found"),
    [
        ("system:node:one", ("system:nodes",), "one"),
        ("system:node:one", (), None),
        ("system:node:", ("system:nodes",), ""),
        ("ann", ("system:nodes",), None),
    ],
)
def test_who_is_a_node(name, groups, found):
    assert node.node_name(contract.UserInfo(name, groups=groups)) == found
