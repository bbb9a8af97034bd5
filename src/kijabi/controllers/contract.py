"""What a controller is, and what it is given."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from kijabi.api.resource import Object
from kijabi.client import events, informer, rest, workqueue
from kijabi.controllers import options as options_
from kijabi.kit import clock, tasks

# The account of a controller that works as the process itself.
OWN_IDENTITY = ""

Reconcile = Callable[[str], Awaitable[float | None]]


@dataclass(slots=True)
class Context:
    """Shared by all controllers of a process: one copy of each resource, one clock.

    ``client_of`` gives the client of a controller's own service account.
    """

    client_of: Callable[[str], rest.Client]
    informers: informer.Informers
    options: options_.Options = field(default_factory=options_.Options)
    clock: clock.Clock = clock.SYSTEM

    def queue(self, name: str, **more: Any) -> workqueue.WorkQueue[str]:
        return workqueue.WorkQueue(name, timepiece=self.clock, **more)

    def recorder(self, client: rest.Client, component: str) -> events.Recorder:
        return events.Recorder(client, component, timepiece=self.clock)


class Controller(Protocol):
    """``name`` is upstream's (``--controllers`` takes it), ``account`` the service account it works under.

    ``run`` works until it is cancelled.
    """

    name: str
    account: str

    async def run(self) -> None: ...


class KeyedController(abc.ABC):
    """The shape of most controllers: keys of one kind of object in a queue, reconciled one by one.

    A subclass sets ``name``, subscribes its informers in ``watch`` (called once, before anything runs) and defines
    ``reconcile``, which gets ``namespace/name`` and gives None, or the seconds after which to look again.
    """

    name = ""
    account = ""
    workers = 5
    # What events name as their source; upstream's controllers use the name below.
    component = ""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client_of(self.account)
        self.clock = context.clock
        self.queue = context.queue(self.name)
        self.recorder = context.recorder(self.client, self.component or self.name)

    @abc.abstractmethod
    def watch(self) -> list[informer.Informer]:
        """Subscribe; gives the informers that must be synced before the first reconcile."""

    @abc.abstractmethod
    async def reconcile(self, key: str) -> float | None: ...

    def enqueue(self, obj: Object) -> None:
        self.queue.add(informer.key_of(obj))

    async def run(self) -> None:
        followed = self.watch()
        async with tasks.nursery(self.name, self.clock) as nursery:
            nursery.keep(self.recorder.run, "events")
            for copy in followed:
                await copy.wait_synced()
            await workqueue.run(self.queue, self.reconcile, self.workers)


def controller_of(obj: Object) -> Object | None:
    """The owner reference that says ``controller: true``."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def owned_by(obj: Object, owner: Object) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == owner["metadata"]["uid"]


def owner_reference(owner: Object) -> Object:
    """A controlling reference to ``owner``, which blocks its foreground deletion."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
