"""kubectl on custom resources, over a socket: what it learns of them, it learns from discovery and OpenAPI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kubectls
from kijabi import testing

_BINARIES = {name: path for name, path in kubectls.found().items() if kubectls.version(path) >= (1, 26)}

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "crontabs.stable.example.com"},
    "spec": {
        "group": "stable.example.com",
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [{"name": "When", "type": "string", "jsonPath": ".spec.when"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "when": {"type": "string", "description": "The time of day"},
                                    "replicas": {"type": "integer", "default": 1},
                                },
                            },
                            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


def crontab(**spec: Any) -> str:
    return json.dumps(
        {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "one"}, "spec": spec}
    )


@pytest.fixture(params=list(_BINARIES))
def kubectl(kijabi_cluster: testing.Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> kubectls.Kubectl:
    made = kubectls.Kubectl(_BINARIES[request.param], kijabi_cluster.kubeconfig(), tmp_path)
    made("apply", "-f", "-", stdin=json.dumps(CRD))
    made("wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=10s")
    return made


def test_objects_are_applied_shown_scaled_and_explained(kubectl: kubectls.Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=crontab(when="noon"))
    assert kubectl("get", "ct").split() == ["NAME", "WHEN", "one", "noon"]
    assert "crontab.stable.example.com/one" in kubectl("get", "all")
    kubectl("scale", "--replicas=3", "ct/one")
    assert kubectl.get("ct one")["spec"] == {"when": "noon", "replicas": 3}
    kubectl("apply", "-f", "-", stdin=crontab(when="midnight"))
    assert kubectl.get("ct one")["spec"] == {"when": "midnight", "replicas": 3}
    explained = kubectl("explain", "ct.spec")
    assert "The time of day" in explained
    assert "replicas" in explained


def test_what_does_not_fit_is_refused(kubectl: kubectls.Kubectl) -> None:
    told = kubectl.run("create", "-f", "-", stdin=crontab(when="noon", typo=1))
    assert told.code == 1
    assert 'unknown field "spec.typo"' in told.err
    told = kubectl.run("create", "-f", "-", stdin=crontab(when=5))
    assert 'spec.when: Invalid value: "integer": spec.when in body must be of type string: "integer"' in told.err


def test_a_definition_goes_with_its_objects(kubectl: kubectls.Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=crontab(when="noon"))
    kubectl("delete", "crd", "crontabs.stable.example.com", "--timeout=20s")
    told = kubectl.run("get", "crontabs.stable.example.com")
    assert told.code == 1
