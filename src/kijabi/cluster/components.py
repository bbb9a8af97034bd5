"""Every process of a cluster as the supervisor keeps it: pure functions of what is written down about the cluster."""

from __future__ import annotations

import dataclasses
from typing import Any

from kijabi.cluster import authority, etcd, flags, state
from kijabi.cluster.supervisor import plan


def cgroup(cluster: state.Cluster, node: state.Node | None = None) -> str:
    """The prefix of a cluster's or a node's cgroups, in every hierarchy."""
    return f"/kijabi/{cluster.name}" + (f"/{node.name}" if node else "")


def apiserver(cluster: state.Cluster) -> plan.Component:
    pki = cluster.paths.pki
    options: dict[str, Any] = {
        **(etcd.options(cluster) if cluster.store == "etcd" else {"store": f"sqlite://{cluster.paths.store}"}),
        "bind_address": cluster.address,
        "secure_port": cluster.ports["apiserver"],
        "advertise_address": cluster.address if cluster.in_namespaces else "",
        # A cluster on 127.0.0.1 has no address that may stand in an endpoint.
        "endpoint_reconciler_type": "lease" if cluster.in_namespaces else "none",
        "tls_cert_file": str(pki / "apiserver.crt"),
        "tls_private_key_file": str(pki / "apiserver.key"),
        "client_ca_file": str(pki / "ca.crt"),
        "requestheader_client_ca_file": str(pki / "front-proxy-ca.crt"),
        "requestheader_allowed_names": ("front-proxy-client",),
        "proxy_client_cert_file": str(pki / "front-proxy-client.crt"),
        "proxy_client_key_file": str(pki / "front-proxy-client.key"),
        "service_account_key_file": (str(pki / "sa.pub"),),
        "service_account_signing_key_file": str(pki / "sa.key"),
        "service_cluster_ip_range": str(cluster.plan.services),
        "kubelet_client_certificate": str(pki / "apiserver-kubelet-client.crt"),
        "kubelet_client_key": str(pki / "apiserver-kubelet-client.key"),
        "kubelet_certificate_authority": str(pki / "ca.crt"),
        # Nodes are reached by address: the machine does not know their names.
        "kubelet_preferred_address_types": ("InternalIP", "ExternalIP", "Hostname"),
    }
    return _program(cluster, "apiserver", options)


def controller_manager(cluster: state.Cluster) -> plan.Component:
    pki = cluster.paths.pki
    options: dict[str, Any] = {
        **_control_plane(cluster, "controller-manager"),
        "root_ca_file": str(pki / "ca.crt"),
        "cluster_signing_cert_file": str(pki / "ca.crt"),
        "cluster_signing_key_file": str(pki / "ca.key"),
        "service_account_private_key_file": str(pki / "sa.key"),
        "allocate_node_cidrs": True,
        "cluster_cidr": str(cluster.plan.pods),
    }
    return _program(cluster, "controller-manager", options)


def scheduler(cluster: state.Cluster) -> plan.Component:
    return _program(cluster, "scheduler", _control_plane(cluster, "scheduler"))


def containerd(cluster: state.Cluster, node: state.Node) -> plan.Component:
    place = cluster.paths.node(node.name)
    return plan.Component(
        name=f"containerd-{node.name}",
        log=str(cluster.paths.logs / f"containerd-{node.name}.log"),
        command=("containerd", "--config", str(place.containerd_config)),
        environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        namespace=str(place.namespace),
        node=node.name,
    )


def kubelet(cluster: state.Cluster, node: state.Node) -> plan.Component:
    pki, place = cluster.paths.pki, cluster.paths.node(node.name)
    options: dict[str, Any] = {
        "kubeconfig": str(cluster.paths.kubeconfig(f"kubelet-{node.name}")),
        "hostname_override": node.name,
        "node_ip": authority.node_address(cluster, node),
        "address": authority.node_address(cluster, node),
        "port": node.ports.get("kubelet", 10250),
        "tls_cert_file": str(pki / f"kubelet-{node.name}.crt"),
        "tls_private_key_file": str(pki / f"kubelet-{node.name}.key"),
        "client_ca_file": str(pki / "ca.crt"),
        "root_dir": str(place.kubelet_root),
        "pod_logs_dir": str(place.pod_logs),
        "container_runtime_endpoint": f"unix://{place.containerd_socket}",
        "cluster_dns": (cluster.plan.dns_service,),
        "cluster_domain": authority.DOMAIN,
        "cgroup_root": cgroup(cluster, node),
    }
    if cluster.in_namespaces:
        return _program(cluster, "kubelet", options, node)
    options["pod_cidr"] = str(cluster.plan.node_pods(node.number))
    made = _program(cluster, "hollow-kubelet", options, node)
    return dataclasses.replace(
        made, name=f"kubelet-{node.name}", log=str(cluster.paths.logs / f"kubelet-{node.name}.log")
    )


def proxy(cluster: state.Cluster, node: state.Node) -> plan.Component:
    options = {
        "kubeconfig": str(cluster.paths.kubeconfig("proxy")),
        "hostname_override": node.name,
        "cluster_cidr": str(cluster.plan.pods),
    }
    return _program(cluster, "proxy", options, node)


def dns(cluster: state.Cluster, node: state.Node) -> plan.Component:
    options = {
        "kubeconfig": str(cluster.paths.kubeconfig("dns")),
        "bind_address": authority.node_address(cluster, node),
        "cluster_domain": authority.DOMAIN,
    }
    return _program(cluster, "dns", options, node)


def agents(cluster: state.Cluster, node: state.Node) -> list[plan.Component]:
    """What a node runs besides containerd. Without containers nobody asks a proxy or a DNS."""
    if not cluster.in_namespaces:
        return [kubelet(cluster, node)]
    return [kubelet(cluster, node), proxy(cluster, node), dns(cluster, node)]


def names_of_node(node: state.Node) -> list[str]:
    """In the order they are ended."""
    return [f"{kind}-{node.name}" for kind in ("kubelet", "proxy", "dns", "containerd")]


def _control_plane(cluster: state.Cluster, who: str) -> dict[str, Any]:
    pki = cluster.paths.pki
    return {
        "kubeconfig": str(cluster.paths.kubeconfig(who)),
        "bind_address": cluster.address,
        "secure_port": cluster.ports[who],
        "tls_cert_file": str(pki / f"{who}.crt"),
        "tls_private_key_file": str(pki / f"{who}.key"),
        "client_ca_file": str(pki / "ca.crt"),
        # The supervisor runs exactly one; after a kill its successor need not wait for the old Lease to expire.
        "leader_elect": False,
    }


def _program(
    cluster: state.Cluster, program: str, options: dict[str, Any], node: state.Node | None = None
) -> plan.Component:
    name = f"{program}-{node.name}" if node else program
    namespace = str(cluster.paths.node(node.name).namespace) if node and cluster.in_namespaces else ""
    told = cluster.arguments.get("kubelet" if program == "hollow-kubelet" else program)
    if told:
        options = {**options, flags.ARGUMENTS: told}
    return plan.Component(
        name=name,
        log=str(cluster.paths.logs / f"{name}.log"),
        program=program,
        options=options,
        namespace=namespace,
        node=node.name if node else "",
    )
