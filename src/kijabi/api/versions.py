"""The order of API versions: ``v2`` before ``v1`` before ``v1beta2`` before ``v1alpha1`` before any other name.

Source: the documentation's "Version priority" of CustomResourceDefinitions.
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?", re.ASCII)
_STAGES = {None: 0, "beta": 1, "alpha": 2}

Key = tuple[int, int, int, int, str]


def key(version: str) -> Key:
    """Sorts the preferred version first; names that are no Kubernetes version come last, by alphabet."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return 1, 0, 0, 0, version
    major, stage, minor = found.groups()
    return 0, _STAGES[stage], -int(major), -int(minor or 0), version
