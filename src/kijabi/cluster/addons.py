"""The objects a cluster begins with, beside those the API server makes itself: pure.

DNS: every node runs an agent on its own address; the Service ``kube-dns`` has the tenth address of the range, as
kubeadm gives it, and an EndpointSlice that lists the agents. ``internalTrafficPolicy: Local`` sends a pod to the agent
of its own node.
"""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.resource import Object
from kijabi.cluster import authority, state

NAMESPACE = "kube-system"
DNS_SERVICE = "kube-dns"
DNS_SLICE = "kube-dns-nodes"
_DNS_ROLE = "system:coredns"
_PORTS = (("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP"))


def node(cluster: state.Cluster, one: state.Node) -> Object:
    """The Node as it is before its kubelet reports: with its pod range, which its CNI configuration already names."""
    pods = str(cluster.plan.node_pods(one.number))
    labels = {"kubernetes.io/hostname": one.name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": one.name, "labels": labels},
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
    }


def dns_role() -> Object:
    read = ["list", "watch"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _DNS_ROLE},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": read},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        ],
    }


def dns_binding() -> Object:
    return _binding(_DNS_ROLE, "system:coredns")


def dns_service(cluster: state.Cluster) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DNS_SERVICE, "namespace": NAMESPACE, "labels": _dns_labels()},
        "spec": {
            "clusterIP": cluster.plan.dns_service,
            "clusterIPs": [cluster.plan.dns_service],
            "internalTrafficPolicy": "Local",
            "ports": [
                {"name": name, "port": port, "targetPort": port, "protocol": protocol}
                for name, port, protocol in _PORTS
            ],
        },
    }


def dns_slice(cluster: state.Cluster, running: Iterable[state.Node]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": DNS_SLICE,
            "namespace": NAMESPACE,
            "labels": {
                **_dns_labels(),
                "kubernetes.io/service-name": DNS_SERVICE,
                "endpointslice.kubernetes.io/managed-by": "kijabi",
            },
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [authority.node_address(cluster, one)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": one.name,
            }
            for one in running
        ],
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, port, protocol in _PORTS],
    }


def _binding(role: str, user: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


def _dns_labels() -> dict[str, str]:
    return {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
