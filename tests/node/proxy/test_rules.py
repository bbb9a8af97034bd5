import dataclasses

import pytest

from kijabi.node.proxy import rules, script
from kijabi.node.proxy.services import Endpoint, ServicePort

NETWORK = rules.Network("10.244.0.0/16", ("192.0.2.1",))
HERE, THERE = Endpoint("10.244.0.2", 8080, local=True), Endpoint("10.244.1.2", 8080, local=False)
WEB = ServicePort(
    "ns", "web", "http", "tcp", "10.96.0.1", 80, 0, (), 0, False, False, cluster=(HERE, THERE), local=(HERE,)
)  # fmt: skip


def chain_of(content: rules.Content, lookup: str, element: str) -> list[str]:
    return content.chains[content.maps[lookup][element].removeprefix("goto ")]


def test_a_cluster_ip_goes_to_one_of_its_endpoints() -> None:
    made = rules.content([WEB], NETWORK)
    masquerade, choice = chain_of(made, rules.SERVICE_IPS, "10.96.0.1 . tcp . 80")
    assert masquerade == "ip daddr 10.96.0.1 ip saddr != 10.244.0.0/16 jump mark-for-masquerade"
    assert choice.startswith("numgen random mod 2 vmap { 0 : goto endpoint-")
    targets = [made.chains[part.split()[-1]] for part in choice.split("{")[1].strip(" }").split(",")]
    assert [chain[-1] for chain in targets] == [
        "meta l4proto tcp dnat to 10.244.0.2:8080", "meta l4proto tcp dnat to 10.244.1.2:8080",
    ]  # fmt: skip
    assert targets[0][0] == "ip saddr 10.244.0.2 jump mark-for-masquerade"
    assert made.sets[rules.CLUSTER_IPS] == {"10.96.0.1"}


def test_a_service_without_endpoints_is_refused() -> None:
    made = rules.content([dataclasses.replace(WEB, cluster=(), local=(), node_port=30080)], NETWORK)
    assert made.maps[rules.REJECTED_IPS] == {"10.96.0.1 . tcp . 80": "goto reject-chain"}
    assert made.maps[rules.REJECTED_PORTS] == {"tcp . 30080": "goto reject-chain"}
    assert made.maps[rules.SERVICE_IPS] == {}


def test_node_ports_and_external_addresses_are_masqueraded_and_go_anywhere() -> None:
    made = rules.content([dataclasses.replace(WEB, node_port=30080, external=("203.0.113.9",))], NETWORK)
    rule, then = chain_of(made, rules.NODE_PORTS, "tcp . 30080")
    assert rule == "jump mark-for-masquerade"
    assert made.maps[rules.SERVICE_IPS]["10.96.0.1 . tcp . 80"] == then
    assert made.maps[rules.SERVICE_IPS]["203.0.113.9 . tcp . 80"] == made.maps[rules.NODE_PORTS]["tcp . 30080"]


@pytest.mark.parametrize(("local", "last"), [((HERE,), "goto local-"), ((), "drop")], ids=["some", "none"])
def test_the_local_external_policy_keeps_the_clients_address(local: tuple[Endpoint, ...], last: str) -> None:
    made = rules.content([dataclasses.replace(WEB, node_port=30080, external_local=True, local=local)], NETWORK)
    own_pods, _, own_node, outside = chain_of(made, rules.NODE_PORTS, "tcp . 30080")
    assert own_pods.startswith("ip saddr 10.244.0.0/16 goto service-")
    assert own_node.startswith("fib saddr type local goto service-")
    assert outside.startswith(last)


def test_the_local_internal_policy_drops_where_there_is_no_local_endpoint() -> None:
    made = rules.content([dataclasses.replace(WEB, internal_local=True, local=())], NETWORK)
    assert made.maps[rules.REJECTED_IPS] == {"10.96.0.1 . tcp . 80": "drop"}


def test_affinity_sends_a_client_where_it_was_before() -> None:
    made = rules.content([dataclasses.replace(WEB, affinity=60)], NETWORK)
    chain = chain_of(made, rules.SERVICE_IPS, "10.96.0.1 . tcp . 80")
    assert len(made.affinity) == 2
    assert set(made.affinity.values()) == {60}
    assert [rule.startswith("ip saddr @affinity-") for rule in chain] == [False, True, True, False]


def test_chain_names_fit_the_kernel_and_stay_apart() -> None:
    long = dataclasses.replace(WEB, namespace="n" * 63, name="s" * 63, port_name="p" * 15)
    other = dataclasses.replace(long, port_name="q" * 15)
    made = rules.content([long, other], NETWORK)
    assert all(len(name) < 128 for name in made.chains)
    assert len(made.chains) == 6


def test_nothing_is_written_when_nothing_changed() -> None:
    assert script.change(rules.content([WEB], NETWORK), rules.content([WEB], NETWORK)) == ""


def test_a_new_endpoint_touches_its_services_chains_only() -> None:
    other = dataclasses.replace(WEB, name="other", cluster_ip="10.96.0.2")
    now = rules.content([WEB, other], NETWORK)
    more = dataclasses.replace(WEB, cluster=(*WEB.cluster, Endpoint("10.244.1.3", 8080, local=False)))
    text = script.change(now, rules.content([more, other], NETWORK))
    assert "other" not in text
    assert [line.split()[0] for line in text.splitlines()].count("flush") == 1
    assert "element" not in text


def test_chains_are_made_before_they_are_named_and_unnamed_before_they_go() -> None:
    made = script.change(rules.Content(), rules.content([WEB], NETWORK)).splitlines()
    chains = [number for number, line in enumerate(made) if line.startswith("add chain")]
    named = [number for number, line in enumerate(made) if "goto" in line]
    assert max(chains) < min(named)
    gone = script.change(rules.content([WEB], NETWORK), rules.content([], NETWORK)).splitlines()
    elements = [number for number, line in enumerate(gone) if line.startswith("delete element")]
    deleted = [number for number, line in enumerate(gone) if line.startswith("delete chain")]
    assert max(elements) < min(deleted)
