"""What a claim asks for, which claims and their templates share: requests of devices, constraints, configurations.

Source: "Dynamic Resource Allocation" in the documentation.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object
from kijabi.api.resource_k8s import parts, selectors

_MODES = ("All", "ExactCount")
_MOST_REQUESTS, _MOST_ALTERNATIVES, _MOST_CONSTRAINTS = 32, 8, 32


def default(spec: Object) -> None:
    devices = spec.setdefault("devices", {})
    if devices:
        devices["requests"] = devices.get("requests") or None
    for request in devices.get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is not None:
                _default(one)
    devices.setdefault("requests", None)


def _default(one: Object) -> None:
    if not one.get("allocationMode"):
        one["allocationMode"] = "ExactCount"
    if one["allocationMode"] == "ExactCount" and not one.get("count"):
        one["count"] = 1
    for toleration in one.get("tolerations") or ():
        toleration.setdefault("operator", "Equal")


def validate(spec: Object, path: str) -> Errors:
    devices, where = spec.get("devices") or {}, field.child(path, "devices")
    known = parts.requests_of(spec)
    listed = devices.get("requests") or []
    found = parts.distinct(listed, _MOST_REQUESTS, field.child(where, "requests"), _request, _name)
    constraints, at = devices.get("constraints") or [], field.child(where, "constraints")
    if len(constraints) > _MOST_CONSTRAINTS:
        found.append(field.too_many(at, len(constraints), _MOST_CONSTRAINTS))
    else:
        for position, one in enumerate(constraints):
            found += _constraint(one, field.index(at, position), known)

    def configured(one: Object, place: str) -> Errors:
        return parts.references(one, place, known) + parts.configuration(one, place)

    return found + parts.configurations(devices.get("config") or [], field.child(where, "config"), configured)


def _name(one: Object) -> str:
    found: str = one.get("name", "")
    return found


def _request(request: Object, path: str) -> Errors:
    found = checks.word(_name(request), field.child(path, "name"), names.dns_label)
    exactly, several = request.get("exactly"), request.get("firstAvailable") or []
    text = "exactly one of `exactly` or `firstAvailable` is required"
    if exactly is None and not several:
        found.append(field.required(path, text))
    elif exactly is not None and several:
        found.append(field.invalid(path, None, f"{text}, but multiple fields are set"))
    elif exactly is not None:
        found += _one(exactly, field.child(path, "exactly"))
    else:
        found += parts.distinct(several, _MOST_ALTERNATIVES, field.child(path, "firstAvailable"), _alternative, _name)
    return found


def _alternative(one: Object, path: str) -> Errors:
    return checks.word(_name(one), field.child(path, "name"), names.dns_label) + _one(one, path)


def _one(one: Object, path: str) -> Errors:
    found = checks.required_word(one.get("deviceClassName"), field.child(path, "deviceClassName"), names.dns_subdomain)
    found += selectors.validate(one.get("selectors") or [], field.child(path, "selectors"))
    mode, count, where = one.get("allocationMode", ""), one.get("count", 0), field.child(path, "count")
    if mode not in _MODES:
        found.append(field.not_supported(field.child(path, "allocationMode"), mode, _MODES))
    elif mode == "ExactCount" and count <= 0:
        found.append(field.invalid(where, count, "must be greater than zero"))
    elif mode == "All" and count:
        found.append(field.invalid(where, count, "must not be specified when allocationMode is 'All'"))
    for position, toleration in enumerate(one.get("tolerations") or ()):
        found += parts.toleration(toleration, field.index(field.child(path, "tolerations"), position))
    return found


def _constraint(one: Object, path: str, known: parts.Requests) -> Errors:
    found = parts.references(one, path, known)
    for key in ("matchAttribute", "distinctAttribute"):
        if one.get(key) is not None:
            return found + parts.full_name(one[key], field.child(path, key))
    # Upstream says so even where none is set.
    text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [*found, field.required(path, text)]


_EXACTLY: dict[str, Any] = {
    "deviceClassName": "",
    "selectors": None,
    "allocationMode": "",
    "count": 0,
    "adminAccess": None,
    "tolerations": None,
    "capacity": None,
}


def shown(spec: Object) -> Object:
    """The spec with the names of Go's fields, as messages show it."""
    devices = spec.get("devices") or {}
    requests = [
        {
            "Name": one.get("name", ""),
            "Exactly": _shown_exactly(one.get("exactly")),
            "FirstAvailable": one.get("firstAvailable"),
        }
        for one in devices.get("requests") or ()
    ]
    rest = {parts.go_name(key): devices.get(key) for key in ("constraints", "config")}
    return {"Devices": {"Requests": requests or None, **rest}}


def _shown_exactly(one: Object | None) -> Object | None:
    if one is None:
        return None
    return {parts.go_name(key): one.get(key, nothing) for key, nothing in _EXACTLY.items()}
