"""What PersistentVolumes and their claims share."""

from __future__ import annotations

from kijabi.api import field
from kijabi.api.checks import Errors

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_ALONE = "ReadWriteOncePod"
MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
CLASS_DEPRECATED = 'deprecated since v1.8; use "storageClassName" attribute instead'


def access_modes(modes: list[str] | None) -> str:
    """``RWO,RWX``."""
    listed = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in listed)


def validate_modes(modes: list[str] | None, path: str) -> Errors:
    found = [field.not_supported(path, mode, _MODES) for mode in modes or () if mode not in _MODES]
    known = {mode for mode in modes or () if mode in _MODES}
    if _ALONE in known and len(known) > 1:
        found.append(field.forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return found
