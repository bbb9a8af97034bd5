"""kubectl apply --server-side against the in-process cluster, over a socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kubectls
from kijabi import testing

# Before this, kubectl kept its own apply's managed fields when it moved to the server's.
_BINARIES = {name: path for name, path in kubectls.found().items() if kubectls.version(path) >= (1, 26)}

Object = dict[str, Any]


@pytest.fixture(params=list(_BINARIES))
def kubectl(kijabi_cluster: testing.Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> kubectls.Kubectl:
    return kubectls.Kubectl(_BINARIES[request.param], kijabi_cluster.kubeconfig(), tmp_path)


def config_map(**data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})


def apply(kubectl: kubectls.Kubectl, body: str, *more: str) -> str:
    return kubectl("apply", "--server-side", "-f", "-", *more, stdin=body)


def managers(kubectl: kubectls.Kubectl, what: str) -> list[tuple[str, str, str]]:
    obj = json.loads(kubectl("get", *what.split(), "-o", "json", "--show-managed-fields"))
    entries = obj["metadata"].get("managedFields", [])
    return [(one["manager"], one["operation"], one.get("subresource", "")) for one in entries]


def test_an_object_is_applied_shared_and_taken_over(kubectl: kubectls.Kubectl) -> None:
    assert "configmap/m serverside-applied" in apply(kubectl, config_map(x="1", y="1"))
    assert managers(kubectl, "cm m") == [("kubectl", "Apply", "")]
    assert "managedFields" not in kubectl.get("cm m")["metadata"]
    apply(kubectl, config_map(x="1"), "--field-manager=other")
    told = kubectl.run("apply", "--server-side", "-f", "-", "--field-manager=other", stdin=config_map(x="1", y="2"))
    assert (told.code, 'conflict with "kubectl": .data.y' in told.err) == (1, True), told.err
    apply(kubectl, config_map(x="1", y="2"), "--field-manager=other", "--force-conflicts")
    apply(kubectl, config_map())
    assert kubectl.get("cm m")["data"] == {"x": "1", "y": "2"}, "other owns them still"
    apply(kubectl, config_map(), "--field-manager=other")
    assert "data" not in kubectl.get("cm m")


def test_a_diff_shows_what_an_apply_would_change_and_changes_nothing(kubectl: kubectls.Kubectl) -> None:
    apply(kubectl, config_map(x="1"))
    told = kubectl.run("diff", "--server-side", "-f", "-", stdin=config_map(x="2"))
    assert told.code == 1
    assert '-  x: "1"\n+  x: "2"' in told.out
    assert kubectl.run("diff", "--server-side", "-f", "-", stdin=config_map(x="1")).code == 0


def test_a_clients_own_apply_becomes_the_servers(kubectl: kubectls.Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=config_map(x="1", y="1"))
    assert managers(kubectl, "cm m") == [("kubectl-client-side-apply", "Update", "")]
    apply(kubectl, config_map(x="2", y="1"))
    found = managers(kubectl, "cm m")
    assert ("kubectl", "Apply", "") in found
    assert not [one for one in found if one[1] == "Update"]
    assert 'x: "2"' in kubectl("apply view-last-applied cm m"), "the annotation is kept true"
    apply(kubectl, config_map(x="2"))
    assert kubectl.get("cm m")["data"] == {"x": "2"}
    assert "configmap/m configured" in kubectl("apply", "-f", "-", stdin=config_map(x="3"))


def test_a_scaled_deployment_refuses_to_be_applied_with_replicas(kubectl: kubectls.Kubectl) -> None:
    made = kubectls.deployment("web", 1, kubectls.nginx("web"))
    apply(kubectl, json.dumps(made))
    kubectl("scale deployment web --replicas=2")
    assert ("kubectl", "Update", "scale") in managers(kubectl, "deployment web")
    told = kubectl.run("apply", "--server-side", "-f", "-", stdin=json.dumps(made))
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in told.err
    del made["spec"]["replicas"]
    apply(kubectl, json.dumps(made))
    assert kubectl.get("deployment web")["spec"]["replicas"] == 2


def test_what_does_not_fit_is_refused_in_upstreams_words(kubectl: kubectls.Kubectl) -> None:
    bad: Object = {**json.loads(config_map()), "nothing": 1}
    told = kubectl.run("apply", "--server-side", "--validate=false", "-f", "-", stdin=json.dumps(bad))
    assert ".nothing: field not declared in schema" in told.err
