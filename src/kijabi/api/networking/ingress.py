"""Ingresses."""

from __future__ import annotations

from typing import Any

from kijabi.api import addresses, checks, field, names, printing, served, zeros
from kijabi.api.checks import Errors
from kijabi.api.networking import backends
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
_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES, _BAD_SUFFIXES = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    zeros.show((spec.get("defaultBackend") or {}).get("resource"), {"apiGroup": None})
    for rule in spec.get("rules") or ():
        for one in (rule.get("http") or {}).get("paths") or ():
            zeros.hide(one, "path")
            zeros.show((one.get("backend") or {}).get("resource"), {"apiGroup": None})


def prepare_create(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    told.setdefault("loadBalancer", {})


def validate_create(obj: Object) -> Errors:
    found = _validate(obj)
    asked, annotated = (obj.get("spec") or {}).get("ingressClassName"), _annotated(obj)
    if asked is not None and annotated is not None and asked != annotated:
        text = "must match `ingressClassName` when both are specified"
        found.append(field.invalid(f"annotations.{_CLASS}", annotated, text))
    return found


def _annotated(obj: Object) -> str | None:
    return (obj["metadata"].get("annotations") or {}).get(_CLASS)


def _validate(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        found.append(field.invalid("spec", spec.get("rules"), text))
    if backend is not None:
        found += backends.validate(backend, "spec.defaultBackend")
    for position, rule in enumerate(rules):
        found += _rule(rule, f"spec.rules[{position}]")
    for position, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            found += _domain(host, f"spec.tls[{position}].hosts[{number}]")
        if tls.get("secretName"):
            found += checks.word(tls["secretName"], f"spec.tls[{position}].secretName", names.dns_subdomain)
    if spec.get("ingressClassName") is not None:
        found += checks.word(spec["ingressClassName"], "spec.ingressClassName", names.dns_subdomain)
    return found


def _host(host: str, path: str) -> Errors:
    found = _domain(host, path)
    if addresses.parse(host) is not None:
        found.insert(0, field.invalid(path, host, "must be a DNS name, not an IP address"))
    return found


def _domain(host: str, path: str) -> Errors:
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
    return found + backends.validate(one.get("backend") or {}, field.child(path, "backend"))


def validate_update(new: Object, old: Object) -> Errors:
    return _validate(new)


def validate_status(new: Object, old: Object) -> Errors:
    points = _points(new)
    kept = [point["ip"] for point in _points(old) if point.get("ip")]
    found: Errors = []
    for position, point in enumerate(points):
        path = f"status.loadBalancer.ingress[{position}]"
        if point.get("ip"):
            found += addresses.ip(point["ip"], f"{path}.ip", kept)
        if point.get("hostname"):
            where = f"{path}.hostname"
            found += checks.word(point["hostname"], where, names.dns_subdomain)
            if addresses.parse(point["hostname"]) is not None:
                found.append(field.invalid(where, point["hostname"], "must be a DNS name, not an IP address"))
    return found


def _points(obj: Object) -> list[Object]:
    return ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


def warn_create(obj: Object) -> list[str]:
    if _annotated(obj) is None or (obj.get("spec") or {}).get("ingressClassName") is not None:
        return []
    return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]


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
