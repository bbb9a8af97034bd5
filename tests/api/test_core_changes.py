"""What may change of pods, claims, volumes, Services and nodes, and what is told where something may not."""

import copy
from typing import Any

import pytest

from kijabi.api import catalog
from kijabi.api.core import pod

Object = dict[str, Any]
CATALOG = catalog.default_catalog()
META = {"name": "x", "namespace": "ns", "uid": "u", "resourceVersion": "1"}


def strategy(plural: str) -> Any:
    found = CATALOG.by_path("", "v1", plural)
    assert found is not None
    return found


def stored(plural: str, obj: Object) -> Object:
    made = {"metadata": dict(META), **copy.deepcopy(obj)}
    if plural in ("persistentvolumes", "nodes"):
        del made["metadata"]["namespace"]
    strategy(plural).default(made)
    strategy(plural).prepare_create(made)
    return made


def update(plural: str, old: Object, part: str, **changes: Any) -> list[str]:
    new = copy.deepcopy(old)
    for key, value in changes.items():
        if value is None:
            new[part].pop(key, None)
        else:
            new[part][key] = value
    strategy(plural).default(new)
    if part == "status":
        strategy(plural).prepare_status(new, old)
        return [str(problem) for problem in strategy(plural).validate_status(new, old)]
    strategy(plural).prepare_update(new, old)
    return [str(problem) for problem in strategy(plural).validate_update(new, old)]


def one(found: list[str], start: str) -> bool:
    return len(found) == 1 and found[0].startswith(start)


POD: Object = {
    "spec": {
        "containers": [{"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "100m"}}}],
        "activeDeadlineSeconds": 100,
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
    }
}


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"activeDeadlineSeconds": 50}, ""),
        ({"activeDeadlineSeconds": 200}, "spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal"),
        ({"activeDeadlineSeconds": None}, "spec.activeDeadlineSeconds: Invalid value: null: must not update"),
        ({"tolerations": []}, "spec.tolerations: Forbidden: existing toleration can not be modified"),
        ({"schedulingGates": [{"name": "g"}]}, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed"),
        ({"containers": [{"name": "c", "image": "i:2", "resources": {"requests": {"cpu": "0.1"}}}]}, ""),
        ({"containers": []}, ""),
        ({"hostNetwork": True}, "spec: Forbidden: pod updates may not change fields other than"),
        ({"priority": 5}, "spec: Forbidden: pod updates may not change fields other than"),
    ],
    ids=lambda case: str(case)[:60],
)
def test_what_may_change_of_a_pod(changes: Object, start: str) -> None:
    found = update("pods", stored("pods", POD), "spec", **changes)
    if changes == {"containers": []}:
        assert found == [
            "spec.containers: Required value",
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ]
    else:
        assert one(found, start) if start else found == []


def test_a_refused_change_is_shown_as_a_diff() -> None:
    (found,) = update("pods", stored("pods", POD), "spec", restartPolicy="Never")
    changed = '- "RestartPolicy": "Always",\n+ "RestartPolicy": "Never",\n'
    assert f'  "EphemeralContainers": null,\n{changed}  "TerminationGracePeriodSeconds": 30,\n' in found


def test_gated_pods_may_be_narrowed_but_not_moved() -> None:
    old = stored("pods", {"spec": {**POD["spec"], "schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}})
    assert update("pods", old, "spec", nodeSelector={"a": "b", "c": "d"}) == []
    assert one(update("pods", old, "spec", nodeSelector={"a": "z"}), "spec.nodeSelector: Invalid value")


@pytest.mark.parametrize(
    ("told", "start"),
    [
        ({"podIPs": [{"ip": "x"}]}, "status.podIPs[0]: Invalid value"),
        ({"podIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]}, "status.podIPs: Invalid value"),
        ({"hostIPs": [{"ip": "1.2.3.4"}]}, "status.hostIPs[0].ip: Invalid value"),
        ({"conditions": [{"type": "a b"}]}, "status.conditions[0].Type: Invalid value"),
        ({"qosClass": "BestEffort"}, "status.qosClass: Invalid value"),
        ({"nominatedNodeName": "N!"}, "status.nominatedNodeName: Invalid value"),
        ({"observedGeneration": -1}, "status.observedGeneration: Invalid value"),
        ({"resourceClaimStatuses": [{"name": "z"}]}, "status.resourceClaimStatuses[0].name: Invalid value"),
        ({"phase": "Running"}, ""),
    ],
    ids=lambda case: str(case)[:60],
)
def test_what_may_be_said_of_a_pod(told: Object, start: str) -> None:
    found = update("pods", stored("pods", POD), "status", **told)
    assert one(found, start) if start else found == []


def ended(code: int) -> list[Object]:
    return [{"name": "c", "state": {"terminated": {"exitCode": code}}}]


@pytest.mark.parametrize(
    ("spec", "container", "code", "fine"),
    [
        ({"restartPolicy": "Always"}, {}, 0, True),
        ({"restartPolicy": "Never"}, {}, 1, False),
        ({"restartPolicy": "OnFailure"}, {}, 0, False),
        ({"restartPolicy": "OnFailure"}, {}, 1, True),
        ({"restartPolicy": "Never"}, {"restartPolicy": "Always"}, 1, True),
        (
            {"restartPolicy": "Never"},
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
            },
            42,
            True,
        ),
    ],
    ids=["always", "never", "succeeded", "failed", "container's policy", "rule"],
)
def test_only_containers_that_restart_come_back(spec: Object, container: Object, code: int, fine: bool) -> None:
    old = stored("pods", {"spec": {**spec, "containers": [{"name": "c", "image": "i", **container}]}})
    old["status"]["containerStatuses"] = ended(code)
    found = update("pods", old, "status", containerStatuses=[{"name": "c", "state": {"running": {}}}])
    assert (found == []) is fine, found


def test_ephemeral_containers_come_and_stay() -> None:
    from_pod = stored("pods", POD)
    new = copy.deepcopy(from_pod)
    new["spec"]["ephemeralContainers"] = [{"name": "e", "image": "busybox"}]
    assert pod.take_ephemeral(new, from_pod) == []
    assert new["metadata"]["generation"] == from_pod["metadata"]["generation"] + 1
    less = copy.deepcopy(new)
    less["spec"]["ephemeralContainers"] = []
    (found,) = pod.take_ephemeral(less, new)
    assert 'existing ephemeral containers "e" may not be removed' in str(found)


@pytest.mark.parametrize(
    ("resources", "start"),
    [
        ({"requests": {"cpu": "200m"}}, ""),
        ({"requests": {}}, "spec: Invalid value"),
        ({"requests": {"cpu": "100m", "ephemeral-storage": "1Gi"}}, "spec: Forbidden: only cpu and memory"),
    ],
    ids=["more", "removed", "other resource"],
)
def test_resizes(resources: Object, start: str) -> None:
    old = stored("pods", POD)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["resources"] = resources
    found = [str(problem) for problem in pod.take_resize(new, old)]
    assert found[0].startswith(start) if start else found == []


CLAIM: Object = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}


def sized(storage: str) -> Object:
    return {"requests": {"storage": storage}}


@pytest.mark.parametrize(
    ("bound", "changes", "start"),
    [
        (False, {"volumeName": "v"}, ""),
        (False, {"storageClassName": "late"}, ""),
        (False, {"resources": sized("3Gi")}, "spec: Forbidden: spec is immutable after creation"),
        (True, {"resources": sized("3Gi")}, ""),
        (True, {"resources": sized("1Gi")}, "spec.resources.requests.storage: Forbidden: field can not be less"),
        (True, {"accessModes": ["ReadWriteMany"]}, "spec: Forbidden: spec is immutable after creation"),
        (True, {"volumeAttributesClassName": "gold"}, ""),
    ],
    ids=lambda case: str(case)[:50],
)
def test_what_may_change_of_a_claim(bound: bool, changes: Object, start: str) -> None:
    old = stored("persistentvolumeclaims", CLAIM)
    if bound:
        old["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    found = update("persistentvolumeclaims", old, "spec", **changes)
    assert one(found, start) if start else found == []


def test_the_source_of_a_volume_stays() -> None:
    old = stored(
        "persistentvolumes",
        {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}},
    )
    found = update("persistentvolumes", old, "spec", hostPath={"path": "/b"})
    assert one(found, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation")
    assert update("persistentvolumes", old, "spec", persistentVolumeReclaimPolicy="Delete") == []


@pytest.mark.parametrize(
    ("ingress", "start"),
    [
        ({"ip": "1.2.3.4"}, ""),
        ({"ip": "x"}, "status.loadBalancer.ingress[0].ip: Invalid value"),
        ({"hostname": "1.2.3.4"}, "status.loadBalancer.ingress[0].hostname: Invalid value"),
        ({"hostname": "a", "ipMode": "VIP"}, "status.loadBalancer.ingress[0].ipMode: Forbidden"),
    ],
    ids=lambda case: str(case)[:50],
)
def test_where_a_load_balancer_can_be_reached(ingress: Object, start: str) -> None:
    old = stored("services", {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    found = update("services", old, "status", loadBalancer={"ingress": [ingress]})
    assert one(found, start) if start else found == []


def test_what_a_node_was_given_stays() -> None:
    old = stored("nodes", {"spec": {"podCIDR": "10.1.0.0/24", "providerID": "a"}})
    assert one(update("nodes", old, "spec", providerID="b"), "spec.providerID: Forbidden")
    changed = update("nodes", old, "spec", podCIDR="10.2.0.0/24", podCIDRs=["10.2.0.0/24"])
    assert one(changed, "spec.podCIDRs: Forbidden")
