"""Addresses and node ports of Services, given out by two servers at once."""

import asyncio
import dataclasses

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver.specials import claims
from kijabi.client import rest


def service(name: str, **spec: object) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}], **spec},
    }


async def test_two_servers_never_give_the_same_number(pair) -> None:
    async def make(number: int) -> dict[str, object] | None:
        try:
            return await pair[number % 2].client.create(kinds.SERVICES, service(f"s{number}"))
        except errors.ApiError:
            return None

    # Of the 254 addresses one is the API's own; every free one is found, whoever asks.
    made = [one for one in await asyncio.gather(*(make(number) for number in range(60))) if one]
    assert len(made) == 60
    assert len({one["spec"]["clusterIP"] for one in made}) == 60
    assert len({one["spec"]["ports"][0]["nodePort"] for one in made}) == 60
    listed = await pair[0].client.list(kinds.IP_ADDRESSES)
    assert len(listed["items"]) == 61
    one = next(item for item in listed["items"] if item["metadata"]["name"] == made[0]["spec"]["clusterIP"])
    assert one["spec"]["parentRef"] == {"resource": "services", "namespace": "default", "name": "s0"}
    assert one["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }


@pytest.mark.parametrize("wanted", [{"clusterIP": "10.0.0.77"}, {"ports": [{"port": 80, "nodePort": 30777}]}])
async def test_of_two_that_name_the_same_number_one_gets_it(pair, wanted) -> None:
    asked = [server.client.create(kinds.SERVICES, service(f"s{n}", **wanted)) for n, server in enumerate(pair)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    refused = [result for result in results if isinstance(result, errors.Invalid)]
    assert len(refused) == 1
    assert "is already allocated" in refused[0].message
    names = [item["metadata"]["name"] for item in (await pair[0].client.list(kinds.SERVICES))["items"]]
    assert len(names) == 2  # one of these, and kubernetes
    await pair[1].client.delete(kinds.SERVICES, next(name for name in names if name != "kubernetes"), "default")
    await pair[0].client.create(kinds.SERVICES, service("again", **wanted))


async def test_another_range_extends_the_pool_at_once(pair) -> None:
    one, other = pair
    with pytest.raises(errors.Invalid, match="the provided network does not match the current range"):
        await one.client.create(kinds.SERVICES, service("s", clusterIP="10.9.0.5"))
    made = await other.client.create(
        kinds.SERVICE_CIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.9.0.0/28"]}}
    )
    assert "status" not in made or not made["status"]
    made["status"] = {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ]
    }
    await other.client.update(kinds.SERVICE_CIDRS, made, subresource="status")
    await one.client.list(kinds.SERVICE_CIDRS)
    await one.client.create(kinds.SERVICES, service("s", clusterIP="10.9.0.5"))


async def test_what_a_crash_leaves_behind_is_repaired(pair) -> None:
    one, other = pair
    made = await one.client.create(kinds.SERVICES, service("s"))
    port, address = made["spec"]["ports"][0]["nodePort"], made["spec"]["clusterIP"]
    # Lost: both claims of a Service. Leaked: both claims of one that never came to be.
    await one.client.delete(kinds.IP_ADDRESSES, address)
    await one.store.delete(f"{claims.PORTS}{port}")
    leaked = claims.ip_address("10.0.0.99", {"metadata": {"namespace": "default", "name": "gone"}})
    await one.client.create(kinds.IP_ADDRESSES, leaked)
    await one.store.put(f"{claims.PORTS}30999", b"{}")
    await other.client.list(kinds.IP_ADDRESSES)
    repair = other.assembly.repair
    for _ in range(5):
        await repair.turn()
    found = await one.client.get(kinds.IP_ADDRESSES, address)
    assert found["spec"]["parentRef"]["name"] == "s"
    assert sorted(await repair._claims.ports()) == [port]
    # Young enough to belong to a request under way.
    assert await one.client.get(kinds.IP_ADDRESSES, "10.0.0.99")
    events = (await one.client.list(kinds.EVENTS, rest.Selection("default")))["items"]
    assert {event["reason"] for event in events} == {"ClusterIPNotAllocated", "PortNotAllocated"}


async def test_a_server_that_lags_takes_no_address_away(pair) -> None:
    one, other = pair
    made = await one.client.create(kinds.SERVICES, service("s"))
    address = made["spec"]["clusterIP"]
    await other.client.get(kinds.IP_ADDRESSES, address)
    repair = other.assembly.repair
    # As if it had heard of the address a minute ago, and of the Service not at all.
    known = repair._known
    known.services.pop(("default", "s"))
    known.addresses[address] = dataclasses.replace(known.addresses[address], created=0.0)
    await repair.turn()
    assert await one.client.get(kinds.IP_ADDRESSES, address)
