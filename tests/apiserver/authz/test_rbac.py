import pytest

from kijabi.apiserver import contract
from kijabi.apiserver.authz import denial, policy, rbac, rules

RULE = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log", "*/scale"]}


def asked(verb="get", resource="pods", **more):
    return contract.Attributes(contract.UserInfo("ann"), verb, resource=resource, **more)


@pytest.mark.parametrize(
    ("rule", "attributes", "allowed"),
    [
        pytest.param(RULE, asked(), True, id="plain"),
        pytest.param(RULE, asked("delete"), False, id="other-verb"),
        pytest.param(RULE, asked(api_group="apps"), False, id="other-group"),
        pytest.param(RULE, asked(subresource="log"), True, id="subresource"),
        pytest.param(RULE, asked(subresource="exec"), False, id="other-subresource"),
        pytest.param(RULE, asked(resource="jobs", subresource="scale"), True, id="any-scale"),
        pytest.param(RULE, asked(resource="jobs"), False, id="scale-is-not-the-object"),
        pytest.param({**RULE, "resourceNames": ["a"]}, asked(name="a"), True, id="named"),
        pytest.param({**RULE, "resourceNames": ["a"]}, asked(name="b"), False, id="other-name"),
        pytest.param({**RULE, "resourceNames": ["a"]}, asked("list"), False, id="list-has-no-name"),
        pytest.param(
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, asked(subresource="exec"), True, id="everything"
        ),
        pytest.param(
            {"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]},
            asked(resource="", is_resource=False, path="/healthz/etcd"),
            True,
            id="url-prefix",
        ),
        pytest.param(
            {"verbs": ["get"], "nonResourceURLs": ["/healthz/*"]},
            asked(resource="", is_resource=False, path="/healthz"),
            False,
            id="url-prefix-is-not-the-url",
        ),
        pytest.param(
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            asked(resource="", is_resource=False, path="/metrics"),
            False,
            id="resources-say-nothing-of-urls",
        ),
    ],
)
def test_a_rule_allows_what_it_names(rule, attributes, allowed):
    index = rbac.Index()
    index.cluster_role_changed(None, {"metadata": {"name": "r"}, "rules": [rule]})
    index.binding_changed(None, binding("b", "ClusterRole", "r", {"kind": "User", "name": "ann"}))
    assert rules.allows(rule, attributes) is allowed
    assert (rbac.Rbac(index).decide(attributes).verdict is contract.Verdict.ALLOW) is allowed


def binding(name, kind, role, *subjects, namespace=""):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


ANN = {"kind": "User", "name": "ann"}


def bootstrapped():
    index = rbac.Index()
    change = {
        "ClusterRole": index.cluster_role_changed,
        "Role": index.role_changed,
        "ClusterRoleBinding": index.binding_changed,
        "RoleBinding": index.binding_changed,
    }
    for _, obj in policy.objects():
        change[obj["kind"]](None, obj)
    return index


@pytest.mark.parametrize(
    ("user", "attributes", "allowed"),
    [
        ("system:kube-scheduler", {"verb": "create", "resource": "pods", "subresource": "binding"}, True),
        ("system:kube-scheduler", {"verb": "create", "resource": "pods"}, False),
        ("system:kube-controller-manager", {"verb": "list", "resource": "widgets", "api_group": "x.io"}, True),
        (
            "system:serviceaccount:kube-system:deployment-controller",
            {"verb": "update", "resource": "deployments", "subresource": "status", "api_group": "apps"},
            True,
        ),
        ("system:serviceaccount:default:deployment-controller", {"verb": "list", "resource": "pods"}, False),
        ("system:kube-scheduler", {"verb": "update", "resource": "leases", "api_group": "coordination.k8s.io"}, False),
        (
            "system:kube-scheduler",
            {
                "verb": "update",
                "resource": "leases",
                "api_group": "coordination.k8s.io",
                "namespace": "kube-system",
                "name": "other",
            },
            True,
        ),
    ],
)
def test_bootstrap_policy_gives_components_what_they_need(user, attributes, allowed):
    decision = rbac.Rbac(bootstrapped()).decide(contract.Attributes(contract.UserInfo(user), **attributes))
    assert (decision.verdict is contract.Verdict.ALLOW) is allowed


def test_a_role_binding_counts_in_its_namespace_alone():
    index = rbac.Index()
    index.cluster_role_changed(None, {"metadata": {"name": "view"}, "rules": [RULE]})
    index.binding_changed(None, binding("b", "ClusterRole", "view", ANN, namespace="one"))
    decide = rbac.Rbac(index).decide
    assert decide(asked(namespace="one")).reason == (
        'RBAC: allowed by RoleBinding "b/one" of ClusterRole "view" to User "ann"'
    )
    assert decide(asked(namespace="two")) == contract.NO_OPINION
    assert decide(asked()) == contract.NO_OPINION


def test_changes_are_seen_by_the_next_decision():
    index = rbac.Index()
    decide = rbac.Rbac(index).decide
    role = {"metadata": {"name": "r"}, "rules": [RULE]}
    bound = binding("b", "ClusterRole", "r", ANN, {"kind": "ServiceAccount", "name": "sa", "namespace": "one"})
    index.binding_changed(None, bound)
    assert decide(asked()).reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "r" not found'
    index.cluster_role_changed(None, role)
    assert decide(asked()).verdict is contract.Verdict.ALLOW
    index.cluster_role_changed(role, {**role, "rules": []})
    assert decide(asked()) == contract.NO_OPINION
    index.cluster_role_changed(role, role)
    index.binding_changed(bound, None)
    assert decide(asked()) == contract.NO_OPINION


def test_a_service_account_without_namespace_is_the_bindings_own():
    index = rbac.Index()
    index.role_changed(None, {"metadata": {"name": "r", "namespace": "one"}, "rules": [RULE]})
    subject = {"kind": "ServiceAccount", "name": "sa"}
    index.binding_changed(None, binding("b", "Role", "r", subject, namespace="one"))
    user = contract.UserInfo("system:serviceaccount:one:sa")
    allowed = rbac.Rbac(index).decide(contract.Attributes(user, "get", namespace="one", resource="pods"))
    assert allowed.reason == 'RBAC: allowed by RoleBinding "b/one" of Role "r" to ServiceAccount "sa/one"'


@pytest.mark.parametrize(
    ("attributes", "reason", "message"),
    [
        (
            asked("list", namespace="y"),
            "",
            'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "y"',
        ),
        (
            asked("get", resource="deployments", api_group="apps", subresource="scale", name="web"),
            "why",
            'deployments.apps "web" is forbidden: User "ann" cannot get resource "deployments/scale" '
            'in API group "apps" at the cluster scope: why',
        ),
        (
            asked("get", resource="", is_resource=False, path="/<b>"),
            "",
            'forbidden: User "ann" cannot get path "/&lt;b&gt;"',
        ),
    ],
)
def test_denial_is_worded_as_upstream(attributes, reason, message):
    assert denial.forbidden(attributes, reason).message == message


@pytest.mark.parametrize(
    ("owned", "wanted", "lines"),
    [
        ([RULE], [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}], []),
        ([RULE], [{"verbs": ["get"], "apiGroups": [""], "resources": ["jobs/scale"]}], []),
        (
            [RULE],
            [{"verbs": ["get", "watch", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}],
            [
                '{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}',
                '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "watch" "delete"]}',
            ],
        ),
        (
            [{**RULE, "resourceNames": ["a"]}],
            [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"]}],
            ['{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}'],
        ),
        (
            [{"verbs": ["get"], "nonResourceURLs": ["/a/*"]}],
            [{"verbs": ["get"], "nonResourceURLs": ["/a/b", "/c"]}],
            ['{NonResourceURLs:["/c"], Verbs:["get"]}'],
        ),
    ],
)
def test_what_a_user_lacks_is_told(owned, wanted, lines):
    assert rules.describe(rules.missing(owned, wanted)) == lines


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_an_aggregated_role_has_the_rules_of_what_it_selects(role):
    index = bootstrapped()
    widget = {"verbs": ["get"], "apiGroups": ["x.io"], "resources": ["widgets"]}
    index.binding_changed(None, binding("b", "ClusterRole", role, ANN))
    decide = rbac.Rbac(index).decide
    assert decide(asked("get", resource="widgets", api_group="x.io")) == contract.NO_OPINION
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    more = {"metadata": {"name": "widgets", "labels": labels}, "rules": [widget]}
    index.cluster_role_changed(None, more)
    assert decide(asked("get", resource="widgets", api_group="x.io")).verdict is contract.Verdict.ALLOW
    index.cluster_role_changed(more, None)
    assert decide(asked("get", resource="widgets", api_group="x.io")) == contract.NO_OPINION


def test_roles_that_gather_each_other_end():
    index = rbac.Index()
    for name in ("a", "b"):
        index.cluster_role_changed(
            None,
            {
                "metadata": {"name": name, "labels": {"l": "x"}},
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"l": "x"}}]},
                "rules": [{**RULE, "resources": [name]}],
            },
        )
    found = index.resolve({"kind": "ClusterRole", "name": "a"}, "")
    assert [rule["resources"] for rule in found] == [["a"], ["b"]]
