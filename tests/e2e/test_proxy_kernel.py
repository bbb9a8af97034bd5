"""The proxy's scripts against a real kernel, in a network namespace of its own."""

import dataclasses
import json
import subprocess
import sys

import pytest

from kijabi.node.proxy import nft, rules, script
from kijabi.node.proxy.services import Endpoint, ServicePort

pytestmark = pytest.mark.e2e

NETWORK = rules.Network("10.244.0.0/16", ("192.0.2.1",))
WEB = ServicePort(
    "ns", "web", "http", "tcp", "10.96.0.1", 80, 30080, ("203.0.113.9",), 0, False, False,
    cluster=(Endpoint("10.244.0.2", 8080, local=True), Endpoint("10.244.1.2", 8080, local=False)),
    local=(Endpoint("10.244.0.2", 8080, local=True),),
)  # fmt: skip
STATES: list[list[ServicePort]] = [
    [WEB],
    [dataclasses.replace(WEB, affinity=60)],
    [dataclasses.replace(WEB, affinity=90, external_local=True)],
    [dataclasses.replace(WEB, cluster=(), local=())],
    [WEB, dataclasses.replace(WEB, name="dns", protocol="udp", cluster_ip="10.96.0.10", node_port=0, external=())],
    [dataclasses.replace(WEB, internal_local=True)],
    [],
]


def walk() -> list[tuple[list[str], list[str]]]:
    """Load every state, first step by step and then whole; the kernel's listings after each."""
    kernel = nft.Nft()
    now, listings = rules.Content(), []
    kernel.run(script.load(now))
    for ports in STATES:
        wanted = rules.content(ports, NETWORK)
        kernel.run(script.change(now, wanted))
        stepped = kernel.run(f"list table {rules.TABLE}")
        kernel.run(script.load(wanted))
        whole = kernel.run(f"list table {rules.TABLE}")
        listings.append((sorted(stepped.split("\n")), sorted(whole.split("\n"))))
        now = wanted
    kernel.close()
    return listings


@pytest.fixture(scope="module")
def listings() -> list[tuple[list[str], list[str]]]:
    # A process of its own, because a process that has threads cannot leave its namespace as a whole.
    ran = subprocess.run(
        ["unshare", "--net", sys.executable, __file__], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [(stepped, whole) for stepped, whole in json.loads(ran.stdout)]


@pytest.mark.parametrize("step", range(len(STATES)))
def test_step_by_step_and_at_once_the_kernel_holds_the_same(
    listings: list[tuple[list[str], list[str]]], step: int
) -> None:
    stepped, whole = listings[step]
    assert stepped == whole
    assert any("chain services" in line for line in whole)


if __name__ == "__main__":
    print(json.dumps(walk()))
