"""What PersistentVolumes and their claims share."""

from __future__ import annotations

from kijabi.api import checks, field
from kijabi.api.checks import Errors

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def access_modes(modes: list[str] | None) -> str:
    """``RWO,RWX``."""
    listed = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in listed)


def validate_modes(modes: list[str] | None, path: str) -> Errors:
    if not modes:
        return [field.required(path, "at least 1 access mode is required")]
    found = [problem for mode in modes for problem in checks.optional(mode, path, _MODES)]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        found.append(field.forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return found
