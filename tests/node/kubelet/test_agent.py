"""The kubelet against a fake API and the hollow runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kijabi.kit import jsons
from kijabi.node.cri import contract, hollow
from kijabi.node.kubelet import observed, rotation


def _condition(pod: dict[str, Any], type_: str) -> dict[str, Any]:
    return next(entry for entry in pod["status"]["conditions"] if entry["type"] == type_)


async def test_registers_node_and_lease(bench: Any) -> None:
    node = await bench.api.until(lambda: bench.api.get("nodes", "node-1"))
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
    assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "192.0.2.10"}
    ready = next(entry for entry in node["status"]["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
    lease = await bench.api.until(lambda: bench.api.get("leases", "node-1", "kube-node-lease"))
    assert lease["spec"]["holderIdentity"] == "node-1"
    assert lease["spec"]["leaseDurationSeconds"] == 40


async def test_pod_becomes_ready(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod())
    found = await bench.until_ready()
    status = found["status"]
    assert status["phase"] == "Running"
    assert status["hostIP"] == "192.0.2.10"
    assert status["podIP"] == "10.244.0.2"
    container = status["containerStatuses"][0]
    assert container["ready"]
    assert container["started"]
    assert container["containerID"].startswith("hollow://")
    assert "running" in container["state"]
    assert _condition(found, "PodReadyToStartContainers")["status"] == "True"
    assert status["observedGeneration"] == 1


async def test_deleted_pod_is_stopped_then_removed_from_the_api(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod())
    found = await bench.until_ready()
    found["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30)
    bench.api.put("pods", found)
    await bench.api.until(lambda: bench.pod() is None)
    await bench.until(lambda: "uid-web" not in bench.kubelet.workers)
    assert await bench.runtime.list_sandboxes() == []
    assert await bench.runtime.list_containers() == []


async def test_pod_that_ends_well_succeeds(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod(restartPolicy="Never"))
    await bench.until_ready()
    bench.runtime.finish("uid-web", "main", 0)
    found = await bench.until_phase("Succeeded")
    ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert _condition(found, "Ready")["reason"] == "PodCompleted"


async def test_pod_that_fails_is_failed(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod(restartPolicy="Never"))
    await bench.until_ready()
    bench.runtime.finish("uid-web", "main", 3)
    found = await bench.until_phase("Failed")
    assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


async def test_crashed_container_is_restarted_then_backs_off(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod())
    await bench.until_ready()
    bench.runtime.finish("uid-web", "main", 1)

    def restarted() -> Any:
        status = bench.pod()["status"]["containerStatuses"][0]
        return status["restartCount"] == 1 and status["ready"] and status

    status = await bench.api.until(restarted)
    assert status["lastState"]["terminated"]["exitCode"] == 1
    bench.runtime.finish("uid-web", "main", 1)

    def waiting() -> Any:
        return bench.pod()["status"]["containerStatuses"][0]["state"].get("waiting")

    reason = await bench.api.until(waiting)
    assert reason["reason"] == "CrashLoopBackOff"
    assert reason["message"].startswith("back-off 10s restarting failed container=main pod=web_default(uid-web)")
    assert bench.pod()["status"]["phase"] == "Running"


async def test_missing_config_map_holds_the_pod_back(bench: Any, pod: Any) -> None:
    volumes = [{"name": "settings", "configMap": {"name": "absent"}}]
    bench.api.put("pods", pod(volumes=volumes))
    await bench.api.until(lambda: bench.events("FailedMount"))
    assert bench.events("FailedMount") == [
        'MountVolume.SetUp failed for volume "settings" : configmap "absent" not found'
    ]
    bench.api.put("configmaps", {"metadata": {"name": "absent", "namespace": "default"}, "data": {}})
    await bench.until_ready()


async def test_image_that_cannot_be_pulled(bench: Any, pod: Any) -> None:
    bench.runtime.missing_images.add("busybox:1")
    bench.api.put("pods", pod())

    def waiting() -> Any:
        statuses = bench.pod()["status"].get("containerStatuses")
        found = statuses and statuses[0]["state"].get("waiting")
        return found and found["reason"] == "ErrImagePull" and found

    reason = await bench.api.until(waiting)
    assert "not found" in reason["message"]
    await bench.api.until(lambda: len(bench.events("Failed")) == 2)
    assert "Error: ErrImagePull" in bench.events("Failed")


async def test_running_containers_are_adopted(bench: Any, pod: Any, start_kubelet: Any) -> None:
    bench.api.put("pods", pod())
    found = await bench.until_ready()
    before = found["status"]["containerStatuses"][0]["containerID"]
    async with start_kubelet(api=bench.api, runtime=bench.runtime) as second:
        await second.kubelet.ready.wait()
        listed = await second.runtime.list_containers()
        assert [f"hollow://{each.id}" for each in listed] == [before]
        assert second.pod()["status"]["containerStatuses"][0]["restartCount"] == 0


async def test_pods_that_are_in_no_list_are_stopped(bench: Any, pod: Any, start_kubelet: Any) -> None:
    async with start_kubelet(runtime=bench.runtime) as other:
        other.api.put("pods", pod("stray"))
        await other.until_ready("stray")
    async with start_kubelet(runtime=bench.runtime) as empty:
        await empty.kubelet.ready.wait()
        await empty.until(lambda: empty.kubelet.pleg.uids() == [])
        assert await empty.runtime.list_containers() == []


async def test_pod_that_does_not_fit_is_rejected(bench: Any, pod: Any) -> None:
    big = [{"name": "main", "image": "busybox:1", "resources": {"requests": {"cpu": "1000"}}}]
    bench.api.put("pods", pod(containers=big))
    found = await bench.until_phase("Failed")
    assert found["status"]["reason"] == "OutOfcpu"
    assert found["status"]["message"].startswith("Node didn't have enough resource: cpu, requested: 1000000, used: 0")


async def test_init_containers_run_in_order(bench: Any, pod: Any) -> None:
    init = [{"name": "first", "image": "busybox:1"}, {"name": "second", "image": "busybox:1"}]
    bench.api.put("pods", pod(initContainers=init))

    def running(name: str) -> Any:
        statuses = bench.pod()["status"].get("initContainerStatuses") or ()
        return any(each["name"] == name and "running" in each["state"] for each in statuses)

    await bench.api.until(lambda: running("first"))
    assert bench.pod()["status"]["phase"] == "Pending"
    bench.runtime.finish("uid-web", "first", 0)
    await bench.api.until(lambda: running("second"))
    bench.runtime.finish("uid-web", "second", 0)
    found = await bench.until_ready()
    assert _condition(found, "Initialized")["status"] == "True"


async def test_deadline_ends_the_pod(bench: Any, pod: Any) -> None:
    bench.api.put("pods", pod(activeDeadlineSeconds=1, terminationGracePeriodSeconds=1))
    found = await bench.until_phase("Failed")
    assert found["status"]["reason"] == "DeadlineExceeded"


async def test_static_pod_runs_and_is_mirrored(tmp_path: Path, start_kubelet: Any) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own"}}
    manifest["spec"] = {"containers": [{"name": "main", "image": "busybox:1"}]}
    (manifests / "own.yaml").write_bytes(jsons.dumps(manifest))
    async with start_kubelet(pod_manifest_path=str(manifests)) as bench:
        mirror = await bench.until_ready("own-node-1")
        assert mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"]
        assert mirror["metadata"]["ownerReferences"][0]["kind"] == "Node"
        # A mirror that somebody deletes comes back; the pod itself goes on.
        before = mirror["status"]["containerStatuses"][0]["containerID"]
        bench.api.remove("pods", "own-node-1", "default")
        again = await bench.until_ready("own-node-1")
        assert again["status"]["containerStatuses"][0]["containerID"] == before


async def test_large_log_is_rotated(tmp_path: Path) -> None:
    runtime = hollow.Hollow()
    sandbox = contract.SandboxConfig(contract.SandboxMetadata("web", "u", "default"))
    box = await runtime.run_sandbox(sandbox)
    config = contract.ContainerConfig(contract.ContainerMetadata("main"), contract.ImageSpec("x"))
    container = await runtime.create_container(box, config, sandbox)
    path = tmp_path / "0.log"
    found = observed.Container(container, "main", box, contract.RUNNING, 0.0, log_path=str(path))
    rule = rotation.Rule("1Ki", 3)
    for second in range(4):
        path.write_bytes(b"x" * 2048)
        assert await rotation.rotate(runtime, found, rule, float(second))
    path.write_bytes(b"x")
    assert not await rotation.rotate(runtime, found, rule, 9.0)
    assert len(os.listdir(tmp_path)) == 3


async def test_hollow_pods_answer_network_probes(bench: Any, pod: Any) -> None:
    probe = {"httpGet": {"path": "/", "port": 80}}
    container = {"name": "main", "image": "busybox:1", "readinessProbe": probe, "livenessProbe": probe}
    bench.api.put("pods", pod(containers=[container]))
    await bench.until_ready()


async def test_failed_liveness_probe_restarts_the_container(bench: Any, pod: Any) -> None:
    healthy = {"value": False}
    bench.runtime.on_exec = lambda container, command: contract.ExecResult(b"", b"bad", 0 if healthy["value"] else 1)
    probe = {"exec": {"command": ["check"]}, "failureThreshold": 1}
    bench.api.put("pods", pod(containers=[{"name": "main", "image": "busybox:1", "livenessProbe": probe}]))

    def restarted() -> Any:
        statuses = (bench.pod() or {}).get("status", {}).get("containerStatuses")
        if statuses and statuses[0]["restartCount"] == 1:
            return True
        return None

    await bench.api.until(lambda: bench.events("Unhealthy"))
    healthy["value"] = True
    await bench.api.until(restarted)
    await bench.api.until(lambda: bench.events("Killing"))
    assert bench.events("Unhealthy") == ["Liveness probe failed: bad"]
    assert bench.events("Killing") == ["Container main failed liveness probe, will be restarted"]
