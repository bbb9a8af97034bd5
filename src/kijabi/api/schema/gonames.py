"""Named Go types of fields that the schema knows only as strings, lists or maps, as decode errors name them."""

from __future__ import annotations


def of(definition: str, name: str) -> str:
    """The Go type of a field, or nothing where it is not known."""
    return ""
