from typing import Any

import pytest

from kijabi.apiserver import health
from kijabi.kit import http

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


async def test_the_old_documents(api: Any) -> None:
    assert (await api.get("/api")).json["versions"] == ["v1"]
    groups = (await api.get("/apis")).json["groups"]
    assert [group["name"] for group in groups] == ["apps", "authentication.k8s.io", "batch", "coordination.k8s.io"]
    assert groups[0]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert (await api.get("/apis/apps")).json["kind"] == "APIGroup"
    resources = {entry["name"]: entry for entry in (await api.get("/apis/apps/v1")).json["resources"]}
    assert list(resources) == ["deployments", "deployments/scale", "deployments/status"]
    assert resources["deployments"]["shortNames"] == ["deploy"]
    assert resources["deployments/scale"]["kind"] == "Scale"
    assert (resources["deployments/scale"]["group"], resources["deployments/scale"]["version"]) == ("autoscaling", "v1")


async def test_the_storage_version_hash_is_upstreams(api: Any) -> None:
    resources = {entry["name"]: entry for entry in (await api.get("/api/v1")).json["resources"]}
    assert resources["configmaps"]["storageVersionHash"] == "qFsyl6wFWjQ="
    assert resources["pods"]["storageVersionHash"] == "xPOwRZ+Yhw8="
    assert "storageVersionHash" not in resources["bindings"]


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps/v1"])
async def test_who_takes_none_of_the_forms_of_discovery_is_told_them(api: Any, path: str) -> None:
    answer = await api.get(path, headers={"Accept": "text/html"})
    assert answer.status == 406
    assert answer.message == (
        "406: Not Acceptable\n\nAvailable representations: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


async def test_the_beta_of_all_in_one_is_gone(api: Any) -> None:
    assert (await api.get("/apis", headers={"Accept": AGGREGATED.format("v2beta1")})).status == 406
    both = {"Accept": f"{AGGREGATED.format('v2beta1')},application/json"}
    assert (await api.get("/apis", headers=both)).json["kind"] == "APIGroupList"


async def test_all_in_one_with_an_etag(api: Any) -> None:
    version = "v2"
    headers = {"Accept": f"{AGGREGATED.format(version)},application/json"}
    answer = await api.get("/apis", headers=headers)
    assert answer.headers["Content-Type"] == AGGREGATED.format(version)
    assert answer.json["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    apps = answer.json["items"][0]
    assert apps["metadata"]["name"] == "apps"
    deployments = apps["versions"][0]["resources"][0]
    assert (deployments["resource"], deployments["scope"]) == ("deployments", "Namespaced")
    assert [sub["subresource"] for sub in deployments["subresources"]] == ["scale", "status"]
    known = await api.get("/apis", headers={**headers, "If-None-Match": answer.headers["ETag"]})
    assert (known.status, known.body) == (304, b"")


async def test_who_prefers_the_old_documents_gets_them(api: Any) -> None:
    answer = await api.get("/api", headers={"Accept": f"application/json,{AGGREGATED.format('v2')};q=0.5"})
    assert answer.json["kind"] == "APIVersions"


async def test_version_index_and_metrics(api: Any) -> None:
    assert (await api.get("/version")).json["minor"] == "36"
    assert "/apis/apps/v1" in (await api.get("/")).json["paths"]
    await api.get("/api/v1/pods")
    text = (await api.get("/metrics")).body.decode()
    assert 'apiserver_request_total{code="200",component="apiserver"' in text
    assert 'apiserver_request_duration_seconds_bucket{component="apiserver"' in text
    assert 'apiserver_storage_objects{resource="pods"} 1.0' in text
    assert 'apiserver_current_inflight_requests{request_kind="readOnly"}' in text


def ask(path: str, query: str = "") -> http.Response | None:
    checks = health.Health({"etcd": lambda: "", "disk": lambda: "it is full"}, {"late": lambda: ""})
    return checks.page(http.Request("GET", path, query_string=query))


HEALTH = {
    "one good": ("/livez/etcd", "", 200, "ok"),
    "one bad": ("/livez/disk", "", 500, "internal server error: it is full\n"),
    "all": ("/healthz", "", 500, "[+]ping ok\n[+]etcd ok\n[-]disk failed: reason withheld\nhealthz check failed\n"),
    "excluded": ("/livez", "exclude=disk", 200, "ok"),
    "verbose": (
        "/readyz",
        "verbose&exclude=disk",
        200,
        "[+]ping ok\n[+]etcd ok\n[+]disk excluded: ok\n[+]late ok\nreadyz check passed\n",
    ),
    "excluded in vain": (
        "/livez",
        "verbose&exclude=disk&exclude=x",
        200,
        "[+]ping ok\n[+]etcd ok\n[+]disk excluded: ok\n"
        'warn: some health checks cannot be excluded: no matches for "x"\nlivez check passed\n',
    ),
}


@pytest.mark.parametrize(("path", "query", "status", "text"), HEALTH.values(), ids=HEALTH)
def test_health(path: str, query: str, status: int, text: str) -> None:
    response = ask(path, query)
    assert response is not None
    assert (response.status, response.body) == (status, text.encode())


@pytest.mark.parametrize("path", ["/livez/nope", "/livez/late"])
def test_unknown_checks_are_not_found(path: str) -> None:
    assert ask(path) is None
