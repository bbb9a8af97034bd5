"""Validation of probes and lifecycle hooks, which share their handlers."""

from __future__ import annotations

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate(container: Object, grace: int | None, path: str) -> Errors:
    """The hooks and the three probes of a container."""
    found: Errors = []
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for hook in ("postStart", "preStop"):
            if lifecycle.get(hook) is not None:
                found += _handler(lifecycle[hook], _HOOK_HANDLERS, grace, f"{path}.lifecycle.{hook}")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            found += _probe(container[name], name, grace, f"{path}.{name}")
    return found


def _probe(probe: Object, name: str, grace_of_pod: int | None, path: str) -> Errors:
    found = _handler(probe, _PROBE_HANDLERS, grace_of_pod, path)
    found += checks.not_negative(probe, path, *_NUMBERS)
    grace = probe.get("terminationGracePeriodSeconds")
    where = field.child(path, "terminationGracePeriodSeconds")
    if grace is not None:
        if grace <= 0:
            found.append(field.invalid(where, grace, "must be greater than 0"))
        if name == "readinessProbe":
            found.append(field.invalid(where, grace, "must not be set for readinessProbes"))
    if name != "readinessProbe" and probe.get("successThreshold") != 1:
        found.append(
            field.invalid(field.child(path, "successThreshold"), probe.get("successThreshold", 0), "must be 1")
        )
    return found


def _handler(handler: Object, kinds: tuple[str, ...], grace: int | None, path: str) -> Errors:
    given = [key for key in kinds if handler.get(key) is not None]
    if not given:
        return [field.required(path, "must specify a handler type")]
    found = _action(given[0], handler[given[0]], grace, field.child(path, given[0]))
    for key in given[1:]:
        found.append(field.forbidden(field.child(path, key), "may not specify more than 1 handler type"))
    return found


def _action(kind: str, action: Object, grace: int | None, path: str) -> Errors:
    match kind:
        case "exec":
            return [] if action.get("command") else [field.required(field.child(path, "command"))]
        case "httpGet":
            return _http_get(action, path)
        case "sleep":
            seconds = action.get("seconds", 0)
            if grace is not None and not 0 <= seconds <= grace:
                text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                return [field.invalid(path, seconds, text)]
            return []
    return checks.port_number_or_name(action.get("port"), field.child(path, "port"))


def _http_get(action: Object, path: str) -> Errors:
    found = [] if action.get("path") else [field.required(field.child(path, "path"))]
    found += checks.port_number_or_name(action.get("port"), field.child(path, "port"))
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        found.append(field.not_supported(field.child(path, "scheme"), action.get("scheme", ""), ("HTTP", "HTTPS")))
    for header in action.get("httpHeaders") or ():
        found += checks.word(header.get("name", ""), field.child(path, "httpHeaders"), names.http_header)
    return found
