"""Validation of what containers and pods ask for: requests, limits, huge pages, resource claims.

Source: "Resource Management for Pods and Containers"; KEP-2837 (pod-level resources), KEP-4381 (resource claims).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.predicates import fit
from kijabi.api.resource import Object

_COMPUTE = ("cpu", "memory")
Rule = Callable[[str, str], Errors]


def validate(wanted: Object, claims: Collection[str], path: str) -> Errors:
    """A container's ``resources``; ``claims`` are the names in the pod's ``resourceClaims``."""
    return _resources(wanted, checks.container_resource_name, path) + _claims(
        wanted.get("claims") or [], claims, f"{path}.claims"
    )


def _resources(wanted: Object, rule: Rule, path: str) -> Errors:
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    found: Errors = []
    for name, value in limits.items():
        where = f"{path}.limits[{name}]"
        found += rule(name, where) + checks.amount(name, value, where) + _pages(name, value, where)
    for name, value in requests.items():
        where = f"{path}.requests[{name}]"
        found += rule(name, where) + checks.amount(name, value, where)
        found += _within_limit(name, value, limits.get(name), path) + _pages(name, value, where)
    named = limits.keys() | requests.keys()
    if not named.intersection(_COMPUTE) and any(name.startswith(checks.HUGE_PAGES) for name in named):
        found.append(field.forbidden(path, "HugePages require cpu or memory"))
    return found


def _pages(name: str, value: Any, path: str) -> Errors:
    """Huge pages come whole."""
    if not name.startswith(checks.HUGE_PAGES):
        return []
    try:
        size = quantity.parse(name.removeprefix(checks.HUGE_PAGES))
    except quantity.Malformed:
        size = quantity.ZERO
    parsed = quantity.of(value)
    if size.nanos > 0 and size.milli() % 1000 == 0 and parsed.value() % size.value() == 0:
        return []
    return [field.invalid(path, str(parsed), f"{parsed} is not positive integer multiple of {name}")]


def _within_limit(name: str, request: Any, limit: Any, path: str) -> Errors:
    overcommitted = checks.is_native(name) and not name.startswith(checks.HUGE_PAGES)
    if limit is None:
        text = "Limit must be set for non overcommitable resources"
        return [] if overcommitted else [field.required(f"{path}.limits", text)]
    asked, most = quantity.of(request), quantity.of(limit)
    if asked != most and not overcommitted:
        return [field.invalid(f"{path}.requests", str(asked), f"must be equal to {name} limit of {most}")]
    if asked > most:
        return [field.invalid(f"{path}.requests", str(asked), f"must be less than or equal to {name} limit of {most}")]
    return []


def _claims(listed: list[Object], known: Collection[str], path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    for position, claim in enumerate(listed):
        where = f"{path}[{position}]"
        name = claim.get("name", "")
        if not name:
            found.append(field.required(where))
            continue
        found += _claim(name, claim.get("request", ""), taken, where)
        if name not in known:
            names_of = "which is empty" if not known else ": " + ", ".join(sorted(known))
            separator = " " if not known else ""
            text = f"must be one of the names in pod.spec.resourceClaims{separator}{names_of}"
            found.append(field.Error(field.NOT_FOUND, where, name, text))
    return found


def _claim(name: str, request: str, taken: set[str], path: str) -> Errors:
    """A claim may be used once as a whole, or by several of its requests."""
    if name in taken:
        return [field.duplicate(path, name)]
    found = checks.word(request, f"{path}.request", names.dns_label) if request else []
    key = f"{name}/{request}" if request else name
    if key in taken:
        found.append(field.duplicate(path, key))
    elif not request:
        found += [field.duplicate(path, name) for other in taken if other.startswith(f"{name}/")]
    taken.add(key)
    return found


_POD_LEVEL = ("cpu", checks.HUGE_PAGES, "memory")


def is_pod_level(name: str) -> bool:
    return name in _COMPUTE or name.startswith(checks.HUGE_PAGES)


def _pod_name(name: str, path: str) -> Errors:
    found = checks.resource_name(name, path)
    if not found and not is_pod_level(name):
        found.append(field.not_supported(path, name, _POD_LEVEL))
    return found


def validate_pod(spec: Object, claims: Collection[str], path: str) -> Errors:
    """``spec.resources``: what the containers share."""
    wanted = spec.get("resources")
    if wanted is None:
        return []
    where = f"{path}.resources"
    if (spec.get("os") or {}).get("name") == "windows":
        return [field.forbidden(where, "may not be set for a windows pod")]
    found: Errors = []
    if wanted.get("claims") is not None:
        found.append(field.forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level"))
    found += _resources(wanted, _pod_name, where) + _claims(wanted.get("claims") or [], claims, f"{where}.claims")
    return found + _consistent(spec, wanted, where)


def _consistent(spec: Object, wanted: Object, path: str) -> Errors:
    """The whole is not less than its parts."""
    found: Errors = []
    alone = {"spec": {key: spec[key] for key in ("containers", "initContainers") if key in spec}}
    requests, limits = (quantity.resource_list(wanted.get(which)) for which in ("requests", "limits"))
    for name, parts in fit.pod_requests(alone).items():
        if name in requests and parts > requests[name]:
            text = f"must be greater than or equal to aggregate container requests of {parts}"
            found.append(field.invalid(f"{path}.requests[{name}]", str(requests[name]), text))
    for name, parts in fit.pod_limits(alone).items():
        if name.startswith(checks.HUGE_PAGES) and name in limits and parts > limits[name]:
            text = f"must be greater than or equal to aggregate container limits of {parts}"
            found.append(field.invalid(f"{path}.limits[{name}]", str(limits[name]), text))
    for position, container in enumerate(spec.get("containers") or ()):
        own = quantity.resource_list((container.get("resources") or {}).get("limits"))
        for name, limit in own.items():
            if name in limits and limit > limits[name]:
                text = f"must be less than or equal to pod limits of {limits[name]}"
                found.append(field.invalid(f"{path}.containers[{position}][{name}].limits", str(limit), text))
    return found


def pod_claims(claims: list[Object], path: str) -> Errors:
    """``spec.resourceClaims``."""
    found: Errors = []
    taken: set[str] = set()
    for position, claim in enumerate(claims):
        where = f"{path}[{position}]"
        name = claim.get("name", "")
        if not name:
            found.append(field.required(f"{where}.name"))
        elif name in taken:
            found.append(field.duplicate(f"{where}.name", name))
        else:
            found += checks.word(name, f"{where}.name", names.dns_label)
            taken.add(name)
        given = [key for key in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(key) is not None]
        if len(given) != 1:
            found.append(field.invalid(where, _shown(claim), _HOW_MANY[bool(given)]))
        for key in given:
            found += checks.word(claim[key], f"{where}.{key}", names.dns_subdomain)
    return found


_HOW_MANY = {
    True: "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
    False: "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
}


def _shown(claim: Object) -> Object:
    return {
        "Name": claim.get("name", ""),
        "ResourceClaimName": claim.get("resourceClaimName"),
        "ResourceClaimTemplateName": claim.get("resourceClaimTemplateName"),
    }
