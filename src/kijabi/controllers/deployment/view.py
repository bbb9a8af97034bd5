"""A Deployment with its ReplicaSets, sorted into the new one and the old ones; and the numbers that follow."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from kijabi.api.resource import Object
from kijabi.controllers import amounts

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
ROLLBACK = "deprecated.deployment.rollback.to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NO_DEADLINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class View:
    """``new`` is the ReplicaSet whose template is the Deployment's (None: not made yet); ``old`` are the others."""

    deployment: Object
    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return [*self.old, self.new] if self.new is not None else list(self.old)

    @property
    def replicas(self) -> int:
        return replicas(self.deployment)

    @property
    def rolling(self) -> bool:
        return bool((self.deployment["spec"].get("strategy") or {}).get("type") != "Recreate")

    @property
    def surge(self) -> int:
        return self._fences()[0] if self.rolling else 0

    @property
    def unavailable(self) -> int:
        """How many pods may be missing during a rolling update."""
        if not self.rolling or self.replicas == 0:
            return 0
        return min(self._fences()[1], self.replicas)

    def _fences(self) -> tuple[int, int]:
        rolling = (self.deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        surge = amounts.scaled(rolling.get("maxSurge", "25%"), self.replicas, up=True)
        unavailable = amounts.scaled(rolling.get("maxUnavailable", "25%"), self.replicas, up=False)
        # Both may round to zero, and then nothing could ever move.
        return (surge, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)

    @property
    def deadline(self) -> int | None:
        """Seconds without progress after which a rollout has failed; None when nobody asked."""
        seconds = self.deployment["spec"].get("progressDeadlineSeconds")
        return None if seconds is None or seconds == NO_DEADLINE else int(seconds)

    @property
    def next_revision(self) -> int:
        return max((revision(replica_set) for replica_set in self.old), default=0) + 1


def of(deployment: Object, replica_sets: Iterable[Object]) -> View:
    ordered = sorted(replica_sets, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))
    new = next((item for item in ordered if same_template(deployment, item)), None)
    return View(deployment, new, [item for item in ordered if item is not new])


def same_template(deployment: Object, replica_set: Object) -> bool:
    """Whether the templates are equal but for the hash label."""
    return _bare(deployment["spec"]["template"]) == _bare(replica_set["spec"]["template"])


def _bare(template: Object) -> Object:
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {name: value for name, value in (meta.get("labels") or {}).items() if name != HASH_LABEL}
    meta.pop("creationTimestamp", None)
    return {"metadata": {name: value for name, value in meta.items() if value}, "spec": template.get("spec")}


def replicas(obj: Object) -> int:
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def count(obj: Object, name: str) -> int:
    """A number out of the status (``availableReplicas``); absent is zero."""
    return int((obj.get("status") or {}).get(name) or 0)


def total(replica_sets: Iterable[Object], name: str) -> int:
    return sum(count(replica_set, name) for replica_set in replica_sets)


def revision(obj: Object) -> int:
    text = notes(obj).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def notes(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def active(replica_sets: Iterable[Object]) -> list[Object]:
    return [replica_set for replica_set in replica_sets if replicas(replica_set) > 0]


def annotated(deployment: Object, replica_set: Object, next_revision: int) -> Object:
    """The annotations that the new ReplicaSet should have: the Deployment's, its revision, the revisions it had."""
    skipped = {LAST_APPLIED, REVISION, HISTORY, DESIRED, MAXIMUM, ROLLBACK}
    copied = {name: value for name, value in notes(deployment).items() if name not in skipped}
    wanted = {**notes(replica_set), **copied}
    before = revision(replica_set)
    if before < next_revision:
        wanted[REVISION] = str(next_revision)
        if REVISION in notes(replica_set):
            wanted[HISTORY] = _history(wanted.get(HISTORY, ""), str(before))
    return wanted


def _history(history: str, before: str, limit: int = 2000) -> str:
    revisions = [*(part for part in history.split(",") if part), before]
    while len(",".join(revisions)) > limit:
        revisions.pop(0)
    return ",".join(revisions)


def sized(replica_set: Object, size: int, view: View) -> Object:
    """A copy scaled to ``size``, annotated with what the Deployment's size was when that was decided."""
    changed = copy.deepcopy(replica_set)
    changed["spec"]["replicas"] = size
    changed["metadata"]["annotations"] = {**notes(replica_set), **size_annotations(view)}
    return changed


def size_annotations(view: View) -> dict[str, str]:
    return {DESIRED: str(view.replicas), MAXIMUM: str(view.replicas + view.surge)}
