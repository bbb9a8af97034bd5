"""Since when the use of legacy tokens is tracked: a ConfigMap in kube-system, so that nobody takes a token that was
used before for one that never was.

Source: KEP-2799; upstream's legacytokentracking controller.
"""

from __future__ import annotations

import asyncio
import datetime
import logging

from kijabi.api import errors, kinds
from kijabi.apiserver import contract
from kijabi.kit import clock

log = logging.getLogger(__name__)

NAMESPACE, NAME, KEY = "kube-system", "kube-apiserver-legacy-service-account-token-tracking", "since"
# How long a ConfigMap that somebody deleted stays away, in seconds: servers that do not track delete it.
_PAUSE = 1800.0


class Tracking:
    def __init__(self, access: contract.Access, timepiece: clock.Clock) -> None:
        self._access = access
        self._clock = timepiece
        self._changed = asyncio.Event()
        self._made = 0.0

    async def run(self) -> None:
        """For ever: look at once, and whenever the ConfigMap changes or goes."""
        self._access.subscribe(kinds.CONFIG_MAPS, self._seen)
        while True:
            self._changed.clear()
            pause = await self.ensure()
            if pause:
                await self._clock.sleep(pause)
            else:
                await self._changed.wait()

    def _seen(self, old: contract.Object | None, new: contract.Object | None) -> None:
        meta = (new or old or {}).get("metadata") or {}
        if meta.get("name") == NAME and meta.get("namespace") == NAMESPACE:
            self._changed.set()

    async def ensure(self) -> float:
        """Seconds after which to look again, 0 for when it changes."""
        today = datetime.datetime.fromtimestamp(self._clock.time(), datetime.UTC).date().isoformat()
        found = self._access.get_nowait(kinds.CONFIG_MAPS, NAME, NAMESPACE)
        try:
            if found is None:
                since = self._clock.monotonic() - self._made
                if self._made and since < _PAUSE:
                    return _PAUSE - since
                await self._access.create(kinds.CONFIG_MAPS, _config_map(today))
                self._made = self._clock.monotonic() or 0.001
            elif not _is_date((found.get("data") or {}).get(KEY) or ""):
                await self._access.mutate(
                    kinds.CONFIG_MAPS, NAME, NAMESPACE, lambda live: live.update(data={KEY: today})
                )
        except (errors.AlreadyExists, errors.Conflict, errors.NotFound):
            return 0.0
        except errors.ApiError as error:
            log.warning("the tracking of legacy tokens is not recorded: %s", error)
            return 10.0
        return 0.0


def _config_map(today: str) -> contract.Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {KEY: today},
    }


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
