"""CustomResourceDefinitions. Their schemas are compiled by the API server, which also keeps the conditions."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, names, printing, resource, served
from kijabi.api.admissionregistration import webhooks
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("apiextensions.k8s.io/v1", "customresourcedefinitions")
GENERATION = True
COLUMNS = (printing.NAME, Column("Created At", "date", description="When it was created."))


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    called = spec.setdefault("names", {})
    kind = called.get("kind", "")
    if not called.get("singular") and kind:
        called["singular"] = kind.lower()
    if not called.get("listKind") and kind:
        called["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    config = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    webhooks.default_service(config)


def _storage(spec: Object) -> list[str]:
    return [version.get("name", "") for version in spec.get("versions") or () if version.get("storage")]


def prepare_create(obj: Object) -> None:
    obj["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": _storage(obj["spec"])[:1],
    }


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    resource.count_generation(new, old, resource.is_changed(new, old))
    told = new.get("status") or {}
    for version in _storage(new["spec"]):
        if version not in (told.get("storedVersions") or ()):
            # What is stored from now on; only an administrator can say that the old is gone.
            new["status"] = {**told, "storedVersions": [*(told.get("storedVersions") or ()), version]}


def validate_create(obj: Object) -> Errors:
    spec = obj["spec"]
    called, group = spec.get("names") or {}, spec.get("group", "")
    found = checks.required_word(group, "spec.group", names.dns_subdomain)
    if group and "." not in group:
        found.append(field.invalid("spec.group", group, "should be a domain with at least one dot"))
    wanted = f"{called.get('plural', '')}.{group}"
    if obj["metadata"].get("name") != wanted:
        found.append(
            field.invalid("metadata.name", obj["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
        )
    found += checks.one_of(spec.get("scope"), "spec.scope", ("Cluster", "Namespaced"))
    for key in ("plural", "singular"):
        found += checks.required_word(called.get(key), f"spec.names.{key}", names.dns1035_label)
    for key in ("kind", "listKind"):
        found += checks.required_word(called.get(key, "").lower(), f"spec.names.{key}", names.dns1035_label)
    return found + _versions(spec)


def _versions(spec: Object) -> Errors:
    found: Errors = []
    versions = spec.get("versions") or []
    if not versions:
        return [field.required("spec.versions", "must have at least one version")]
    seen: set[str] = set()
    for position, version in enumerate(versions):
        path = f"spec.versions[{position}]"
        name = version.get("name", "")
        found += checks.required_word(name, f"{path}.name", names.dns1035_label)
        if name in seen:
            text = "must contain unique version names"
            found.append(field.invalid("spec.versions", versions, text))
        seen.add(name)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            found.append(field.required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
        elif version["schema"]["openAPIV3Schema"].get("type") != "object":
            where = f"{path}.schema.openAPIV3Schema.type"
            given = version["schema"]["openAPIV3Schema"].get("type", "")
            found.append(field.invalid(where, given, "must be object at the root"))
    if len(_storage(spec)) != 1:
        text = "must have exactly one version marked as storage version"
        found.append(field.invalid("spec.versions", versions, text))
    return found


def validate_update(new: Object, old: Object) -> Errors:
    spec, before = new["spec"], old["spec"]
    found = validate_create(new)
    found += checks.immutable(spec.get("group"), before.get("group"), "spec.group")
    found += checks.immutable(spec.get("scope"), before.get("scope"), "spec.scope")
    for key in ("plural", "kind"):
        path = f"spec.names.{key}"
        found += checks.immutable((spec.get("names") or {}).get(key), (before.get("names") or {}).get(key), path)
    return found


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj["metadata"].get("creationTimestamp")]
