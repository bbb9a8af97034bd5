"""The compiled table of messages as a file, and the codec made of it."""

from __future__ import annotations

import functools
import logging
import pathlib
import zlib

import orjson

from kijabi.api.protobuf import codec, messages

TARGET = pathlib.Path(__file__).parent.parent / "_compiled" / "protobuf.bin"
# Raised when the file's form changes, so that an old file is not misread.
_FORMAT = 1

log = logging.getLogger(__name__)


def pack(table: messages.Table) -> bytes:
    rows = {name: [field.row() for field in fields] for name, fields in sorted(table.messages.items())}
    content = {"format": _FORMAT, "kinds": sorted(table.kinds), "lists": sorted(table.lists), "messages": rows}
    return zlib.compress(orjson.dumps(content), 9)


def unpack(data: bytes) -> messages.Table:
    """Raises ``ValueError`` for what ``pack`` did not write."""
    try:
        content = orjson.loads(zlib.decompress(data))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']} is not {_FORMAT}")
        found = {name: [messages.Field.from_row(row) for row in rows] for name, rows in content["messages"].items()}
        return messages.Table(found, set(content["kinds"]), set(content["lists"]))
    except (zlib.error, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


@functools.cache
def load() -> codec.Codec | None:
    """The codec of the compiled table; ``None``, and a line in the log, where there is no table."""
    try:
        return codec.Codec(unpack(TARGET.read_bytes()))
    except (OSError, ValueError) as error:
        log.warning("protobuf is not spoken, only JSON and YAML: %s (python -m kijabi.api.protobuf.compile)", error)
        return None
