"""What the kubelet decides to do for a pod, table by table."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.node.cri import contract
from kijabi.node.kubelet import decide, observed, pods

NOW = 1_700_000_000.0
MAIN = {"name": "main", "image": "busybox:1"}


def make_pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": {"containers": [MAIN], "restartPolicy": "Always", **spec},
        "status": {},
    }


def box(attempt: int = 0, ready: bool = True, ips: tuple[str, ...] = ("10.0.0.2",)) -> observed.Sandbox:
    return observed.Sandbox(f"box-{attempt}", attempt, ready, NOW + attempt, ips)


def ran(name: str = "main", state: str = contract.RUNNING, **more: Any) -> observed.Container:
    spec = {"name": name, "image": more.pop("image", "busybox:1")}
    settings: dict[str, Any] = {"created_at": NOW - 60, "started_at": NOW - 60, "finished_at": 0.0, **more}
    return observed.Container(f"{name}-id", name, "box-0", state, hash=pods.container_hash(spec), **settings)


def exited(name: str = "main", code: int = 0, finished: float = NOW - 1, **more: Any) -> observed.Container:
    return ran(name, contract.EXITED, exit_code=code, finished_at=finished, **more)


def runtime(sandboxes: list[observed.Sandbox], *containers: observed.Container) -> observed.PodRuntime:
    return observed.PodRuntime("u", "web", "default", sandboxes, list(containers))


def decided(pod: dict[str, Any], seen: observed.PodRuntime, **more: Any) -> list[decide.Instruction]:
    return decide.decide(decide.Facts(pod, seen, NOW, **more))


@pytest.mark.parametrize(
    ("spec", "seen", "expected"),
    [
        pytest.param({}, runtime([]), [decide.RunSandbox(0)], id="nothing there: a sandbox"),
        pytest.param({}, runtime([box()]), [decide.Start("main", "regular")], id="sandbox: the container"),
        pytest.param({}, runtime([box()], ran()), [], id="all runs: nothing"),
        pytest.param({}, runtime([box(ready=False)]), [decide.RunSandbox(1)], id="dead sandbox: the next attempt"),
        pytest.param(
            {},
            runtime([box(ready=False)], ran()),
            [decide.StopPod(), decide.RunSandbox(1)],
            id="dead sandbox, live container",
        ),
        pytest.param(
            {}, runtime([box(1), box(0)]), [decide.StopPod(), decide.RunSandbox(2)], id="two live sandboxes: start over"
        ),
        pytest.param(
            {}, runtime([box(ips=())]), [decide.StopPod(), decide.RunSandbox(1)], id="sandbox without address"
        ),
        pytest.param(
            {"restartPolicy": "Never"}, runtime([box(0, ready=False)], exited()), [], id="never: no second sandbox"
        ),
        pytest.param(
            {"restartPolicy": "OnFailure"}, runtime([box(0, ready=False)], exited()), [], id="on failure: all succeeded"
        ),
        pytest.param(
            {"restartPolicy": "OnFailure"},
            runtime([box(0, ready=False)], exited(code=1)),
            [decide.RunSandbox(1)],
            id="on failure: one failed with the sandbox",
        ),
        pytest.param({}, runtime([box()], exited()), [decide.Start("main", "regular")], id="always: ended, restart"),
        pytest.param({"restartPolicy": "Never"}, runtime([box()], exited()), [decide.StopPod()], id="never: over"),
        pytest.param(
            {"restartPolicy": "OnFailure"}, runtime([box()], exited()), [decide.StopPod()], id="on failure: over"
        ),
        pytest.param(
            {"restartPolicy": "OnFailure"},
            runtime([box()], exited(code=2)),
            [decide.Start("main", "regular")],
            id="on failure",
        ),
        pytest.param(
            {},
            runtime([box()], ran(image="busybox:0")),
            [
                decide.Kill("main-id", "main", "Container main definition changed, will be restarted"),
                decide.Start("main", "regular"),
            ],
            id="image changed",
        ),
        pytest.param(
            {},
            runtime([box()], ran(state=contract.UNKNOWN)),
            [
                decide.Kill("main-id", "main", 'Container is in "unknown" state, try killing it before restart'),
                decide.Start("main", "regular"),
            ],
            id="unknown state",
        ),
        pytest.param(
            {"ephemeralContainers": [{"name": "debug", "image": "x"}]},
            runtime([box()], ran()),
            [decide.Start("debug", "ephemeral")],
            id="ephemeral container beside a running one",
        ),
        pytest.param(
            {"ephemeralContainers": [{"name": "debug", "image": "x"}]},
            runtime([box()], ran(), exited("debug")),
            [],
            id="ephemeral container is never restarted",
        ),
    ],
)
def test_pod(spec: dict[str, Any], seen: observed.PodRuntime, expected: list[decide.Instruction]) -> None:
    assert decided(make_pod(**spec), seen) == expected


INIT = [{"name": "one", "image": "busybox:1"}, {"name": "two", "image": "busybox:1"}]
SIDECAR = [{"name": "side", "image": "busybox:1", "restartPolicy": "Always"}, {"name": "two", "image": "busybox:1"}]


@pytest.mark.parametrize(
    ("spec", "containers", "expected"),
    [
        pytest.param({"initContainers": INIT}, [], [decide.Start("one", "init")], id="the first"),
        pytest.param({"initContainers": INIT}, [ran("one")], [], id="wait for the first"),
        pytest.param({"initContainers": INIT}, [exited("one")], [decide.Start("two", "init")], id="then the second"),
        pytest.param(
            {"initContainers": INIT},
            [exited("two"), exited("one")],
            [decide.Start("main", "regular")],
            id="then the rest",
        ),
        pytest.param(
            {"initContainers": INIT}, [exited("two")], [decide.Start("main", "regular")], id="first record is gone"
        ),
        pytest.param({"initContainers": INIT}, [exited("one", 1)], [decide.Start("one", "init")], id="failed: again"),
        pytest.param(
            {"initContainers": INIT, "restartPolicy": "Never"},
            [exited("one", 1)],
            [decide.StopPod()],
            id="failed: the end",
        ),
        pytest.param({"initContainers": INIT}, [ran(), exited("one")], [], id="never again once the rest runs"),
        pytest.param(
            {"initContainers": SIDECAR},
            [ran("side")],
            [decide.Start("two", "init")],
            id="a running sidecar lets the next go",
        ),
        pytest.param(
            {"initContainers": SIDECAR},
            [ran(), exited("two"), exited("side", 1)],
            [decide.Start("side", "sidecar")],
            id="a sidecar is restarted later too",
        ),
        pytest.param(
            {"initContainers": SIDECAR, "restartPolicy": "Never"},
            [exited("main"), exited("two"), ran("side")],
            [decide.StopPod()],
            id="a sidecar alone does not keep the pod",
        ),
    ],
)
def test_init(spec: dict[str, Any], containers: list[observed.Container], expected: list[decide.Instruction]) -> None:
    assert decided(make_pod(**spec), runtime([box()], *containers)) == expected


@pytest.mark.parametrize(
    ("policy", "kind", "expected"),
    [
        pytest.param("Always", "liveness", "Container main failed liveness probe, will be restarted", id="liveness"),
        pytest.param("Always", "startup", "Container main failed startup probe, will be restarted", id="startup"),
        pytest.param("Never", "liveness", "Container main failed liveness probe", id="never restarted"),
    ],
)
def test_failed_probe_kills(policy: str, kind: str, expected: str) -> None:
    other = {"name": "other", "image": "busybox:1"}
    pod = make_pod(restartPolicy=policy, containers=[MAIN, other])
    seen = runtime([box()], ran(), ran("other"))
    made = decided(pod, seen, probes={("main-id", kind): False})
    assert made[0] == decide.Kill("main-id", "main", expected, kind)
    assert len(made) == (2 if policy == "Always" else 1)


def test_sidecar_with_startup_probe_holds_back_the_next() -> None:
    containers = [{**SIDECAR[0], "startupProbe": {"exec": {}}}, SIDECAR[1]]
    pod, seen = make_pod(initContainers=containers), runtime([box()], ran("side"))
    assert decided(pod, seen) == []
    assert decided(pod, seen, probes={("side-id", "startup"): True}) == [decide.Start("two", "init")]


def test_crashing_container_waits() -> None:
    seen = runtime([box()], exited(code=1, finished=NOW - 4))
    (wait,) = decided(make_pod(), seen, back_offs={"main": decide.BackOff(160.0, NOW - 10)})
    assert isinstance(wait, decide.Wait)
    assert wait.message == "back-off 2m40s restarting failed container=main pod=web_default(u)"
    assert wait.until == NOW + 156


@pytest.mark.parametrize(
    ("current", "finished", "expected"),
    [
        pytest.param(None, NOW, 10.0, id="first"),
        pytest.param(decide.BackOff(10.0, NOW - 15), NOW, 20.0, id="doubled"),
        pytest.param(decide.BackOff(160.0, NOW - 15), NOW, 300.0, id="up to five minutes"),
        pytest.param(decide.BackOff(300.0, NOW - 601), NOW, 10.0, id="afresh after ten good minutes"),
    ],
)
def test_back_off(current: decide.BackOff | None, finished: float, expected: float) -> None:
    made = decide.next_back_off(current, exited(code=1, finished=finished), NOW)
    assert (made.delay, made.since) == (expected, NOW)


@pytest.mark.parametrize(
    ("container", "policy", "code", "expected"),
    [
        pytest.param({}, "Always", 0, True, id="always"),
        pytest.param({}, "OnFailure", 0, False, id="on failure, success"),
        pytest.param({}, "OnFailure", 1, True, id="on failure, failure"),
        pytest.param({"restartPolicy": "Never"}, "Always", 1, False, id="the container's own policy"),
        pytest.param(
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
            },
            "Never",
            42,
            True,
            id="a rule",
        ),
        pytest.param(
            {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [42]}}]},
            "Never",
            42,
            False,
            id="a rule that does not match",
        ),
    ],
)
def test_restart_rules(container: dict[str, Any], policy: str, code: int, expected: bool) -> None:
    assert pods.restarts_after({**MAIN, **container}, make_pod(restartPolicy=policy), code) is expected
