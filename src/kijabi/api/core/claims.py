"""The spec of a PersistentVolumeClaim, which claim templates have too.

Source: "Persistent Volumes", KEP-3294 (cross-namespace data sources), KEP-3751 (volume attributes classes).
"""

from __future__ import annotations

from kijabi.api import checks, field, names, quantity
from kijabi.api.checks import Errors
from kijabi.api.core import volumes
from kijabi.api.resource import Object

POSITIVE = "must be greater than zero"


def validate_spec(spec: Object, path: str) -> Errors:
    found: Errors = []
    if not spec.get("accessModes"):
        found.append(field.required(f"{path}.accessModes", "at least 1 access mode is required"))
    found += checks.selector(spec.get("selector"), f"{path}.selector")
    found += volumes.validate_modes(spec.get("accessModes"), f"{path}.accessModes")
    wanted = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    where = f"{path}.resources[storage]"
    if wanted is None:
        found.append(field.required(where))
    elif quantity.of(wanted).nanos <= 0:
        found.append(field.invalid(where, str(quantity.of(wanted)), POSITIVE))
    if spec.get("storageClassName"):
        found += checks.word(spec["storageClassName"], f"{path}.storageClassName", names.dns_subdomain)
    found += checks.pointer(spec, "volumeMode", path, volumes.MODES)
    for key in ("dataSource", "dataSourceRef"):
        if spec.get(key) is not None:
            found += _source(spec[key], f"{path}.{key}")
    found += _sources_agree(spec, path)
    if spec.get("volumeAttributesClassName"):
        where = f"{path}.volumeAttributesClassName"
        found += checks.word(spec["volumeAttributesClassName"], where, names.dns_subdomain)
    return found


def _source(source: Object, path: str) -> Errors:
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    found = [field.required(f"{path}.{key}") for key in ("name", "kind") if not source.get(key)]
    if not group and kind != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        found.append(field.invalid(path, kind, text))
    if group:
        found += checks.word(group, f"{path}.apiGroup", names.dns_subdomain)
    if source.get("namespace"):
        found += checks.word(source["namespace"], f"{path}.namespace", names.dns_label)
    return found


def _sources_agree(spec: Object, path: str) -> Errors:
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if old is None or new is None or all(old.get(key) == new.get(key) for key in ("apiGroup", "kind", "name")):
        return []
    # Upstream shows the field's path where the value should be; a path has no fields to show.
    return [field.invalid(path, {}, "must match dataSourceRef")]


def normalize_sources(spec: Object, before: Object | None) -> None:
    """``dataSource`` and ``dataSourceRef`` say the same of claims and snapshots; other old sources are dropped.

    References into other namespaces are behind a gate that is off.
    """
    in_use = before is not None and (before.get("dataSource") or before.get("dataSourceRef"))
    if (spec.get("dataSourceRef") or {}).get("namespace") and not (before or {}).get("dataSourceRef"):
        spec.pop("dataSourceRef")
    for key in ("dataSource", "dataSourceRef"):
        if spec.get(key) is not None:
            # Shown even where nobody gave it.
            spec[key].setdefault("apiGroup", None)
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if old is not None and new is None and not in_use and not _is_old_style(old):
        del spec["dataSource"]
        return
    if old is not None and new is None:
        spec["dataSourceRef"] = {key: old[key] for key in ("apiGroup", "kind", "name") if key in old}
    elif new is not None and old is None and not new.get("namespace"):
        spec["dataSource"] = {key: new[key] for key in ("apiGroup", "kind", "name") if key in new}


def _is_old_style(source: Object) -> bool:
    return (source.get("apiGroup") or "", source.get("kind")) in (
        ("", "PersistentVolumeClaim"),
        ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    )


def spec_warnings(spec: Object, path: str) -> list[str]:
    found = []
    for which in ("requests", "limits"):
        amount = ((spec.get("resources") or {}).get(which) or {}).get("storage")
        found += fractional(amount, f"{path}.resources.{which}[storage]")
    return found


def fractional(amount: str | int | None, path: str) -> list[str]:
    """Bytes that are not whole."""
    parsed = quantity.of(amount) if amount is not None else quantity.ZERO
    if parsed.milli() % 1000 == 0:
        return []
    return [f'{path}: fractional byte value "{parsed}" is invalid, must be an integer']
