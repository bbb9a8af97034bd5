from pathlib import Path

from kijabi.cluster import addresses, network

PLAN = addresses.Plan(0)


def test_the_bridge_is_made_once() -> None:
    fresh = network.bridge_commands(PLAN, "dev", exists=False)
    again = network.bridge_commands(PLAN, "dev", exists=True)
    assert fresh[0] == "link add kj0 type bridge"
    assert again == fresh[1:]
    assert again == [
        "link set kj0 alias kijabi-dev",
        "address replace 172.29.0.1/24 dev kj0",
        "link set kj0 up",
    ]


def test_a_node_gets_a_cable_into_its_namespace() -> None:
    assert network.link_commands(PLAN, 2, Path("/run/x/netns"), exists=False) == [
        "link add kj0n2 type veth peer name eth0 netns /run/x/netns",
        "link set kj0n2 master kj0 up",
    ]


def test_a_node_routes_the_pods_of_the_others_through_them() -> None:
    commands = network.node_commands(PLAN, 2, [1, 2, 3])
    assert commands[-2:] == [
        "route replace 10.244.1.0/24 via 172.29.0.2",
        "route replace 10.244.3.0/24 via 172.29.0.4",
    ]
    assert "route replace default via 172.29.0.1" in commands


def test_services_are_reached_through_every_running_node() -> None:
    assert network.route_commands(PLAN, [2, 1]) == [
        "route replace 10.244.1.0/24 via 172.29.0.2",
        "route replace 10.244.2.0/24 via 172.29.0.3",
        "route replace 10.96.0.0/16 nexthop via 172.29.0.2 nexthop via 172.29.0.3",
    ]


def test_without_a_running_node_nothing_is_routed() -> None:
    assert network.route_commands(PLAN, []) == []


def test_the_table_is_replaced_whole_and_keeps_strangers_out() -> None:
    rules = network.masquerade_rules(PLAN)
    assert rules.splitlines()[:2] == ["table ip kijabi0", "delete table ip kijabi0"]
    assert 'oifname "kj0" iifname != "kj0" ct state new drop' in rules
