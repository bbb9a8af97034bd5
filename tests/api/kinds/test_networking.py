"""Ingresses, network policies, endpoint slices and budgets: what is refused and what is warned of."""

from __future__ import annotations

from typing import Any

import pytest

NETWORKING, DISCOVERY = "networking.k8s.io/v1", "discovery.k8s.io/v1"
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
INGRESS: dict[str, Any] = {
    "spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]}
}
PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec", {}, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
        (f"{PATH}.backend", {}, [f'{PATH}.backend: Invalid value: "": resource or service backend is required']),
        (
            f"{PATH}.backend.service.port",
            {"name": "http", "number": 80},
            [f'{PATH}.backend: Invalid value: "": cannot set both port name & port number'],
        ),
        (
            f"{PATH}.backend.service",
            {"name": "s"},
            [f"{PATH}.backend: Required value: port name or number is required"],
        ),
        (
            f"{PATH}.backend",
            {"resource": {"kind": "A/B", "name": "x"}},
            [f"{PATH}.backend.resource.kind: Invalid value: \"A/B\": may not contain '/'"],
        ),
        ("spec.rules[0].host", "*.example.com", []),
        ("spec.tls", [{"hosts": ["example.com"], "secretName": "s"}], []),
    ],
)
def test_ingresses(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(NETWORKING, "Ingress", INGRESS).create((path, value)) == expected


CLASS = ("metadata.annotations", {"kubernetes.io/ingress.class": "old"})


def test_the_annotation_of_an_ingress_is_old_and_may_not_differ_from_the_field(trial: Any) -> None:
    case = trial(NETWORKING, "Ingress", INGRESS)
    assert case.create(CLASS, ("spec.ingressClassName", "new")) == [
        'annotations.kubernetes.io/ingress.class: Invalid value: "old": must match `ingressClassName` when both are '
        "specified"
    ]
    assert case.strategy.warn_create(case.made(CLASS)) == [
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    ]
    assert case.strategy.warn_create(case.made()) == []


@pytest.mark.parametrize(
    ("point", "before", "expected"),
    [
        ({"ip": "192.0.2.1"}, {}, []),
        ({"ip": "192.0.02.1"}, {}, ['ip: Invalid value: "192.0.02.1": must not have leading 0s']),
        ({"ip": "192.0.02.1"}, {"ip": "192.0.02.1"}, []),
        (
            {"hostname": "192.0.2.1"},
            {},
            ['hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP address'],
        ),
    ],
)
def test_where_an_ingress_is_reached(trial: Any, point: Any, before: Any, expected: list[str]) -> None:
    path = "status.loadBalancer.ingress"
    found = trial(NETWORKING, "Ingress", INGRESS).status((path, [point]), before=((path, [before]),))
    assert found == [f"{path}[0].{text}" for text in expected]


POLICY: dict[str, Any] = {"spec": {"podSelector": {}}}
PEER, PORT = "spec.ingress[0].from[0]", "spec.ingress[0].ports[0]"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "spec.policyTypes",
            ["Ingress", "Egress", "Ingress"],
            [
                'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two '
                "policyTypes"
            ],
        ),
        (
            "spec.ingress",
            [{"ports": [{"port": 80, "endPort": 70}]}],
            [f"{PORT}.endPort: Invalid value: 80: must be greater than or equal to `port`"],
        ),
        (
            "spec.ingress",
            [{"ports": [{"protocol": "ICMP"}]}],
            [f'{PORT}.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
        ),
        (
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "192.0.2.1/24"}}]}],
            [
                f'{PEER}.ipBlock.cidr: Invalid value: "192.0.2.1/24": must not have bits set beyond the prefix length',
            ],
        ),
        (
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}, "podSelector": {}}]}],
            [f"{PEER}: Forbidden: may not specify both ipBlock and another peer"],
        ),
        ("spec.ingress", [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/25"]}}]}], []),
        (
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/24"]}}]}],
            [f'{PEER}.ipBlock.except[0]: Invalid value: "192.0.2.0/24": must be a strict subset of `cidr`'],
        ),
    ],
)
def test_network_policies(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(NETWORKING, "NetworkPolicy", POLICY).create((path, value)) == expected


def test_a_range_of_an_old_form_stays_where_it_is_stored(trial: Any) -> None:
    old = ("spec.ingress", [{"from": [{"ipBlock": {"cidr": "192.0.2.1/24"}}]}])
    case = trial(NETWORKING, "NetworkPolicy", POLICY)
    assert case.update(("metadata.labels", {"a": "b"}), before=(old,)) == []
    assert case.update(old) != []


SLICE: dict[str, Any] = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]}
FIRST = "endpoints[0]"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("addressType", "IPv6", [f'{FIRST}.addresses: Invalid value: "10.1.2.3": must be an IPv6 address']),
        (
            f"{FIRST}.addresses",
            ["127.0.0.1"],
            [
                f'{FIRST}.addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, '
                "::1/128)"
            ],
        ),
        (
            f"{FIRST}.hints",
            {"forZones": [{"name": "z"}, {"name": "z"}]},
            [f'{FIRST}.hints.forZones[1].name: Duplicate value: "z"'],
        ),
        ("ports", [{"name": "a"}, {"name": "a"}], ['ports[1].name: Duplicate value: "a"']),
        (f"{FIRST}.nodeName", "n", []),
    ],
)
def test_endpoint_slices(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(DISCOVERY, "EndpointSlice", SLICE).create((path, value)) == expected


def test_a_slice_shows_what_it_has_none_of(trial: Any) -> None:
    made = trial(DISCOVERY, "EndpointSlice", SLICE).made(("ports", []), (f"{FIRST}.deprecatedTopology", {"a": "b"}))
    assert (made["ports"], made["endpoints"]) == (None, [{"addresses": ["10.1.2.3"], "conditions": {}}])


def test_names_for_addresses_are_old(trial: Any) -> None:
    case = trial(DISCOVERY, "EndpointSlice", {"addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"]}]})
    assert case.create() == []
    assert case.strategy.warn_create(case.made()) == ["spec.addressType: FQDN endpoints are deprecated"]


BUDGET: dict[str, Any] = {"spec": {"minAvailable": 1}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "spec.maxUnavailable",
            2,
            [
                'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":2,'
                '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'
            ],
        ),
        ("spec.minAvailable", "101%", ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%']),
        (
            "spec.unhealthyPodEvictionPolicy",
            "",
            [
                'spec.unhealthyPodEvictionPolicy: Unsupported value: "": supported values: "AlwaysAllow", '
                '"IfHealthyBudget"'
            ],
        ),
    ],
)
def test_budgets(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial("policy/v1", "PodDisruptionBudget", BUDGET).create((path, value)) == expected


def test_conditions_of_the_common_type_say_all_there_is_to_say(trial: Any) -> None:
    when = "2026-01-01T00:00:00Z"
    good = {"type": "A", "status": "True", "reason": "R", "lastTransitionTime": when}
    case = trial("policy/v1", "PodDisruptionBudget", BUDGET)
    assert case.status(("status.conditions", [good])) == []
    found = case.status(("status.conditions", [good, {"type": "A", "status": "Yes", "reason": "R"}]))
    assert found == [
        'status.conditions[1].type: Duplicate value: "A"',
        'status.conditions[1].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"',
        "status.conditions[1].lastTransitionTime: Required value",
    ]
