"""Names that follow from a pod template, so that making something twice gives the same name twice."""

from __future__ import annotations

import hashlib
import random

from kijabi.kit import jsons

# Upstream's alphabet for names: no vowels (no words by accident), no digits that look like letters.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
# What the server would add to ``generateName``, and how long the whole may become.
_SUFFIX, _LONGEST = 5, 63


def of(value: object, collisions: int) -> str:
    """Ten letters that follow from the value; ``collisions`` gives another ten when the first were taken."""
    digest = hashlib.sha256(jsons.dumps([_sorted(value), collisions])).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:10])


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def generated(prefix: str) -> str:
    """A name as the server would make it out of ``generateName``."""
    return prefix[: _LONGEST - _SUFFIX] + "".join(random.choices(ALPHABET, k=_SUFFIX))
