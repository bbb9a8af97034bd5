"""Pods: defaults, first state, validation, updates, the status word of kubectl get."""

import copy
from typing import Any

import pytest

from kijabi.api import catalog
from kijabi.api.core.podspec import images

STRATEGY = catalog.default_catalog().by_kind("", "v1", "Pod")
assert STRATEGY is not None
NOW = 1_767_225_600.0  # 2026-01-01


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default", "creationTimestamp": "2025-12-31T23:00:00Z"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec},
    }


def created(**spec: Any) -> dict[str, Any]:
    made = pod(**spec)
    STRATEGY.default(made)  # type: ignore[union-attr]
    STRATEGY.prepare_create(made)  # type: ignore[union-attr]
    return made


def test_defaults_of_the_spec() -> None:
    spec = created()["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
    }
    assert container == {
        "name": "c",
        "image": "nginx",
        "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    }


def test_defaults_are_filled_in_once() -> None:
    made = created(volumes=[{"name": "v", "secret": {"secretName": "s"}}, {"name": "e"}])
    again = copy.deepcopy(made)
    STRATEGY.default(again)  # type: ignore[union-attr]
    assert again == made
    assert made["spec"]["volumes"] == [
        {"name": "v", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "e", "emptyDir": {}},
    ]


def test_limits_become_requests() -> None:
    container = {
        "name": "c",
        "image": "x",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m"}},
    }
    resources = created(containers=[container])["spec"]["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "1m", "memory": "1Gi"}


def test_host_network_takes_the_ports_of_the_host() -> None:
    container = {"name": "c", "image": "x", "ports": [{"containerPort": 80}]}
    made = created(containers=[container], hostNetwork=True)
    assert made["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_probes_references_and_service_accounts() -> None:
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    container = {"name": "c", "image": "x", "env": env, "readinessProbe": {"httpGet": {"port": 80}}}
    spec = created(containers=[container], serviceAccountName="robot")["spec"]
    assert spec["serviceAccount"] == "robot"
    made = spec["containers"][0]
    assert made["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert made["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("nginx", "latest"),
        ("nginx:1.25", "1.25"),
        ("reg:5000/nginx", "latest"),
        ("reg:5000/a/nginx:x", "x"),
        ("nginx@sha256:abc", ""),
        ("nginx:1@sha256:abc", "1"),
    ],
)
def test_tags_of_images(image: str, tag: str) -> None:
    assert images.tag(image) == tag


def test_a_new_pod_is_pending_with_its_class() -> None:
    made = created()
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1
    gated = created(schedulingGates=[{"name": "a/b"}])
    assert gated["status"]["conditions"][0]["reason"] == "SchedulingGated"


def container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "x", **more}


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"containers": []}, "spec.containers: Required value"),
    ({"containers": [{"name": "c"}]}, "spec.containers[0].image: Required value"),
    ({"containers": [container(name="C")]}, 'spec.containers[0].name: Invalid value: "C": a lowercase RFC 1123 label'),
    ({"containers": [container(), container()]}, 'spec.containers[1].name: Duplicate value: "c"'),
    ({"restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes"'),
    (
        {"containers": [container(ports=[{"containerPort": 70000}])]},
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    (
        {"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/x"}])]},
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    (
        {"containers": [container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})]},
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        {"containers": [container(resources={"limits": {"widgets": "1"}})]},
        'spec.containers[0].resources.limits[widgets]: Invalid value: "widgets": must be a standard resource type or '
        "fully qualified",
    ),
    (
        {"containers": [container(livenessProbe={})]},
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ),
    (
        {"containers": [container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2})]},
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    (
        {"containers": [container(env=[{"name": "A", "valueFrom": {}}])]},
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of:',
    ),
    (
        {"tolerations": [{"operator": "Equal"}]},
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty',
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ),
    ({"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]}, "must not contain '..'"),
    ({"initContainers": [container(name="i", livenessProbe={})]}, "may not be set for init containers without"),
    (
        {"nodeName": "n", "schedulingGates": [{"name": "a/b"}]},
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    ),
    ({"dnsPolicy": "None", "dnsConfig": {}}, "must provide at least one DNS nameserver when `dnsPolicy` is None"),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
    ),
    ({"ephemeralContainers": [container(name="e")]}, "spec.ephemeralContainers: Forbidden: cannot be set on create"),
]


@pytest.mark.parametrize(("spec", "message"), INVALID, ids=[message[:60] for _, message in INVALID])
def test_bad_pods_are_refused_with_upstreams_words(spec: dict[str, Any], message: str) -> None:
    texts = [str(problem) for problem in STRATEGY.validate_create(created(**spec))]  # type: ignore[union-attr]
    assert any(message in text for text in texts), texts


def test_a_good_pod_passes() -> None:
    made = created(
        containers=[
            container(ports=[{"containerPort": 80, "name": "http"}], volumeMounts=[{"name": "v", "mountPath": "/x"}])
        ],
        initContainers=[container(name="side", restartPolicy="Always", startupProbe={"exec": {"command": ["true"]}})],
        volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}]}}],
        tolerations=[{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
    )
    assert [str(problem) for problem in STRATEGY.validate_create(made)] == []  # type: ignore[union-attr]


def updated(change: Any, **spec: Any) -> list[str]:
    old = created(**spec)
    old["metadata"].update(uid="1", resourceVersion="1")
    new = copy.deepcopy(old)
    change(new)
    STRATEGY.prepare_update(new, old)  # type: ignore[union-attr]
    return [str(problem) for problem in STRATEGY.validate_update(new, old)]  # type: ignore[union-attr]


def test_images_deadlines_and_more_tolerations_may_change() -> None:
    def change(new: dict[str, Any]) -> None:
        new["spec"]["containers"][0]["image"] = "other"
        new["spec"]["activeDeadlineSeconds"] = 5
        new["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]

    assert updated(change) == []


def test_other_fields_of_the_spec_may_not() -> None:
    (text,) = updated(lambda new: new["spec"].update(hostname="x"))
    assert text.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`")


def test_containers_are_not_added() -> None:
    texts = updated(lambda new: new["spec"]["containers"].append(new["spec"]["containers"][0] | {"name": "d"}))
    assert texts == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_gates_only_go() -> None:
    gates = [{"name": "a/b"}]
    assert updated(lambda new: new["spec"].pop("schedulingGates"), schedulingGates=gates) == []
    (text,) = updated(lambda new: new["spec"].update(schedulingGates=[{"name": "c/d"}]), schedulingGates=gates)
    assert "only deletion is allowed, but found new scheduling gate" in text


def running(**more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}, **more}


def ended(code: int, reason: str = "") -> dict[str, Any]:
    return running(ready=False, state={"terminated": {"exitCode": code, "reason": reason}})


STATUS: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("pending", {}, {"phase": "Pending"}, ["0/1", "Pending", "0"]),
    ("running", {}, {"phase": "Running", "containerStatuses": [running()]}, ["1/1", "Running", "0"]),
    (
        "crash",
        {},
        {
            "phase": "Running",
            "containerStatuses": [
                running(
                    ready=False,
                    restartCount=3,
                    state={"waiting": {"reason": "CrashLoopBackOff"}},
                    lastState={"terminated": {"exitCode": 1, "finishedAt": "2025-12-31T23:59:00Z"}},
                )
            ],
        },
        ["0/1", "CrashLoopBackOff", "3 (60s ago)"],
    ),
    ("completed", {}, {"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}, ["0/1", "Completed", "0"]),
    ("error", {}, {"phase": "Failed", "containerStatuses": [ended(3)]}, ["0/1", "ExitCode:3", "0"]),
    (
        "init",
        {"initContainers": [container(name="i"), container(name="j")]},
        {"phase": "Pending", "initContainerStatuses": [running(name="i", state={"running": {}})]},
        ["0/1", "Init:0/2", "0"],
    ),
    (
        "init error",
        {"initContainers": [container(name="i")]},
        {"phase": "Pending", "initContainerStatuses": [ended(1, "Error") | {"name": "i"}]},
        ["0/1", "Init:Error", "0"],
    ),
    (
        "sidecar",
        {"initContainers": [container(name="i", restartPolicy="Always")]},
        {
            "phase": "Running",
            "initContainerStatuses": [running(name="i", started=True)],
            "containerStatuses": [running()],
        },
        ["2/2", "Running", "0"],
    ),
    (
        "gated",
        {},
        {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
        ["0/1", "SchedulingGated", "0"],
    ),
    ("evicted", {}, {"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", "0"]),
]


@pytest.mark.parametrize(("spec", "status", "cells"), [case[1:] for case in STATUS], ids=[case[0] for case in STATUS])
def test_the_status_word(spec: dict[str, Any], status: dict[str, Any], cells: list[str]) -> None:
    made = {**created(**spec), "status": status}
    assert STRATEGY.columns is not None  # type: ignore[union-attr]
    assert STRATEGY.columns(made, NOW)[1:4] == cells  # type: ignore[union-attr]


def test_deletion_shows_as_terminating() -> None:
    made = {**created(), "status": {"phase": "Running", "containerStatuses": [running()]}}
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert STRATEGY.columns(made, NOW)[2] == "Terminating"  # type: ignore[union-attr, misc]


@pytest.mark.parametrize(
    ("node", "phase", "asked", "seconds"),
    [
        ("", "Pending", None, 0),
        ("n", "Running", None, 30),
        ("n", "Running", 5, 5),
        ("n", "Failed", 5, 0),
        ("n", "Running", -1, 1),
    ],
)
def test_grace_periods(node: str, phase: str, asked: int | None, seconds: int) -> None:
    made = created(nodeName=node)
    made["status"]["phase"] = phase
    assert STRATEGY.grace_period is not None  # type: ignore[union-attr]
    assert STRATEGY.grace_period(made, asked) == seconds  # type: ignore[union-attr]
