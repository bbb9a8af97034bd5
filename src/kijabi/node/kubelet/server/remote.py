"""Remote commands over WebSocket: sub-protocols, channels, and the status at the end. Pure.

Channel numbers lead each message: 0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize; with v5, 255 closes the channel that
follows. The base64 variants send text, the number as a digit. Versions before v4 give a plain text as error.
Source: k8s.io/apimachinery ``remotecommand`` constants and KEP-4006.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kijabi.kit import jsons

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
PORT_FORWARD: Final = ("portforward.k8s.io",)

# The best first: the server chooses among what the client offers.
PROTOCOLS: Final = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "base64.channel.k8s.io",
    "channel.k8s.io",
)
PORT_PROTOCOLS: Final = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io")


@dataclass(frozen=True, slots=True)
class Protocol:
    """``name`` is empty when the client offered none, which is the oldest one."""

    name: str

    @property
    def encoded(self) -> bool:
        return "base64" in self.name

    @property
    def version(self) -> int:
        head = self.name.split(".", 1)[0]
        return int(head[1:]) if head[:1] == "v" and head[1:].isdigit() else 1

    def wrap(self, channel: int, data: bytes) -> bytes | str:
        if self.encoded:
            return f"{channel}{base64.b64encode(data).decode()}"
        return bytes([channel]) + data

    def unwrap(self, message: bytes | str) -> tuple[int, bytes] | None:
        """(channel, data); None for what cannot be read."""
        if not message:
            return None
        if self.encoded:
            text = message if isinstance(message, str) else message.decode(errors="replace")
            try:
                return ord(text[0]) - ord("0"), base64.b64decode(text[1:])
            except binascii.Error:
                return None
        raw = message.encode() if isinstance(message, str) else message
        return raw[0], raw[1:]

    def closed(self, message: tuple[int, bytes]) -> int | None:
        """The channel that the client has closed with this message."""
        if self.version >= 5 and message[0] == CLOSE and message[1]:
            return message[1][0]
        return None

    def final(self, status: dict[str, Any]) -> bytes:
        """What goes over the error channel at the end; empty when an old protocol has nothing to say."""
        if self.version >= 4:
            return jsons.dumps(status)
        return b"" if status.get("status") == "Success" else str(status.get("message", "")).encode()


def choose(offered: Sequence[str], known: Sequence[str]) -> str | None:
    """The best sub-protocol both sides speak; "" when none was offered; None when there is no common one."""
    if not offered:
        return ""
    return next((name for name in known if name in offered), None)


SUCCESS: Final[dict[str, Any]] = {"metadata": {}, "status": "Success"}


def failure(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def read_status(data: bytes) -> dict[str, Any]:
    """What the runtime wrote to its error stream."""
    if not data:
        return SUCCESS
    try:
        status = jsons.loads(data)
    except jsons.Malformed:
        return failure(data.decode(errors="replace"))
    return status if isinstance(status, dict) else failure(data.decode(errors="replace"))
