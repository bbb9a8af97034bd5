"""What one definition puts into the registry, discovery and OpenAPI, as plain data.

Source: apiextensions-apiserver's customresource_handler, customresource_discovery_controller and openapi controllers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kijabi.api import conditions, errors, resource, schema, versions
from kijabi.api import served as builtin
from kijabi.api.apiextensions import definition
from kijabi.api.resource import Object
from kijabi.api.structural import published, structure
from kijabi.apiserver import contract, discovery
from kijabi.apiserver.crds import kind
from kijabi.apiserver.crds.codec import CustomCodec
from kijabi.apiserver.crds.conditions import TERMINATING
from kijabi.apiserver.crds.conversion import Converter
from kijabi.apiserver.registry import registry

TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


class Terminating:
    """Refuses new objects while their definition is being deleted (a storage hook)."""

    def __init__(self, what: resource.Resource) -> None:
        self._what = what

    async def before_create(self, context: contract.RequestContext, obj: Object) -> None:
        why = "create not allowed while custom resource definition is terminating"
        raise errors.forbidden(self._what.plural, obj["metadata"].get("name", ""), why, self._what.group)

    async def after_create(self, context: contract.RequestContext, obj: Object) -> None:
        return

    async def after_failed_create(self, context: contract.RequestContext, obj: Object) -> None:
        return

    async def before_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return

    async def after_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return

    async def after_failed_update(self, context: contract.RequestContext, new: Object, old: Object) -> None:
        return

    async def after_delete(self, context: contract.RequestContext, obj: Object) -> None:
        return


@dataclass(slots=True)
class Served:
    """One definition as it is served. ``crd`` is what it was made of; ``documents`` are per version."""

    crd: Object
    added: list[registry.Added]
    documents: dict[str, Object] = field(default_factory=dict)

    @property
    def group(self) -> str:
        return str(self.crd["spec"]["group"])

    @property
    def plural(self) -> str:
        return str(self.crd["spec"]["names"]["plural"])

    @property
    def is_terminating(self) -> bool:
        return conditions.is_true(self.crd, TERMINATING)

    def is_as(self, crd: Object) -> bool:
        """Whether another state of the definition is served in the same way, but for whether it is terminating."""
        return _essence(self.crd) == _essence(crd)


def _essence(crd: Object) -> tuple[object, ...]:
    return crd["metadata"].get("uid"), crd["spec"], (crd.get("status") or {}).get("acceptedNames")


def make(crd: Object, converter: Converter | None) -> Served:
    """Everything for one definition. ``converter`` None: versions differ in their names alone."""
    listed = definition.versions(crd["spec"])
    made = {version["name"]: kind.version_of(crd, version) for version in listed}
    customs = {one.custom.what.api_version: one.custom for one in made.values()}
    storage = made[definition.storage_version(crd["spec"])].strategy.resource
    # Selectors are asked of what is stored, whatever version they come in.
    paths = [one["jsonPath"] for version in listed for one in version.get("selectableFields") or ()]
    reader = resource.Strategy(storage, fields=kind.selected(list(dict.fromkeys(paths))))
    hooks = hooks_of(crd, storage)
    wanted = sorted((version for version in listed if version.get("served")), key=lambda one: versions.key(one["name"]))
    # Whoever deletes the last objects needs some version, and so does the finalizer.
    wanted = wanted or [version for version in listed if version.get("storage")]
    added = []
    for version in wanted:
        one = made[version["name"]]
        codec = CustomCodec(one.strategy.resource, storage, customs, converter)
        added.append(
            registry.Added(one.strategy, codec, one.custom, reader, hooks, one.warnings, codec if converter else None)
        )
    return Served(crd, added)


def hooks_of(crd: Object, what: resource.Resource) -> tuple[contract.StorageHook, ...]:
    return (Terminating(what),) if conditions.is_true(crd, TERMINATING) else ()


# --- discovery


def offered(served: Sequence[Served]) -> list[discovery.Offered]:
    """All group versions of all definitions."""
    by_version: dict[tuple[str, str], list[Object]] = {}
    for one in sorted(served, key=lambda one: one.plural):
        for version in definition.versions(one.crd["spec"]):
            if version.get("served"):
                by_version.setdefault((one.group, version["name"]), []).extend(entries(one.crd, version))
    return [
        discovery.Offered(
            group, version, found, discovery.CRD_GROUP_PRIORITY, discovery.CRD_VERSION_PRIORITY, qualified=True
        )
        for (group, version), found in by_version.items()
    ]


def entries(crd: Object, version: Object) -> list[Object]:
    """The APIResources of one version: the kind itself, then its subresources."""
    spec, what = crd["spec"], kind.resource_of(crd, version)
    verbs = TERMINATING_VERBS if conditions.is_true(crd, TERMINATING) else _VERBS
    hashed = discovery.version_hash(what.group, definition.storage_version(spec), spec["names"]["kind"])
    first = {**discovery.entry(what, hashed), "verbs": list(verbs)}
    below = [builtin.subresource(what, name) for name in ("status", "scale") if name in what.subresources]
    return [first, *(discovery.entry_below(what, one) for one in below if one is not None)]


# --- OpenAPI


def documents(served: Served, common: Mapping[str, Object]) -> dict[str, Object]:
    """Version → its OpenAPI document; made once per state of the definition."""
    if not served.documents:
        crd = served.crd
        for version in definition.versions(crd["spec"]):
            if not version.get("served"):
                continue
            raw = definition.schema_of(version)
            if raw is not None and structure.validate(raw, ""):
                raw = None
            paths = [one["jsonPath"] for one in version.get("selectableFields") or ()]
            what = kind.resource_of(crd, version)
            list_kind = crd["spec"]["names"].get("listKind") or f"{what.kind}List"
            made = published.document(schema.CURRENT, what, list_kind, raw, paths, dict(common))
            served.documents[version["name"]] = made
    return served.documents


def merged(documents: Sequence[Object]) -> Object:
    """The document of a group version that several definitions share."""
    if len(documents) == 1:
        return documents[0]
    made = {**documents[0], "paths": {}, "components": {**documents[0]["components"], "schemas": {}}}
    for one in documents:
        made["paths"].update(one["paths"])
        made["components"]["schemas"].update(one["components"]["schemas"])
    return made
