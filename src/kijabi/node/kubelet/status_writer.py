"""Telling the API the status of pods: one writer per pod at a time, only what has changed, newest state first.

Source: the behaviour of upstream's status manager: a strategic merge patch of ``pods/status`` that carries the uid.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from kijabi.api import errors, kinds
from kijabi.client import rest, transport
from kijabi.kit import backoff, clock, tasks
from kijabi.node.kubelet import pods

log = logging.getLogger(__name__)

RETRY: Final = backoff.Policy(base=0.2, ceiling=10.0, jitter=0.2)
_MERGED_LISTS: Final = {"podIPs", "hostIPs"}


@dataclass(slots=True)
class _Entry:
    pod: pods.Object
    wanted: dict[str, Any]
    told: dict[str, Any]
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    writing: bool = False


def difference(told: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """A strategic merge patch of the status; empty when nothing has changed."""
    patch: dict[str, Any] = {}
    for key in told.keys() | wanted.keys():
        old, new = told.get(key), wanted.get(key)
        if old == new:
            continue
        if new is None:
            patch[key] = None
        elif key == "conditions":
            patch[key] = _conditions(old or [], new)
        elif key in _MERGED_LISTS and old:
            # These lists merge by key; without this an address of an earlier sandbox would stay.
            patch[key] = [*new, {"$patch": "replace"}]
        else:
            patch[key] = new
    return patch


def _conditions(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_type = {condition["type"]: condition for condition in old}
    changed = []
    for condition in new:
        before = by_type.get(condition["type"])
        if before != condition:
            gone = {key: None for key in (before or {}) if key not in condition}
            changed.append({**gone, **condition})
    return changed


class StatusWriter:
    """``target`` gives the API pod that shows a pod's status: itself, or a static pod's mirror (None: not made yet)."""

    def __init__(
        self,
        client: rest.Client,
        nursery: tasks.Nursery,
        target: Callable[[pods.Object], pods.Object | None],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._nursery = nursery
        self._target = target
        self._clock = timepiece
        self._entries: dict[str, _Entry] = {}

    def current(self, pod: pods.Object) -> dict[str, Any]:
        """The newest status: what is being told, else what the API has."""
        entry = self._entries.get(pods.uid(pod))
        return entry.wanted if entry is not None else (pod.get("status") or {})

    def set(self, pod: pods.Object, status: dict[str, Any]) -> None:
        uid = pods.uid(pod)
        entry = self._entries.get(uid)
        if entry is None:
            told = copy.deepcopy((self._target(pod) or pod).get("status") or {})
            entry = self._entries[uid] = _Entry(pod, status, told)
            entry.idle.set()
        entry.pod, entry.wanted = pod, status
        if not entry.writing and difference(entry.told, status):
            entry.writing = True
            entry.idle.clear()
            self._nursery.start(self._write(uid, entry), f"status {pods.describe(pod)}")

    def mirror_appeared(self, pod: pods.Object, mirror: pods.Object) -> None:
        """A static pod's mirror has been made (again): it has been told nothing yet."""
        entry = self._entries.get(pods.uid(pod))
        if entry is not None:
            entry.told = copy.deepcopy(mirror.get("status") or {})
            self.set(pod, entry.wanted)

    def forget(self, uid: str) -> None:
        self._entries.pop(uid, None)

    async def flushed(self, uid: str) -> None:
        """Until what was set last has been told (or the pod is gone from the API)."""
        entry = self._entries.get(uid)
        if entry is not None:
            await entry.idle.wait()

    async def _write(self, uid: str, entry: _Entry) -> None:
        failures = 0
        try:
            while self._entries.get(uid) is entry:
                wanted = entry.wanted
                patch = difference(entry.told, wanted)
                if not patch:
                    return
                if await self._tell(entry, patch):
                    entry.told, failures = wanted, 0
                else:
                    failures += 1
                    await self._clock.sleep(RETRY.delay(failures))
        finally:
            entry.writing = False
            entry.idle.set()

    async def _tell(self, entry: _Entry, patch: dict[str, Any]) -> bool:
        target = self._target(entry.pod)
        if target is None:
            return True
        meta = target["metadata"]
        body = {"metadata": {"uid": meta["uid"]}, "status": patch}
        try:
            await self._client.patch(
                kinds.PODS,
                meta["name"],
                meta.get("namespace", ""),
                body,
                type=rest.STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
        except errors.NotFound:
            return True
        except errors.Conflict as error:
            # Another pod has the name now: this one is gone.
            log.info("status of %s: %s", pods.describe(entry.pod), error)
            return True
        except (errors.ApiError, transport.Unreachable) as error:
            log.warning("status of %s: %s", pods.describe(entry.pod), error)
            return False
        return True
