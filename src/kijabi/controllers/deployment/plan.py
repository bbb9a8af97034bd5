"""The next step of a Deployment, as a pure function of what there is.

A worked example: 10 replicas, maxSurge 3, maxUnavailable 2, a new template. The new ReplicaSet is made with 3 pods
(10 + 3 allowed in all). Ten old ones are available and eight must stay, so two old ones may go at once; then two more
new ones fit, and as new pods become available old ones follow. Old pods that are not available go first: they cost no
availability.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kijabi.api.resource import Object
from kijabi.controllers import contract, digests
from kijabi.controllers.deployment import view as views
from kijabi.controllers.deployment.view import View


@dataclass(frozen=True, slots=True)
class Create:
    replica_set: Object


@dataclass(frozen=True, slots=True)
class Update:
    """``replica_set`` as it should be; ``before`` is its size until now."""

    replica_set: Object
    before: int


@dataclass(frozen=True, slots=True)
class Delete:
    replica_set: Object


Step = Create | Update | Delete


def plan(view: View, old_pods_running: bool) -> list[Step]:
    """Everything that may be done now. Steps are independent of each other; the rest follows from their effects."""
    if view.deployment["metadata"].get("deletionTimestamp"):
        return []
    changes = _Changes(view)
    changes.annotate_new()
    spec = view.deployment["spec"]
    if spec.get("paused") or scaling(view):
        _scale(changes)
        return [*changes.steps(), *(_cleanup(view) if spec.get("paused") else ())]
    made = _rolling(changes) if view.rolling else _recreate(changes, old_pods_running)
    return [*made, *changes.steps(), *(_cleanup(view) if complete(view, view.deployment.get("status") or {}) else ())]


class _Changes:
    """The ReplicaSets with their sizes as decided so far."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._changed: dict[str, Object] = {}

    def current(self, replica_set: Object) -> Object:
        return self._changed.get(replica_set["metadata"]["uid"], replica_set)

    def size(self, replica_set: Object) -> int:
        return views.replicas(self.current(replica_set))

    def total(self) -> int:
        return sum(self.size(replica_set) for replica_set in self.view.all)

    def annotate_new(self) -> None:
        new, deployment = self.view.new, self.view.deployment
        if new is None:
            return
        wanted = views.annotated(deployment, new, self.view.next_revision)
        minimum = deployment["spec"].get("minReadySeconds", 0)
        if wanted != views.notes(new) or new["spec"].get("minReadySeconds", 0) != minimum:
            changed = copy.deepcopy(new)
            changed["metadata"]["annotations"] = wanted
            changed["spec"]["minReadySeconds"] = minimum
            self._changed[new["metadata"]["uid"]] = changed

    def resize(self, replica_set: Object, size: int, *, annotate: bool = False) -> None:
        """``annotate`` also renews the size annotations of a ReplicaSet whose size stays."""
        now = self.current(replica_set)
        resized = views.sized(now, size, self.view)
        if views.replicas(now) != size or (annotate and resized != now):
            self._changed[replica_set["metadata"]["uid"]] = resized

    def steps(self) -> list[Step]:
        return [
            Update(self._changed[uid], views.replicas(replica_set))
            for replica_set in self.view.all
            for uid in [replica_set["metadata"]["uid"]]
            if uid in self._changed
        ]


def scaling(view: View) -> bool:
    """Whether the Deployment was resized since its active ReplicaSets were last sized."""
    noted = (views.notes(replica_set).get(views.DESIRED, "") for replica_set in views.active(view.all))
    return any(text.isdigit() and int(text) != view.replicas for text in noted)


def complete(view: View, status: Object) -> bool:
    wanted = view.replicas
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return all(int(status.get(name) or 0) == wanted for name in counts) and (
        int(status.get("observedGeneration") or 0) >= int(view.deployment["metadata"].get("generation") or 0)
    )


def _scale(changes: _Changes) -> None:
    view = changes.view
    active = views.active(view.all)
    if len(active) <= 1:
        target = active[0] if active else _newest(view)
        if target is not None:
            changes.resize(target, view.replicas)
    elif _saturated(view):
        for old in views.active(view.old):
            changes.resize(old, 0)
    elif view.rolling:
        for replica_set, size in _proportions(view, active):
            changes.resize(replica_set, size, annotate=True)


def _newest(view: View) -> Object | None:
    return view.new if view.new is not None else (view.old[-1] if view.old else None)


def _saturated(view: View) -> bool:
    new = view.new
    if new is None:
        return False
    wanted = view.replicas
    noted = views.notes(new).get(views.DESIRED)
    return views.replicas(new) == wanted and noted == str(wanted) and views.count(new, "availableReplicas") == wanted


def _proportions(view: View, active: list[Object]) -> Iterable[tuple[Object, int]]:
    """Spread what a resize adds or takes over the active ReplicaSets by their share; the largest takes the rest."""
    allowed = view.replicas + view.surge if view.replicas else 0
    to_add = allowed - sum(map(views.replicas, active))
    newest_first = to_add > 0
    by_age = sorted(active, key=lambda item: item["metadata"]["creationTimestamp"], reverse=newest_first)
    ordered = sorted(by_age, key=views.replicas, reverse=True)
    sizes, added = [], 0
    for replica_set in ordered:
        share = _share(view, replica_set, to_add, added)
        sizes.append(views.replicas(replica_set) + share)
        added += share
    if to_add:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return zip(ordered, sizes, strict=True)


def _share(view: View, replica_set: Object, to_add: int, added: int) -> int:
    if to_add in (0, added):
        return 0
    fraction, left = _fraction(view, replica_set), to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(view: View, replica_set: Object) -> int:
    size = views.replicas(replica_set)
    if view.replicas == 0:
        return -size
    noted = views.notes(replica_set).get(views.MAXIMUM, "")
    before = int(noted) if noted.isdigit() and int(noted) else views.count(view.deployment, "replicas")
    if before == 0:
        return 0
    # Half away from zero, as Go rounds; sizes are never negative.
    return int(size * (view.replicas + view.surge) / before + 0.5) - size


def _rolling(changes: _Changes) -> list[Step]:
    view = changes.view
    if view.new is None:
        return [Create(new_replica_set(view, _room(changes, 0)))]
    size = changes.size(view.new)
    wanted = view.replicas if size > view.replicas else _room(changes, size)
    if wanted != size:
        changes.resize(view.new, wanted)
    else:
        _shrink_old(changes)
    return []


def _room(changes: _Changes, size: int) -> int:
    """The size that the new ReplicaSet may grow to now."""
    view = changes.view
    room = view.replicas + view.surge - changes.total()
    return size if room <= 0 else size + min(room, view.replicas - size)


def _shrink_old(changes: _Changes) -> None:
    view = changes.view
    old = views.active(view.old)
    new_unavailable = changes.size(view.new) - views.count(view.new, "availableReplicas") if view.new else 0
    minimum = view.replicas - view.unavailable
    may_go = changes.total() - minimum - new_unavailable
    if not old or may_go <= 0:
        return
    for replica_set in old:
        size = changes.size(replica_set)
        unhealthy = min(may_go, size - views.count(replica_set, "availableReplicas"))
        if unhealthy > 0:
            changes.resize(replica_set, size - unhealthy)
            may_go -= unhealthy
    spare = views.total(view.all, "availableReplicas") - minimum
    for replica_set in old:
        size = changes.size(replica_set)
        gone = min(size, spare)
        if gone > 0:
            changes.resize(replica_set, size - gone)
            spare -= gone


def _recreate(changes: _Changes, old_pods_running: bool) -> list[Step]:
    view = changes.view
    old = views.active(view.old)
    for replica_set in old:
        changes.resize(replica_set, 0)
    if old or old_pods_running:
        return []
    if view.new is None:
        return [Create(new_replica_set(view, view.replicas))]
    changes.resize(view.new, view.replicas)
    return []


def _cleanup(view: View) -> list[Step]:
    """Old ReplicaSets beyond the history limit, oldest revision first, if they are empty and stay so."""
    limit = view.deployment["spec"].get("revisionHistoryLimit")
    alive = [replica_set for replica_set in view.old if not replica_set["metadata"].get("deletionTimestamp")]
    if limit is None or len(alive) <= limit:
        return []
    oldest = sorted(alive, key=views.revision)[: len(alive) - limit]
    return [Delete(replica_set) for replica_set in oldest if _empty(replica_set)]


def _empty(replica_set: Object) -> bool:
    seen = views.count(replica_set, "observedGeneration") >= int(replica_set["metadata"].get("generation") or 0)
    return seen and views.replicas(replica_set) == 0 and views.count(replica_set, "replicas") == 0


def new_replica_set(view: View, size: int) -> Object:
    """The ReplicaSet for the current template. Its name follows from the template, so making it twice does no harm."""
    deployment = view.deployment
    meta, spec = deployment["metadata"], deployment["spec"]
    digest = digests.of(spec["template"], views.count(deployment, "collisionCount"))
    template = copy.deepcopy(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[views.HASH_LABEL] = digest
    selector = copy.deepcopy(spec["selector"])
    selector.setdefault("matchLabels", {})[views.HASH_LABEL] = digest
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name'][: 253 - 1 - len(digest)]}-{digest}",
            "namespace": meta["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "ownerReferences": [contract.owner_reference(deployment)],
        },
        "spec": {
            "replicas": size,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": template,
        },
    }
    made["metadata"]["annotations"] = {
        **views.annotated(deployment, made, view.next_revision),
        **views.size_annotations(view),
    }
    return made


def applied(view: View, steps: Iterable[Step]) -> View:
    """The view as it is once the updates among ``steps`` are made."""
    updated = {step.replica_set["metadata"]["uid"]: step.replica_set for step in steps if isinstance(step, Update)}
    return replace(
        view,
        new=updated.get(view.new["metadata"]["uid"], view.new) if view.new is not None else None,
        old=[updated.get(item["metadata"]["uid"], item) for item in view.old],
    )
