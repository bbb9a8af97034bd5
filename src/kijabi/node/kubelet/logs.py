"""Container logs in CRI's format: ``TIME STREAM TAG CONTENT`` a line, TAG being F (a full line) or P (a part).

``select`` and ``parse`` are pure; ``follow`` reads a growing file through rotations. Source: CRI's logging format
(k8s.io/design-proposals "kubelet-cri-logging") and the ``PodLogOptions`` of the API.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from kijabi.api import timestamps

_BLOCK: Final = 65536
_LOOK_AGAIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """``content`` ends with a newline if the line is whole."""

    time: bytes
    stream: str
    content: bytes


@dataclass(slots=True)
class Options:
    """``since`` is seconds since the epoch; ``tail`` None gives all lines; ``limit`` counts bytes."""

    follow: bool = False
    tail: int | None = None
    since: float = 0.0
    timestamps: bool = False
    limit: int | None = None
    stream: str = "All"


def parse(raw: bytes) -> Line | None:
    """One line of the file without its newline; None when it is not in the format."""
    parts = raw.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    content = parts[3] if len(parts) == 4 else b""
    partial = parts[2].split(b":", 1)[0] == b"P"
    return Line(parts[0], parts[1].decode(), content if partial else content + b"\n")


class Writer:
    """Turns lines of the file into what a client reads, as the options say. ``full`` once the limit is reached."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._left = options.limit
        self._partial = False
        self.full = options.limit == 0

    def render(self, raw: bytes) -> bytes:
        line = parse(raw)
        if line is None or self.full:
            return b""
        if self._options.stream not in ("All", "") and line.stream != self._options.stream.lower():
            return b""
        if self._options.since and _seconds(line.time) < self._options.since:
            return b""
        # A time stamp belongs to the beginning of a line, not to each of its parts.
        stamp = line.time + b" " if self._options.timestamps and not self._partial else b""
        self._partial = not line.content.endswith(b"\n")
        text = stamp + line.content
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
            self.full = self._left <= 0
        return text


def _seconds(text: bytes) -> float:
    try:
        return timestamps.parse(text.decode())
    except (timestamps.Malformed, UnicodeDecodeError):
        return 0.0


def tail_offset(file: int, lines: int) -> int:
    """Where the last ``lines`` lines of a file begin; parts of a line count as lines, as upstream counts them."""
    end = os.fstat(file).st_size
    if lines <= 0:
        return end
    position, found = end, 0
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(file, size, position)
        at = len(block)
        while True:
            at = block.rfind(b"\n", 0, at)
            if at < 0:
                break
            if position + at + 1 == end:
                continue
            found += 1
            if found == lines:
                return position + at + 1
    return 0


def last_lines(path: str, lines: int, limit: int) -> str:
    """The end of a log as text, at most ``limit`` bytes; empty when it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        start = tail_offset(file, lines)
        writer = Writer(Options())
        raw = os.pread(file, os.fstat(file).st_size - start, start)
    finally:
        os.close(file)
    text = b"".join(writer.render(line) for line in raw.split(b"\n") if line)
    return text[-limit:].decode(errors="replace")


async def read(path: str, options: Options, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What a client asked for, in pieces. With ``follow`` it goes on until ``ended()`` and the file is read out.

    Raises ``OSError`` when the file cannot be opened.
    """
    writer = Writer(options)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        position = tail_offset(file, options.tail) if options.tail is not None else 0
        rest = b""
        while True:
            # Asked before reading: what was written before the end is then still read.
            over = ended()
            block = os.pread(file, _BLOCK, position)
            if block:
                position += len(block)
                *whole, rest = (rest + block).split(b"\n")
                text = b"".join(writer.render(line) for line in whole)
                if text:
                    yield text
                if writer.full:
                    return
                continue
            fresh = _rotated(path, file)
            if fresh is not None:
                os.close(file)
                file, position, rest = fresh, 0, b""
                continue
            if over or not options.follow:
                return
            await asyncio.sleep(_LOOK_AGAIN)
    finally:
        os.close(file)


def _rotated(path: str, file: int) -> int | None:
    """The new file, opened, when another one lies at ``path`` now."""
    try:
        there = os.stat(path)
        mine = os.fstat(file)
        if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
            return None
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
