"""Ingresses."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "ingresses")
GENERATION = True
COLUMNS = (
    printing.NAME,
    printing.text("Class", "The name of the IngressClass."),
    printing.text("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
    printing.text("Address", "Address is a list containing ingress points for the load-balancer"),
    printing.text("Ports", "Ports of TLS configurations that open"),
    printing.AGE,
)
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES, _BAD_SUFFIXES = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")


def validate_create(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        found.append(field.invalid("spec", rules, text))
    if backend is not None:
        found += _backend(backend, "spec.defaultBackend")
    for position, rule in enumerate(rules):
        found += _rule(rule, f"spec.rules[{position}]")
    for position, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            found += _host(host, f"spec.tls[{position}].hosts[{number}]")
    if spec.get("ingressClassName") is not None:
        found += checks.word(spec["ingressClassName"], "spec.ingressClassName", names.dns_subdomain)
    return found


def _host(host: str, path: str) -> Errors:
    if checks.is_ip(host):
        return [field.invalid(path, host, "must be a DNS name, not an IP address")]
    return checks.word(host, path, names.wildcard_subdomain if "*" in host else names.dns_subdomain)


def _rule(rule: Object, path: str) -> Errors:
    found = _host(rule["host"], field.child(path, "host")) if rule.get("host") else []
    http = rule.get("http")
    if http is None:
        return found
    where = field.child(path, "http", "paths")
    if not http.get("paths"):
        found.append(field.required(where))
    for position, one in enumerate(http.get("paths") or ()):
        found += _path(one, field.index(where, position))
    return found


def _path(one: Object, path: str) -> Errors:
    text, kind = one.get("path", ""), one.get("pathType")
    where = field.child(path, "path")
    found: Errors = []
    if kind is None:
        found.append(field.required(field.child(path, "pathType"), "pathType must be specified"))
    elif kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            found.append(field.invalid(where, text, "must be an absolute path"))
        for bad in _BAD_SEQUENCES:
            if bad in text:
                found.append(field.invalid(where, text, f"must not contain '{bad}'"))
        for bad in _BAD_SUFFIXES:
            if text.endswith(bad):
                found.append(field.invalid(where, text, f"cannot end with '{bad}'"))
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            found.append(field.invalid(where, text, "must be an absolute path"))
    else:
        found.append(field.not_supported(field.child(path, "pathType"), kind, _PATH_TYPES))
    return found + _backend(one.get("backend") or {}, field.child(path, "backend"))


def _backend(backend: Object, path: str) -> Errors:
    service, other = backend.get("service"), backend.get("resource")
    if service is not None and other is not None:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if other is not None:
        return [field.required(field.child(path, "resource", key)) for key in ("kind", "name") if not other.get(key)]
    if service is None:
        return [field.required(path, "must specify either resource or service backend")] if not backend else []
    where = field.child(path, "service")
    found = checks.required_word(service.get("name"), field.child(where, "name"), names.dns1035_label)
    port = service.get("port") or {}
    if port.get("name") and port.get("number"):
        found.append(field.invalid(where, "", "cannot set both port name & port number"))
    elif port.get("name"):
        found += checks.word(port["name"], field.child(where, "port", "name"), names.port_name)
    elif port.get("number"):
        found += checks.port_number_or_name(port["number"], field.child(where, "port", "number"))
    else:
        found.append(field.required(where, "port name or number is required"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    return validate_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj.get("spec") or {}, obj.get("status") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    points = (told.get("loadBalancer") or {}).get("ingress") or ()
    return [
        printing.name(obj),
        spec.get("ingressClassName") or printing.NONE,
        printing.some(hosts, empty="*"),
        ",".join(point.get("ip") or point.get("hostname", "") for point in points),
        "80, 443" if spec.get("tls") else "80",
        printing.age(obj, now),
    ]
