"""From FlowSchemas and PriorityLevelConfigurations to schemas and levels, and the objects that are always there.

Level-driven: every change of either kind makes the whole picture anew; what is mandatory is imagined while it is not
there, ensured when it is missing, and put right when somebody changed it. A level that is deleted serves out those
who wait in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from kijabi.api import errors, kinds, resource, timestamps
from kijabi.api.flowcontrol import defaults
from kijabi.apiserver import contract
from kijabi.apiserver.contract import RequestInfo, UserInfo
from kijabi.apiserver.fairness import levels, rules
from kijabi.apiserver.fairness.gate import Gate
from kijabi.kit import clock
from kijabi.store import contract as store_contract

log = logging.getLogger(__name__)

Object = contract.Object

# Upstream looks at what should be there once a minute even if nothing has changed.
_INTERVAL = 60.0
_REMEMBERED = 10_000


class Configuration:
    """``seats`` is what the server has for all levels. ``classify`` is asked for every request."""

    def __init__(self, access: contract.Access, gate: Gate, seats: int, timepiece: clock.Clock = clock.SYSTEM) -> None:
        self._access = access
        self._gate = gate
        self._seats = seats
        self._clock = timepiece
        self._changed = asyncio.Event()
        self._objects: dict[resource.Resource, dict[str, Object]] = {kinds.FLOW_SCHEMAS: {}, kinds.PRIORITY_LEVELS: {}}
        self._schemas: list[rules.Schema] = []
        self._known: dict[tuple[str, ...], rules.Schema] = {}
        for what in self._objects:
            self._follow(what)
        self._renew()

    def _follow(self, what: resource.Resource) -> None:
        there = self._objects[what]

        def told(old: Object | None, new: Object | None) -> None:
            source = new or old
            assert source is not None
            name = source["metadata"]["name"]
            if new is not None:
                there[name] = new
            else:
                there.pop(name, None)
            if old is None or new is None or old.get("spec") != new.get("spec"):
                self._renew()
            self._changed.set()

        self._access.subscribe(what, told)

    # --- requests

    def classify(self, info: RequestInfo, user: UserInfo) -> tuple[rules.Schema, levels.Level]:
        key = (
            user.name,
            *user.groups,
            info.verb,
            info.api_group,
            info.resource,
            info.subresource,
            info.namespace,
            "" if info.is_resource else info.path,
        )
        schema = self._known.get(key)
        if schema is None:
            schema = next((one for one in self._schemas if one.matches(info, user)), self._schemas[-1])
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = schema
        return schema, self._gate.levels[schema.level]

    # --- the picture

    def _renew(self) -> None:
        there = self._objects[kinds.PRIORITY_LEVELS]
        specs = {one["metadata"]["name"]: one["spec"] for one in defaults.MANDATORY_LEVELS}
        specs.update({name: obj["spec"] for name, obj in there.items()})
        shared = levels.share_out(specs, self._seats)
        now: dict[str, levels.Level] = {}
        for name, spec in specs.items():
            uid = there[name]["metadata"].get("uid", "") if name in there else ""
            level = self._gate.levels.get(name)
            if level is None:
                level = levels.Level(name, uid, spec, shared[name])
            else:
                level.configure(uid, spec, shared[name])
            now[name] = level
        for name, level in self._gate.levels.items():
            if name not in now and (level.waiting or level.in_use):
                # Quiescing: no schema leads here any more, but some are still inside.
                now[name] = level
        self._gate.levels = now
        schemas = {one["metadata"]["name"]: rules.read(one) for one in defaults.MANDATORY_SCHEMAS}
        for name, obj in self._objects[kinds.FLOW_SCHEMAS].items():
            if obj["spec"]["priorityLevelConfiguration"]["name"] in specs:
                schemas[name] = rules.read(obj)
        self._schemas = rules.in_order(schemas.values())
        self._known.clear()

    # --- the objects

    async def ensure(self) -> None:
        """Everything that should be there. Raises an ApiError when something cannot be written."""
        await asyncio.gather(*(self._ensure(*one) for one in _wanted()))

    async def keep(self) -> None:
        """Put right what drifts, and say of each schema whether it leads anywhere."""
        while True:
            self._changed.clear()
            try:
                await self.ensure()
                await self._tell()
            except (errors.ApiError, store_contract.StoreError) as error:
                log.warning("the objects of priority and fairness cannot be ensured: %s", error)
            await self._until_changed()

    async def _until_changed(self) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(_INTERVAL))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((pause, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            changed.cancel()

    async def _ensure(self, what: resource.Resource, wanted: Object, mandatory: bool) -> None:
        name = wanted["metadata"]["name"]
        there = self._objects[what].get(name)
        if there is None:
            try:
                await self._access.create(what, wanted)
            except errors.AlreadyExists:
                # Another server of the same cluster was quicker.
                return
            return
        if revised(there, wanted, mandatory) is None:
            return

        def change(obj: Object) -> None:
            made = revised(obj, wanted, mandatory)
            if made is not None:
                obj.update(made)

        try:
            await self._access.mutate(what, name, "", change)
        except errors.NotFound:
            # Deleted in between: the next look creates it.
            return

    async def _tell(self) -> None:
        for name, obj in list(self._objects[kinds.FLOW_SCHEMAS].items()):
            condition = self._dangling(obj)
            if condition is None:
                continue

            def change(obj: Object, condition: Object = condition) -> None:
                listed = obj.setdefault("status", {}).setdefault("conditions", [])
                listed[:] = [one for one in listed if one.get("type") != "Dangling"] + [condition]

            try:
                await self._access.mutate(kinds.FLOW_SCHEMAS, name, "", change, subresource="status")
            except errors.NotFound:
                continue

    def _dangling(self, obj: Object) -> Object | None:
        """The condition that is to be written; None where it is there."""
        level = obj["spec"]["priorityLevelConfiguration"]["name"]
        found = level in self._objects[kinds.PRIORITY_LEVELS]
        about = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
        condition: Object = {
            "type": "Dangling",
            "status": "False" if found else "True",
            "reason": "Found" if found else "NotFound",
            "message": f"{about} and it exists" if found else f"{about} but there is no such object",
        }
        for one in (obj.get("status") or {}).get("conditions") or ():
            if condition.items() <= one.items():
                return None
        return {**condition, "lastTransitionTime": timestamps.format_time(self._clock.time())}


def _wanted() -> Iterable[tuple[resource.Resource, Object, bool]]:
    for what, mandatory, suggested in (
        (kinds.PRIORITY_LEVELS, defaults.MANDATORY_LEVELS, defaults.SUGGESTED_LEVELS),
        (kinds.FLOW_SCHEMAS, defaults.MANDATORY_SCHEMAS, defaults.SUGGESTED_SCHEMAS),
    ):
        yield from ((what, one, True) for one in mandatory)
        yield from ((what, one, False) for one in suggested)


def revised(there: Object, wanted: Object, mandatory: bool) -> Object | None:
    """What must be written over an object that exists: its metadata and spec; None where it is as it should be.

    A suggested object follows the server's idea only while its annotation says so, or has no say and its spec was
    never touched.
    """
    annotations = there["metadata"].get("annotations") or {}
    said = {"true": True, "false": False}.get(annotations.get(defaults.AUTO_UPDATE, "").lower())
    follows = mandatory or (there["metadata"].get("generation") == 1 if said is None else said)
    # An administrator may choose the shares of the exempt level.
    spec = wanted["spec"]
    if wanted["metadata"]["name"] == defaults.EXEMPT and "exempt" in spec and there["spec"].get("exempt"):
        spec = {**spec, "exempt": there["spec"]["exempt"]}
    if said == follows and (not follows or there["spec"] == spec):
        return None
    metadata = {**there["metadata"], "annotations": {**annotations, defaults.AUTO_UPDATE: str(follows).lower()}}
    return {"metadata": metadata, "spec": spec if follows else there["spec"]}
