"""The config maps and secrets that this node's pods refer to, each followed by a watch of its own while it is used.

The node authorizer lets a kubelet read only what its pods refer to, one object at a time; so there is one watch per
object, as upstream's *Watch* strategy. *Get* asks the server every time (within a short memory), which suits thousands
of simulated pods that never look again.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from kijabi.api import errors, kinds
from kijabi.api.resource import Resource
from kijabi.client import informer, rest
from kijabi.kit import clock, tasks
from kijabi.node.kubelet import pods

CONFIG_MAP, SECRET = "configmap", "secret"
WATCH, GET = "Watch", "Get"
_RESOURCES: Final[dict[str, Resource]] = {CONFIG_MAP: kinds.CONFIG_MAPS, SECRET: kinds.SECRETS}
_PATIENCE = 10.0
_MEMORY = 60.0

Reference = tuple[str, str, str]  # kind, namespace, name


class NotSynced(Exception):
    """The server has not answered in time; the text is upstream's."""


@dataclass(slots=True)
class _Followed:
    informer: informer.Informer
    task: asyncio.Task[Any]
    holders: set[str] = field(default_factory=set)


class Objects:
    """``on_change`` is called with the uid of every pod that holds an object that has changed."""

    def __init__(
        self,
        client: rest.Client,
        nursery: tasks.Nursery,
        *,
        strategy: str = WATCH,
        timepiece: clock.Clock = clock.SYSTEM,
        on_change: Callable[[str], None] = lambda uid: None,
    ) -> None:
        self._client = client
        self._nursery = nursery
        self._strategy = strategy
        self._clock = timepiece
        self._on_change = on_change
        self._followed: dict[Reference, _Followed] = {}
        self._held: dict[str, set[Reference]] = {}
        self._remembered: dict[Reference, tuple[float, pods.Object | None]] = {}

    async def fetch(self, uid: str, wanted: Iterable[Reference]) -> dict[Reference, pods.Object | None]:
        """Each wanted object, None where there is none; from now on the pod ``uid`` holds exactly these."""
        references = set(wanted)
        if self._strategy == GET:
            return {reference: await self._get(reference) for reference in sorted(references)}
        for reference in references:
            self._follow(uid, reference)
        self._let_go(uid, self._held.get(uid, set()) - references)
        self._held[uid] = references
        return {reference: await self._current(reference) for reference in sorted(references)}

    def release(self, uid: str) -> None:
        self._let_go(uid, self._held.pop(uid, set()))

    def _follow(self, uid: str, reference: Reference) -> None:
        followed = self._followed.get(reference)
        if followed is None:
            kind, namespace, name = reference
            source = informer.Informer(
                self._client,
                _RESOURCES[kind],
                rest.Selection(namespace, fields=f"metadata.name={name}"),
                timepiece=self._clock,
            )
            task = self._nursery.keep(source.run, f"{kind} {namespace}/{name}")
            followed = self._followed[reference] = _Followed(source, task)
            source.subscribe(lambda old, new: self._changed(reference))
        followed.holders.add(uid)

    def _changed(self, reference: Reference) -> None:
        followed = self._followed.get(reference)
        for uid in tuple(followed.holders) if followed else ():
            self._on_change(uid)

    def _let_go(self, uid: str, references: Iterable[Reference]) -> None:
        for reference in references:
            followed = self._followed.get(reference)
            if followed is None:
                continue
            followed.holders.discard(uid)
            if not followed.holders:
                followed.task.cancel()
                del self._followed[reference]

    async def _current(self, reference: Reference) -> pods.Object | None:
        kind, namespace, name = reference
        source = self._followed[reference].informer
        if not source.synced:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await source.wait_synced()
            except TimeoutError as error:
                raise NotSynced(f"failed to sync {kind} cache: timed out waiting for the condition") from error
        return source.get(name, namespace)

    async def _get(self, reference: Reference) -> pods.Object | None:
        kind, namespace, name = reference
        at, found = self._remembered.get(reference, (-_MEMORY, None))
        if found is not None and self._clock.monotonic() - at < _MEMORY:
            return found
        try:
            found = await self._client.get(_RESOURCES[kind], name, namespace)
        except errors.NotFound:
            return None
        self._remembered[reference] = (self._clock.monotonic(), found)
        return found


def data(kind: str, obj: pods.Object) -> dict[str, bytes]:
    """The decoded data of a config map or secret."""
    if kind == SECRET:
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    made = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    made.update({key: base64.b64decode(value or "") for key, value in (obj.get("binaryData") or {}).items()})
    return made


def text(kind: str, obj: pods.Object) -> dict[str, str]:
    """As environment variables see it: a config map's ``data`` without its binary part."""
    if kind == SECRET:
        return {key: value.decode(errors="surrogateescape") for key, value in data(kind, obj).items()}
    return {key: str(value) for key, value in (obj.get("data") or {}).items()}


def of_volumes(pod: pods.Object) -> set[Reference]:
    namespace = pods.namespace(pod)
    found: set[Reference] = set()
    for volume in pod["spec"].get("volumes") or ():
        sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in sources:
            if source.get("configMap"):
                found.add((CONFIG_MAP, namespace, source["configMap"].get("name", "")))
            if source.get("secret"):
                secret = source["secret"]
                found.add((SECRET, namespace, secret.get("secretName") or secret.get("name", "")))
    return found


def of_environment(pod: pods.Object) -> set[Reference]:
    namespace = pods.namespace(pod)
    found: set[Reference] = set()
    for container, _ in pods.every_container(pod):
        entries = [*(container.get("envFrom") or ()), *((v.get("valueFrom") or {}) for v in container.get("env") or ())]
        for entry in entries:
            for key, kind in (
                ("configMapRef", CONFIG_MAP),
                ("configMapKeyRef", CONFIG_MAP),
                ("secretRef", SECRET),
                ("secretKeyRef", SECRET),
            ):
                if entry.get(key):
                    found.add((kind, namespace, entry[key].get("name", "")))
    return found


def of_pull_secrets(pod: pods.Object) -> list[Reference]:
    namespace = pods.namespace(pod)
    return [
        (SECRET, namespace, entry["name"]) for entry in pod["spec"].get("imagePullSecrets") or () if entry.get("name")
    ]


def of_pod(pod: pods.Object) -> set[Reference]:
    return of_volumes(pod) | of_environment(pod) | set(of_pull_secrets(pod))
