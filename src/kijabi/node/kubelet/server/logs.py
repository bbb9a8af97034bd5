"""``/containerLogs``: which log a request means, and reading it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kijabi.api import timestamps
from kijabi.node.kubelet import logs, pods


class BadQuery(ValueError):
    """400 or 422; the text is upstream's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def options(query: Mapping[str, str], now: float) -> tuple[logs.Options, bool]:
    """The options, and whether the previous incarnation is meant."""
    try:
        tail = query.get("tailLines", "")
        if query.get("tail"):
            tail = "" if query["tail"] == "all" else query["tail"]
        made = logs.Options(
            follow=_flag(query.get("follow", "")),
            tail=int(tail) if tail else None,
            timestamps=_flag(query.get("timestamps", "")),
            limit=int(query["limitBytes"]) if query.get("limitBytes") else None,
            stream=query.get("stream") or "All",
        )
        if query.get("sinceSeconds"):
            seconds = int(query["sinceSeconds"])
            if seconds < 1:
                raise BadQuery(422, '{"message": "Invalid request."}')
            made.since = now - seconds
        if query.get("sinceTime"):
            made.since = timestamps.parse(query["sinceTime"])
        previous = _flag(query.get("previous", ""))
    except (ValueError, timestamps.Malformed) as error:
        if isinstance(error, BadQuery):
            raise
        raise BadQuery(400, '{"message": "Unable to decode query."}') from error
    if (made.tail or 0) < 0 or (made.limit is not None and made.limit < 1):
        raise BadQuery(422, '{"message": "Invalid request."}')
    return made, previous


def _flag(text: str) -> bool:
    if text in ("", "false", "False", "0", "f", "F", "FALSE"):
        return False
    if text in ("true", "True", "1", "t", "T", "TRUE"):
        return True
    raise ValueError(text)


def container_id(pod: pods.Object, status: dict[str, Any], name: str, previous: bool) -> str:
    """The id of the container whose log is meant. Raises ``BadQuery`` with upstream's words where there is none."""
    listed = [
        entry
        for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for entry in status.get(key) or ()
    ]
    found = next((entry for entry in listed if entry["name"] == name), None)
    where = f'container "{name}" in pod "{pods.name(pod)}"'
    if found is None:
        raise BadQuery(400, f"{where} is not available")
    state, last = found.get("state") or {}, (found.get("lastState") or {}).get("terminated") or {}
    if previous:
        chosen = last.get("containerID")
        if not chosen:
            raise BadQuery(400, f"previous terminated {where} not found")
    elif "running" in state:
        chosen = found.get("containerID")
    elif "terminated" in state:
        chosen = state["terminated"].get("containerID") or last.get("containerID")
    else:
        chosen = last.get("containerID")
        if not last:
            raise BadQuery(400, _waiting(where, (state.get("waiting") or {}).get("reason", "")))
    if not chosen:
        raise BadQuery(400, f"{where} is terminated")
    return str(chosen).rpartition("://")[2]


def _waiting(where: str, reason: str) -> str:
    if reason == "ErrImagePull":
        return f"{where} is waiting to start: image can't be pulled"
    if reason == "ImagePullBackOff":
        return f"{where} is waiting to start: trying and failing to pull image"
    return f"{where} is waiting to start: {reason}" if reason else f"{where} is waiting to start - no logs yet"
