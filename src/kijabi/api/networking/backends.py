"""References that Ingresses and IngressClasses make to objects of any kind, by group, kind and name."""

from __future__ import annotations

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object


def typed_reference(ref: Object, path: str) -> Errors:
    """A ``TypedLocalObjectReference``, or one like it."""
    found: Errors = []
    if ref.get("apiGroup"):
        found += checks.word(ref["apiGroup"], field.child(path, "apiGroup"), names.dns_subdomain)
    for key in ("kind", "name"):
        found += checks.required_word(ref.get(key), field.child(path, key), names.path_segment)
    return found


def validate(backend: Object, path: str) -> Errors:
    """Where an Ingress sends requests: to a service, or to a resource that its controller knows."""
    service, other = backend.get("service"), backend.get("resource")
    if service is not None and other is not None:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if other is not None:
        return typed_reference(other, field.child(path, "resource"))
    if service is None:
        return [field.invalid(path, "", "resource or service backend is required")]
    return _service(service, path)


def _service(service: Object, path: str) -> Errors:
    found = checks.required_word(service.get("name"), field.child(path, "service", "name"), names.dns_label)
    port, where = service.get("port") or {}, field.child(path, "service", "port")
    name, number = port.get("name"), port.get("number")
    if not name and not number:
        found.append(field.required(path, "port name or number is required"))
    elif name and number:
        found.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif name:
        found += checks.word(name, field.child(where, "name"), names.port_name)
    elif number:
        found += [field.invalid(field.child(where, "number"), number, text) for text in names.port_number(number)]
    return found
