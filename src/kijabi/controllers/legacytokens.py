"""Removes generated token Secrets that nobody uses: marks one as invalid a year after its last use, and deletes it
another year later.

Only Secrets that an account lists (older clusters made one for each) are touched, never those made by hand, and none
that a pod mounts. Source: KEP-2799; upstream's LegacySATokenCleaner.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Iterable
from typing import Any

from kijabi.api import errors, kinds, timestamps
from kijabi.api.resource import Object
from kijabi.controllers import contract, serviceaccounttokens

log = logging.getLogger(__name__)

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
_EVERY = 86400.0

MARK, DELETE = "mark", "delete"


def date(text: str) -> datetime.date | None:
    """A ``2006-01-02``; None for anything else."""
    try:
        found = datetime.date.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return found if found.isoformat() == text else None


def due(secret: Object, account: Object | None, mounted: Iterable[str], now: float, period: float) -> str:
    """What is to be done with a Secret: MARK, DELETE, or nothing. ``period`` in seconds."""
    meta = secret["metadata"]
    labels = meta.get("labels") or {}
    limit = _day(now - period)
    if (
        secret.get("type") != serviceaccounttokens.TYPE
        or timestamps.parse(meta["creationTimestamp"]) >= now - period
        or meta.get("deletionTimestamp")
    ):
        return ""
    if LAST_USED in labels:
        used = date(labels[LAST_USED])
        if used is None or used >= limit:
            return ""
    if account is None or not any(one.get("name") == meta["name"] for one in account.get("secrets") or ()):
        return ""
    if meta["name"] in mounted:
        return ""
    since = date(labels.get(INVALID_SINCE, ""))
    if since is None:
        return MARK
    return DELETE if since < limit else ""


def _day(stamp: float) -> datetime.date:
    return datetime.datetime.fromtimestamp(stamp, datetime.UTC).date()


def secrets_of(pod: Object) -> set[str]:
    """Names of the Secrets that a pod refers to anywhere in its spec."""
    found: set[str] = set()
    _collect(pod.get("spec") or {}, found)
    return found


_REFERENCES = frozenset(("secretRef", "secretKeyRef", "nodePublishSecretRef", "nodeStageSecretRef"))


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, list):
        for one in value:
            _collect(one, found)
        return
    if not isinstance(value, dict):
        return
    for key, below in value.items():
        if key == "secretName" and isinstance(below, str):
            found.add(below)
        elif (key in _REFERENCES or key == "secret") and isinstance(below, dict) and below.get("name"):
            found.add(below["name"])
        elif key == "imagePullSecrets":
            found.update(one.get("name", "") for one in below or ())
        _collect(below, found)


class LegacyTokenCleaner:
    """Looks once a day, and at the start."""

    name = "legacy-serviceaccount-token-cleaner-controller"
    account = "legacy-service-account-token-cleaner"

    def __init__(self, context: contract.Context) -> None:
        self._client = context.client_of(self.account)
        self._clock = context.clock
        self._period = context.options.legacy_service_account_token_clean_up_period
        self._secrets = context.informers.of(kinds.SECRETS)
        self._accounts = context.informers.of(kinds.SERVICE_ACCOUNTS)
        self._pods = context.informers.of(kinds.PODS)

    async def run(self) -> None:
        await asyncio.gather(*(copy.wait_synced() for copy in (self._secrets, self._accounts, self._pods)))
        while True:
            await self.clean()
            await self._clock.sleep(_EVERY)

    async def clean(self) -> None:
        now = self._clock.time()
        if not await self._tracked_long_enough(now):
            return
        for secret in self._secrets.items():
            if secret.get("type") != serviceaccounttokens.TYPE:
                continue
            namespace = secret["metadata"]["namespace"]
            mounted: set[str] = set().union(*map(secrets_of, self._pods.items(namespace)))
            await self._do(due(secret, self._account(secret), mounted, now, self._period), secret, now)

    async def _tracked_long_enough(self, now: float) -> bool:
        try:
            found = await self._client.get(kinds.CONFIG_MAPS, _TRACKING, "kube-system")
        except errors.ApiError as error:
            log.info("it is not known since when tokens are tracked: %s", error)
            return False
        since = date((found.get("data") or {}).get("since") or "")
        if since is None:
            return False
        # From the end of that day, for it is not known when in the day.
        start = datetime.datetime.combine(since + datetime.timedelta(days=1), datetime.time(), datetime.UTC)
        return now >= start.timestamp() + self._period

    def _account(self, secret: Object) -> Object | None:
        name, uid = serviceaccounttokens.account_of(secret)
        found = self._accounts.get(name, secret["metadata"]["namespace"]) if name else None
        return found if found is not None and uid in ("", found["metadata"]["uid"]) else None

    async def _do(self, what: str, secret: Object, now: float) -> None:
        meta = secret["metadata"]
        try:
            if what == MARK:
                patch = {"metadata": {"uid": meta["uid"], "labels": {INVALID_SINCE: _day(now).isoformat()}}}
                await self._client.patch(kinds.SECRETS, meta["name"], meta["namespace"], patch)
            elif what == DELETE:
                await self._client.delete(
                    kinds.SECRETS, meta["name"], meta["namespace"], resource_version=meta["resourceVersion"]
                )
        except (errors.NotFound, errors.Conflict):
            return
        except errors.ApiError as error:
            log.error("the token in %s/%s cannot be cleaned: %s", meta["namespace"], meta["name"], error)
