"""Conditions in a status: find one, set one, with upstream's rule that the transition time moves only with the status.

Source: "Typical status properties" in the API conventions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from kijabi.api import timestamps

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
