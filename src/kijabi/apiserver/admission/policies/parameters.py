"""The objects a binding hands to its policy as ``params``."""

from __future__ import annotations

from typing import Any

from kijabi.api import errors, labels, resource, served
from kijabi.apiserver import contract

Object = contract.Object

_DEFINITIONS = served.find("apiextensions.k8s.io/v1", "customresourcedefinitions")


class Unusable(Exception):
    """The binding cannot be used on this request; the message is upstream's."""


class Parameters:
    def __init__(self, access: contract.Access) -> None:
        self._access = access
        self._built_in = {(row.api_version, row.kind): row for row in served.RESOURCES if "get" in row.verbs}
        self._custom: dict[tuple[str, str], resource.Resource] = {}
        access.subscribe(_DEFINITIONS, self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for obj, add in ((old, False), (new, True)):
            spec = (obj or {}).get("spec") or {}
            names = spec.get("names") or {}
            for version in spec.get("versions") or ():
                key = (f"{spec['group']}/{version['name']}", names.get("kind", ""))
                self._custom.pop(key, None)
                if add and version.get("served"):
                    namespaced = spec.get("scope") == "Namespaced"
                    self._custom[key] = resource.Resource(
                        spec["group"], version["name"], names["plural"], names["kind"], namespaced
                    )

    def find(self, kind: Object) -> resource.Resource:
        """The resource of a ParamKind. Raises Unusable."""
        key = (kind.get("apiVersion", ""), kind.get("kind", ""))
        found = self._built_in.get(key) or self._custom.get(key)
        if found is None:
            raise Unusable(f"failed to find resource referenced by paramKind: '{_gvk(*key)}'")
        return found

    async def collect(self, kind: Object | None, reference: Object | None, namespace: str) -> list[Object | None]:
        """One evaluation for each; ``[None]`` where none are asked for. Raises Unusable."""
        if kind is None or reference is None:
            return [None]
        what = self.find(kind)
        where = reference.get("namespace") or ""
        if what.namespaced:
            where = where or namespace
            if not where:
                text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                raise Unusable(text)
        elif where:
            raise Unusable("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        found = [_typed(one, what) for one in await self._read(what, reference, where)]
        if not found and reference.get("parameterNotFoundAction") == "Deny":
            raise Unusable("no params found for policy binding with `Deny` parameterNotFoundAction")
        return list(found)

    async def _read(self, what: resource.Resource, reference: Object, namespace: str) -> list[Object]:
        try:
            if reference.get("name"):
                one = await self._access.get(what, reference["name"], namespace)
                return [one] if one is not None else []
            selector = labels.format_label_selector(reference.get("selector"))
            chosen = "" if selector == "<none>" else selector
            return await self._access.list(what, namespace, chosen)
        except errors.NotFound:
            return []


def _gvk(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={kind}"


def _typed(obj: Object, what: resource.Resource) -> Object:
    made: dict[str, Any] = {"apiVersion": what.api_version, "kind": what.kind}
    return made | obj
