"""The compiled table of messages as a file, and the codec made of it."""

from __future__ import annotations

import functools
import logging
import pathlib
import zlib

import orjson

from kijabi.api.protobuf import codec, extensions, messages

TARGET = pathlib.Path(__file__).parent.parent / "_compiled" / "protobuf.bin"
NAMES = TARGET.with_name("gonames.bin")
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


def pack_names(table: messages.Table) -> bytes:
    return zlib.compress(orjson.dumps(dict(sorted(table.named.items()))), 9)


@functools.cache
def names() -> dict[str, dict[str, str]]:
    """The Go types of fields that go by a name of their own, per ``group.version.Struct`` (``core.v1.PodSpec``).

    Empty where there is no table.
    """
    try:
        found = orjson.loads(zlib.decompress(NAMES.read_bytes()))
    except (OSError, ValueError, zlib.error) as error:
        log.debug("Go types are not known by name: %s", error)
        return {}
    return {".".join(name.replace("/", ".").rsplit(".", 3)[-3:]): types for name, types in found.items()}


@functools.cache
def load() -> codec.Codec | None:
    """The codec of the compiled table; ``None``, and a line in the log, where there is no table."""
    try:
        return codec.Codec(extensions.add(unpack(TARGET.read_bytes())))
    except (OSError, ValueError) as error:
        log.warning("protobuf is not spoken, only JSON and YAML: %s (python -m kijabi.api.protobuf.compile)", error)
        return None
