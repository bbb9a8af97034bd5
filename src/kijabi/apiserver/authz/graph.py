"""Which nodes have to do with which objects, counted: an object is a node's business while a pod there refers to it.

    node <- pod <- secret, config map, service account, claim, resource claim
    node <- pod <- claim <- volume <- secret
    node <- volume attachment, resource slice

Instead of edges to walk, every reference holds a count per node, so an answer is two dictionary look-ups.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from kijabi.api import kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.authz import references

Object = contract.Object
Key = tuple[str, str, str]

VOLUME_ATTACHMENTS = resource.Resource("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", False)
RESOURCE_SLICES = resource.Resource("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", False)


class Graph:
    """``watch`` subscribes to what makes edges; ``related`` answers."""

    def __init__(self) -> None:
        self._nodes: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self._pods: dict[tuple[str, str], tuple[str, frozenset[Key]]] = {}
        self._claims_of_volume: dict[str, tuple[str, str]] = {}
        self._volumes_of_secret: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def watch(self, access: contract.Access) -> None:
        access.subscribe(kinds.PODS, self.pod_changed)
        access.subscribe(kinds.PERSISTENT_VOLUMES, self.volume_changed)
        # A kind that this server does not serve (an API switched off) makes no edges.
        for what, handler in (
            (VOLUME_ATTACHMENTS, self.attachment_changed),
            (RESOURCE_SLICES, self.slice_changed),
        ):
            if access.strategy(what.group, what.version, what.plural) is not None:
                access.subscribe(what, handler)

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old
        assert pod is not None
        name = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        node = (new or {}).get("spec", {}).get("nodeName", "")
        wanted = (node, frozenset(_references(new))) if new is not None and node else None
        known = self._pods.get(name)
        if wanted == known:
            return
        if known is not None:
            self._count(known, -1)
            del self._pods[name]
        if wanted is not None:
            self._count(wanted, 1)
            self._pods[name] = wanted

    def volume_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            name = old["metadata"]["name"]
            self._claims_of_volume.pop(name, None)
            for secret in references.volume_secrets(old):
                self._volumes_of_secret[secret].discard(name)
        claim = ((new or {}).get("spec") or {}).get("claimRef")
        if new is not None and claim:
            name = new["metadata"]["name"]
            self._claims_of_volume[name] = (claim.get("namespace", ""), claim.get("name", ""))
            for secret in references.volume_secrets(new):
                self._volumes_of_secret[secret].add(name)

    def attachment_changed(self, old: Object | None, new: Object | None) -> None:
        self._direct("volumeattachments", old, new)

    def slice_changed(self, old: Object | None, new: Object | None) -> None:
        self._direct("resourceslices", old, new)

    def related(self, node: str, kind: str, namespace: str, name: str) -> bool:
        """``kind`` is a plural. Whether the object is the node's business."""
        if kind == "persistentvolumes":
            claim = self._claims_of_volume.get(name)
            return claim is not None and self._has(node, ("persistentvolumeclaims", *claim))
        if self._has(node, (kind, namespace, name)):
            return True
        if kind != "secrets":
            return False
        volumes = self._volumes_of_secret.get((namespace, name), ())
        return any(self.related(node, "persistentvolumes", "", volume) for volume in volumes)

    def _has(self, node: str, key: Key) -> bool:
        # .get: asking must not make an entry.
        counts = self._nodes.get(key)
        return counts is not None and counts.get(node, 0) > 0

    def _direct(self, kind: str, old: Object | None, new: Object | None) -> None:
        for obj, step in ((old, -1), (new, 1)):
            node = ((obj or {}).get("spec") or {}).get("nodeName", "")
            if obj is not None and node:
                self._count((node, frozenset([(kind, "", obj["metadata"]["name"])])), step)

    def _count(self, references_: tuple[str, frozenset[Key]], step: int) -> None:
        node, keys = references_
        for key in keys:
            counts = self._nodes[key]
            counts[node] += step
            if counts[node] <= 0:
                del counts[node]
            if not counts:
                del self._nodes[key]


def _references(pod: Object | None) -> Iterator[Key]:
    if pod is None:
        return
    meta = pod["metadata"]
    namespace = meta["namespace"]
    yield ("pods", namespace, meta["name"])
    # A node must not be able to give itself access to objects by making a mirror pod.
    if references.MIRROR_POD in (meta.get("annotations") or {}):
        return
    account = (pod.get("spec") or {}).get("serviceAccountName", "")
    if account:
        yield ("serviceaccounts", namespace, account)
    for kind, names in (
        ("secrets", references.secrets(pod)),
        ("configmaps", references.config_maps(pod)),
        ("persistentvolumeclaims", references.claims(pod)),
        ("resourceclaims", references.resource_claims(pod)),
    ):
        for name in names:
            yield (kind, namespace, name)
