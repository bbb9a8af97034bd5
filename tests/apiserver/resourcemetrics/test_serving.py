"""Through a whole server and a kubelet that speaks TLS."""

import time

import pytest
from aiohttp import web

from kijabi.api import kinds
from kijabi.apiserver import contract, options, program
from kijabi.apiserver.resourcemetrics import collector
from kijabi.client import rest, transport
from kijabi.kit import jsons, pki
from kijabi.store import memory

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
ROOT = "/apis/metrics.k8s.io/v1beta1"


@pytest.fixture
async def kubelet(tmp_path):
    """The port of a kubelet on whose node one container works half of the time."""
    pair = pki.issue(pki.create_ca("ca"), "kubelet", ips=["127.0.0.1"], server=True)
    pki.write(pair, tmp_path, "kubelet")
    began = time.time()

    async def answer(request):
        busy = (time.time() - began) / 2 + 1
        text = (
            f"node_cpu_usage_seconds_total {busy}\nnode_memory_working_set_bytes 1048576\n"
            f'container_cpu_usage_seconds_total{{container="c",namespace="default",pod="p"}} {busy}\n'
            'container_memory_working_set_bytes{container="c",namespace="default",pod="p"} 2097152\n'
        )
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/metrics/resource", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = pki.server_context(tmp_path / "kubelet.crt", tmp_path / "kubelet.key", None)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def server(tmp_path, kubelet, monkeypatch):
    monkeypatch.setattr(collector, "FIRST_WINDOW", 0.2)
    (tmp_path / "sa.key").write_bytes(pki.key_pem(pki.new_key()))
    flags = options.Options(service_account_signing_key_file=str(tmp_path / "sa.key"))
    made = program.build(flags, memory.MemoryStore())
    await made.start()
    admin = rest.Client(transport.Local(made.api.handle, contract.SYSTEM))
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet}},
    }
    await admin.create(kinds.NODES, {"metadata": {"name": "n", "labels": {"zone": "a"}}, "status": status})
    await admin.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]}
    for name in ("p", "silent"):
        pod = {"metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "spec": spec}
        there = await admin.create(kinds.PODS, pod)
        running = {"name": "c", "state": {"running": {}}, "image": "x", "imageID": "", "ready": True, "restartCount": 0}
        there["status"]["containerStatuses"] = [running]
        await admin.update(kinds.PODS, there, subresource="status")
    yield transport.Local(made.api.handle, contract.SYSTEM)
    await made.close()


async def ask(server, path, **more):
    query, headers = more.get("query"), more.get("headers")
    return await server.request("GET", ROOT + path, query=query, headers=headers)


async def test_what_nodes_and_pods_use(server):
    listed = jsons.loads((await ask(server, "/nodes")).body)
    assert (listed["kind"], len(listed["items"])) == ("NodeMetricsList", 1)
    (node,) = listed["items"]
    assert (node["kind"], node["metadata"]["name"], node["metadata"]["labels"]) == ("NodeMetrics", "n", {"zone": "a"})
    assert node["usage"]["memory"] == "1024Ki"
    cpu = int(node["usage"]["cpu"].removesuffix("n"))
    assert 300_000_000 < cpu < 700_000_000
    pods = jsons.loads((await ask(server, "/pods")).body)["items"]
    assert [pod["metadata"]["name"] for pod in pods] == ["p"], "of the other nothing is known"
    assert pods[0]["containers"][0]["name"] == "c"
    assert pods[0]["containers"][0]["usage"]["memory"] == "2048Ki"
    one = jsons.loads((await ask(server, "/namespaces/default/pods/p")).body)
    assert one["metadata"]["namespace"] == "default"


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/namespaces/default/pods", {"labelSelector": "app=p"}, ["p"]),
        ("/namespaces/default/pods", {"labelSelector": "app=silent"}, []),
        ("/namespaces/other/pods", {}, []),
        ("/pods", {"fieldSelector": "metadata.name!=p"}, []),
        ("/nodes", {"labelSelector": "zone in (a)"}, ["n"]),
    ],
)
async def test_selectors(server, path, query, names):
    listed = jsons.loads((await ask(server, path, query=query)).body)
    assert [one["metadata"]["name"] for one in listed["items"]] == names


async def test_as_a_table(server):
    table = jsons.loads((await ask(server, "/nodes", headers=TABLE)).body)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert table["rows"][0]["cells"][0] == "n"
    assert table["rows"][0]["cells"][2] == "1024Ki"


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/nodes/x", 404, 'nodemetrics.metrics.k8s.io "x" not found'),
        ("GET", "/namespaces/default/pods/x", 404, 'podmetrics.metrics.k8s.io "default/x" not found'),
        ("GET", "/things", 404, "the server could not find the requested resource"),
        ("POST", "/nodes", 405, "the server does not allow this method on the requested resource"),
        ("GET", "/pods?labelSelector=!!", 400, "unable to parse requirement"),
    ],
)
async def test_what_is_not_there(server, method, path, status, told):
    path, _, query = path.partition("?")
    answer = await server.request(method, ROOT + path, query={"labelSelector": "!!"} if query else None)
    assert answer.status == status
    assert told in jsons.loads(answer.body)["message"]


async def test_it_is_discovered(server):
    found = jsons.loads((await server.request("GET", "/apis/metrics.k8s.io/v1beta1")).body)
    assert {one["name"]: one["kind"] for one in found["resources"]} == {"nodes": "NodeMetrics", "pods": "PodMetrics"}
