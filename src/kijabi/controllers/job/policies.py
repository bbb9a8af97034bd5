"""What a pod's failure means for its Job, and when enough has succeeded: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api.resource import Object
from kijabi.controllers.job import indexes


@dataclass(frozen=True, slots=True)
class Verdict:
    """``counts`` towards the limits; ``action`` is the rule's (empty: none matched); ``message`` of a FailJob."""

    counts: bool = True
    action: str = ""
    message: str = ""


def judge(policy: Object | None, pod: Object) -> Verdict:
    """The first rule of a podFailurePolicy that matches a failed pod."""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        subject = _matches(rule, pod)
        if not subject:
            continue
        action = rule["action"]
        if action == "FailJob":
            return Verdict(True, action, f"{subject} matching {action} rule at index {number}")
        return Verdict(action != "Ignore", action)
    return Verdict()


def _matches(rule: Object, pod: Object) -> str:
    """What matched, as the beginning of a message; empty for nothing."""
    status, name = pod.get("status") or {}, f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if rule.get("onExitCodes") is not None:
        for key in ("containerStatuses", "initContainerStatuses"):
            for container in status.get(key) or ():
                code = _exit_code(container, rule["onExitCodes"])
                if code is not None:
                    return f"Container {container['name']} for pod {name} failed with exit code {code}"
        return ""
    for condition in status.get("conditions") or ():
        for pattern in rule.get("onPodConditions") or ():
            if (condition["type"], condition["status"]) == (pattern["type"], pattern.get("status", "True")):
                return f"Pod {name} has condition {condition['type']}"
    return ""


def _exit_code(container: Object, wanted: Object) -> int | None:
    ended = (container.get("state") or {}).get("terminated")
    if ended is None or wanted.get("containerName") not in (None, container["name"]):
        return None
    code = int(ended.get("exitCode") or 0)
    if code == 0:
        return None
    return code if (code in (wanted.get("values") or ())) == (wanted["operator"] == "In") else None


def satisfied(policy: Object | None, completions: int, succeeded: Iterable[int]) -> str:
    """The message of the first rule of a successPolicy that holds; empty for none."""
    done = frozenset(succeeded)
    if not done:
        return ""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        enough = rule.get("succeededCount")
        if rule.get("succeededIndexes") is not None:
            wanted = indexes.parse(rule["succeededIndexes"], completions)
            there = len(wanted & done)
            holds = bool(wanted) and (there == len(wanted) or (enough is not None and there >= enough))
        else:
            holds = enough is not None and len(done) >= enough
        if holds:
            return f"Matched rules at index {number}"
    return ""
