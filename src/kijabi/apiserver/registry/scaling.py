"""The ``scale`` subresource: an autoscaling/v1 Scale in front of ``spec.replicas``.

Who owns the replicas is the same on both sides; the Scale is given its part of the object's managed fields, the write
is recorded on the Scale, and the outcome is carried back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from kijabi.api import field as fields
from kijabi.api import labels, managed
from kijabi.apiserver.registry import ownership
from kijabi.apiserver.registry.registry import Endpoint, Object, Registry

GVK = ("autoscaling", "v1", "Scale")


def scale_of(endpoint: Endpoint, obj: Object) -> Object:
    """The Scale of a decoded object. Raises InternalError for a custom resource without replicas."""
    paths = endpoint.strategy.extra.get("scale")
    if paths is not None:
        return {**_scale_head(obj["metadata"]), **paths.scale(obj)}
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    scale: Object = {**_scale_head(meta), "spec": {}, "status": {"replicas": status.get("replicas", 0)}}
    if spec.get("replicas"):
        scale["spec"]["replicas"] = spec["replicas"]
    selector = spec.get("selector")
    if selector:
        # A replication controller's selector is a plain map, the others' a LabelSelector.
        plain = endpoint.resource.plural == "replicationcontrollers"
        scale["status"]["selector"] = str(labels.from_set(selector) if plain else labels.from_label_selector(selector))
    return scale


def _scale_head(meta: Object) -> Object:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
    }


_REPLICAS = ("f:spec", "f:replicas")


def mapping(endpoint: Endpoint) -> managed.Mapping:
    """Where the replicas are, by version of the object."""
    paths = endpoint.strategy.extra.get("scale")
    steps = tuple(f"f:{step}" for step in paths.steps) if paths is not None else _REPLICAS
    return {endpoint.resource.api_version: steps}


def with_managers(endpoint: Endpoint, obj: Object) -> Object:
    """The Scale as a write sees it: with those who own the replicas."""
    scale = scale_of(endpoint, obj)
    entries = managed.to_scale(obj["metadata"].get("managedFields"), mapping(endpoint))
    if entries:
        scale["metadata"]["managedFields"] = entries
    return scale


def view(reg: Registry) -> managed.View:
    return ownership.scale_view(reg)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A change of a Scale, recorded as ``manager``'s."""

    change: Callable[[Object], Object]
    manager: str
    reg: Registry

    def __call__(self, current: Object) -> Object:
        # A patch may use up what it is given, and share with it what it does not change.
        new = self.change(copy.deepcopy(current))
        managed.update(view(self.reg), current, new, self.manager, self.reg.clock.time())
        return new


def scaled(endpoint: Endpoint, obj: Object, scale: Object, entries: list[Object] | None) -> Object:
    """``obj`` with the Scale's replicas and managers, and its resourceVersion as the precondition where it names one.

    ``entries`` are the managed fields that the object has.
    """
    meta = scale.get("metadata") or {}
    obj["metadata"]["resourceVersion"] = meta.get("resourceVersion", "")
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    paths = endpoint.strategy.extra.get("scale")
    if paths is not None:
        paths.set(obj, replicas)
    else:
        obj.setdefault("spec", {})["replicas"] = replicas
    after = managed.to_parent(entries, meta.get("managedFields"), mapping(endpoint), endpoint.resource.api_version)
    obj["metadata"].pop("managedFields", None)
    if after:
        obj["metadata"]["managedFields"] = after
    return obj


def problems(scale: Object) -> list[fields.Error]:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        return [fields.invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []
