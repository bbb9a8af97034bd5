"""PodNodeSelector: a namespace decides on which nodes its pods run. Off by default.

Its configuration names selectors by namespace, beyond which pods may not go, and ``clusterDefaultNodeSelector`` for
namespaces without the annotation. Source: the documentation of admission controllers, PodNodeSelector.
"""

from __future__ import annotations

from collections.abc import Mapping

from kijabi.api import errors, kinds, resource
from kijabi.apiserver import contract
from kijabi.apiserver.admission import plugin

_ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
_DEFAULT = "clusterDefaultNodeSelector"


class PodNodeSelector(plugin.Plugin):
    name = "PodNodeSelector"

    def __init__(self, access: contract.Access, configuration: contract.Object | None = None) -> None:
        self._access = access
        self._selectors: Mapping[str, str] = (configuration or {}).get("podNodeSelectorPluginConfig") or {}

    def handles(self, operation: str, what: resource.Resource, subresource: str) -> bool:
        return plugin.is_kind(what, kinds.PODS) and operation == contract.CREATE and not subresource

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        spec = (attributes.object or {}).get("spec") or {}
        merged = {**self._of_namespace(attributes), **(spec.get("nodeSelector") or {})}
        if merged:
            spec["nodeSelector"] = merged
        await self.validate(attributes)

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        selector = ((attributes.object or {}).get("spec") or {}).get("nodeSelector") or {}
        theirs = self._of_namespace(attributes)
        if any(selector.get(key, value) != value for key, value in theirs.items()):
            raise self._refused(attributes, "pod node label selector conflicts with its namespace node label selector")
        allowed = _parsed(self._selectors.get(attributes.namespace, ""))
        if allowed and not selector.items() <= allowed.items():
            raise self._refused(attributes, "pod node label selector labels conflict with its namespace whitelist")

    def _of_namespace(self, attributes: contract.AdmissionAttributes) -> dict[str, str]:
        namespace = self._access.peek(kinds.NAMESPACES, attributes.namespace)
        if namespace is None:
            raise errors.InternalError(f"Internal error occurred: namespace {attributes.namespace} does not exist")
        told = (namespace["metadata"].get("annotations") or {}).get(_ANNOTATION)
        return _parsed(self._selectors.get(_DEFAULT, "") if told is None else told)

    def _refused(self, attributes: contract.AdmissionAttributes, why: str) -> errors.Forbidden:
        return errors.forbidden("pods", ((attributes.object or {}).get("metadata") or {}).get("name", ""), why)


def _parsed(text: str) -> dict[str, str]:
    """``a=b,c=d``. Raises BadRequest."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = part.partition("=")
        if not separator or "=" in value:
            raise errors.BadRequest(f"invalid selector: {part}")
        found[key.strip()] = value.strip()
    return found
