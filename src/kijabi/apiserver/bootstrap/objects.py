"""The objects a cluster starts with beside RBAC, as plain data."""

from __future__ import annotations

import ipaddress

from kijabi.apiserver import contract
from kijabi.kit import jsons

Object = contract.Object

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
SERVICE = "kubernetes"

SYSTEM_CRITICAL = 2_000_000_000


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def priority_classes() -> list[Object]:
    texts = (
        (
            "system-node-critical",
            SYSTEM_CRITICAL + 1000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            SYSTEM_CRITICAL,
            "Used for system critical pods that must run in the cluster, "
            "but can be moved to another node if necessary.",
        ),
    )
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": text,
        }
        for name, value, text in texts
    ]


def first_address(cidr: str) -> str:
    """The address of the API's own Service: the first after the range's base."""
    network = ipaddress.ip_network(cidr, strict=False)
    return str(network.network_address + 1)


def service(cidr: str, port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": first_address(cidr),
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    }


def endpoints(addresses: list[str], port: int) -> Object:
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": SERVICE,
            "namespace": "default",
            # The slice beside it is ours too; nobody else need mirror.
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": [{"ip": one} for one in addresses], "ports": ports}] if addresses else [],
    }


def endpoint_slice(addresses: list[str], port: int) -> Object:
    """A slice has one family: that of the first address."""
    version = ipaddress.ip_address(addresses[0]).version
    same = [one for one in addresses if ipaddress.ip_address(one).version == version]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": SERVICE,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": SERVICE},
        },
        "addressType": f"IPv{version}",
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in same],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def service_cidr(cidrs: list[str]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": SERVICE},
        "spec": {"cidrs": cidrs},
    }


def ready_condition(now: str) -> Object:
    return {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": now,
        "message": "Kubernetes default Service CIDR is ready",
        "reason": "",
    }


def authentication_config(client_ca: str, front_proxy: Object | None) -> Object:
    """``front_proxy`` has the values of the ``requestheader-*`` keys; None where no front proxy is trusted."""
    data = {"client-ca-file": client_ca} if client_ca else {}
    for key, value in (front_proxy or {}).items():
        data[key] = value if isinstance(value, str) else jsons.dumps(value).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": data,
    }
