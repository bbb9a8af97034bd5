"""Environment variables, expansion, service links, the downward API."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.node.kubelet import downward, environment

POD = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web"}, "annotations": {"a": 'x"y'}},
    "spec": {"serviceAccountName": "robot", "containers": []},
}
SOURCES = environment.Sources(
    config_map={"settings": {"COLOR": "red", "bad": "1"}}.get,
    secret={"keys": {"TOKEN": "s3cret"}}.get,
    services={"DB_SERVICE_HOST": "10.96.0.5"},
    pod_ips=("10.0.0.2", "fd00::2"),
    host_ips=("192.0.2.1",),
    node_name="node-1",
    allocatable={"cpu": "2", "memory": "1Gi"},
)


def resolve(**container: Any) -> dict[str, str]:
    found = environment.resolve(POD, {"name": "main", **container}, SOURCES)
    found.pop("DB_SERVICE_HOST", None)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert environment.expand(text, {"A": "1", "B": "2"}.get) == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param(
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}]}, {"A": "1", "B": "12"}, id="refers"
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "2"}]}, {"A": "$(B)", "B": "2"}, id="order"
        ),
        pytest.param({"env": [{"name": "A", "value": "$(DB_SERVICE_HOST)"}]}, {"A": "10.96.0.5"}, id="service"),
        pytest.param(
            {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}]},
            {"P_COLOR": "red", "P_bad": "1"},
            id="prefix",
        ),
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "settings"}}], "env": [{"name": "COLOR", "value": "blue"}]},
            {"bad": "1", "COLOR": "blue"},
            id="env wins",
        ),
        pytest.param({"envFrom": [{"secretRef": {"name": "none", "optional": True}}]}, {}, id="optional"),
        pytest.param(
            {"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}}]},
            {"T": "s3cret"},
            id="secret",
        ),
        pytest.param(
            {"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no", "optional": True}}}]},
            {},
            id="optional key",
        ),
        pytest.param(
            {"env": [{"name": "I", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}]},
            {"I": "10.0.0.2,fd00::2"},
            id="ips",
        ),
        pytest.param(
            {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
            {"N": "node-1"},
            id="node",
        ),
        pytest.param(
            {"env": [{"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]},
            {"L": "web"},
            id="label",
        ),
    ],
)
def test_sources(container: dict[str, Any], expected: dict[str, str]) -> None:
    assert resolve(**container) == expected


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "no"}}]}, 'configmap "no" not found'),
        ({"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k"}}}]}, 'secret "no" not found'),
        (
            {"env": [{"name": "T", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}}]},
            "couldn't find key k in ConfigMap shop/settings",
        ),
    ],
)
def test_missing_source(container: dict[str, Any], message: str) -> None:
    with pytest.raises(environment.ConfigError, match=message):
        resolve(**container)


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "1m", "1500"),
        ("limits.cpu", "", "2"),
        ("requests.memory", "1Mi", "64"),
        ("limits.memory", "", "1073741824"),
    ],
)
def test_resource_fields(resource: str, divisor: str, expected: str) -> None:
    container = {"name": "main", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}
    reference = {"resource": resource, "divisor": divisor}
    assert downward.resource(reference, container, SOURCES.allocatable) == expected


def test_annotations_are_quoted() -> None:
    assert downward.field_value(POD, "metadata.annotations") == 'a="x\\"y"'


def _service(name: str, namespace: str, ip: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": list(ports)}}


def test_service_variables() -> None:
    services = [
        _service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"}),
        _service("my-db", "shop", "10.96.0.5", {"port": 5432, "protocol": "TCP"}),
        _service("other", "elsewhere", "10.96.0.6", {"port": 1}),
        _service("headless", "shop", "None", {"port": 1}),
    ]
    made = environment.service_variables(services, "shop", True)
    assert made["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert made["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert made["MY_DB_PORT"] == "tcp://10.96.0.5:5432"
    assert made["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.0.5"
    assert not any(name.startswith(("OTHER", "HEADLESS")) for name in made)
    assert set(environment.service_variables(services, "shop", False)) == {
        name for name in made if name.startswith("KUBERNETES")
    }
