"""An Ingress that names no class gets the default one, where there is one."""

from __future__ import annotations

from kijabi.api import resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

INGRESSES = resource.Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
INGRESS_CLASSES = resource.Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False)


class DefaultIngressClass(plugin.Plugin):
    name = "DefaultIngressClass"

    def __init__(self, access: contract.Access) -> None:
        self._classes = plugin.Watched(access, INGRESS_CLASSES)

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return operation == contract.CREATE and plugin.is_kind(what, INGRESSES) and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        ingress = attributes.object
        if ingress is None:
            return
        spec = ingress.setdefault("spec", {})
        annotated = "kubernetes.io/ingress.class" in (ingress["metadata"].get("annotations") or {})
        if spec.get("ingressClassName") is not None or annotated:
            return
        default = plugin.newest_default(self._classes.items(), ("ingressclass.kubernetes.io/is-default-class",))
        if default is not None:
            spec["ingressClassName"] = default["metadata"]["name"]
