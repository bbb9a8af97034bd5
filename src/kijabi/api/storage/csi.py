"""Checks that the kinds of this group share: names of drivers, parameters of classes."""

from __future__ import annotations

from collections.abc import Mapping

from kijabi.api import field, names
from kijabi.api.checks import Errors

_LONGEST_NAME = 63
_MOST_PARAMETERS, _PARAMETERS_SIZE = 512, 256 * 1024


def driver_name(name: str | None, path: str) -> Errors:
    if not name:
        return [field.required(path)]
    found = [field.too_long(path, _LONGEST_NAME)] if len(name) > _LONGEST_NAME else []
    return found + [field.invalid(path, name, text) for text in names.dns_subdomain(name.lower())]


def qualified(name: str | None, path: str) -> Errors:
    """A provisioner, or a driver where that is not looked at closely."""
    if not name:
        return [field.required(path)]
    return [field.invalid(path, name.lower(), text) for text in names.label_key(name.lower())]


def parameters(given: Mapping[str, str] | None, path: str) -> Errors:
    held = given or {}
    if len(held) > _MOST_PARAMETERS:
        # Upstream counts them as it counts bytes.
        return [field.too_long(path, _MOST_PARAMETERS)]
    found = [field.invalid(path, key, "field can not be empty.") for key in held if not key]
    if sum(len(key.encode()) + len(value.encode()) for key, value in held.items()) > _PARAMETERS_SIZE:
        found.append(field.too_long(path, _PARAMETERS_SIZE))
    return found
