"""The ``scale`` subresource: an autoscaling/v1 Scale in front of ``spec.replicas``."""

from __future__ import annotations

from kijabi.api import field as fields
from kijabi.api import labels
from kijabi.apiserver.registry.registry import Endpoint, Object

GVK = ("autoscaling", "v1", "Scale")


def scale_of(endpoint: Endpoint, obj: Object) -> Object:
    """The Scale of a decoded object."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    if spec.get("replicas"):
        scale["spec"]["replicas"] = spec["replicas"]
    selector = spec.get("selector")
    if selector:
        # A replication controller's selector is a plain map, the others' a LabelSelector.
        plain = endpoint.resource.plural == "replicationcontrollers"
        scale["status"]["selector"] = str(labels.from_set(selector) if plain else labels.from_label_selector(selector))
    return scale


def scaled(obj: Object, scale: Object) -> Object:
    """``obj`` with the Scale's replicas, and its resourceVersion as the precondition where it names one."""
    meta = scale.get("metadata") or {}
    obj["metadata"]["resourceVersion"] = meta.get("resourceVersion", "")
    obj.setdefault("spec", {})["replicas"] = (scale.get("spec") or {}).get("replicas", 0)
    return obj


def problems(scale: Object) -> list[fields.Error]:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        return [fields.invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []
