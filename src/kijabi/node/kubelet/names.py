"""A pod's host name, hosts file and resolver configuration: pure.

Source: the documented "DNS for Services and Pods", "Adding entries to Pod /etc/hosts"; limits of KEP-2595.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from kijabi.node.cri import contract
from kijabi.node.kubelet import environment, pods

MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048
_HOSTNAME: Final = 63
_LINUX_HOSTNAME: Final = 64
_MANAGED: Final = "# Kubernetes-managed hosts file.\n"
_MANAGED_HOST: Final = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL: Final = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)


def hostname_and_domain(pod: pods.Object, cluster_domain: str) -> tuple[str, str]:
    spec = pod["spec"]
    override = spec.get("hostnameOverride")
    if override:
        return _cut(override), ""
    hostname = _cut(spec.get("hostname") or pods.name(pod))
    subdomain = spec.get("subdomain")
    domain = f"{subdomain}.{pods.namespace(pod)}.svc.{cluster_domain}" if subdomain else ""
    return hostname, domain


def _cut(hostname: str) -> str:
    return hostname if len(hostname) <= _HOSTNAME else hostname[:_HOSTNAME].rstrip("-.")


def kernel_hostname(pod: pods.Object, cluster_domain: str) -> str:
    """What ``hostname`` prints in the pod; empty on the host's network."""
    if pods.is_host_network(pod):
        return ""
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    if not (pod["spec"].get("setHostnameAsFQDN") and domain):
        return hostname
    full = f"{hostname}.{domain}"
    if len(full) > _LINUX_HOSTNAME:
        raise environment.ConfigError(
            f"Failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({_LINUX_HOSTNAME} characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_file(pod: pods.Object, ips: Sequence[str], cluster_domain: str, node_hosts: str = "") -> str:
    """``node_hosts`` is the node's own file, which a pod on the host's network gets a copy of."""
    if pods.is_host_network(pod):
        return _MANAGED_HOST + node_hosts + _aliases(pod)
    hostname, domain = hostname_and_domain(pod, cluster_domain)
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    return _MANAGED + _LOCAL + "".join(f"{ip}\t{names}\n" for ip in ips) + _aliases(pod)


def _aliases(pod: pods.Object) -> str:
    aliases = pod["spec"].get("hostAliases") or ()
    if not aliases:
        return ""
    lines = ("\t".join([alias["ip"], *(alias.get("hostnames") or ())]) + "\n" for alias in aliases)
    return "\n# Entries added by HostAliases.\n" + "".join(lines)


@dataclass(slots=True)
class Resolver:
    """The node's own resolver configuration and the cluster's."""

    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    host: contract.DnsConfig = field(default_factory=contract.DnsConfig)


def parse_resolv_conf(text: str) -> contract.DnsConfig:
    made = contract.DnsConfig()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            made.servers.append(words[1])
        elif words[0] == "search":
            made.searches = [word if word == "." else word.rstrip(".") for word in words[1:]]
        elif words[0] == "options":
            made.options = words[1:]
    return made


def pod_dns(pod: pods.Object, resolver: Resolver) -> tuple[contract.DnsConfig, list[str]]:
    """The pod's resolver configuration, and warnings in upstream's words for events."""
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    warnings: list[str] = []
    host = resolver.host
    made = contract.DnsConfig(list(host.servers), list(host.searches), list(host.options))
    if policy == "None":
        made = contract.DnsConfig()
    elif policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pods.is_host_network(pod)):
        if resolver.cluster_dns:
            domain = resolver.cluster_domain
            cluster = [f"{pods.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain] if domain else []
            made = contract.DnsConfig(list(resolver.cluster_dns), _unique([*cluster, *host.searches]), ["ndots:5"])
        else:
            warnings.append(
                f'pod: "{pods.describe(pod)}". kubelet does not have ClusterDNS IP configured and cannot create Pod '
                'using "ClusterFirst" policy. Falling back to "Default" policy.'
            )
    own = pod["spec"].get("dnsConfig")
    if own:
        made.servers = _unique([*made.servers, *(own.get("nameservers") or ())])
        made.searches = _unique([*made.searches, *(own.get("searches") or ())])
        made.options = _merge_options(made.options, own.get("options") or ())
    return _fit(made, warnings), warnings


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _merge_options(options: list[str], own: Iterable[dict[str, str]]) -> list[str]:
    merged = dict(option.partition(":")[::2] for option in options)
    for option in own:
        merged[option.get("name", "")] = option.get("value") or ""
    return [f"{name}:{value}" if value else name for name, value in merged.items()]


def _fit(made: contract.DnsConfig, warnings: list[str]) -> contract.DnsConfig:
    if len(made.servers) > MAX_NAMESERVERS:
        made.servers = made.servers[:MAX_NAMESERVERS]
        warnings.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
            + " ".join(made.servers)
        )
    searches = [search for search in made.searches[:MAX_SEARCHES] if len(search) <= 253]
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches.pop()
    if len(searches) < len(made.searches):
        made.searches = searches
        warnings.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
            + " ".join(searches)
        )
    return made
