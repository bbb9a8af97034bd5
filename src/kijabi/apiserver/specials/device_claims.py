"""Claims that want into devices that others use: only namespaces that are labelled for it may make them.

Source: "Admin access" under dynamic resource allocation in the documentation.
"""

from __future__ import annotations

from kijabi.api import errors, field, kinds
from kijabi.apiserver import contract

Object = contract.Object

LABEL = "resource.kubernetes.io/admin-access"
_FORBIDDEN = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"


def wanted(spec: Object) -> str:
    """The path of the first request that asks for it; empty where none does."""
    for position, request in enumerate((spec.get("devices") or {}).get("requests") or ()):
        alternatives = (request.get("exactly"), *(request.get("firstAvailable") or ()))
        if any(one is not None and one.get("adminAccess") for one in alternatives):
            return f"spec.devices.requests[{position}].adminAccess"
    return ""


class AdminAccessHook:
    """Of claims and of their templates, whose spec holds a claim's. Specs do not change, so creation is all."""

    def __init__(self, kind: str, template: bool) -> None:
        self._kind, self._template = kind, template

    async def before_create(self, context: contract.RequestContext, obj: Object) -> None:
        spec = obj.get("spec") or {}
        path = wanted((spec.get("spec") or {}) if self._template else spec)
        if not path:
            return
        meta = obj["metadata"]
        namespace = await context.access.get(kinds.NAMESPACES, meta.get("namespace", ""))
        labels = (namespace or {"metadata": {}})["metadata"].get("labels") or {}
        if labels.get(LABEL) != "true":
            problem = field.forbidden(path, _FORBIDDEN)
            raise errors.invalid(self._kind, meta.get("name", ""), [problem], "resource.k8s.io")

    async def after_create(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    async def after_failed_create(self, context: contract.RequestContext, obj: Object) -> None:
        return None

    async def before_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return None

    async def after_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return None

    async def after_failed_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return None

    async def after_delete(self, context: contract.RequestContext, obj: Object) -> None:
        return None
