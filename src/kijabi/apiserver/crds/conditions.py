"""The conditions of a definition, decided from it and its neighbours.

Pure: each function gives the status a definition should have, or None where it has it. Source:
apiextensions-apiserver pkg/controller (status, establish, nonstructuralschema, apiapproval).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from kijabi.api import conditions, timestamps
from kijabi.api.apiextensions import approval, conversion, definition
from kijabi.api.resource import Object
from kijabi.api.structural import structure

NAMES_ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
NON_STRUCTURAL, CONFORMANT = "NonStructuralSchema", "KubernetesAPIApprovalPolicyConformant"


def set_condition(status: Object, kind: str, value: str, reason: str, message: str, now: float) -> None:
    """Set one condition in place; its time moves only with its status."""
    listed = status.get("conditions") or []
    made = {"type": kind, "status": value, "lastTransitionTime": timestamps.format_time(now)}
    made |= {"reason": reason, "message": message}
    old = conditions.find(listed, kind)
    if old is not None and old.get("status") == value:
        made["lastTransitionTime"] = old.get("lastTransitionTime") or made["lastTransitionTime"]
    status["conditions"] = [made if one is old else one for one in listed] + ([] if old is not None else [made])


def desired(crd: Object, others: Iterable[Object], now: float) -> Object | None:
    """The status after all that is decided at once: names, whether it is established, its schemas and approval.

    ``others`` are the definitions of the same group. None where nothing changes.
    """
    status = copy.deepcopy(crd.get("status") or {})
    _name(crd, status, others, now)
    _establish(crd, status, now)
    _structural(crd, status, now)
    _approval(crd, status, now)
    return status if status != (crd.get("status") or {}) else None


# --- names


def _name(crd: Object, status: Object, others: Iterable[Object], now: float) -> None:
    wanted, accepted = crd["spec"].get("names") or {}, dict(status.get("acceptedNames") or {})
    if _plain(wanted) == _plain(accepted) and conditions.find(status.get("conditions"), NAMES_ACCEPTED) is not None:
        return
    resources, kinds = _taken(others)
    conflict: tuple[str, str] | None = None
    made = dict(accepted)
    for key, taken in (("plural", resources), ("singular", resources), ("shortNames", resources)):
        problem = _problem(wanted, accepted, key, taken)
        if problem:
            conflict = (f"{key[0].upper()}{key[1:]}Conflict", problem)
        else:
            _take(made, wanted, key)
    for key in ("kind", "listKind"):
        problem = _problem(wanted, accepted, key, kinds)
        if problem:
            conflict = (f"{key[0].upper()}{key[1:]}Conflict", problem)
        else:
            _take(made, wanted, key)
    _take(made, wanted, "categories")
    status["acceptedNames"] = made
    if conflict is not None:
        set_condition(status, NAMES_ACCEPTED, "False", *conflict, now)
    else:
        set_condition(status, NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found", now)
    established = conditions.find(status.get("conditions"), ESTABLISHED)
    if established is None or established.get("status") != "True":
        reason = ("NotAccepted", "not all names are accepted")
        if conflict is None:
            reason = ("Installing", "the initial names have been accepted")
        elif established is not None:
            return
        set_condition(status, ESTABLISHED, "False", *reason, now)


def _plain(names: Object) -> Object:
    return {key: value for key, value in names.items() if value}


def _take(made: Object, wanted: Object, key: str) -> None:
    if wanted.get(key):
        made[key] = wanted[key]
    elif key not in ("plural", "kind"):
        made.pop(key, None)


def _taken(others: Iterable[Object]) -> tuple[set[str], set[str]]:
    """The resource names and the kinds that other definitions of the group have."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _problem(wanted: Object, accepted: Object, key: str, taken: set[str]) -> str:
    if key == "shortNames":
        mine = set(accepted.get(key) or ())
        found = [name for name in wanted.get(key) or () if name not in mine and name in taken]
        texts = [f'"{name}" is already in use' for name in found]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""
    name = wanted.get(key, "")
    return f'"{name}" is already in use' if name != accepted.get(key, "") and name in taken else ""


# --- the rest


def _establish(crd: Object, status: Object, now: float) -> None:
    listed = status.get("conditions")
    named, established = conditions.find(listed, NAMES_ACCEPTED), conditions.find(listed, ESTABLISHED)
    if named is None or named["status"] != "True" or (established is not None and established["status"] == "True"):
        return
    config = ((crd["spec"].get("conversion") or {}).get("webhook") or {}).get("clientConfig") or {}
    bundle = config.get("caBundle")
    if bundle and conversion.ca_bundle(bundle, ""):
        text = "The conversion webhook CABundle is invalid"
        set_condition(status, ESTABLISHED, "False", "InvalidCABundle", text, now)
        return
    text = "the initial names have been accepted"
    set_condition(status, ESTABLISHED, "True", "InitialNamesAccepted", text, now)


def _structural(crd: Object, status: Object, now: float) -> None:
    found = []
    if crd["spec"].get("preserveUnknownFields"):
        found.append("spec.preserveUnknownFields: Invalid value: true: must be false")
    for position, version in enumerate(definition.versions(crd["spec"])):
        raw = definition.schema_of(version)
        if raw is not None:
            path = f"spec.versions[{position}].schema.openAPIV3Schema"
            found += [str(error) for error in structure.validate(raw, path)]
    if found:
        unique = list(dict.fromkeys(found))
        text = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
        set_condition(status, NON_STRUCTURAL, "True", "Violations", text, now)
    elif conditions.find(status.get("conditions"), NON_STRUCTURAL) is not None:
        status["conditions"] = [one for one in status["conditions"] if one["type"] != NON_STRUCTURAL]


_REASONS = {
    approval.INVALID: ("False", "InvalidAnnotation"),
    approval.MISSING: ("False", "MissingAnnotation"),
    approval.APPROVED: ("True", "ApprovedAnnotation"),
    approval.BYPASSED: ("False", "UnapprovedAnnotation"),
}


def _approval(crd: Object, status: Object, now: float) -> None:
    if approval.is_protected(crd["spec"].get("group", "")):
        state, message = approval.state(crd["metadata"].get("annotations"))
        set_condition(status, CONFORMANT, *_REASONS[state], message, now)
