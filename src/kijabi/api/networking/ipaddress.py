"""IPAddresses: one object per cluster IP that is taken; the name is the address."""

from __future__ import annotations

from typing import Any

from kijabi.api import checks, field, metadata, printing, served
from kijabi.api.checks import Errors
from kijabi.api.resource import Object

RESOURCE = served.find("networking.k8s.io/v1", "ipaddresses")
COLUMNS = (printing.NAME, printing.text("ParentRef", "Who uses the address."), printing.AGE)


def NAME_RULE(name: str, prefix: bool = False) -> list[str]:
    """The canonical form of an address."""
    complaints = metadata.segment(name, prefix)
    if not complaints and not checks.is_ip(name):
        complaints = ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return complaints


def validate_create(obj: Object) -> Errors:
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [field.required("spec.parentRef")]
    return [field.required(f"spec.parentRef.{key}") for key in ("resource", "name") if not parent.get(key)]


def validate_update(new: Object, old: Object) -> Errors:
    after, before = (new.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    return checks.immutable(after, before, "spec.parentRef")


def fields(obj: Object) -> dict[str, str]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    return {f"spec.parentRef.{key}": parent.get(key, "") for key in ("group", "resource", "namespace", "name")}


def columns(obj: Object, now: float) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    kind = ".".join(part for part in (parent.get("resource", ""), parent.get("group", "")) if part)
    shown = "/".join(part for part in (kind, parent.get("namespace", ""), parent.get("name", "")) if part)
    return [printing.name(obj), shown, printing.age(obj, now)]
