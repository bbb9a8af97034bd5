from typing import Any

import pytest

from kijabi.node.proxy import services
from kijabi.node.proxy.services import Endpoint, Place

HERE = Place("here", "z1")


def service(**spec: Any) -> dict[str, Any]:
    base = {"clusterIP": "10.96.0.1", "ports": [{"port": 80, "protocol": "TCP"}], **spec}
    return {"metadata": {"name": "web", "namespace": "ns"}, "spec": base}


def endpoint(address: str, node: str = "here", **more: Any) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True}, **more}


def slices(*endpoints: dict[str, Any], port: int = 8080) -> list[dict[str, Any]]:
    ports = [{"name": "", "port": port, "protocol": "TCP"}]
    return [{"metadata": {}, "addressType": "IPv4", "ports": ports, "endpoints": list(endpoints)}]


GOING = {"ready": False, "serving": True, "terminating": True}
BROKEN = {"ready": False, "serving": False}


@pytest.mark.parametrize(
    ("endpoints", "cluster", "local"),
    [
        ([endpoint("1.1.1.1"), endpoint("1.1.1.2", "there")], ["1.1.1.1", "1.1.1.2"], ["1.1.1.1"]),
        ([endpoint("1.1.1.1", conditions=BROKEN), endpoint("1.1.1.2", "there")], ["1.1.1.2"], []),
        ([endpoint("1.1.1.1", conditions=GOING), endpoint("1.1.1.2", "there")], ["1.1.1.2"], ["1.1.1.1"]),
        ([endpoint("1.1.1.1", conditions=GOING), endpoint("1.1.1.2", conditions=BROKEN)], ["1.1.1.1"], ["1.1.1.1"]),
        ([endpoint("1.1.1.1", conditions={})], ["1.1.1.1"], ["1.1.1.1"]),
        (
            [
                endpoint("1.1.1.1", hints={"forZones": [{"name": "z1"}]}),
                endpoint("1.1.1.2", "there", hints={"forZones": [{"name": "z2"}]}),
            ],
            ["1.1.1.1"],
            ["1.1.1.1"],
        ),
        (
            [endpoint("1.1.1.1", hints={"forZones": [{"name": "z1"}]}), endpoint("1.1.1.2", "there")],
            ["1.1.1.1", "1.1.1.2"],
            ["1.1.1.1"],
        ),
    ],
    ids=[
        "ready ones", "not ready", "a local one on its way out serves local traffic only", "serving when none is ready",
        "unknown counts as ready", "hints for this zone", "hints count only when all have them",
    ],
)  # fmt: skip
def test_which_endpoints_traffic_may_use(endpoints: list[dict[str, Any]], cluster: list[str], local: list[str]) -> None:
    (port,) = services.service_ports(service(), slices(*endpoints), HERE)
    assert [one.address for one in port.cluster] == cluster
    assert [one.address for one in port.local] == local


def test_a_port_record_carries_what_the_service_says() -> None:
    (port,) = services.service_ports(
        service(
            ports=[{"name": "", "port": 80, "nodePort": 30080, "protocol": "TCP"}],
            externalIPs=["203.0.113.9", "2001:db8::1"],
            sessionAffinity="ClientIP",
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}},
            internalTrafficPolicy="Local",
            externalTrafficPolicy="Local",
        ),
        slices(endpoint("1.1.1.1")),
        HERE,
    )
    assert port.cluster == (Endpoint("1.1.1.1", 8080, local=True),)
    assert (port.node_port, port.external, port.affinity) == (30080, ("203.0.113.9",), 60)
    assert (port.internal_local, port.external_local) == (True, True)


@pytest.mark.parametrize(
    ("spec", "labels", "relevant"),
    [
        ({}, {}, True),
        ({"clusterIP": "None"}, {}, False),
        ({"type": "ExternalName", "clusterIP": ""}, {}, False),
        ({}, {services.PROXY_NAME: "other"}, False),
    ],
    ids=["plain", "headless", "external name", "another proxy's"],
)
def test_which_services_are_this_proxys(spec: dict[str, Any], labels: dict[str, str], relevant: bool) -> None:
    one = service(**spec)
    one["metadata"]["labels"] = labels
    assert services.relevant(one) is relevant
