"""Pod specs that were found to be without fault, so that the next one like them need not be looked through again.

Pods come in swarms: the thousand pods of a Deployment differ in their metadata, and in their spec only by the random
end of the name of the service account's token volume. A spec is known by a digest of its JSON in which the first such
ending is replaced, wherever it stands, by a character that JSON cannot contain: two specs with one digest are equal but
for that ending, and all endings are of one alphabet and length, so what holds of one holds of the other.
"""

from __future__ import annotations

import hashlib
import re

from kijabi.api.resource import Object
from kijabi.kit import jsons

_TOKEN_VOLUME = re.compile(rb'"kube-api-access-([bcdfghjklmnpqrstvwxz2456789]{5})"')
# Some 100 bytes each. Forgotten all at once: a cluster has far fewer kinds of pods than this.
_MOST = 4096

# Mark → what is to be warned of; None where nobody has asked yet.
_known: dict[bytes, tuple[str, ...] | None] = {}
# The spec that was marked last: a write asks first for faults, then for warnings.
_last: list[object] = [None, False, b""]


def judged(spec: Object, of_pod: bool) -> bytes:
    """The mark of a spec. Pods and templates are judged by different rules, so they have different marks."""
    mark = digest(spec)
    if not of_pod:
        mark += b"t"
    _last[:] = spec, of_pod, mark
    return mark


def mark_again(spec: Object) -> bytes:
    """The mark of a pod's spec that has not changed since it was judged, if it was the last."""
    seen, of_pod, mark = _last
    if seen is spec and of_pod and isinstance(mark, bytes):
        return mark
    return digest(spec)


def digest(spec: Object) -> bytes:
    data = jsons.dumps(spec)
    ending = _TOKEN_VOLUME.search(data)
    if ending is not None:
        data = data.replace(ending[1], b"\0")
    return hashlib.blake2b(data, digest_size=20).digest()


def is_known(mark: bytes) -> bool:
    return mark in _known


def remember(mark: bytes) -> None:
    if len(_known) >= _MOST:
        _known.clear()
    _known[mark] = None


def warnings(mark: bytes) -> tuple[str, ...] | None:
    return _known.get(mark)


def remember_warnings(mark: bytes, found: tuple[str, ...]) -> None:
    # The random ending may be in a text: what is said of one volume's name must not be said of another's.
    if mark in _known and not any("kube-api-access-" in text for text in found):
        _known[mark] = found
