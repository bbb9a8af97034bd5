import pytest

from kijabi.apiserver import authz, configfiles, contract, options, tally
from kijabi.apiserver.authz import configuration
from kijabi.kit import clock, config, yamls

ANN = contract.UserInfo("ann", groups=("dev",))
PODS = contract.Attributes(ANN, "get", namespace="ns", resource="pods")


def file_of(*authorizers, version="v1"):
    return yamls.dumps(
        {
            "apiVersion": f"apiserver.config.k8s.io/{version}",
            "kind": "AuthorizationConfiguration",
            "authorizers": list(authorizers),
        }
    ).encode()


HOOK = {
    "timeout": "3s",
    "subjectAccessReviewVersion": "v1",
    "matchConditionSubjectAccessReviewVersion": "v1",
    "failurePolicy": "NoOpinion",
    "connectionInfo": {"type": "InClusterConfig"},
    "matchConditions": [{"expression": "request.user != 'bob'"}],
}
RBAC = {"type": "RBAC", "name": "rbac"}


def hook(**changes):
    return {"type": "Webhook", "name": "w", "webhook": {**HOOK, **changes}}


def test_what_a_file_leaves_open():
    (member,) = configuration.of_file(file_of(hook()))
    made = member.webhook
    assert (made.timeout, made.authorized, made.unauthorized, made.on_error) == (
        3.0, 300.0, 30.0, contract.Verdict.NO_OPINION,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_the_order_is_kept(version):
    members = configuration.of_file(
        file_of(hook(), {"type": "Node", "name": "node"}, RBAC, {**hook(), "name": "x"}, version=version)
    )
    assert [member.name for member in members] == ["w", "node", "rbac", "x"]


@pytest.mark.parametrize(
    ("authorizers", "text"),
    [
        ([], "authorizers: Required value: at least one authorization mode must be defined"),
        ([{"name": "x"}], "authorizers[0].type: Required value"),
        (
            [{"type": "Foo", "name": "foo"}],
            'authorizers[0].type: Unsupported value: "Foo": supported values: '
            '"ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
        ),
        ([RBAC, RBAC], 'authorizers[1].type: Duplicate value: "RBAC"'),
        ([hook(), hook()], 'authorizers[1].name: Duplicate value: "w"'),
        ([{"type": "RBAC", "name": "x"}], "expected name rbac for authorizer RBAC instead of x"),
        ([{"type": "Webhook", "name": "w"}], "authorizers[0].webhook: Required value: required when type=Webhook"),
        (
            [{**RBAC, "webhook": HOOK}],
            'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
        ),
        ([hook(timeout="0s")], "authorizers[0].timeout: Required value"),
        ([hook(timeout="31s")], 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'),
        ([hook(authorizedTTL="-1s")], 'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s'),
        (
            [hook(subjectAccessReviewVersion="v2")],
            'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
        ),
        (
            [hook(matchConditionSubjectAccessReviewVersion="")],
            "authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: "
            "required if match conditions are specified",
        ),
        (
            [hook(failurePolicy="Allow")],
            'authorizers[0].failurePolicy: Unsupported value: "Allow": supported values: "Deny", "NoOpinion"',
        ),
        (
            [hook(connectionInfo={"type": "KubeConfigFile", "kubeConfigFile": "rel"})],
            'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "rel": must be an absolute path',
        ),
        (
            [hook(connectionInfo={"type": "KubeConfigFile", "kubeConfigFile": "/nowhere/x"})],
            'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "/nowhere/x": '
            "error loading file: stat /nowhere/x: no such file or directory",
        ),
        (
            [hook(matchConditions=[{"expression": "request.user"}])],
            'authorizers[0].matchConditions[0].expression: Invalid value: "request.user": '
            "must evaluate to bool but got string",
        ),
        ([hook(matchConditions=[{"expression": ""}])], "authorizers[0].matchConditions[0].expression: Required value"),
        (
            [hook(foo=1)],
            "failed to load AuthorizationConfiguration from file: "
            'strict decoding error: unknown field "authorizers[0].webhook.foo"',
        ),
    ],
)
def test_what_is_refused(authorizers, text):
    with pytest.raises(config.Unusable) as refused:
        configuration.of_file(file_of(*authorizers))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"authorization_mode": ()}, "at least one authorization-mode must be passed"),
        ({"authorization_mode": ("Foo",)}, 'authorization-mode "Foo" is not a valid mode'),
        ({"authorization_mode": ("ABAC",)}, "authorization-mode ABAC's authorization policy file not passed"),
        ({"authorization_mode": ("Webhook",)}, "authorization-mode Webhook's authorization config file not passed"),
        ({"authorization_policy_file": "/x"}, "cannot specify --authorization-policy-file without mode ABAC"),
        (
            {"authorization_mode": ("RBAC", "RBAC")},
            'authorization-mode ["RBAC" "RBAC"] has mode specified more than once',
        ),
    ],
)
def test_flags_that_make_no_sense(flags, text):
    with pytest.raises(config.Unusable) as refused:
        configuration.of_flags(options.Options(**flags))
    assert str(refused.value) == text


async def decided(authorizer):
    return (await authorizer.authorize(PODS)).verdict


async def test_a_changed_file_is_in_force_without_a_restart(access, tmp_path, elsewhere):
    """And one that cannot be used, or that leaves out what must stay, changes nothing."""
    file = tmp_path / "authz.yaml"
    file.write_bytes(file_of(RBAC))
    now = clock.FakeClock()
    chosen = options.Options(authorization_config=str(file))
    counts = tally.Tally()
    made = authz.build(access, chosen, now, counts)
    watched = made.jobs["authorization-config"].__self__
    assert await decided(made.authorizer) is contract.Verdict.NO_OPINION
    elsewhere.answers["/authorize"] = lambda body: {"status": {"allowed": True}}
    connection = {"type": "KubeConfigFile", "kubeConfigFile": elsewhere.kubeconfig("/authorize")}
    for content, verdict in (
        (file_of(hook(connectionInfo=connection), RBAC), contract.Verdict.ALLOW),
        (b"nonsense", contract.Verdict.ALLOW),
        (file_of({"type": "AlwaysDeny", "name": "alwaysdeny"}), contract.Verdict.ALLOW),
        (file_of(RBAC, {"type": "Node", "name": "node"}), contract.Verdict.ALLOW),
        (file_of({"type": "AlwaysDeny", "name": "alwaysdeny"}, RBAC), contract.Verdict.NO_OPINION),
    ):
        file.write_bytes(content)
        await watched.look()
        assert await decided(made.authorizer) is verdict
    assert counts.of(tally.DECISIONS, "Webhook", "w", "allowed") == 4
    shown = {sample.labels["status"]: sample.value for sample in _reloads(counts)}
    assert shown == {"success": 2, "failure": 3}
    await made.close()


def _reloads(counts):
    (family,) = (one for one in counts.collect() if one.name == tally.AUTHORIZATION_RELOADS)
    return family.samples


@pytest.mark.parametrize(
    ("text", "span"), [("1m30s", 90.0), ("500ms", 0.5), ("", 0.0), ("2h", 7200.0), ("-3s", -3.0), ("1.5s", 1.5)]
)
def test_durations_are_read_as_go_writes_them(text, span):
    assert configfiles.seconds(text) == span


@pytest.mark.parametrize("text", ["3", "s", "1x", "1m 3s"])
def test_what_is_no_duration(text):
    with pytest.raises(configfiles.Unusable, match="invalid duration"):
        configfiles.seconds(text)


async def test_rules_of_all_authorizers_are_told(access):
    made = authz.build(access, options.Options(authorization_mode=("Node", "AlwaysAllow")))
    told = made.authorizer.resolve_rules(contract.UserInfo("system:node:n", groups=("system:nodes",)), "ns")
    assert told.incomplete
    assert told.problems == ["node authorizer does not support user rule resolution"]
    assert [rule["verbs"] for rule in told.found] == [["*"], ["*"]]
