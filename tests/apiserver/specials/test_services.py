import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.apiserver.specials import claims, ledger, pools, services
from kijabi.kit import http


class Writer:
    """Writes Services as the registry does: hook, store, hook."""

    def __init__(self, access, cidrs="10.96.0.0/16", ports="30000-32767", store=None):
        self.access = access
        source = random.Random(1)
        self.ledger = ledger.Ledger(access, cidrs, source)
        self.hook = services.ServiceHook(self.ledger, claims.Claims(access, store), ports, source)

    def context(self, dry_run=False):
        info = contract.RequestInfo(True, "/", "create")
        return contract.RequestContext(http.Request("POST", "/"), info, contract.SYSTEM, self.access, dry_run=dry_run)

    async def create(self, name="s", dry_run=False, fails=False, **spec):
        context = self.context(dry_run)
        obj = {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}
        await self.hook.before_create(context, obj)
        await asyncio.sleep(0)
        if fails:
            await self.hook.after_failed_create(context, obj)
            return obj
        if not dry_run:
            self.access.put(kinds.SERVICES, obj)
        await self.hook.after_create(context, obj)
        return obj

    async def update(self, name="s", **spec):
        context = self.context()
        old = self.access.get_nowait(kinds.SERVICES, name, "ns")
        new = {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}
        await self.hook.before_update(context, new, old)
        self.access.put(kinds.SERVICES, new)
        await self.hook.after_update(context, new, old)
        return new["spec"]

    async def delete(self, name="s"):
        old = self.access.drop(kinds.SERVICES, name, "ns")
        await self.hook.after_delete(self.context(), old)


@pytest.fixture
def writer(access):
    return Writer(access)


PORT = {"port": 80, "protocol": "TCP"}


async def test_a_service_gets_an_address_above_the_static_band(writer):
    spec = (await writer.create(ports=[dict(PORT)]))["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    assert tuple(map(int, spec["clusterIP"].split("."))) >= (10, 96, 1, 0)
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert spec["internalTrafficPolicy"] == "Cluster"
    assert "nodePort" not in spec["ports"][0]


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        ({"clusterIP": "None", "selector": {"a": "b"}}, ["IPv4"], "SingleStack"),
        ({"clusterIP": "None"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"clusterIP": "None", "ipFamilyPolicy": "SingleStack"}, ["IPv4"], "SingleStack"),
        ({"type": "ExternalName", "externalName": "x"}, None, None),
    ],
)
async def test_headless_and_external_services_have_none(writer, spec, families, policy):
    made = (await writer.create(**spec))["spec"]
    assert made.get("clusterIP") == spec.get("clusterIP")
    assert (made.get("ipFamilies"), made.get("ipFamilyPolicy")) == (families, policy)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"clusterIP": "10.96.0.10"},
            'Service "t" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: '
            "provided IP is already allocated",
        ),
        (
            {"clusterIP": "10.97.0.1"},
            'Service "t" is invalid: spec.clusterIPs: Invalid value: ["10.97.0.1"]: failed to allocate IP 10.97.0.1: '
            "the provided network does not match the current range",
        ),
        (
            {"type": "NodePort", "ports": [{**PORT, "nodePort": 30080}]},
            'Service "t" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
        ),
        (
            {"type": "NodePort", "ports": [{**PORT, "nodePort": 80}]},
            'Service "t" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid '
            "range. The range of valid ports is 30000-32767",
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            'Service "t" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not '
            "configured for dual-stack services",
        ),
        (
            {"ipFamilies": ["IPv6"]},
            'Service "t" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ),
    ],
)
async def test_what_cannot_be_had_is_told(writer, spec, message):
    await writer.create(clusterIP="10.96.0.10", type="NodePort", ports=[{**PORT, "nodePort": 30080}])
    with pytest.raises(errors.Invalid) as caught:
        await writer.create("t", **spec)
    assert caught.value.message == message


async def test_protocols_of_one_port_share_a_node_port(writer):
    spec = (await writer.create(type="NodePort", ports=[dict(PORT), {"port": 80, "protocol": "UDP"}]))["spec"]
    first, second = (port["nodePort"] for port in spec["ports"])
    assert first == second
    assert 30000 <= first <= 32767


async def test_a_load_balancer_keeping_local_gets_a_health_port(writer):
    spec = (await writer.create(type="LoadBalancer", externalTrafficPolicy="Local", ports=[dict(PORT)]))["spec"]
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]


async def test_a_load_balancer_may_do_without_node_ports(writer):
    made = await writer.create(type="LoadBalancer", allocateLoadBalancerNodePorts=False, ports=[dict(PORT)])
    assert "nodePort" not in made["spec"]["ports"][0]


async def test_what_an_update_leaves_out_stays(writer):
    before = (await writer.create(type="NodePort", ports=[dict(PORT)]))["spec"]
    after = await writer.update(type="NodePort", ports=[{**PORT, "name": ""}])
    assert after["clusterIP"] == before["clusterIP"]
    assert after["ports"][0]["nodePort"] == before["ports"][0]["nodePort"]


async def test_a_change_of_type_gives_back_and_takes(writer):
    before = (await writer.create(type="NodePort", ports=[dict(PORT)]))["spec"]
    port, address = before["ports"][0]["nodePort"], before["clusterIP"]
    plain = await writer.update(**{**before, "type": "ClusterIP"})
    assert "nodePort" not in plain["ports"][0]
    await writer.create("t", type="NodePort", ports=[{**PORT, "nodePort": port}])
    external = await writer.update(**{**plain, "type": "ExternalName", "externalName": "x"})
    assert "clusterIP" not in external
    assert "ipFamilies" not in external
    await writer.create("u", clusterIP=address)
    again = await writer.update(type="ClusterIP", ports=[dict(PORT)])
    assert again["clusterIP"] not in ("", address)


async def test_deletion_gives_back(writer):
    await writer.create(clusterIP="10.96.0.10")
    await writer.delete()
    await writer.create("t", clusterIP="10.96.0.10")


@pytest.mark.parametrize("how", [{"dry_run": True}, {"fails": True}], ids=["dry-run", "failed"])
async def test_what_is_not_stored_is_not_held(writer, how):
    await writer.create(clusterIP="10.96.0.10", **how)
    await writer.create(clusterIP="10.96.0.10")


async def test_a_new_server_knows_what_stored_services_hold(access, writer):
    await writer.create(clusterIP="10.96.0.10", type="NodePort", ports=[{**PORT, "nodePort": 30001}])
    again = Writer(access)
    for spec in ({"clusterIP": "10.96.0.10"}, {"type": "NodePort", "ports": [{**PORT, "nodePort": 30001}]}):
        with pytest.raises(errors.Invalid, match="already allocated"):
            await again.create("t", **spec)


async def test_two_stacks(access):
    writer = Writer(access, "10.96.0.0/16,fd00::/108")
    spec = (await writer.create(ipFamilyPolicy="PreferDualStack"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert spec["clusterIPs"][1].startswith("fd00::")
    single = await writer.update(**{**spec, "ipFamilyPolicy": "SingleStack"})
    assert single["clusterIPs"] == spec["clusterIPs"][:1]
    back = await writer.update(**{**single, "ipFamilyPolicy": "RequireDualStack"})
    assert len(back["clusterIPs"]) == 2


async def test_a_full_range_is_an_error_of_the_server(access):
    writer = Writer(access, "10.0.0.0/30")
    await writer.create("a")
    await writer.create("b")
    with pytest.raises(errors.InternalError, match='failed to allocate a serviceIP for Service "c": range is full'):
        await writer.create("c")


_SPECS = st.lists(
    st.tuples(
        st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        st.sampled_from([None, "10.0.0.3", "10.0.0.7"]),
        st.sampled_from([None, 30002]),
        st.sampled_from(["stored", "fails", "deleted"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs=_SPECS)
async def test_nothing_is_ever_given_twice(access, specs):
    access.objects.clear()
    access.subscribers.clear()
    writer = Writer(access, "10.0.0.0/27", "30000-30019")

    async def one(index, kind, address, port, fate):
        spec = {"type": kind, "ports": [{**PORT, **({"nodePort": port} if port and kind != "ClusterIP" else {})}]}
        if address:
            spec["clusterIP"] = address
        made = await writer.create(f"s{index}", fails=fate == "fails", **spec)
        if fate == "deleted":
            await writer.delete(f"s{index}")
        return made

    await asyncio.gather(*(one(index, *spec) for index, spec in enumerate(specs)), return_exceptions=True)
    stored = [obj["spec"] for obj in await access.list(kinds.SERVICES)]
    addresses = [spec["clusterIP"] for spec in stored]
    ports = [port["nodePort"] for spec in stored for port in spec["ports"] if "nodePort" in port]
    assert len(addresses) == len(set(addresses))
    assert len(ports) == len(set(ports))
    assert not writer.hook._promises
    assert not writer.ledger.ports._reserved
    claimed = [obj["metadata"]["name"] for obj in await access.list(kinds.IP_ADDRESSES)]
    assert sorted(claimed) == sorted(addresses)


@pytest.mark.parametrize(
    ("pool", "first", "last", "band"),
    [
        (pools.address_range("10.96.0.0/16"), "10.96.0.1", "10.96.255.254", 255),
        (pools.address_range("10.0.0.0/24"), "10.0.0.1", "10.0.0.254", 15),
        (pools.address_range("10.0.0.0/29"), "10.0.0.1", "10.0.0.6", 0),
    ],
)
def test_ranges(pool, first, last, band):
    numbers = [
        sum(int(part) << shift for part, shift in zip(text.split("."), (24, 16, 8, 0), strict=True))
        for text in (first, last)
    ]
    assert [pool.first, pool.last, pool.band] == [*numbers, band]


@pytest.mark.parametrize(("text", "band"), [("30000-32767", 86), ("30000-30015", 0), ("30000+100", 16)])
def test_port_ranges(text, band):
    assert pools.port_range(text).band == band


def test_the_band_is_given_out_last():
    pool, taken = pools.Range(1, 20, 10, random.Random(3)), pools.Taken()
    order = []
    for _ in range(20):
        number = pool.find(taken)
        taken.hold(number)
        order.append(number)
    assert sorted(order[:10]) == list(range(11, 21))
    assert pool.find(taken) is None
