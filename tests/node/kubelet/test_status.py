"""Pod phases, container states and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.node.cri import contract
from kijabi.node.kubelet import observed, status, status_writer

NOW = 1_700_000_000.0


def make_pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 3},
        "spec": {"containers": [{"name": "main", "image": "busybox:1"}], "restartPolicy": "Always", **spec},
        "status": {},
    }


def box() -> observed.Sandbox:
    return observed.Sandbox("box", 0, True, NOW, ("10.0.0.2",))


def ran(name: str = "main", **more: Any) -> observed.Container:
    return observed.Container(f"{name}-id", name, "box", contract.RUNNING, NOW, started_at=NOW, **more)


def exited(name: str = "main", code: int = 0, **more: Any) -> observed.Container:
    reason = "Error" if code else "Completed"
    return observed.Container(
        f"{name}-id", name, "box", contract.EXITED, NOW, NOW, NOW + 1, exit_code=code, reason=reason, **more
    )


def made(pod: dict[str, Any], *containers: observed.Container, **more: Any) -> dict[str, Any]:
    runtime = observed.PodRuntime("u", "web", "default", [box()], list(containers))
    ids = frozenset(each.id for each in containers)
    settings: dict[str, Any] = {"previous": {}, "now": NOW, "ready": ids, "started": ids, **more}
    return status.generate(status.Facts(pod, runtime, **settings))


INIT = {"initContainers": [{"name": "first", "image": "x"}]}
NEVER = {"restartPolicy": "Never"}
SIDE = {"initContainers": [{"name": "side", "image": "x", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("spec", "containers", "more", "expected"),
    [
        pytest.param({}, [], {}, "Pending", id="nothing runs yet"),
        pytest.param({}, [ran()], {}, "Running", id="running"),
        pytest.param({}, [exited(code=1)], {}, "Running", id="about to be restarted"),
        pytest.param(NEVER, [exited()], {}, "Succeeded", id="ended well"),
        pytest.param(NEVER, [exited(code=1)], {}, "Failed", id="ended badly"),
        pytest.param({"restartPolicy": "OnFailure"}, [exited(code=1)], {}, "Running", id="failed, again"),
        pytest.param({"restartPolicy": "OnFailure"}, [exited()], {}, "Succeeded", id="done"),
        pytest.param(INIT, [ran("first")], {}, "Pending", id="initializing"),
        pytest.param({**INIT, **NEVER}, [exited("first", 1)], {}, "Failed", id="init failed for good"),
        pytest.param(INIT, [exited("first", 1)], {}, "Pending", id="init failed, again"),
        pytest.param(SIDE, [ran("side")], {}, "Pending", id="sidecar before the rest"),
        pytest.param(SIDE, [ran("side"), ran()], {}, "Running", id="sidecar beside the rest"),
        pytest.param(
            {**SIDE, **NEVER}, [exited("side", 1), exited()], {}, "Succeeded", id="a sidecar's end does not count"
        ),
        pytest.param({}, [exited()], {"over": True}, "Succeeded", id="stopped, obeyed"),
        pytest.param({}, [exited(code=137)], {"over": True}, "Failed", id="stopped, killed"),
        pytest.param({}, [], {"over": True}, "Failed", id="stopped before it began"),
        pytest.param({}, [ran()], {"previous": {"phase": "Failed"}}, "Failed", id="terminal is for ever"),
        pytest.param({}, [ran()], {"failure": status.Reason("Evicted", "x")}, "Failed", id="evicted"),
    ],
)
def test_phase(spec: dict[str, Any], containers: list[observed.Container], more: dict[str, Any], expected: str) -> None:
    assert made(make_pod(**spec), *containers, **more)["phase"] == expected


def conditions(generated: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        each["type"]: (each["status"], each.get("reason", ""), each.get("message", ""))
        for each in generated["conditions"]
    }


@pytest.mark.parametrize(
    ("spec", "containers", "more", "type_", "expected"),
    [
        pytest.param({}, [ran()], {}, "Ready", ("True", "", ""), id="ready"),
        pytest.param(
            {},
            [ran()],
            {"ready": frozenset()},
            "Ready",
            ("False", "ContainersNotReady", "containers with unready status: [main]"),
            id="unready",
        ),
        pytest.param(
            INIT,
            [ran("first")],
            {},
            "Initialized",
            ("False", "ContainersNotInitialized", "containers with incomplete status: [first]"),
            id="initializing",
        ),
        pytest.param(NEVER, [exited()], {}, "Ready", ("False", "PodCompleted", ""), id="completed"),
        pytest.param(NEVER, [exited()], {}, "Initialized", ("True", "PodCompleted", ""), id="completed, initialized"),
        pytest.param(
            {"readinessGates": [{"conditionType": "example.com/gate"}]},
            [ran()],
            {},
            "Ready",
            (
                "False",
                "ReadinessGatesNotReady",
                'corresponding condition of pod readiness gate "example.com/gate" does not exist.',
            ),
            id="gate",
        ),
        pytest.param({}, [ran()], {}, "PodReadyToStartContainers", ("True", "", ""), id="network"),
    ],
)
def test_condition(
    spec: dict[str, Any],
    containers: list[observed.Container],
    more: dict[str, Any],
    type_: str,
    expected: tuple[str, str, str],
) -> None:
    assert conditions(made(make_pod(**spec), *containers, **more))[type_] == expected


def test_transition_time_moves_only_with_the_status() -> None:
    first = made(make_pod(), ran())
    second = made(make_pod(), ran(), previous=first, now=NOW + 60)
    third = made(make_pod(), ran(), previous=second, now=NOW + 90, ready=frozenset())
    times = [
        next(each["lastTransitionTime"] for each in each_status["conditions"] if each["type"] == "Ready")
        for each_status in (first, second, third)
    ]
    assert times == ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z"]


def test_restarted_container_tells_its_last_state() -> None:
    generated = made(make_pod(), ran(restart_count=1), exited(code=2))
    found = generated["containerStatuses"][0]
    assert found["restartCount"] == 1
    assert found["lastState"]["terminated"]["exitCode"] == 2
    assert found["containerID"] == "containerd://main-id"


def test_crash_loop_is_waiting_with_the_end_as_last_state() -> None:
    reasons = {"main": status.Reason("CrashLoopBackOff", "back-off 10s")}
    found = made(make_pod(), exited(code=1), reasons=reasons)["containerStatuses"][0]
    assert found["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert found["lastState"]["terminated"]["exitCode"] == 1


def test_lost_container_counts_as_restarted() -> None:
    before = made(make_pod(), ran())
    found = made(make_pod(), previous=before)["containerStatuses"][0]
    assert found["restartCount"] == 1
    assert found["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"


def test_generation_is_observed() -> None:
    generated = made(make_pod(), ran())
    assert generated["observedGeneration"] == 3
    assert {each["observedGeneration"] for each in generated["conditions"]} == {3}


@pytest.mark.parametrize(
    ("told", "wanted", "expected"),
    [
        pytest.param({"phase": "Pending"}, {"phase": "Pending"}, {}, id="nothing new"),
        pytest.param({"phase": "Pending"}, {"phase": "Running"}, {"phase": "Running"}, id="a change"),
        pytest.param({"reason": "x"}, {}, {"reason": None}, id="a removal"),
        pytest.param({}, {"podIPs": [{"ip": "a"}]}, {"podIPs": [{"ip": "a"}]}, id="first address"),
        pytest.param(
            {"podIPs": [{"ip": "a"}]},
            {"podIPs": [{"ip": "b"}]},
            {"podIPs": [{"ip": "b"}, {"$patch": "replace"}]},
            id="another address replaces the first",
        ),
        pytest.param(
            {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False", "reason": "r"}]},
            {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]},
            {"conditions": [{"type": "B", "status": "True", "reason": None}]},
            id="only the condition that changed",
        ),
    ],
)
def test_difference(told: dict[str, Any], wanted: dict[str, Any], expected: dict[str, Any]) -> None:
    assert status_writer.difference(told, wanted) == expected
