"""Conditions in a status: find one, set one, with upstream's rule that the transition time moves only with the status.

Source: "Typical status properties" in the API conventions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from kijabi.api import field, names, timestamps

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

Condition = dict[str, Any]


def find(listed: Iterable[Condition] | None, kind: str) -> Condition | None:
    """The condition of this type in a list of them."""
    for condition in listed or ():
        if condition.get("type") == kind:
            return condition
    return None


def get(obj: Mapping[str, Any], kind: str) -> Condition | None:
    """The condition of this type in ``obj["status"]``."""
    return find((obj.get("status") or {}).get("conditions"), kind)


def status(obj: Mapping[str, Any], kind: str) -> str:
    """``True``, ``False``, ``Unknown``, or empty where there is no such condition."""
    found = get(obj, kind)
    return found.get("status", "") if found else ""


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    return status(obj, kind) == TRUE


def put(obj: MutableMapping[str, Any], wanted: Mapping[str, Any], now: float) -> bool:
    """Set a condition in ``obj["status"]``; whether that changed anything.

    ``wanted`` has ``type`` and ``status`` and what else is to be said (``reason``, ``message``, ``lastProbeTime``…).
    The transition time is ``now`` for a new or changed status, else it stays.
    """
    listed = obj.setdefault("status", {}).setdefault("conditions", [])
    for position, present in enumerate(listed):
        if present.get("type") != wanted["type"]:
            continue
        made = dict(wanted)
        moved = present.get("status") != wanted["status"]
        made["lastTransitionTime"] = timestamps.format_time(now) if moved else present.get("lastTransitionTime")
        if made["lastTransitionTime"] is None:
            del made["lastTransitionTime"]
        if made == present:
            return False
        listed[position] = made
        return True
    listed.append({**wanted, "lastTransitionTime": timestamps.format_time(now)})
    return True


def seconds(timestamp: str) -> float:
    """A transition time in seconds since the epoch."""
    return timestamps.parse(timestamp)


def drop(obj: MutableMapping[str, Any], kind: str) -> bool:
    """Remove a condition; whether it was there."""
    listed = (obj.get("status") or {}).get("conditions") or []
    kept = [condition for condition in listed if condition.get("type") != kind]
    if len(kept) == len(listed):
        return False
    obj["status"]["conditions"] = kept
    return True


_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_IS_REASON = re.compile(_REASON, re.ASCII)
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)
_LONGEST_REASON, _LONGEST_MESSAGE = 1024, 32768


def validate(listed: Iterable[Condition] | None, path: str) -> list[field.Error]:
    """What is wrong with conditions of the common type (``meta/v1``), which few of the oldest kinds have."""
    found: list[field.Error] = []
    seen: set[str] = set()
    for position, condition in enumerate(listed or ()):
        where, kind = field.index(path, position), condition.get("type", "")
        if kind in seen:
            found.append(field.duplicate(field.child(where, "type"), kind))
        seen.add(kind)
        found += _validate(condition, where)
    return found


def _validate(condition: Condition, path: str) -> list[field.Error]:
    kind, told, reason = condition.get("type", ""), condition.get("status", ""), condition.get("reason", "")
    found = [field.invalid(field.child(path, "type"), kind, text) for text in names.label_key(kind)]
    if told not in (TRUE, FALSE, UNKNOWN):
        found.append(field.not_supported(field.child(path, "status"), told, (TRUE, FALSE, UNKNOWN)))
    generation = condition.get("observedGeneration", 0)
    if generation < 0:
        text = "must be greater than or equal to zero"
        found.append(field.invalid(field.child(path, "observedGeneration"), generation, text))
    if not condition.get("lastTransitionTime"):
        found.append(field.required(field.child(path, "lastTransitionTime")))
    where = field.child(path, "reason")
    if not reason:
        found.append(field.required(where))
    elif not _IS_REASON.fullmatch(reason):
        found.append(field.invalid(where, reason, _REASON_TEXT))
    if len(reason) > _LONGEST_REASON:
        found.append(field.too_long(where, _LONGEST_REASON))
    if len(condition.get("message", "")) > _LONGEST_MESSAGE:
        found.append(field.too_long(field.child(path, "message"), _LONGEST_MESSAGE))
    return found
