"""A watch of a version that a webhook makes: events as they are stored, and converted when they are sent.

The cache pushes and cannot wait; whoever reads for the client can. All events that wait are converted together. A
selector by fields of that version is asked only then, too, so this remembers what the client was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kijabi.apiserver.registry.registry import Endpoint, Remote
from kijabi.apiserver.watchcache.entry import ADDED, DELETED, MODIFIED, Encoder, Entry, event_line


class Converting:
    """An encoder for the cache; ``lines`` makes of its lines what is sent. ``also`` is a selector's last word."""

    def __init__(
        self, endpoint: Endpoint, remote: Remote, finish: Encoder, also: Callable[[bytes], bool] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._remote = remote
        self._finish = finish
        self._also = also
        # Objects that match, as they last did, by namespace and name.
        self._shown: dict[tuple[str, str], bytes] = {}
        self._before: list[bytes] = []

    def __call__(self, value: bytes, revision: int) -> bytes:
        # Two parts of a line, told apart again by the first byte of every object.
        return b"%d:%s" % (revision, value)

    def start(self, before: Iterable[Entry]) -> None:
        """What the client knows already where its watch does not begin with the state."""
        if self._also is not None:
            self._before = [item.value for item in before]

    async def lines(self, waiting: list[bytes]) -> list[bytes]:
        """The lines as they are sent. Raises InternalError."""
        parts = [_apart(line) for line in waiting]
        await self._remote.ready([*self._before, *(value for _, _, value in parts if b'"name":' in value)])
        if self._also is not None:
            self._remember_before(self._also)
            parts = [seen for part in parts if (seen := self._seen(self._also, *part)) is not None]
        return [event_line(kind, self._finish(value, revision)) for kind, revision, value in parts]

    def _remember_before(self, also: Callable[[bytes], bool]) -> None:
        self._shown.update({self._key(value): value for value in self._before if also(value)})
        self._before = []

    def _seen(
        self, also: Callable[[bytes], bool], kind: str, revision: int, value: bytes
    ) -> tuple[str, int, bytes] | None:
        """The event as the selector shows it; None for none."""
        if kind not in (ADDED, MODIFIED, DELETED):
            return kind, revision, value
        key = self._key(value)
        shown = self._shown.pop(key, None)
        if kind == DELETED or not also(value):
            return (DELETED, revision, value if kind == DELETED else shown) if shown is not None else None
        self._shown[key] = value
        return ADDED if shown is None else MODIFIED, revision, value

    def _key(self, value: bytes) -> tuple[str, str]:
        meta = self._endpoint.codec.decode(value, 0)["metadata"]
        return meta.get("namespace", ""), meta["name"]


def _apart(line: bytes) -> tuple[str, int, bytes]:
    """Type, revision and stored value of a line that the encoder made."""
    head, _, rest = line.partition(b'","object":')
    revision, _, value = rest.partition(b":")
    return head.removeprefix(b'{"type":"').decode(), int(revision), value[: -len(b"}\n")]
