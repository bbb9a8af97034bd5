"""What an update of a pod, or of its status, may change.

Source: "Pod update and replacement" in the documentation.
"""

from __future__ import annotations

import copy
from typing import Any

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import placement, validation
from kijabi.api.predicates import affinity
from kijabi.api.resource import Object
from kijabi.kit import jsons

_CHANGEABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    if spec == before:
        return []
    found = validation.validate(spec, "spec") + validation.only_pods(spec)
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(before.get(kind) or ()):
            found.append(field.forbidden(f"spec.{kind}", "pod updates may not add or remove containers"))
            return found
    found += _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    found += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    found += _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    return found + _others(spec, before)


def _deadline(new: int | None, old: int | None) -> Errors:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            return [field.invalid(path, None, "must not update from a positive integer to nil value")]
        return []
    if old is not None and old < new:
        return [field.invalid(path, new, "must be less than or equal to previous value")]
    return []


def _tolerations(new: list[Object], old: list[Object]) -> Errors:
    def without_seconds(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    having = [without_seconds(toleration) for toleration in new]
    if any(without_seconds(toleration) not in having for toleration in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        return [field.forbidden("spec.tolerations", text)]
    return placement.tolerations(new, "spec.tolerations")


def _gates(new: list[Object], old: list[Object]) -> Errors:
    known = {gate.get("name") for gate in old}
    return [
        field.forbidden(
            f"spec.schedulingGates[{position}].name", "only deletion is allowed, but found new scheduling gate"
        )
        for position, gate in enumerate(new)
        if gate.get("name") not in known
    ]


def _others(spec: Object, before: Object) -> Errors:
    """All that may change is set back; what differs then may not."""
    munged = copy.copy(spec)
    for kind in ("containers", "initContainers"):
        if kind in munged:
            munged[kind] = [
                {**container, "image": was.get("image")}
                for container, was in zip(munged[kind], before[kind], strict=True)
            ]
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _put_back(munged, before, key)
    if before.get("terminationGracePeriodSeconds", 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _put_back(munged, before, "terminationGracePeriodSeconds")
    found: Errors = []
    if before.get("schedulingGates"):
        found += _gated(munged, before)
    if munged != before:
        found.append(
            field.forbidden(
                "spec", f"pod updates may not change fields other than {_CHANGEABLE}\n{_diff(before, munged)}"
            )
        )
    return found


def _put_back(munged: Object, before: Object, key: str) -> None:
    if key in before:
        munged[key] = before[key]
    else:
        munged.pop(key, None)


def _gated(munged: Object, before: Object) -> Errors:
    """While gates hold a pod back, where it may run can be narrowed."""
    found: Errors = []
    new, old = munged.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(new.get(key) != value for key, value in old.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        found.append(field.invalid("spec.nodeSelector", new, text))
    _put_back(munged, before, "nodeSelector")
    if affinity.required({"spec": before}) is None:
        kept = {key: value for key, value in (munged.get("affinity") or {}).items() if key != "nodeAffinity"}
        stored = (before.get("affinity") or {}).get("nodeAffinity")
        if stored is not None:
            kept["nodeAffinity"] = stored
        if kept or "affinity" in before:
            munged["affinity"] = kept
        else:
            munged.pop("affinity", None)
    return found


def _diff(before: Object, after: Object) -> str:
    """The fields that differ, old and new, one per line."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            lines += [f"- {key}: {_text(before.get(key))}", f"+ {key}: {_text(after.get(key))}"]
    return "\n".join(lines)


def _text(value: Any) -> str:
    return jsons.dumps(value).decode()


def keep_generations(status: Object, before: Object) -> None:
    """``observedGeneration``, of the status and of each condition, stays where an old writer leaves it out."""
    if not status.get("observedGeneration") and "observedGeneration" in before:
        status["observedGeneration"] = before["observedGeneration"]
    known = {
        c.get("type"): c["observedGeneration"] for c in before.get("conditions") or () if "observedGeneration" in c
    }
    for condition in status.get("conditions") or ():
        if not condition.get("observedGeneration") and condition.get("type") in known:
            condition["observedGeneration"] = known[condition["type"]]


def mirror_addresses(status: Object) -> None:
    """``podIP`` is the first of ``podIPs``; old writers give only the one. The same holds for the host's."""
    for one, many in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
        listed = status.get(many)
        if listed:
            status[one] = listed[0].get("ip", "")
        elif status.get(one):
            status[many] = [{"ip": status[one]}]


def validate_status(new: Object, old: Object) -> Errors:
    told, before = new.get("status") or {}, old.get("status") or {}
    found: Errors = []
    for position, condition in enumerate(told.get("conditions") or ()):
        if "/" in condition.get("type", ""):
            where = f"status.conditions[{position}].Type"
            found += checks.word(condition["type"], where, names.label_key)
    nominated = told.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        found += checks.word(nominated, "status.nominatedNodeName", names.dns_subdomain)
    if before.get("qosClass"):
        found += checks.immutable(told.get("qosClass", ""), before["qosClass"], "status.qosClass")
    policy = old["spec"].get("restartPolicy")
    if policy != "OnFailure":
        found += _no_resurrection(told, before, policy)
    return found


def _no_resurrection(told: Object, before: Object, policy: str | None) -> Errors:
    """A container that will not be restarted stays ended."""
    if policy == "Always":
        return []
    states = {c.get("name"): c.get("state") or {} for c in told.get("containerStatuses") or ()}
    found: Errors = []
    for position, container in enumerate(before.get("containerStatuses") or ()):
        state = states.get(container.get("name"))
        if "terminated" in (container.get("state") or {}) and state is not None and "terminated" not in state:
            where = f"status.containerStatuses[{position}].state"
            found.append(field.forbidden(where, "may not be transitioned to non-terminated state"))
    return found
