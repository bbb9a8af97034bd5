"""Validation of a pod's names, addresses and DNS."""

from __future__ import annotations

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MOST_SERVERS, _MOST_SEARCHES, _LONGEST_SEARCHES = 3, 32, 2048
_LONGEST_HOSTNAME = 64


def host_ports(spec: Object, of_pod: bool, path: str) -> Errors:
    """On the host's network a port has one number. In templates it may be left out: pods have it filled in."""
    found: Errors = []
    if not spec.get("hostNetwork"):
        return found
    for position, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            on_host = port.get("hostPort", 0)
            if (of_pod or on_host) and on_host != port.get("containerPort", 0):
                where = f"{path}.containers[{position}].ports[{number}].hostPort"
                text = "must match `containerPort` when `hostNetwork` is true"
                found.append(field.invalid(where, on_host, text))
    return found


def dns_policy(spec: Object, path: str) -> Errors:
    return checks.listed(spec.get("dnsPolicy"), f"{path}.dnsPolicy", _POLICIES)


def dns_config(spec: Object, path: str) -> Errors:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [field.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [field.required(f"{path}.nameservers", text)]
    if not config:
        return []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    found: Errors = []
    if len(servers) > _MOST_SERVERS:
        text = f"must not have more than {_MOST_SERVERS} nameservers"
        found.append(field.invalid(f"{path}.nameservers", servers, text))
    for position, server in enumerate(servers):
        found += checks.ip(server, f"{path}.nameservers[{position}]")
    if len(searches) > _MOST_SEARCHES:
        text = f"must not have more than {_MOST_SEARCHES} search paths"
        found.append(field.invalid(f"{path}.searches", searches, text))
    if len(" ".join(searches)) > _LONGEST_SEARCHES:
        text = f"must not have more than {_LONGEST_SEARCHES} characters (including spaces) in the search list"
        found.append(field.invalid(f"{path}.searches", searches, text))
    for position, search in enumerate(searches):
        if search != ".":
            bare = search.removesuffix(".")
            found += checks.word(bare, f"{path}.searches[{position}]", names.dns_subdomain_with_underscore)
    for position, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(field.required(f"{path}.options[{position}]", "must not be empty"))
    return found


def hostname_override(spec: Object, path: str) -> Errors:
    name = spec.get("hostnameOverride")
    if name is None:
        return []
    found: Errors = []
    for key in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(key):
            found.append(field.forbidden(path, f"may not be specified when {key} is true"))
    if len(name) > _LONGEST_HOSTNAME:
        found.append(field.too_long(path, _LONGEST_HOSTNAME))
    return found + checks.word(name, path, names.dns_subdomain)


def host_aliases(aliases: list[Object], path: str) -> Errors:
    found: Errors = []
    for position, alias in enumerate(aliases):
        found += checks.ip(alias.get("ip", ""), f"{path}[{position}].ip")
        for number, name in enumerate(alias.get("hostnames") or ()):
            found += checks.word(name, f"{path}[{position}].hostnames[{number}]", names.dns_subdomain)
    return found
