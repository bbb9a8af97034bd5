"""AlwaysPullImages: nobody runs an image that he could not pull himself. Off by default."""

from __future__ import annotations

from collections.abc import Iterator

from kijabi.api import field, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

Object = contract.Object

_GROUPS = ("initContainers", "containers", "ephemeralContainers")


class AlwaysPullImages(plugin.Plugin):
    name = "AlwaysPullImages"

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and operation in (contract.CREATE, contract.UPDATE) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        for _, holder, key in _pulled(attributes):
            holder[key] = "Always"

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        wrong = [
            field.not_supported(path, holder.get(key, ""), ("Always",))
            for path, holder, key in _pulled(attributes)
            if holder.get(key) != "Always"
        ]
        if wrong:
            raise plugin.refused(attributes, ", ".join(map(str, wrong)))


def _pulled(attributes: contract.AdmissionAttributes) -> Iterator[tuple[str, Object, str]]:
    """Where images are named: the path of their pull policy, its holder and its key. None for an update without any
    image that is new."""
    pod, old = attributes.object or {}, attributes.old_object
    if old is not None and _images(pod) <= _images(old):
        return
    spec = pod.get("spec") or {}
    for group in _GROUPS:
        for position, container in enumerate(spec.get(group) or ()):
            yield f"spec.{group}[{position}].imagePullPolicy", container, "imagePullPolicy"
    for position, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("image") is not None:
            yield f"spec.volumes[{position}].image.pullPolicy", volume["image"], "pullPolicy"


def _images(pod: Object) -> set[str]:
    spec = pod.get("spec") or {}
    return {container.get("image", "") for group in _GROUPS for container in spec.get(group) or ()}
