"""APIServices of what is served here: made at start for what is built in, kept in step with custom resources.

An object's label says who keeps it: ``onstart`` is compared once after each start, ``true`` always, and one without
the label is its owner's own. Source: kube-aggregator's autoregister controller, kube-apiserver's CRD registration.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Sequence

from kijabi.api import errors, served
from kijabi.apiserver import contract, discovery
from kijabi.apiserver.aggregation.remotes import API_SERVICES
from kijabi.apiserver.aggregation.rounds import Rounds
from kijabi.kit import clock

log = logging.getLogger(__name__)

Object = contract.Object
CRDS = served.find("apiextensions.k8s.io/v1", "customresourcedefinitions")
LABEL = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"
_EVERY = 600.0
# The group of APIServices themselves is served without one.
_OWN_GROUP = API_SERVICES.group


def wanted(group: str, version: str, group_priority: int, version_priority: int, managed: str) -> Object:
    spec: Object = {"version": version, "groupPriorityMinimum": group_priority, "versionPriority": version_priority}
    if group:
        spec["group"] = group
    return {"metadata": {"name": f"{version}.{group}", "labels": {LABEL: managed}}, "spec": spec}


def _order(group: str, version: str) -> int:
    # The core group has but one version, and upstream gives it the lowest place.
    return discovery.version_priority(group, version) if group else 1


class Action(enum.Enum):
    NOTHING, CREATE, UPDATE, DELETE = "nothing", "create", "update", "delete"


def decide(desired: Object | None, current: Object | None, *, synced: bool, at_start: bool) -> Action:
    """``synced``: this name was brought in step once already; ``at_start``: the object was there when we came."""
    if current is None and desired is None:
        return Action.NOTHING
    if _managed(desired) == ON_START and synced:
        return Action.NOTHING
    if current is None:
        return Action.CREATE
    managed = _managed(current)
    if managed not in (ON_START, ALWAYS) or (managed == ON_START and (synced or not at_start)):
        return Action.NOTHING
    if desired is None:
        return Action.DELETE
    return Action.NOTHING if current.get("spec") == desired["spec"] else Action.UPDATE


def _managed(obj: Object | None) -> str:
    return str(((obj or {}).get("metadata", {}).get("labels") or {}).get(LABEL, ""))


def versions_of(definition: Object) -> list[tuple[str, str]]:
    """The group versions that a CustomResourceDefinition serves."""
    spec = definition.get("spec") or {}
    return [(spec.get("group", ""), one["name"]) for one in spec.get("versions") or () if one.get("served")]


class Registration:
    def __init__(
        self,
        access: contract.Access,
        builtin: Sequence[tuple[str, str]],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._access = access
        self._builtin = {
            f"{version}.{group}": wanted(
                group, version, discovery.group_priority(group), _order(group, version), ON_START
            )
            for group, version in builtin
            if group != _OWN_GROUP
        }
        # Definitions by name → group versions; group version → how many definitions serve it.
        self._served: dict[str, list[tuple[str, str]]] = {}
        self._current: dict[str, Object] = {}
        self._at_start: set[str] = set()
        self._synced: set[str] = set()
        self._rounds = Rounds(timepiece, _EVERY)
        access.subscribe(CRDS, self._definition_changed)
        access.subscribe(API_SERVICES, self._service_changed)

    def _definition_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        before = self._served.pop(name, [])
        now = self._served[name] = versions_of(new) if new is not None else []
        for group, version in {*before, *now}:
            self._rounds.add(f"{version}.{group}")

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if new is None:
            self._current.pop(name, None)
        else:
            self._current[name] = new
        if old is not None:
            self._rounds.add(name)

    def _desired(self, name: str) -> Object | None:
        built_in = self._builtin.get(name)
        if built_in is not None:
            return built_in
        version, _, group = name.partition(".")
        if any((group, version) in listed for listed in self._served.values()):
            priority, order = discovery.CRD_GROUP_PRIORITY, discovery.CRD_VERSION_PRIORITY
            return wanted(group, version, priority, order, ALWAYS)
        return None

    async def ensure(self) -> None:
        """Once the caches are loaded: all that should be there is when this returns, but for what admission refuses,
        which is tried again for ever: a webhook that nobody answers must not keep the server from starting."""
        self._at_start = set(self._current)
        names = sorted({*self._builtin, *self._current})
        for name, well in zip(names, await asyncio.gather(*map(self.sync, names)), strict=True):
            if not well:
                self._rounds.add(name)

    async def keep(self) -> None:
        await self._rounds.run(self.sync, list)

    async def sync(self, name: str) -> bool:
        """One step towards what is desired; whether it was taken."""
        desired, current = self._desired(name), self._current.get(name)
        action = decide(desired, current, synced=name in self._synced, at_start=name in self._at_start)
        try:
            await self._act(action, name, desired, current)
        except (errors.AlreadyExists, errors.NotFound, errors.Conflict):
            # Who was quicker brings us here again.
            return True
        except errors.ApiError as error:
            log.warning("APIService %s: %s", name, error.message)
            return False
        self._synced.add(name)
        return True

    async def _act(self, action: Action, name: str, desired: Object | None, current: Object | None) -> None:
        if action is Action.CREATE and desired is not None:
            await self._access.create(API_SERVICES, {**desired, "metadata": {**desired["metadata"]}})
        elif action is Action.UPDATE and desired is not None:
            spec = desired["spec"]
            await self._access.mutate(API_SERVICES, name, "", lambda obj: obj.update(spec=dict(spec)))
        elif action is Action.DELETE and current is not None:
            options = {"preconditions": {"uid": current["metadata"].get("uid", "")}}
            await self._access.delete(API_SERVICES, name, options=options)
