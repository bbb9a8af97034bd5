import copy

import pytest

from kijabi.api import kinds
from kijabi.apiserver import options
from kijabi.apiserver.authz import policy
from kijabi.apiserver.bootstrap import ensure, reconcile
from kijabi.kit import clock

OPTIONS = options.Options(advertise_address="192.168.1.5", secure_port=6443)


async def test_a_second_start_writes_nothing(access):
    bootstrap = ensure.Bootstrap(access, OPTIONS, clock.FakeClock())
    await bootstrap.ensure()
    first = copy.deepcopy(access.objects)
    await bootstrap.ensure()
    assert access.objects == first
    assert len(first) > 140


async def test_the_api_is_reached_through_its_service(access):
    await ensure.Bootstrap(access, OPTIONS, clock.FakeClock()).ensure()
    service = access.get_nowait(kinds.SERVICES, "kubernetes", "default")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    found = access.get_nowait(kinds.ENDPOINT_SLICES, "kubernetes", "default")
    assert found["endpoints"] == [{"addresses": ["192.168.1.5"], "conditions": {"ready": True}}]
    subset = access.get_nowait(kinds.ENDPOINTS, "kubernetes", "default")["subsets"][0]
    assert subset == {
        "addresses": [{"ip": "192.168.1.5"}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    }


async def test_endpoints_follow_the_server_and_are_withdrawn(access):
    await ensure.Bootstrap(access, OPTIONS, clock.FakeClock()).ensure()
    moved = ensure.Bootstrap(access, options.Options(advertise_address="fd00::5", secure_port=443), clock.FakeClock())
    await moved.ensure_service()
    found = access.get_nowait(kinds.ENDPOINT_SLICES, "kubernetes", "default")
    assert (found["addressType"], found["endpoints"][0]["addresses"]) == ("IPv6", ["fd00::5"])
    await moved.withdraw()
    assert access.get_nowait(kinds.ENDPOINTS, "kubernetes", "default")["subsets"] == []
    assert access.get_nowait(kinds.ENDPOINT_SLICES, "kubernetes", "default")["endpoints"] == []


async def test_no_endpoints_where_there_is_no_socket(access):
    quiet = options.Options(advertise_address="192.168.1.5", endpoint_reconciler_type="none")
    await ensure.Bootstrap(access, quiet, clock.FakeClock()).ensure()
    assert access.get_nowait(kinds.SERVICES, "kubernetes", "default") is not None
    assert access.get_nowait(kinds.ENDPOINTS, "kubernetes", "default") is None


WANTED = {(obj["kind"], obj["metadata"]["name"]): obj for _, obj in policy.objects()}
SCHEDULER = WANTED["ClusterRole", "system:kube-scheduler"]
BINDING = WANTED["ClusterRoleBinding", "system:kube-scheduler"]
MINE = {"kind": "User", "name": "me", "apiGroup": "rbac.authorization.k8s.io"}
EXTRA_RULE = {"verbs": ["get"], "apiGroups": ["x"], "resources": ["y"]}


def with_(obj, **changes):
    made = copy.deepcopy(obj)
    for key, value in changes.items():
        if key == "annotations":
            made["metadata"]["annotations"] = value
        else:
            made[key] = value
    return made


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        pytest.param(SCHEDULER, SCHEDULER, None, id="as-it-should-be"),
        pytest.param(
            with_(SCHEDULER, rules=[*SCHEDULER["rules"], EXTRA_RULE]), SCHEDULER, None, id="what-was-added-stays"
        ),
        pytest.param(
            with_(SCHEDULER, rules=SCHEDULER["rules"][1:]),
            SCHEDULER,
            {"rules": [*SCHEDULER["rules"][1:], SCHEDULER["rules"][0]]},
            id="what-was-taken-comes-back",
        ),
        pytest.param(
            with_(SCHEDULER, rules=[], annotations={policy.AUTOUPDATE: "false"}), SCHEDULER, None, id="hands-off"
        ),
        pytest.param(
            with_(BINDING, subjects=[MINE]), BINDING, {"subjects": [MINE, *BINDING["subjects"]]}, id="subject"
        ),
        pytest.param(
            with_(BINDING, roleRef={"kind": "ClusterRole", "name": "x"}),
            BINDING,
            {"roleRef": BINDING["roleRef"]},
            id="other-role",
        ),
        pytest.param(
            with_(WANTED["ClusterRole", "view"], rules=[EXTRA_RULE]),
            WANTED["ClusterRole", "view"],
            None,
            id="aggregated-rules-are-the-controllers",
        ),
    ],
)
def test_bootstrap_policy_is_reconciled(there, wanted, expected):
    made = reconcile.reconciled(there, wanted)
    if expected is None:
        assert made is None
    else:
        assert {key: made[key] for key in expected} == expected
