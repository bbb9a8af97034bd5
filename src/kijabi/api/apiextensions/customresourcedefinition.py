"""CustomResourceDefinitions. Serving what they define, and their conditions, are the API server's business.

Source: apiextensions-apiserver pkg/registry/customresourcedefinition.
"""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, printing, resource, served, timestamps
from kijabi.api.admissionregistration import webhooks
from kijabi.api.apiextensions import definition
from kijabi.api.checks import Errors
from kijabi.api.resource import Column, Object

RESOURCE = served.find("apiextensions.k8s.io/v1", "customresourcedefinitions")
GENERATION = True
COLUMNS = (printing.NAME, Column("Created At", "date", description="When it was created."))
# An instance is only gone when all its objects are.
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    called = spec.setdefault("names", {})
    kind = called.get("kind", "")
    if not called.get("singular"):
        called["singular"] = kind.lower()
    if not called.get("listKind") and kind:
        called["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    webhooks.default_service(((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service"))


def prepare_create(obj: Object) -> None:
    stored = definition.storage_version(obj["spec"])
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else None,
    }


def prepare_update(new: Object, old: Object) -> None:
    resource.keep(new, old, "status")
    resource.count_generation(new, old, resource.is_changed(new, old))
    told = new.get("status") or {}
    stored, storage = told.get("storedVersions") or [], definition.storage_version(new["spec"])
    if storage and storage not in stored:
        # What is stored from now on; only an administrator can say that the old is gone.
        new["status"] = {**told, "storedVersions": [*stored, storage]}


def validate_create(obj: Object) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    found: Errors = []
    if name and name != f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}":
        found.append(field.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    return found + definition.validate(obj, definition.Options()) + definition.validate_approval(obj, None)


def validate_update(new: Object, old: Object) -> Errors:
    options = definition.options_for_update(new, old)
    found = definition.validate(new, options)
    spec, before = new["spec"], old["spec"]
    called, were = spec.get("names") or {}, before.get("names") or {}
    if options.immutable_names:
        found += checks.immutable(spec.get("scope"), before.get("scope"), "spec.scope")
        found += checks.immutable(called.get("kind"), were.get("kind"), "spec.names.kind")
    found += checks.immutable(spec.get("group"), before.get("group"), "spec.group")
    found += checks.immutable(called.get("plural"), were.get("plural"), "spec.names.plural")
    return found + definition.validate_approval(new, old)


def validate_status(new: Object, old: Object) -> Errors:
    accepted = (new.get("status") or {}).get("acceptedNames") or {}
    return definition.validate_names(accepted, "status.acceptedNames")


def mark_deleted(obj: Object, now: float) -> Object:
    """The first deletion only marks: the objects go before their definition does."""
    meta, status = obj["metadata"], obj.setdefault("status", {})
    when = timestamps.format_time(now)
    meta["deletionTimestamp"] = when
    if FINALIZER not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), FINALIZER]
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    condition = {"type": "Terminating", "status": "True", "lastTransitionTime": when}
    condition |= {"reason": "InstanceDeletionPending", "message": text}
    rest = [one for one in status.get("conditions") or () if one.get("type") != "Terminating"]
    status["conditions"] = [*rest, condition]
    return obj


EXTRA = {"mark_deleted": mark_deleted}


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), obj["metadata"].get("creationTimestamp")]
