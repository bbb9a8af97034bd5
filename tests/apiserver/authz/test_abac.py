import pytest

from kijabi.apiserver import contract
from kijabi.apiserver.authz import abac

V1 = '{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {%s}}'


def asked(user="ann", verb="get", groups=("system:authenticated",), **more):
    return contract.Attributes(contract.UserInfo(user, groups=groups), verb, **more)


PODS = {"resource": "pods", "namespace": "a"}
PATH = {"path": "/x/y", "is_resource": False}


@pytest.mark.parametrize(
    ("line", "attributes", "allowed"),
    [
        pytest.param(V1 % '"user": "ann", "namespace": "*", "resource": "pods"',
            asked(**PODS), True, id="user"),
        pytest.param(V1 % '"user": "ann", "namespace": "b", "resource": "pods"',
            asked(**PODS), False, id="namespace"),
        pytest.param(V1 % '"user": "ann", "namespace": "*", "resource": "*"',
            asked(**PODS, api_group="apps"), False, id="group-of-the-api"),
        pytest.param(V1 % '"user": "ann", "namespace": "*", "resource": "*", "apiGroup": "*"',
            asked(**PODS, api_group="apps"), True, id="any-group-of-the-api"),
        pytest.param(V1 % '"user": "ann", "readonly": true, "namespace": "*", "resource": "*"',
            asked(verb="create", **PODS), False, id="readonly"),
        pytest.param(V1 % '"user": "ann", "readonly": true, "namespace": "*", "resource": "*"',
            asked(verb="watch", **PODS), True, id="readonly-reads"),
        pytest.param(V1 % '"user": "ann", "group": "dev", "namespace": "*", "resource": "*"',
            asked(**PODS), False, id="both-must-fit"),
        pytest.param(V1 % '"group": "*", "nonResourcePath": "/x/*"', asked(**PATH), True, id="path-prefix"),
        pytest.param(V1 % '"group": "*", "nonResourcePath": "/x"', asked(**PATH), False, id="other-path"),
        pytest.param(V1 % '"user": "*", "nonResourcePath": "*"',
            asked(groups=("system:unauthenticated",), **PATH), False, id="everyone-is-everyone-known"),
        pytest.param(V1 % '"namespace": "*", "resource": "*"', asked(**PODS), False, id="nobody"),
        pytest.param('{"user": "ann"}', asked(**PATH), True, id="v0-everything"),
        pytest.param('{"user": "ann", "resource": "pods"}',
            asked(**PODS, api_group="apps"), True, id="v0-any-api-group"),
        pytest.param('{"user": "ann", "resource": "pods"}', asked(**PATH), False, id="v0-resources-only"),
        pytest.param('{"readonly": true}', asked(user="bob", **PODS), True, id="v0-everyone"),
    ],
)  # fmt: skip
async def test_what_a_policy_allows(tmp_path, line, attributes, allowed):
    file = tmp_path / "policy"
    file.write_text(f"# who may\n\n{line}\n")
    decision = await abac.read(str(file)).authorize(attributes)
    assert (decision.verdict is contract.Verdict.ALLOW) is allowed
    assert decision.reason == ("" if allowed else "No policy matched.")


@pytest.mark.parametrize("line", ["{", '{"apiVersion": "x/v1", "kind": "Policy"}', '{"user": 7}'])
def test_a_line_that_is_no_policy_is_named(tmp_path, line):
    file = tmp_path / "policy"
    file.write_text(f"{V1 % ''}\n{line}\n")
    with pytest.raises(abac.Unusable, match=f"error reading policy file {file}, line 2"):
        abac.read(str(file))


def test_its_rules_can_be_listed():
    (policy,) = abac.parse(V1 % '"user": "ann", "readonly": true, "namespace": "*", "resource": "pods"')
    told = abac.Abac([policy]).resolve_rules(contract.UserInfo("ann"), "ns")
    assert told.found == [{"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods"]}]
