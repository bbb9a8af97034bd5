import pytest

from kijabi.apiserver.audit import policy
from kijabi.apiserver.contract import Attributes, UserInfo

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
EXAMPLE = (
    HEAD
    + """
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
  resources:
  - group: ""
    resources: [endpoints, services]
- level: None
  userGroups: ["system:authenticated"]
  nonResourceURLs: ["/api*", /version]
- level: Metadata
  resources:
  - group: ""
    resources: [pods/log, pods/status]
- level: None
  resources:
  - group: ""
    resources: [configmaps]
    resourceNames: [controller-leader]
- level: Request
  namespaces: [kube-system]
  resources:
  - group: ""
    resources: [configmaps]
- level: RequestResponse
  omitStages: [ResponseStarted]
  omitManagedFields: true
  resources:
  - group: apps
  - group: "*"
    resources: ["*/scale", "jobs/*"]
- level: Metadata
"""
)


def asked(verb="get", resource="pods", name="", **more):
    user = more.pop("user", UserInfo("ann", groups=("system:authenticated",)))
    return Attributes(user, verb, resource=resource, name=name, is_resource=not more.get("path"), **more)


@pytest.mark.parametrize(
    ("attributes", "level"),
    [
        pytest.param(asked("watch", "services", user=UserInfo("system:kube-proxy")), "None", id="user and verb"),
        pytest.param(asked("list", "services", user=UserInfo("system:kube-proxy")), "Metadata", id="other verb"),
        pytest.param(asked(resource="", path="/apis/apps"), "None", id="path by prefix"),
        pytest.param(asked(resource="", path="/version"), "None", id="path"),
        pytest.param(asked(resource="", path="/healthz"), "Metadata", id="other path"),
        pytest.param(asked(resource="pods", subresource="log"), "Metadata", id="subresource"),
        pytest.param(asked(resource="configmaps", name="controller-leader"), "None", id="name"),
        pytest.param(asked(resource="configmaps", name="x", namespace="kube-system"), "Request", id="namespace"),
        pytest.param(asked(resource="configmaps", name="x", namespace="default"), "Metadata", id="other namespace"),
        pytest.param(asked(resource="deployments", api_group="apps"), "RequestResponse", id="group"),
        pytest.param(asked(resource="things", subresource="scale", api_group="x"), "RequestResponse", id="*/sub"),
        pytest.param(asked(resource="jobs", api_group="batch"), "RequestResponse", id="resource/*"),
    ],
)
def test_the_first_rule_that_matches_decides(attributes, level):
    assert policy.parse(EXAMPLE.encode()).decide(attributes).level == level


def test_a_rule_adds_to_the_stages_that_the_policy_omits():
    decided = policy.parse(EXAMPLE.encode()).decide(asked(resource="deployments", api_group="apps"))
    assert decided.omit_stages == {"RequestReceived", "ResponseStarted"}
    assert decided.omit_managed_fields


def test_nothing_is_kept_where_no_rule_matches():
    only = policy.parse((HEAD + "rules: [{level: Metadata, users: [bob]}]").encode())
    assert only.decide(asked()).level == "None"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("x: [", "failed decoding", id="no YAML"),
        pytest.param("apiVersion: v1", "failed decoding: Object 'Kind' is missing", id="no kind"),
        pytest.param("apiVersion: audit.k8s.io/v2\nkind: Policy", "unknown group version field", id="version"),
        pytest.param(HEAD, "loaded illegal policy with 0 rules", id="no rules"),
        pytest.param(HEAD + "rules: [{}]", "rules[0].level: Required value", id="no level"),
        pytest.param(HEAD + "rules: [{level: All}]", 'rules[0].level: Unsupported value: "All"', id="level"),
        pytest.param(HEAD + "omitStages: [End]\nrules: [{level: None}]", "allowed stages are RequestR", id="stage"),
        pytest.param(
            HEAD + "rules: [{level: None, nonResourceURLs: [version]}]", "must begin with a '/' character", id="path"
        ),
        pytest.param(
            HEAD + 'rules: [{level: None, nonResourceURLs: ["/a*b"]}]', "must be the final character", id="star"
        ),
        pytest.param(
            HEAD + "rules: [{level: None, namespaces: [x], nonResourceURLs: [/a]}]", "cannot apply to both", id="both"
        ),
        pytest.param(
            HEAD + 'rules: [{level: None, resources: [{group: "", resourceNames: [x]}]}]',
            "using resourceNames requires at least one resource",
            id="names alone",
        ),
        pytest.param(
            HEAD + "rules: [{level: None, resources: [{group: apps/v1}]}]", "rules[0].resources.group", id="group"
        ),
    ],
)
def test_a_policy_that_cannot_be_used(text, told):
    with pytest.raises(policy.Unusable) as caught:
        policy.parse(text.encode())
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(policy.Unusable, match="failed to read file path"):
        policy.load(str(tmp_path / "no"))
