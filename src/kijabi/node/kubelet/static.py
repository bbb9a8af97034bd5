"""Pods from files on this node, and the mirror pods that show them in the API.

Source: the documented "Create static Pods"; names, uids and annotations as upstream makes them.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kijabi.api import errors, kinds
from kijabi.client import rest, transport
from kijabi.kit import clock, jsons, yamls
from kijabi.node.kubelet import pods

log = logging.getLogger(__name__)


def complete(document: dict[str, Any], path: str, node_name: str) -> pods.Object:
    """A pod as the kubelet runs it: a uid from its content and node, the node's name as suffix, defaults filled in."""
    pod = copy.deepcopy(document)
    meta = pod.setdefault("metadata", {})
    digest = hashlib.md5(jsons.dumps(document), usedforsecurity=False)
    digest.update(f"host:{node_name}file:{path}".encode())
    identity = digest.hexdigest()
    meta["uid"] = meta.get("uid") or identity
    meta["name"] = f"{meta.get('name', '')}-{node_name}"
    meta.setdefault("namespace", "default")
    annotations = meta.setdefault("annotations", {})
    annotations[pods.HASH_ANNOTATION] = identity
    annotations[pods.SOURCE_ANNOTATION] = "file"
    spec = pod["spec"]
    spec["nodeName"] = node_name
    for key, default in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("terminationGracePeriodSeconds", 30),
        ("enableServiceLinks", True),
        ("securityContext", {}),
    ):
        spec.setdefault(key, default)
    spec.setdefault("tolerations", []).append({"operator": "Exists", "effect": "NoExecute"})
    for container, _ in pods.every_container(pod):
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
    pod.setdefault("status", {"phase": "Pending"})
    return pod


def read(directory: Path, node_name: str) -> dict[str, pods.Object]:
    """uid → pod of every manifest; a file that is no pod is logged and passed over."""
    found: dict[str, pods.Object] = {}
    paths = [directory] if directory.is_file() else sorted(directory.iterdir()) if directory.is_dir() else []
    for path in paths:
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            document = yamls.loads(path.read_bytes())
            if not isinstance(document, dict) or document.get("kind") != "Pod":
                raise ValueError("not a Pod")
            pod = complete(document, str(path), node_name)
        except (OSError, ValueError, KeyError, TypeError, yamls.Malformed) as error:
            log.error("cannot read manifest %s: %s", path, error)
            continue
        found[pods.uid(pod)] = pod
    return found


def mirror(pod: pods.Object, node: pods.Object | None) -> pods.Object:
    """What is shown in the API: the same pod, marked, owned by the node."""
    made = copy.deepcopy(pod)
    meta = made["metadata"]
    meta["annotations"][pods.MIRROR_ANNOTATION] = meta["annotations"][pods.HASH_ANNOTATION]
    meta.pop("uid", None)
    made.pop("status", None)
    made.update(apiVersion="v1", kind="Pod")
    if node is not None and node["metadata"].get("uid"):
        meta["ownerReferences"] = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": node["metadata"]["name"],
                "uid": node["metadata"]["uid"],
                "controller": True,
            }
        ]
    return made


class StaticPods:
    """Reads the directory now and then; ``on_change`` gets (uid, pod or None)."""

    def __init__(
        self,
        client: rest.Client,
        directory: str,
        node_name: str,
        frequency: float,
        on_change: Callable[[str, pods.Object | None], None],
        timepiece: clock.Clock = clock.SYSTEM,
    ) -> None:
        self._client = client
        self._directory = Path(directory)
        self._node_name = node_name
        self._frequency = frequency
        self._on_change = on_change
        self._clock = timepiece
        self.pods: dict[str, pods.Object] = {}
        self.mirrors: dict[tuple[str, str], pods.Object] = {}

    async def run(self) -> None:
        while True:
            found = await asyncio.to_thread(read, self._directory, self._node_name)
            for uid in self.pods.keys() - found.keys():
                self._on_change(uid, None)
            for uid in found.keys() - self.pods.keys():
                self._on_change(uid, found[uid])
            self.pods = found
            await self._clock.sleep(self._frequency)

    def mirror_of(self, pod: pods.Object) -> pods.Object | None:
        return self.mirrors.get((pods.namespace(pod), pods.name(pod)))

    def seen(self, mirror_pod: pods.Object, gone: bool) -> None:
        key = (pods.namespace(mirror_pod), pods.name(mirror_pod))
        if gone:
            self.mirrors.pop(key, None)
        else:
            self.mirrors[key] = mirror_pod

    async def reconcile_mirrors(self, node: pods.Object | None) -> None:
        """Make mirrors that are missing or outdated; delete those whose file is gone."""
        wanted = {(pods.namespace(pod), pods.name(pod)): pod for pod in self.pods.values()}
        for key, shown in list(self.mirrors.items()):
            pod = wanted.get(key)
            mark = pods.annotations_of(shown).get(pods.MIRROR_ANNOTATION)
            if (
                pod is not None
                and pods.annotations_of(pod)[pods.HASH_ANNOTATION] == mark
                and not pods.is_deleted(shown)
            ):
                continue
            await self._delete(shown)
        for key, pod in wanted.items():
            if key not in self.mirrors:
                await self._create(pod, node)

    async def _create(self, pod: pods.Object, node: pods.Object | None) -> None:
        try:
            made = await self._client.create(kinds.PODS, mirror(pod, node))
            self.seen(made, gone=False)
        except errors.AlreadyExists:
            return
        except (errors.ApiError, transport.Unreachable) as error:
            log.warning("cannot make the mirror of %s: %s", pods.describe(pod), error)

    async def _delete(self, shown: pods.Object) -> None:
        try:
            await self._client.delete(
                kinds.PODS, pods.name(shown), pods.namespace(shown), grace_seconds=0, uid=pods.uid(shown)
            )
        except errors.NotFound:
            self.seen(shown, gone=True)
        except (errors.ApiError, transport.Unreachable) as error:
            log.warning("cannot delete the mirror %s: %s", pods.describe(shown), error)
