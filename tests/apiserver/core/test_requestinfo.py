import pytest

from kijabi.apiserver import requestinfo
from kijabi.kit import http

# method, target -> verb, group, version, namespace, resource, subresource, name
CASES = {
    "get": ("GET /api/v1/namespaces/d/pods/x", "get", "", "v1", "d", "pods", "", "x"),
    "head": ("HEAD /api/v1/namespaces/d/pods/x", "get", "", "v1", "d", "pods", "", "x"),
    "list": ("GET /api/v1/namespaces/d/pods", "list", "", "v1", "d", "pods", "", ""),
    "list everywhere": ("GET /apis/apps/v1/deployments", "list", "apps", "v1", "", "deployments", "", ""),
    "watch": ("GET /api/v1/pods?watch=true", "watch", "", "v1", "", "pods", "", ""),
    "watch=0 is a list": ("GET /api/v1/pods?watch=0", "list", "", "v1", "", "pods", "", ""),
    "watch by path": ("GET /api/v1/watch/namespaces/d/pods", "watch", "", "v1", "d", "pods", "", ""),
    "watch one by path": ("GET /api/v1/watch/namespaces/d/pods/x", "watch", "", "v1", "d", "pods", "", "x"),
    "one by selector": ("GET /api/v1/pods?fieldSelector=metadata.name%3Dx", "list", "", "v1", "", "pods", "", "x"),
    "create": ("POST /api/v1/namespaces/d/pods", "create", "", "v1", "d", "pods", "", ""),
    "patch status": ("PATCH /api/v1/namespaces/d/pods/x/status", "patch", "", "v1", "d", "pods", "status", "x"),
    "delete": ("DELETE /api/v1/nodes/x", "delete", "", "v1", "", "nodes", "", "x"),
    "deletecollection": ("DELETE /api/v1/namespaces/d/pods", "deletecollection", "", "v1", "d", "pods", "", ""),
    "namespace": ("GET /api/v1/namespaces/d", "get", "", "v1", "d", "namespaces", "", "d"),
    "namespace status": ("PUT /api/v1/namespaces/d/status", "update", "", "v1", "d", "namespaces", "status", "d"),
    "proxy": ("GET /api/v1/namespaces/d/pods/x/proxy/a/b", "get", "", "v1", "d", "pods", "proxy", "x"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_path_and_a_method_mean(case: tuple[str, ...]) -> None:
    line, *expected = case
    method, target = line.split()
    path, _, query = target.partition("?")
    info = requestinfo.parse(http.Request(method, path, query_string=query))
    assert info.is_resource
    assert [
        info.verb,
        info.api_group,
        info.api_version,
        info.namespace,
        info.resource,
        info.subresource,
        info.name,
    ] == expected


@pytest.mark.parametrize("path", ["/", "/healthz", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/x/y/z"])
def test_other_paths_are_no_resources(path: str) -> None:
    info = requestinfo.parse(http.Request("GET", path))
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


def test_a_special_verb_needs_a_resource() -> None:
    with pytest.raises(requestinfo.Unclear, match="unable to determine kind and namespace from url, /api/v1/watch"):
        requestinfo.parse(http.Request("GET", "/api/v1/watch"))
