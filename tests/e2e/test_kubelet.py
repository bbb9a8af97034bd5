"""The kubelet with real containers: a containerd of its own, in a network namespace of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import yarl

from kijabi.kit import jsons
from kijabi.node.cri import containerd
from kijabi.node.kubelet import agent, options, program
from kijabi.node.kubelet.server import session, upgrade

pytestmark = pytest.mark.e2e
_CLONE_NEWNET = 0x40000000
BUSYBOX = "localhost/kbt/busybox:1"
OBEDIENT = "trap 'exit 0' TERM; echo hello; echo oops >&2; while true; do sleep 1 & wait $!; done"

SERVER = "echo page >/www/index.html; exec httpd -f -p 8080 -h /www"


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_here = Path(__file__).parent
kubelet_node = _load("kubelet_node", _here / "kubelet_node.py")
fake_api = _load("e2e_fake_api", _here.parent / "node" / "kubelet" / "fake_api.py")


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    name = f"kbt-{os.getpid()}"
    made = kubelet_node.Node(Path(f"/var/lib/{name}"), name)
    try:
        made.start()
        asyncio.run(kubelet_node.answered(made))
        made.load_images()
        yield made
    finally:
        made.stop()


def inside(node: Any, work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work`` in a thread whose sockets are in the node's network namespace."""
    failures: list[BaseException] = []

    def run() -> None:
        descriptor = os.open(f"/var/run/netns/{node.name}", os.O_RDONLY)
        try:
            assert ctypes.CDLL(None).setns(descriptor, _CLONE_NEWNET) == 0
            asyncio.run(work())  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            failures.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


class Bench:
    def __init__(self, api: Any, kubelet: agent.Kubelet, root: Path) -> None:
        self.api = api
        self.kubelet = kubelet
        self.root = root

    def status(self, name: str) -> dict[str, Any]:
        found = self.api.get("pods", name, "default")
        return (found or {}).get("status") or {}

    async def until_ready(self, name: str) -> dict[str, Any]:
        def ready() -> Any:
            listed = {entry["type"]: entry["status"] for entry in self.status(name).get("conditions") or ()}
            return listed.get("Ready") == "True"

        await self.api.until(ready, 30)
        return self.status(name)

    async def delete(self, name: str) -> None:
        found = self.api.get("pods", name, "default")
        grace = found["spec"]["terminationGracePeriodSeconds"]
        found["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=grace)
        self.api.put("pods", found)
        await self.api.until(lambda: self.api.get("pods", name, "default") is None, 40)


@contextlib.asynccontextmanager
async def running(node: Any, api: Any = None) -> AsyncIterator[Bench]:
    api = api or fake_api.FakeApi()
    if api.get("nodes", "node-1") is None:
        spec = {"podCIDR": "10.99.0.0/24", "podCIDRs": ["10.99.0.0/24"]}
        api.put("nodes", {"metadata": {"name": "node-1"}, "spec": spec, "status": {}})
    chosen = options.Options(
        hostname_override="node-1",
        node_ip="127.0.0.1",
        root_dir=str(node.root / "kubelet"),
        pod_logs_dir=str(node.root / "logs"),
        cni_conf_dir=str(node.root / "cni"),
        cgroup_root=node.cgroup_root,
        cluster_dns=("10.96.0.10",),
        anonymous_auth=True,
        authorization_mode="AlwaysAllow",
    )
    runtime = containerd.Containerd(node.socket)
    kubelet = agent.Kubelet(api.client(), runtime, chosen)
    async with program.serving(kubelet):
        task = asyncio.create_task(kubelet.run())
        try:
            yield Bench(api, kubelet, node.root)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await runtime.close()


def make_pod(name: str, script: str = OBEDIENT, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        **spec.pop("container", {}),
    }
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "nodeName": "node-1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": [container],
            **spec,
        },
        "status": {"phase": "Pending"},
    }


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession("https://127.0.0.1:10250", connector=aiohttp.TCPConnector(ssl=_tls()))


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _exec(
    http: aiohttp.ClientSession, pod: str, script: str, stdin: bytes | None, **more: str
) -> dict[int, bytes]:
    """What came over each channel."""
    pairs = [("command", part) for part in ("/bin/sh", "-c", script)]
    pairs += [("output", "1"), ("error", "1"), *more.items()]
    if stdin is not None:
        pairs.append(("input", "1"))
    found: dict[int, bytes] = {}
    url = yarl.URL(f"/exec/default/{pod}/main?{urlencode(pairs)}", encoded=True)
    async with http.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
        if stdin is not None:
            await socket.send_bytes(b"\x00" + stdin)
            await socket.send_bytes(b"\xff\x00")
        async for message in socket:
            found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    return found


def test_pod_runs_with_volumes_environment_and_limits(node: Any) -> None:
    async def work() -> None:
        async with running(node) as bench, _session() as http:
            bench.api.put("configmaps", {"metadata": {"name": "cm", "namespace": "default"}, "data": {"key": "value1"}})
            container = {
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "value": "$(A)y"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "resources": {"limits": {"memory": "32Mi", "cpu": "500m"}, "requests": {"memory": "16Mi"}},
                "volumeMounts": [
                    {"name": "cm", "mountPath": "/cm"},
                    {"name": "cm", "mountPath": "/one", "subPath": "key"},
                    {"name": "token", "mountPath": "/token"},
                    {"name": "scratch", "mountPath": "/scratch"},
                ],
                "securityContext": {"runAsUser": 1000, "allowPrivilegeEscalation": False},
                "readinessProbe": {"exec": {"command": ["/bin/true"]}},
            }
            volumes = [
                {"name": "cm", "configMap": {"name": "cm"}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
                {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ]
            bench.api.put("pods", make_pod("full", container=container, volumes=volumes))
            status = await bench.until_ready("full")
            assert status["qosClass"] == "Burstable"
            script = (
                "cat /cm/key /one /token/token; echo; id -u; echo $B $IP; cat >/scratch/in; cat /scratch/in; exit 3"
            )
            found = await _exec(http, "full", script, b"from stdin\n")
            assert found[1].decode().split("\n") == [
                "value1value1token-of-default",
                "1000",
                f"xy {status['podIP']}",
                "from stdin",
                "",
            ]
            ended = jsons.loads(found[3])
            assert (ended["reason"], ended["details"]["causes"][0]["message"]) == ("NonZeroExitCode", "3")
            resolv = await _exec(http, "full", "cat /etc/resolv.conf /etc/hosts", None)
            assert b"search default.svc.cluster.local svc.cluster.local cluster.local" in resolv[1]
            assert f"{status['podIP']}\tfull\n".encode() in resolv[1]
            await bench.delete("full")
            assert not (bench.root / "kubelet/pods/uid-full").exists()

    inside(node, work)


def test_logs_exec_and_spdy(node: Any) -> None:
    async def work() -> None:
        async with running(node) as bench, _session() as http:
            bench.api.put("pods", make_pod("streams"))
            await bench.until_ready("streams")
            async with http.get("/containerLogs/default/streams/main?tailLines=1") as answer:
                assert await answer.text() in ("hello\n", "oops\n")
            terminal = await _exec(http, "streams", "stty size; tty", b"", tty="1")
            assert 2 not in terminal
            reader, writer = await asyncio.open_connection("127.0.0.1", 10250, ssl=_tls())
            head = (
                "POST /exec/default/streams/main?command=/bin/cat&input=1&output=1&error=1 HTTP/1.1\r\nHost: x\r\n"
                "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
                "Content-Length: 0\r\n\r\n"
            )
            writer.write(head.encode())
            assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
            spdy = session.Session(upgrade.Upgraded({}, reader, writer))
            reading = asyncio.create_task(spdy.run())
            error, stdin, stdout, _ = [
                await spdy.open({"streamType": name}) for name in ("error", "stdin", "stdout", "stderr")
            ]
            await stdin.write(b"through spdy")
            await stdin.close()
            assert b"".join([data async for data in stdout.read()]) == b"through spdy"
            assert jsons.loads(b"".join([data async for data in error.read()]))["status"] == "Success"
            reading.cancel()
            await spdy.close()
            await bench.delete("streams")

    inside(node, work)


def test_port_forward_over_a_websocket_tunnel(node: Any) -> None:
    async def work() -> None:
        async with running(node) as bench, _session() as http:
            bench.api.put("pods", make_pod("server", SERVER, terminationGracePeriodSeconds=1))
            await bench.until_ready("server")
            name = "SPDY/3.1+portforward.k8s.io"
            async with http.ws_connect("/portForward/default/server", protocols=(name,)) as socket:
                assert socket.protocol == name
                found = await _through(socket, b"GET /index.html HTTP/1.0\r\n\r\n", 8080)
                assert found.endswith(b"page\n")
            await bench.delete("server")

    inside(node, work)


async def _through(socket: aiohttp.ClientWebSocketResponse, request: bytes, port: int) -> bytes:
    """Send a request to a port over SPDY inside a WebSocket."""
    spdy = session.spdy
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    about = {"port": str(port), "requestID": "0"}
    await socket.send_bytes(encoder.encode(spdy.SynStream(1, {"streamtype": "error", **about}, fin=True)))
    await socket.send_bytes(encoder.encode(spdy.SynStream(3, {"streamtype": "data", **about})))
    await socket.send_bytes(encoder.encode(spdy.Data(3, request)))
    found = b""
    async with asyncio.timeout(10):
        async for message in socket:
            for frame in decoder.feed(message.data):
                if isinstance(frame, spdy.Data) and frame.stream == 3:
                    found += frame.payload
                    if frame.fin:
                        return found
    return found


def test_containers_survive_a_restart_of_the_kubelet(node: Any) -> None:
    async def work() -> None:
        api = fake_api.FakeApi()
        async with running(node, api) as bench:
            bench.api.put("pods", make_pod("lasting"))
            before = (await bench.until_ready("lasting"))["containerStatuses"][0]
        async with running(node, api) as bench:
            await bench.kubelet.ready.wait()
            await bench.kubelet.pleg.look("uid-lasting")
            after = (await bench.until_ready("lasting"))["containerStatuses"][0]
            assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
            await bench.delete("lasting")

    inside(node, work)


def test_failing_container_tells_why_and_is_restarted(node: Any) -> None:
    async def work() -> None:
        async with running(node) as bench:
            script = "echo last words >/dev/termination-log; exit 4"
            bench.api.put("pods", make_pod("failing", script))

            def waiting() -> Any:
                statuses = bench.status("failing").get("containerStatuses") or [{}]
                state = statuses[0].get("state") or {}
                return state.get("waiting", {}).get("reason") == "CrashLoopBackOff" and statuses[0]

            found = await bench.api.until(waiting, 30)
            assert found["restartCount"] == 1
            ended = found["lastState"]["terminated"]
            assert (ended["exitCode"], ended["message"], ended["reason"]) == (4, "last words\n", "Error")
            await bench.delete("failing")

    inside(node, work)


def test_hooks_and_init_containers(node: Any) -> None:
    async def work() -> None:
        async with running(node) as bench:
            shared = [{"name": "shared", "mountPath": "/shared"}]
            init = {
                "name": "first",
                "image": BUSYBOX,
                "command": ["/bin/sh", "-c", "echo init >/shared/log"],
                "volumeMounts": shared,
            }
            lifecycle = {
                "postStart": {"exec": {"command": ["/bin/sh", "-c", "echo started >>/shared/log"]}},
                "preStop": {"exec": {"command": ["/bin/sh", "-c", "echo stopping >>/kept/log"]}},
            }
            kept = bench.root / "kept"
            kept.mkdir(exist_ok=True)
            mounts = [*shared, {"name": "kept", "mountPath": "/kept"}]
            container = {"volumeMounts": mounts, "lifecycle": lifecycle}
            volumes = [
                {"name": "shared", "emptyDir": {}},
                {"name": "kept", "hostPath": {"path": str(kept), "type": "Directory"}},
            ]
            bench.api.put("pods", make_pod("hooks", container=container, initContainers=[init], volumes=volumes))
            await bench.until_ready("hooks")
            log = bench.root / "kubelet/pods/uid-hooks/volumes/kubernetes.io~empty-dir/shared/log"
            assert log.read_text() == "init\nstarted\n"
            await bench.delete("hooks")
            assert (kept / "log").read_text() == "stopping\n"

    inside(node, work)
