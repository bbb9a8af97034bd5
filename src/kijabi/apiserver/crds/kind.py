"""One version of a custom resource as the registry knows kinds: a strategy, and what is known of its types.

Source: apiextensions-apiserver pkg/registry/customresource (strategy.go, status_strategy.go, validator.go).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api import field, jsonpath, metadata, resource, schema, versions
from kijabi.api.apiextensions import definition
from kijabi.api.cel import rules
from kijabi.api.resource import Object
from kijabi.api.schema import check, types
from kijabi.api.structural import defaulting, lists, objectmeta, pruning, typing, values
from kijabi.api.structural import schema as structural
from kijabi.apiserver.crds import columns
from kijabi.apiserver.crds.scale import Paths

Errors = list[field.Error]


class Custom:
    """What is known of the types of one version (the registry's ``Typing``), and how its objects are validated."""

    def __init__(self, what: resource.Resource, version: Object) -> None:
        raw = definition.schema_of(version) or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.what = what
        self.plain = structural.parse(raw)
        self.root = structural.as_resource(self.plain)
        self.scale = Paths.of(version)
        self.has_status = "status" in what.subresources
        self._has_defaults = defaulting.has_defaults(self.plain)
        self._has_embedded = objectmeta.has_embedded(self.plain)
        self._values = values.Validator(raw)
        below = (raw.get("properties") or {}).get("status")
        self._status_values = values.Validator(below) if below is not None else None
        # Rules that cost too much were refused when the definition was written.
        self._rules = rules.compile_schema(raw, unchanged=True)
        self._type: types.Type | None = None

    # --- types

    def check(self, gvk: schema.Kind, obj: Object) -> list[schema.Problem]:
        """Prunes in place; unknown fields are problems, and wrong types of metadata are fatal ones."""
        found = objectmeta.coerce_meta(obj)
        if any(problem.fatal for problem in found):
            return found
        found += [check.Problem(f'unknown field "{path}"', False, path) for path in pruning.prune(obj, self.root)]
        pruning.drop_nulls(obj, self.plain)
        if self._has_embedded:
            found += objectmeta.coerce(obj, self.plain)
        return sorted(found, key=lambda problem: not problem.fatal)

    def merge_info(self, gvk: schema.Kind) -> types.Type | None:
        return None

    def type_of(self, gvk: schema.Kind) -> types.Type | None:
        if self._type is None:
            self._type = typing.of_resource(self.plain, self.what.kind)
        return self._type

    def normalize(self, obj: Object) -> None:
        """What is read from the store, as the schema has it today."""
        pruning.prune(obj, self.root)
        pruning.drop_nulls(obj, self.plain)
        self.default(obj)

    def default(self, obj: Object) -> None:
        if self._has_defaults:
            defaulting.default(obj, self.plain)

    # --- changes

    def prepare_create(self, obj: Object) -> None:
        if self.has_status:
            obj.pop("status", None)

    def prepare_update(self, new: Object, old: Object) -> None:
        if self.has_status:
            resource.keep(new, old, "status")
        resource.count_generation(new, old, _without_meta(new) != _without_meta(old))

    def prepare_status(self, new: Object, old: Object) -> None:
        """Only the status, and who manages which of its fields."""
        meta = new["metadata"]
        kept = {key: meta[key] for key in ("managedFields", "resourceVersion") if key in meta}
        new["metadata"] = {
            **{key: value for key, value in old["metadata"].items() if key != "managedFields"},
            **kept,
        }

    # --- validation

    def validate_create(self, obj: Object) -> Errors:
        found = metadata.validate(obj["metadata"], self.what.namespaced, metadata.subdomain)
        found += self._values.validate(obj) + self._scale(obj)
        if self._has_embedded:
            found += objectmeta.validate(obj, self.plain)
        found += lists.validate(obj, self.plain)
        return found + self._ruled(found, obj, None)

    def validate_update(self, new: Object, old: Object) -> Errors:
        found = metadata.validate_update(new["metadata"], old["metadata"])
        found += self._values.validate(new, "", old) + self._scale(new)
        if self._has_embedded:
            found += objectmeta.validate(new, self.plain)
        found += self._lists(new, old)
        return found + self._ruled(found, new, old)

    def validate_status(self, new: Object, old: Object) -> Errors:
        found = metadata.validate_update(new["metadata"], old["metadata"])
        if "status" in new and self._status_values is not None:
            before = old.get("status", values.ABSENT)
            found += values.prefixed(self._status_values.validate(new["status"], "", before), "status")
        if self.scale is not None:
            found += self.scale.validate_status(new)
        found += self._lists(new, old)
        return found + self._ruled(found, new, old)

    def _scale(self, obj: Object) -> Errors:
        if self.scale is None:
            return []
        return self.scale.validate_spec(obj) + self.scale.validate_status(obj)

    def _lists(self, new: Object, old: Object) -> Errors:
        found = lists.validate(new, self.plain)
        return [] if found and lists.validate(old, self.plain) else found

    def _ruled(self, found: Errors, new: Object, old: Object | None) -> Errors:
        if not self._rules.has_any:
            return []
        if values.is_blocking(found):
            return [values.UNCHECKED]
        return self._rules.validate("", new, old)


def _without_meta(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata"}


@dataclass(frozen=True, slots=True)
class Version:
    """One served version, ready for the registry."""

    strategy: resource.Strategy
    custom: Custom
    warnings: tuple[str, ...]


def resource_of(crd: Object, version: Object) -> resource.Resource:
    spec, names = crd["spec"], (crd.get("status") or {}).get("acceptedNames") or {}
    below = version.get("subresources") or {}
    return resource.Resource(
        spec["group"],
        version["name"],
        names.get("plural") or spec["names"]["plural"],
        names.get("kind") or spec["names"]["kind"],
        spec["scope"] == "Namespaced",
        names.get("singular", ""),
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        resource.ALL_VERBS,
        tuple(name for name in ("scale", "status") if below.get(name) is not None),
    )


def version_of(crd: Object, version: Object) -> Version:
    what = resource_of(crd, version)
    custom = Custom(what, version)
    declared = version.get("additionalPrinterColumns") or ()
    selectable = [one["jsonPath"] for one in version.get("selectableFields") or ()]
    strategy = resource.Strategy(
        what,
        default=custom.default,
        prepare_create=custom.prepare_create,
        prepare_update=custom.prepare_update,
        prepare_status=custom.prepare_status,
        validate_create=custom.validate_create,
        validate_update=custom.validate_update,
        validate_status=custom.validate_status,
        column_names=columns.definitions(declared),
        columns=columns.cells(declared),
        fields=selected(selectable),
        generation=True,
        extra={"scale": custom.scale} if custom.scale is not None else {},
    )
    return Version(strategy, custom, _warnings(crd, version))


def selected(paths: Sequence[str]) -> Callable[[Object], dict[str, str]]:
    """The selectable fields of an object: missing ones are empty."""

    def fields(obj: Object) -> dict[str, str]:
        return {path.removeprefix("."): _shown(jsonpath.find(path, obj)) for path in paths}

    return fields


def _shown(found: list[Any]) -> str:
    value = found[0] if found else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _warnings(crd: Object, version: Object) -> tuple[str, ...]:
    if not version.get("deprecated"):
        return ()
    if version.get("deprecationWarning") is not None:
        return (version["deprecationWarning"],)
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    better = [
        one["name"]
        for one in definition.versions(crd["spec"])
        if one.get("served") and not one.get("deprecated") and versions.key(one["name"]) < versions.key(version["name"])
    ]
    if better:
        text += f"; use {group}/{min(better, key=versions.key)} {kind}"
    return (text,)
