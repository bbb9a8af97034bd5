"""CSIDrivers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kijabi.api import checks, field, printing, resource, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("storage.k8s.io/v1", "csidrivers")
# Counted from 0: upstream leaves it out at creation.
COLUMNS = (
    printing.NAME,
    Column("AttachRequired", "boolean", description="Whether volumes are attached before they are mounted."),
    Column("PodInfoOnMount", "boolean", description="Whether the driver is told of the pod."),
    Column("StorageCapacity", "boolean", description="Whether the scheduler looks at capacity."),
    printing.text("TokenRequests", "Audiences of the tokens it gets."),
    Column("RequiresRepublish", "boolean", description="Whether volumes are published again and again."),
    printing.text("Modes", "Life cycles of its volumes."),
    printing.AGE,
)
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}

_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for key, value in _DEFAULTS.items():
        spec.setdefault(key, value)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
    for request in spec.get("tokenRequests") or ():
        request.setdefault("audience", "")


def prepare_create(obj: Object) -> None:
    # VolumeLimitScaling is off by default.
    obj["spec"].pop("preventPodSchedulingIfMissing", None)


def prepare_update(new: Object, old: Object) -> None:
    prepare_create(new)
    resource.count_generation(new, old, resource.is_changed(new, old))


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found: Errors = []
    policy = spec.get("fsGroupPolicy", "")
    if policy not in _POLICIES:
        found.append(field.not_supported("spec.fsGroupPolicy", policy, _POLICIES))
    found += _tokens(spec.get("tokenRequests") or ())
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            found.append(field.not_supported("spec.volumeLifecycleModes", mode, _MODES, ordered=True))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        text = "must be greater than or equal to 10 seconds"
        found.append(field.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))
    if spec.get("serviceAccountTokenInSecrets") is not None and not spec.get("tokenRequests"):
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        value = spec["serviceAccountTokenInSecrets"]
        found.append(field.invalid("spec.serviceAccountTokenInSecrets", value, text))
    return found


def _tokens(requests: Iterable[Object]) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for position, request in enumerate(requests):
        path, audience, seconds = (
            f"spec.tokenRequests[{position}]",
            request.get("audience", ""),
            request.get("expirationSeconds"),
        )
        if audience in seen:
            found.append(field.duplicate(f"{path}.audience", audience))
            continue
        seen.add(audience)
        where = f"{path}.expirationSeconds"
        if seconds is not None and seconds < 600:
            found.append(field.invalid(where, seconds, "may not specify a duration less than 10 minutes"))
        if seconds is not None and seconds > 2**32:
            found.append(field.invalid(where, seconds, "may not specify a duration larger than 2^32 seconds"))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_create(new)
    # The path is upstream's.
    found += checks.immutable(spec.get("attachRequired"), before.get("attachRequired"), "spec.attachedRequired")
    key = "volumeLifecycleModes"
    return found + checks.immutable(spec.get(key), before.get(key), f"spec.{key}")


def warn_create(obj: Object) -> list[str]:
    spec = obj["spec"]
    if not spec.get("tokenRequests") or spec.get("serviceAccountTokenInSecrets") is not None:
        return []
    return [
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
        "logging of tokens in volume attributes"
    ]


def warn_update(new: Object, old: Object) -> list[str]:
    return warn_create(new)


def columns(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    tokens = spec.get("tokenRequests")
    audiences = printing.UNSET if tokens is None else ",".join(token.get("audience", "") for token in tokens)
    return [
        printing.name(obj),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        audiences,
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or printing.NONE,
        printing.age(obj, now),
    ]
