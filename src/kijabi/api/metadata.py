"""The rules of ``ObjectMeta`` that hold for every kind: names, namespaces, labels, annotations, owners, finalizers.

Source: k8s.io/apimachinery api/validation; "Objects" in the documentation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from kijabi.api import field, names

Object = dict[str, Any]
# (name, is it only a prefix) → complaints.
NameRule = Callable[[str, bool], list[str]]

ANNOTATIONS_LIMIT = 256 * 1024
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

# No vowels and nothing that looks like another character, so that no word can come out.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MAX_BASE = 63 - _SUFFIX_LENGTH


def generate_name(base: str, source: random.Random | None = None) -> str:
    """A name from ``generateName``: the base, cut to 58 characters, and five random ones."""
    return base[:_MAX_BASE] + random_text(_SUFFIX_LENGTH, source)


def random_text(length: int, source: random.Random | None = None) -> str:
    """Random text of upstream's alphabet, as in the names of pods."""
    pick, size = (source or random).random, len(_ALPHABET)
    return "".join([_ALPHABET[int(pick() * size)] for _ in range(length)])


def _unprefixed(name: str, prefix: bool) -> str:
    # A prefix may end in a dash, because something follows it.
    return name[:-1] + "a" if prefix and name.endswith("-") else name


def subdomain(name: str, prefix: bool = False) -> list[str]:
    return names.dns_subdomain(_unprefixed(name, prefix))


def label(name: str, prefix: bool = False) -> list[str]:
    return names.dns_label(_unprefixed(name, prefix))


def dns1035(name: str, prefix: bool = False) -> list[str]:
    return names.dns1035_label(_unprefixed(name, prefix))


def segment(name: str, prefix: bool = False) -> list[str]:
    return names.path_segment_prefix(name) if prefix else names.path_segment(name)


def validate(meta: Mapping[str, Any], namespaced: bool, rule: NameRule, path: str = "metadata") -> list[field.Error]:
    """All that must hold of the metadata of an object that is created."""
    found: list[field.Error] = []
    prefix = meta.get("generateName")
    if prefix:
        found += [field.invalid(field.child(path, "generateName"), prefix, text) for text in rule(prefix, True)]
    name = meta.get("name")
    if not name:
        found.append(field.required(field.child(path, "name"), "name or generateName is required"))
    else:
        found += [field.invalid(field.child(path, "name"), name, text) for text in rule(name, False)]
    return found + _common(meta, namespaced, path)


def _common(meta: Mapping[str, Any], namespaced: bool, path: str) -> list[field.Error]:
    found: list[field.Error] = []
    namespace = meta.get("namespace")
    where = field.child(path, "namespace")
    if not namespaced:
        if namespace:
            found.append(field.forbidden(where, "not allowed on this type"))
    elif not namespace:
        found.append(field.required(where))
    else:
        found += [field.invalid(where, namespace, text) for text in names.dns_label(namespace)]
    if meta.get("generation", 0) < 0:
        found.append(
            field.invalid(field.child(path, "generation"), meta["generation"], "must be greater than or equal to 0")
        )
    found += validate_labels(meta.get("labels"), field.child(path, "labels"))
    found += validate_annotations(meta.get("annotations"), field.child(path, "annotations"))
    found += _owners(meta.get("ownerReferences") or [], field.child(path, "ownerReferences"))
    found += _finalizers(meta.get("finalizers") or [], field.child(path, "finalizers"))
    found += _managed_fields(meta.get("managedFields") or [], field.child(path, "managedFields"))
    return found


def validate_labels(labels: Mapping[str, str] | None, path: str) -> list[field.Error]:
    found = []
    for key, value in (labels or {}).items():
        found += [field.invalid(path, key, text) for text in names.label_key(key)]
        found += [field.invalid(path, value, text) for text in names.label_value(value)]
    return found


def validate_annotations(annotations: Mapping[str, str] | None, path: str) -> list[field.Error]:
    found = []
    size = 0
    for key, value in (annotations or {}).items():
        # Keys are label keys but for their case.
        found += [field.invalid(path, key, text) for text in names.label_key(key.lower())]
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        found.append(field.too_long(path, ANNOTATIONS_LIMIT))
    return found


def _owners(owners: list[Object], path: str) -> list[field.Error]:
    found = []
    controller = ""
    for owner in owners:
        group, _, version = owner.get("apiVersion", "").rpartition("/")
        if not version:
            found.append(
                field.invalid(field.child(path, "apiVersion"), owner.get("apiVersion", ""), "version must not be empty")
            )
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                found.append(field.invalid(field.child(path, key), owner.get(key, ""), "must not be empty"))
        if (group, version, owner.get("kind")) == ("", "v1", "Event"):
            found.append(field.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {this}"
                )
                found.append(field.invalid(path, owners, text))
            else:
                controller = this
    return found


def _finalizers(finalizers: list[str], path: str) -> list[field.Error]:
    found = [field.invalid(path, name, text) for name in finalizers for text in names.label_key(name)]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        found.append(field.invalid(path, finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"))
    return found


def validate_standard_finalizers(meta: Mapping[str, Any], path: str = "metadata") -> list[field.Error]:
    """Upstream's own kinds take names without a domain only if they mean something to the server."""
    finalizers = meta.get("finalizers")
    if not finalizers:
        return []
    where = field.child(path, "finalizers")
    return [p for n, name in enumerate(finalizers) for p in standard_finalizer(name, field.index(where, n))]


def standard_finalizer(name: str, path: str) -> list[field.Error]:
    if "/" in name or name in ("kubernetes", FOREGROUND, ORPHAN):
        return []
    return [field.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")]


def _managed_fields(entries: list[Object], path: str) -> list[field.Error]:
    found = []
    for position, entry in enumerate(entries):
        where = field.index(path, position)
        operation, fields_type = entry.get("operation", ""), entry.get("fieldsType", "")
        if operation not in ("Apply", "Update"):
            found.append(field.invalid(field.child(where, "operation"), operation, "must be `Apply` or `Update`"))
        if fields_type not in ("", "FieldsV1"):
            found.append(field.invalid(field.child(where, "fieldsType"), fields_type, "must be `FieldsV1`"))
        found += validate_field_manager(entry.get("manager", ""), field.child(where, "manager"))
        if len(entry.get("subresource", "")) > 256:
            found.append(field.too_long(field.child(where, "subresource"), 256))
    return found


def validate_field_manager(manager: str, path: str) -> list[field.Error]:
    """Also the rule of the ``fieldManager`` parameter."""
    found = [field.too_long(path, 128)] if len(manager) > 128 or len(manager.encode()) > 128 else []
    if manager.isprintable():
        return found
    for position, character in enumerate(manager):
        if not character.isprintable():
            text = f"invalid character U+{ord(character):04X} (at position {position})"
            found.append(field.invalid(path, manager, text))
    return found


_IMMUTABLE = (
    ("name", ""),
    ("namespace", ""),
    ("uid", ""),
    ("creationTimestamp", None),
    ("deletionTimestamp", None),
    ("deletionGracePeriodSeconds", None),
)


def carry_over(new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    """Before an update: what a client may leave out, or never decides, is taken from the stored metadata."""
    target: dict[str, Any] = new["metadata"]
    source = old["metadata"]
    for key in ("generation", "creationTimestamp", "deletionTimestamp"):
        if key in source:
            target[key] = source[key]
        elif key == "generation":
            target.pop(key, None)
    for key in ("uid", "deletionGracePeriodSeconds"):
        if not target.get(key) and key in source:
            target[key] = source[key]


def validate_update(new: Mapping[str, Any], old: Mapping[str, Any], path: str = "metadata") -> list[field.Error]:
    """``new`` and ``old`` are the two ObjectMetas, after ``carry_over``."""
    found: list[field.Error] = []
    if old.get("deletionTimestamp"):
        found += _no_new_finalizers(new.get("finalizers") or [], old.get("finalizers") or [], path)
    if not new.get("resourceVersion"):
        found.append(field.invalid(field.child(path, "resourceVersion"), "", "must be specified for an update"))
    generation = new.get("generation", 0)
    if generation < old.get("generation", 0):
        found.append(field.invalid(field.child(path, "generation"), generation, "must not be decremented"))
    for key, nothing in _IMMUTABLE:
        if new.get(key, nothing) != old.get(key, nothing):
            found.append(field.immutable(field.child(path, key), new.get(key, nothing)))
    found += validate_labels(new.get("labels"), field.child(path, "labels"))
    found += validate_annotations(new.get("annotations"), field.child(path, "annotations"))
    found += _owners(new.get("ownerReferences") or [], field.child(path, "ownerReferences"))
    found += _managed_fields(new.get("managedFields") or [], field.child(path, "managedFields"))
    return found


def _no_new_finalizers(new: list[str], old: list[str], path: str) -> list[field.Error]:
    extra = sorted(set(new) - set(old))
    if not extra:
        return []
    listed = ", ".join(f'"{name}"' for name in extra)
    text = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
    return [field.forbidden(field.child(path, "finalizers"), text)]
