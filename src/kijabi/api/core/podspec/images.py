"""Image references, as far as defaults depend on them.

Source: the reference grammar of distribution, and "Images" in the documentation.
"""

from __future__ import annotations

import functools
import re


def tag(reference: str) -> str:
    """The tag: ``latest`` where there is neither tag nor digest, empty where only a digest pins the image."""
    name, at, _ = reference.partition("@")
    _, colon, found = name.rpartition("/")[2].partition(":")
    if colon:
        return found
    return "" if at else "latest"


# Upstream finds no tag at all in what is no reference.
_REFERENCE = re.compile(
    r"(?:(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


@functools.lru_cache(maxsize=1024)
def pull_policy(reference: str) -> str:
    if not _REFERENCE.fullmatch(reference):
        return "IfNotPresent"
    return "Always" if tag(reference) == "latest" else "IfNotPresent"
