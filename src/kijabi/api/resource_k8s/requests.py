"""Device requests, which claims and claim templates share.

Source: "Dynamic Resource Allocation" in the documentation. CEL selectors are compiled by the scheduler, not here.
"""

from __future__ import annotations

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

_MODES = ("All", "ExactCount")


def default(spec: Object) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is not None:
                _default(one)


def _default(one: Object) -> None:
    if not one.get("allocationMode"):
        one["allocationMode"] = "ExactCount"
    if one["allocationMode"] == "ExactCount" and not one.get("count"):
        one["count"] = 1
    for toleration in one.get("tolerations") or ():
        toleration.setdefault("operator", "Equal")


def validate(spec: Object, path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    requests = (spec.get("devices") or {}).get("requests") or ()
    for position, request in enumerate(requests):
        where = field.index(field.child(path, "devices", "requests"), position)
        name = request.get("name", "")
        found += checks.required_word(name, field.child(where, "name"), names.dns_label)
        if name in seen:
            found.append(field.duplicate(field.child(where, "name"), name))
        seen.add(name)
        found += _request(request, where)
    return found


def _request(request: Object, path: str) -> Errors:
    exactly, several = request.get("exactly"), request.get("firstAvailable") or ()
    if (exactly is None) == (not several):
        text = "exactly one of `exactly` or `firstAvailable` is required"
        if exactly is None:
            return [field.required(path, text)]
        return [field.invalid(path, request, text)]
    found: Errors = []
    if exactly is not None:
        found += _one(exactly, field.child(path, "exactly"))
    for position, one in enumerate(several):
        where = field.index(field.child(path, "firstAvailable"), position)
        found += checks.required_word(one.get("name"), field.child(where, "name"), names.dns_label)
        found += _one(one, where)
    return found


def _one(one: Object, path: str) -> Errors:
    found = checks.required_word(one.get("deviceClassName"), field.child(path, "deviceClassName"), names.dns_subdomain)
    mode, count = one.get("allocationMode"), one.get("count", 0)
    found += checks.optional(mode, field.child(path, "allocationMode"), _MODES)
    if mode == "ExactCount" and count <= 0:
        found.append(field.invalid(field.child(path, "count"), count, "must be greater than zero"))
    if mode == "All" and count:
        text = "must not be specified when allocationMode is 'All'"
        found.append(field.invalid(field.child(path, "count"), count, text))
    return found
