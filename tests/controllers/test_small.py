"""The smaller controllers decided by tables: garbage, endpoints, budgets, quotas, storage, roles, requests."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import pods as p
from kijabi.api import kinds
from kijabi.controllers import clusterroleaggregation, namespace, protection, ttlafterfinished
from kijabi.controllers.certificates import requests
from kijabi.controllers.disruption import plan as disruption
from kijabi.controllers.endpointslice import plan as slices
from kijabi.controllers.garbage import graph
from kijabi.controllers.quota import plan as quota
from kijabi.kit import pki


def thing(name: str, *owners: str, finalizers: tuple[str, ...] = (), deleting: bool = False) -> graph.Node:
    references = tuple(graph.Reference(f"uid-{owner}", "v1", "ConfigMap", owner, True) for owner in owners)
    return graph.Node(kinds.CONFIG_MAPS, "ns", name, f"uid-{name}", references, deleting, finalizers)


def test_only_what_names_an_unknown_owner_is_looked_at() -> None:
    known = graph.Graph()
    assert known.put(thing("a")) == set()
    assert known.put(thing("b", "a")) == set()
    assert known.put(thing("c", "nobody")) == {"uid-c"}
    assert known.remove("uid-a") == {"uid-b"}


def test_a_foreground_deletion_wakes_dependents_and_waits_for_the_last() -> None:
    known = graph.Graph()
    for node in (thing("a"), thing("b", "a"), thing("c", "a")):
        known.put(node)
    going = thing("a", finalizers=(graph.FOREGROUND,), deleting=True)
    assert known.put(going) == {"uid-a", "uid-b", "uid-c"}
    assert {node.name for node in known.blocking("uid-a")} == {"b", "c"}
    assert "uid-a" in known.remove("uid-b")
    known.remove("uid-c")
    assert known.blocking("uid-a") == []


def service(**spec: Any) -> p.Object:
    meta = {"name": "web", "namespace": "ns", "uid": "uid-web"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"ports": [{"port": 80}], "clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"], **spec},
    }


def addressed(number: int, **more: Any) -> p.Object:
    return p.pod(f"p{number}", status={"podIPs": [{"ip": f"10.1.0.{number}"}]}, **more)


NODES = {"n1": {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z"}}}}


def test_a_service_without_pods_still_has_a_slice() -> None:
    made = slices.plan(service(), [], NODES, [])
    assert [item["endpoints"] for item in made.create] == [[]]


def test_one_pod_changes_one_slice_and_full_ones_are_left_alone() -> None:
    pods = [addressed(number) for number in range(1, 6)]
    first = slices.plan(service(), pods, NODES, [], maximum=2)
    assert [len(item["endpoints"]) for item in first.create] == [2, 2, 1]
    for number, item in enumerate(first.create):
        item["metadata"]["name"] = f"s{number}"
    assert slices.plan(service(), pods, NODES, first.create, maximum=2) == slices.Plan()
    more = slices.plan(service(), [*pods, addressed(6)], NODES, first.create, maximum=2)
    assert ([item["metadata"]["name"] for item in more.update], more.create, more.delete) == (["s2"], [], [])
    fewer = slices.plan(service(), pods[2:], NODES, first.create, maximum=2)
    assert ([item["metadata"]["name"] for item in fewer.delete], fewer.update) == (["s0"], [])


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (addressed(1), (True, True, False)),
        (addressed(1, ready=False), (False, False, False)),
        (addressed(1, going=True), (False, True, True)),
    ],
)
def test_an_endpoint_says_how_its_pod_is(pod: p.Object, expected: tuple[bool, bool, bool]) -> None:
    (item,) = slices.plan(service(), [pod], NODES, []).create
    said = item["endpoints"][0]["conditions"]
    assert (said["ready"], said["serving"], said["terminating"]) == expected
    assert item["endpoints"][0]["zone"] == "z"


@pytest.mark.parametrize(
    ("spec", "pods", "wanted", "expected"),
    [
        ({"minAvailable": 2}, 3, 0, (3, 2)),
        ({"minAvailable": "50%"}, 3, 5, (5, 3)),
        ({"maxUnavailable": 1}, 3, 5, (5, 4)),
        ({"maxUnavailable": "30%"}, 3, 10, (10, 7)),
        ({"maxUnavailable": 9}, 3, 5, (5, 0)),
        ({}, 3, 5, (0, 0)),
    ],
)
def test_how_many_must_be_healthy(spec: p.Object, pods: int, wanted: int, expected: tuple[int, int]) -> None:
    made = disruption.expected({"spec": spec}, [p.pod(str(number)) for number in range(pods)], wanted)
    assert (made.pods, made.healthy) == expected


@pytest.mark.parametrize(
    ("pods", "allowed"),
    [
        ([p.pod("a"), p.pod("b"), p.pod("c")], 1),
        ([p.pod("a"), p.pod("b"), p.pod("c", ready=False)], 0),
        ([p.pod("a"), p.pod("b"), p.pod("c", going=True)], 0),
        ([p.pod("a"), p.pod("b"), p.pod("evicted")], 0),
        ([p.pod("a"), p.pod("b"), p.pod("forgotten")], 1),
    ],
)
def test_room_is_what_is_healthy_beyond_need(pods: list[p.Object], allowed: int) -> None:
    noted = {"evicted": p.stamp(10), "forgotten": p.stamp(300)}
    budget = {"metadata": {"generation": 3}, "spec": {"minAvailable": 2}, "status": {"disruptedPods": noted}}
    going = disruption.disrupted(budget, pods, p.NOW)
    current = disruption.healthy(pods, going.kept)
    made = disruption.status(budget, disruption.expected(budget, pods, 0), current, going.kept, p.NOW)
    assert (made["disruptionsAllowed"], made["observedGeneration"]) == (allowed, 3)
    reason = "SufficientPods" if allowed else "InsufficientPods"
    assert made["conditions"][0]["reason"] == reason
    assert [pod["metadata"]["name"] for pod in going.overdue] == [
        pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] == "forgotten"
    ]


def test_usage_is_summed_over_what_is_in_scope() -> None:
    hard = {"pods": "5", "requests.cpu": "2", "count/secrets": "3"}
    of = {"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"used": {"pods": "4", "old": "1"}}}
    asking = p.pod("a")
    asking["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}
    objects: dict[Any, Any] = {kinds.PODS: [asking, p.pod("b", phase="Failed")], kinds.SECRETS: [{}, {}]}
    made = quota.status(of, objects)
    assert made == {"hard": hard, "used": {"pods": "1", "requests.cpu": "500m", "count/secrets": "2"}}
    assert quota.lowers(of, made)
    assert [item.plural for item in quota.counted(of, [kinds.PODS, kinds.SECRETS, kinds.EVENTS])] == ["pods", "secrets"]


@pytest.mark.parametrize(
    ("deleting", "finalizers", "used", "expected"),
    [
        (False, [], False, ["f"]),
        (False, ["f"], False, None),
        (True, ["f", "g"], True, None),
        (True, ["f", "g"], False, ["g"]),
        (True, [], False, None),
    ],
)
def test_what_is_used_keeps_its_finalizer(deleting: bool, finalizers: list[str], used: bool, expected: Any) -> None:
    meta = {"finalizers": finalizers, **({"deletionTimestamp": "t"} if deleting else {})}
    assert protection.protected({"metadata": meta}, "f", used) == expected


def test_only_placed_pods_hold_a_claim() -> None:
    volumes = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}
    claim = {"metadata": {"name": "c"}}
    assert protection.in_use(claim, [p.pod(spec=volumes)])
    assert not protection.in_use(claim, [p.pod(spec={**volumes, "nodeName": ""})])


@pytest.mark.parametrize(("ttl", "end", "left"), [(100, "Complete", 40.0), (None, "Failed", None), (5, "", None)])
def test_a_finished_job_has_its_time(ttl: int | None, end: str, left: float | None) -> None:
    listed = [{"type": end, "status": "True", "lastTransitionTime": p.stamp(60)}] if end else []
    job = {"metadata": {}, "spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": listed}}
    assert ttlafterfinished.time_left(job, p.NOW) == left


def test_rules_are_gathered_once_and_in_order() -> None:
    def role(name: str, *verbs: str) -> p.Object:
        return {"metadata": {"name": name, "labels": {"to": "x"}}, "rules": [{"verbs": [verb]} for verb in verbs]}

    chosen = role("z")
    chosen["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"to": "x"}}]}
    made = clusterroleaggregation.aggregated(chosen, [role("b", "get", "list"), role("a", "get"), chosen])
    assert made == [{"verbs": ["get"]}, {"verbs": ["list"]}]


def test_what_is_left_of_a_namespace_is_told() -> None:
    remains = namespace.Remains(counts={"pods": 2}, finalizers={"x/y": 1})
    told = {item["type"]: (item["status"], item["message"]) for item in namespace.told(remains)}
    assert told["NamespaceContentRemaining"] == (
        "True",
        "Some resources are remaining: pods. has 2 resource instances",
    )
    assert told["NamespaceFinalizersRemaining"][1].endswith("finalizers remaining: x/y in 1 resource instances")
    assert told["NamespaceDeletionDiscoveryFailure"] == ("False", "All resources successfully discovered")


def request(name: str, organization: str, *dns: str) -> p.Object:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(item) for item in dns]), False)
    pem = builder.sign(pki.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {"spec": {"request": base64.b64encode(pem).decode()}}


SERVING, CLIENT = ["digital signature", "server auth"], ["digital signature", "client auth"]


@pytest.mark.parametrize(
    ("signer", "made", "usages", "expected"),
    [
        (requests.KUBELET_CLIENT, request("system:node:a", "system:nodes"), CLIENT, ""),
        (
            requests.KUBELET_CLIENT,
            request("system:node:a", "admins"),
            CLIENT,
            "subject organization is not system:nodes",
        ),
        (
            requests.KUBELET_CLIENT,
            request("system:node:a", "system:nodes", "a"),
            CLIENT,
            "DNS subjectAltNames are not allowed",
        ),
        (
            requests.KUBELET_CLIENT,
            request("system:node:a", "system:nodes"),
            SERVING,
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (requests.KUBELET_SERVING, request("system:node:a", "system:nodes", "a"), SERVING, ""),
        (
            requests.KUBELET_SERVING,
            request("system:node:a", "system:nodes"),
            SERVING,
            "DNS or IP subjectAltName is required",
        ),
        (requests.CLIENT, request("jane", "dev"), SERVING, "invalid usage for client certificate: server auth"),
        ("example.com/other", request("jane", "dev"), CLIENT, None),
    ],
)
def test_what_a_signer_grants(signer: str, made: p.Object, usages: list[str], expected: str | None) -> None:
    asked = requests.read(made)
    assert asked is not None
    assert requests.refusal(signer, asked, usages) == expected
