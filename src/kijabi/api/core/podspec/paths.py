"""Paths inside volumes: relative ones that do not climb."""

from __future__ import annotations

from kijabi.api import field
from kijabi.api.checks import Errors


def descending(text: str, path: str) -> Errors:
    """A relative path that does not climb."""
    found = [field.invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return found + no_backsteps(text, path)


def no_backsteps(text: str, path: str) -> Errors:
    return [field.invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []


def unreserved(text: str, path: str) -> Errors:
    """``descending``, and not among the names that the kubelet's atomic writer keeps for itself."""
    found = descending(text, path)
    if text.startswith("..") and not text.startswith("../"):
        found.append(field.invalid(path, text, "must not start with '..'"))
    return found
