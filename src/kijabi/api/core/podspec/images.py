"""Image references, as far as defaults depend on them.

Source: the reference grammar of distribution, and "Images" in the documentation.
"""

from __future__ import annotations


def tag(reference: str) -> str:
    """The tag: ``latest`` where there is neither tag nor digest, empty where only a digest pins the image."""
    name, at, _ = reference.partition("@")
    _, colon, found = name.rpartition("/")[2].partition(":")
    if colon:
        return found
    return "" if at else "latest"


def pull_policy(reference: str) -> str:
    return "Always" if tag(reference) == "latest" else "IfNotPresent"
