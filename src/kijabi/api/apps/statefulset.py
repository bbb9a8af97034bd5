"""StatefulSets."""

from __future__ import annotations

import copy
from typing import Any

from kijabi.api import checks, field, metadata, names, printing, resource, served, zeros
from kijabi.api.apps import workload
from kijabi.api.checks import Errors
from kijabi.api.core import persistentvolumeclaim
from kijabi.api.core.podspec import defaults
from kijabi.api.resource import Object

RESOURCE = served.find("apps/v1", "statefulsets")
GENERATION = True
# The name is part of every pod's host name.
NAME_RULE = metadata.label
COLUMNS = (
    printing.NAME,
    printing.text("Ready", "Number of the pod with ready state"),
    printing.AGE,
    printing.CONTAINERS,
    printing.IMAGES,
)
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    update = spec.setdefault("updateStrategy", {})
    if not update.get("type"):
        update["type"] = "RollingUpdate"
        update.setdefault("rollingUpdate", {})
    if update["type"] == "RollingUpdate" and "rollingUpdate" in update:
        update["rollingUpdate"].setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for key in ("whenDeleted", "whenScaled"):
        if not retention.get(key):
            retention[key] = "Retain"
    # Shown where it is empty (below), but nobody owns it then.
    zeros.hide(spec, "serviceName")
    zeros.show(spec.get("ordinals"), {"start": 0})
    zeros.hide(spec, "minReadySeconds")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    defaults.default_template(spec.setdefault("template", {}))
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        persistentvolumeclaim.default(claim)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}
    zeros.show(obj["spec"], {"serviceName": ""})
    _drop_disabled(obj)


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    zeros.show(new["spec"], {"serviceName": ""})
    _drop_disabled(new)
    resource.count_generation(new, old, resource.is_changed(new, old))


def _drop_disabled(obj: Object) -> None:
    # MaxUnavailableStatefulSet is off by default.
    (obj["spec"]["updateStrategy"].get("rollingUpdate") or {}).pop("maxUnavailable", None)


def prepare_status(new: Object, old: Object) -> None:
    told = new.setdefault("status", {})
    zeros.show(told, {"replicas": 0, "availableReplicas": 0})
    zeros.conditions(told, "lastTransitionTime")


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    found = _policies(spec)
    for position, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        path = f"spec.volumeClaimTemplates[{position}]"
        found += persistentvolumeclaim.validate_spec(claim.get("spec") or {}, field.child(path, "spec"))
    return found + _spec(spec)


def _policies(spec: Object) -> Errors:
    found: Errors = []
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        text = "must be 'OrderedReady' or 'Parallel'"
        found.append(field.invalid("spec.podManagementPolicy", policy, text))
    update = spec.get("updateStrategy") or {}
    rolling = update.get("rollingUpdate")
    if update.get("type") == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            found.append(field.invalid("spec.updateStrategy.rollingUpdate", _shown(update)["RollingUpdate"], text))
    elif update.get("type") != "RollingUpdate":
        found.append(field.invalid("spec.updateStrategy", _shown(update), "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling is not None:
        found += checks.not_negative(rolling, "spec.updateStrategy.rollingUpdate", "partition")
    for key, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        path = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
        if value not in ("Retain", "Delete"):
            found.append(field.not_supported(path, value, ("Retain", "Delete"), ordered=True))
    return found


def _shown(update: Object) -> Object:
    return workload.shown_strategy(update, Partition="partition", MaxUnavailable="maxUnavailable")


def _spec(spec: Object) -> Errors:
    found = checks.not_negative(spec, "spec", "replicas", "minReadySeconds")
    found += checks.not_negative(spec.get("ordinals") or {}, "spec.ordinals", "start")
    if spec.get("serviceName"):
        found += checks.word(spec["serviceName"], "spec.serviceName", names.dns_label)
    chosen, problems = workload.selector(spec, "statefulset")
    found += problems
    if chosen is None:
        return [*found, field.invalid("spec.selector", spec.get("selector"), "")]
    return found + workload.template(spec, chosen, "StatefulSet", validated=_with_claims(spec))


def _with_claims(spec: Object) -> Object:
    """The template with the volumes that the controller will add for the claim templates."""
    template = copy.copy(spec.get("template") or {})
    inner = template["spec"] = copy.copy(template.get("spec") or {})
    claims = [(claim.get("metadata") or {}).get("name", "") for claim in spec.get("volumeClaimTemplates") or ()]
    added = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    if added:
        inner["volumes"] = added + [v for v in inner.get("volumes") or () if v.get("name") not in claims]
    return template


def validate_update(new: Object, old: Object) -> Errors:
    found = _policies(new["spec"]) + _spec(new["spec"])
    spec, before = ({k: v for k, v in o["spec"].items() if k not in _CHANGEABLE} for o in (new, old))
    if spec != before:
        listed = ", ".join(f"'{key}'" for key in _CHANGEABLE[:-1])
        text = f"updates to statefulset spec for fields other than {listed} and 'minReadySeconds' are forbidden"
        found.append(field.forbidden("spec", text))
    return found


def validate_status(new: Object, old: Object) -> Errors:
    counts = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    limits = (*((count, "status.replicas") for count in counts[1:]), ("availableReplicas", "status.readyReplicas"))
    return workload.replica_status(
        new.get("status") or {}, old.get("status") or {}, limits, *counts, "observedGeneration", "collisionCount"
    )


def warn_create(obj: Object) -> list[str]:
    return workload.template_warnings(obj) + _history(obj)


def _history(obj: Object) -> list[str]:
    if obj["spec"].get("revisionHistoryLimit", 0) >= 0:
        return []
    text = "a negative value retains all historical revisions; a value >= 0 is recommended"
    return [f"spec.revisionHistoryLimit: {text}"]


def warn_update(new: Object, old: Object) -> list[str]:
    return workload.change_warnings(new, old) + _history(new)


def columns(obj: Object, now: float) -> list[Any]:
    spec, told = obj["spec"], obj.get("status") or {}
    return [
        printing.name(obj),
        f"{told.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        printing.age(obj, now),
        *printing.containers((spec.get("template") or {}).get("spec") or {}),
    ]
