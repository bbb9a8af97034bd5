"""Keys, certificates and kubeconfigs of a cluster, under kubeadm's names.

    pki/ca.crt, ca.key                             signs everybody's certificates
    pki/apiserver.crt                              serving, for its addresses and the names of the kubernetes Service
    pki/apiserver-kubelet-client.crt               the API server towards kubelets
    pki/front-proxy-ca.crt, front-proxy-client.crt the API server towards aggregated ones
    pki/etcd-ca.crt, etcd-server.crt, apiserver-etcd-client.crt   where etcd is the store
    pki/sa.key, sa.pub                             sign and verify service-account tokens
    pki/controller-manager.crt, scheduler.crt, kubelet-NODE.crt   serving
    admin.conf, controller-manager.conf, scheduler.conf, proxy.conf, dns.conf, kubelet-NODE.conf

What is there is kept, what is missing is made: running ``up`` again never changes who a cluster is.
Source: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kijabi.cluster import kubeconfig, paths, state
from kijabi.kit import pki, yamls

DOMAIN = "cluster.local"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """Who a kubeconfig speaks as."""

    name: str
    groups: tuple[str, ...] = ()


def users(cluster: state.Cluster) -> dict[str, User]:
    """Kubeconfig → its user, by upstream's names."""
    return {
        "admin": User("kubernetes-admin", (MASTERS,)),
        "controller-manager": User("system:kube-controller-manager"),
        "scheduler": User("system:kube-scheduler"),
        "proxy": User("system:kube-proxy"),
        "dns": User("system:coredns"),
        **{f"kubelet-{node.name}": User(f"system:node:{node.name}", ("system:nodes",)) for node in cluster.nodes},
    }


def server_names(cluster: state.Cluster) -> tuple[list[str], list[str]]:
    """The names and addresses the API server's certificate is for."""
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}"]
    return ["localhost", *service], ["127.0.0.1", cluster.address, cluster.plan.kubernetes_service]


def ensure(cluster: state.Cluster) -> None:
    """Everything that is missing."""
    place = cluster.paths
    place.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca = _authority(place, "ca", "kubernetes")
    front = _authority(place, "front-proxy-ca", "front-proxy-ca")
    names, addresses = server_names(cluster)
    _serving(place, ca, "apiserver", "kube-apiserver", names, addresses)
    _client(place, ca, "apiserver-kubelet-client", User("kube-apiserver-kubelet-client", (MASTERS,)))
    _client(place, front, "front-proxy-client", User("front-proxy-client"))
    if cluster.store == "etcd":
        _store(place)
    _service_account_keys(place)
    for component in ("controller-manager", "scheduler"):
        _serving(place, ca, component, component, ["localhost"], list(dict.fromkeys(["127.0.0.1", cluster.address])))
    for node in cluster.nodes:
        _serving(
            place, ca, f"kubelet-{node.name}", f"system:node:{node.name}", [node.name], [node_address(cluster, node)]
        )
    for who, user in users(cluster).items():
        _kubeconfig(cluster, ca, who, user)


def _store(place: paths.Cluster) -> None:
    """etcd trusts nobody whom the cluster's own authority has signed for, only who has a certificate of its own."""
    ca = _authority(place, "etcd-ca", "etcd-ca")
    if not (place.pki / "etcd-server.crt").exists():
        # etcd also calls itself, as a client.
        made = pki.issue(ca, "etcd", dns=["localhost"], ips=["127.0.0.1"], server=True, client=True)
        pki.write(made, place.pki, "etcd-server")
    _client(place, ca, "apiserver-etcd-client", User("kube-apiserver-etcd-client", (MASTERS,)))


def node_address(cluster: state.Cluster, node: state.Node) -> str:
    return cluster.plan.node_address(node.number) if cluster.in_namespaces else cluster.address


def forget_node(cluster: state.Cluster, node: state.Node) -> None:
    place = cluster.paths
    for suffix in ("crt", "key"):
        (place.pki / f"kubelet-{node.name}.{suffix}").unlink(missing_ok=True)
    place.kubeconfig(f"kubelet-{node.name}").unlink(missing_ok=True)


def for_user(cluster: state.Cluster) -> kubeconfig.Config:
    """The administrator's kubeconfig as it is merged into the user's: everything of it goes by the context's name."""
    config: kubeconfig.Config = yamls.loads(cluster.paths.kubeconfig("admin").read_bytes())
    name = kubeconfig.context_name(cluster.name)
    return {
        **config,
        "clusters": [{"name": name, "cluster": config["clusters"][0]["cluster"]}],
        "users": [{"name": name, "user": config["users"][0]["user"]}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _authority(place: paths.Cluster, name: str, common_name: str) -> pki.Pair:
    if not (place.pki / f"{name}.crt").exists():
        pki.write(pki.create_ca(common_name), place.pki, name)
    return pki.read(place.pki, name)


def _serving(
    place: paths.Cluster, ca: pki.Pair, name: str, common_name: str, dns: Sequence[str], ips: Sequence[str]
) -> None:
    if not (place.pki / f"{name}.crt").exists():
        pki.write(pki.issue(ca, common_name, dns=dns, ips=ips, server=True), place.pki, name)


def _client(place: paths.Cluster, ca: pki.Pair, name: str, user: User) -> None:
    if not (place.pki / f"{name}.crt").exists():
        pki.write(pki.issue(ca, user.name, organizations=user.groups, client=True), place.pki, name)


def _service_account_keys(place: paths.Cluster) -> None:
    private, public = place.pki / "sa.key", place.pki / "sa.pub"
    if not public.exists():
        key = pki.new_key()
        paths.write(private, pki.key_pem(key))
        paths.write(public, pki.public_pem(key), mode=0o644)


def _kubeconfig(cluster: state.Cluster, ca: pki.Pair, who: str, user: User) -> None:
    path = cluster.paths.kubeconfig(who)
    if path.exists():
        return
    pair = pki.issue(ca, user.name, organizations=user.groups, client=True)
    config = kubeconfig.build(
        kubeconfig.Access(cluster.server, ca.cert_pem, pair.cert_pem, pair.key_pem),
        user=user.name,
        cluster=cluster.name,
    )
    paths.write(path, yamls.dumps(config).encode())
