import ipaddress
import itertools

import pytest

from kijabi.cluster import addresses


def networks(*texts: str) -> list[addresses.Network]:
    return [ipaddress.IPv4Network(text) for text in texts]


def test_no_two_clusters_share_an_address() -> None:
    everything = [network for index in addresses.INDEXES for network in addresses.Plan(index).ranges()]
    assert not [pair for pair in itertools.combinations(everything, 2) if pair[0].overlaps(pair[1])]


def test_the_first_cluster_has_the_usual_ranges() -> None:
    plan = addresses.Plan(0)
    assert (str(plan.pods), str(plan.services)) == ("10.244.0.0/16", "10.96.0.0/16")
    assert (plan.kubernetes_service, plan.dns_service) == ("10.96.0.1", "10.96.0.10")
    assert (plan.bridge_address, plan.node_address(1)) == ("172.29.0.1", "172.29.0.2")
    assert str(plan.node_pods(1)) == "10.244.1.0/24"


def test_every_node_has_an_address_and_pods_of_its_own() -> None:
    plan = addresses.Plan(3)
    numbers = range(1, addresses.MAX_NODES + 1)
    found = {plan.node_address(number) for number in numbers}
    assert len(found) == addresses.MAX_NODES
    assert plan.bridge_address not in found
    assert all(ipaddress.IPv4Address(address) in plan.nodes for address in found)
    assert len({plan.node_pods(number) for number in numbers}) == addresses.MAX_NODES


@pytest.mark.parametrize(
    ("taken", "routed", "chosen"),
    [
        pytest.param([], networks("0.0.0.0/0"), 0, id="a default route takes nothing"),
        pytest.param([0, 1], [], 2, id="after other clusters"),
        pytest.param([], networks("172.29.0.0/24"), 1, id="somebody has the node range"),
        pytest.param([], networks("10.244.7.0/24"), 1, id="somebody has a part of the pod range"),
        pytest.param([1], networks("10.96.0.0/12"), 16, id="somebody has many Service ranges"),
        pytest.param([], networks("10.0.0.0/8"), None, id="nothing is left"),
    ],
)
def test_a_cluster_takes_the_first_ranges_nobody_has(
    taken: list[int], routed: list[addresses.Network], chosen: int | None
) -> None:
    assert addresses.choose_index(taken, routed) == chosen


@pytest.mark.parametrize(("used", "free"), [([], 1), ([1, 2], 3), ([2, 3], 1), ([1, 3], 2)])
def test_a_node_takes_the_lowest_free_number(used: list[int], free: int) -> None:
    assert addresses.free_number(used) == free


def test_interface_names_fit_the_kernel() -> None:
    assert len(addresses.link_name("kj", 63, addresses.MAX_NODES)) <= 15
