import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.admission import resource_quota

DEPLOYMENTS = kinds.DEPLOYMENTS


def quota(access, name="q", spec=None, used=None, **hard):
    hard = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    used = dict.fromkeys(hard, "0") if used is None else used
    access.add(
        kinds.RESOURCE_QUOTAS, name, "ns", spec={"hard": hard, **(spec or {})}, status={"hard": hard, "used": used}
    )


def used(access, name="q"):
    return access.get_nowait(kinds.RESOURCE_QUOTAS, name, "ns")["status"]["used"]


def create(what, obj, **more):
    meta = {"name": "x", "namespace": "ns"}
    return contract.AdmissionAttributes(
        contract.CREATE, what, "", "x", "ns", {"metadata": meta, **obj}, None, {}, contract.UserInfo("ann"), **more
    )


def pod(cpu=None, **spec):
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    return {"spec": {"containers": [{"name": "c", "resources": resources}], **spec}}


async def test_usage_is_charged(access):
    quota(access, pods="5", requests_cpu="1", count__pods="9")
    await resource_quota.ResourceQuota(access).validate(create(kinds.PODS, pod("250m")))
    assert used(access) == {"pods": "1", "requests.cpu": "250m", "count/pods": "1"}


async def test_a_dry_run_is_decided_and_not_charged(access):
    quota(access, pods="1")
    one = resource_quota.ResourceQuota(access)
    await one.validate(create(kinds.PODS, pod(), dry_run=True))
    assert used(access) == {"pods": "0"}


@pytest.mark.parametrize(
    ("hard", "what", "obj", "why"),
    [
        (
            {"pods": "0"},
            kinds.PODS,
            pod(),
            "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
        ),
        (
            {"requests_cpu": "1", "limits_cpu": "2"},
            kinds.PODS,
            pod("2"),
            "failed quota: q: must specify limits.cpu for: c",
        ),
        (
            {"count__deployments.apps": "0"},
            DEPLOYMENTS,
            {},
            "exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=0, "
            "limited: count/deployments.apps=0",
        ),
        (
            {"services_nodeports": "1"},
            kinds.SERVICES,
            {"spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}},
            "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, "
            "limited: services.nodeports=1",
        ),
        (
            {"requests_storage": "1Gi"},
            kinds.PERSISTENT_VOLUME_CLAIMS,
            {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
            "exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=0, "
            "limited: requests.storage=1Gi",
        ),
    ],
)
async def test_what_is_too_much_is_refused(access, hard, what, obj, why):
    quota(access, **hard)
    before = used(access)
    with pytest.raises(errors.Forbidden) as caught:
        await resource_quota.ResourceQuota(access).validate(create(what, obj))
    assert caught.value.message.endswith(f'"x" is forbidden: {why}')
    assert used(access) == before


async def test_usage_must_be_known_first(access):
    quota(access, used={}, pods="5")
    with pytest.raises(errors.Forbidden, match="status unknown for quota: q, resources: pods"):
        await resource_quota.ResourceQuota(access).validate(create(kinds.PODS, pod()))


@pytest.mark.parametrize(
    ("spec", "obj", "counted"),
    [
        ({"scopes": ["BestEffort"]}, pod(), True),
        ({"scopes": ["BestEffort"]}, pod("1"), False),
        ({"scopes": ["Terminating"]}, pod(activeDeadlineSeconds=5), True),
        ({"scopes": ["NotTerminating"]}, pod(activeDeadlineSeconds=5), False),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                }
            },
            pod(priorityClassName="a"),
            True,
        ),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                }
            },
            pod(priorityClassName="b"),
            False,
        ),
    ],
)
async def test_scopes_choose_pods(access, spec, obj, counted):
    quota(access, spec=spec, pods="5")
    await resource_quota.ResourceQuota(access).validate(create(kinds.PODS, obj))
    assert used(access) == {"pods": "1" if counted else "0"}


async def test_an_update_is_charged_for_what_it_adds(access):
    quota(access, services_nodeports="3", used={"services.nodeports": "1"})
    change = create(kinds.SERVICES, {"spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}})
    change.operation = contract.UPDATE
    change.old_object = {"metadata": {}, "spec": {"type": "NodePort", "ports": [{"port": 1}]}}
    await resource_quota.ResourceQuota(access).validate(change)
    assert used(access) == {"services.nodeports": "2"}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amounts=st.lists(st.integers(1, 9), min_size=1, max_size=25), hard=st.integers(0, 60), elsewhere=st.integers(0, 3)
)
async def test_concurrent_creations_never_exceed_a_quota(access, amounts, hard, elsewhere):
    quota(access, requests_cpu=str(hard), pods="1k")
    mutate, others = access.mutate, [1] * elsewhere

    async def slow(*args, **kwargs):
        await asyncio.sleep(0)
        if others:
            # Another server charges between our decision and our write.
            others.pop()
            there = access.get_nowait(kinds.RESOURCE_QUOTAS, "q", "ns")
            there["status"]["used"]["pods"] = str(int(there["status"]["used"]["pods"]) + 1)
            access.put(kinds.RESOURCE_QUOTAS, there)
        return await mutate(*args, **kwargs)

    access.mutate = slow
    one = resource_quota.ResourceQuota(access)
    try:
        results = await asyncio.gather(
            *(one.validate(create(kinds.PODS, pod(str(amount)))) for amount in amounts), return_exceptions=True
        )
    finally:
        access.mutate = mutate
    granted = [amount for amount, result in zip(amounts, results, strict=True) if result is None]
    assert all(result is None or isinstance(result, errors.Forbidden) for result in results)
    assert used(access)["requests.cpu"] == str(sum(granted))
    assert sum(granted) <= hard
    assert used(access)["pods"] == str(len(granted) + (elsewhere - len(others)))
    assert not one._lines
