"""A file system in memory: what goes into an image's layer."""

from __future__ import annotations

import fnmatch
import gzip
import io
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """``data`` is a file's content, ``target`` a link's. ``mode`` are permission bits."""

    kind: Literal["file", "directory", "link"]
    mode: int = 0o755
    data: bytes = b""
    target: str = ""
    owner: tuple[int, int] = (0, 0)


Tree = dict[str, Entry]
"""Absolute path without a trailing slash → entry."""


def resolve(tree: Tree, path: str) -> str | None:
    """The path of the file that ``path`` leads to, through links in any of its parts; None when there is none."""
    for _ in range(MAX_LINKS):
        prefix = _first_link(tree, path)
        if prefix is None:
            return path if path in tree else None
        rest = path[len(prefix) :]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(prefix), tree[prefix].target)) + rest
    return None


def _first_link(tree: Tree, path: str) -> str | None:
    parts = path.split("/")
    for end in range(2, len(parts) + 1):
        prefix = "/".join(parts[:end])
        entry = tree.get(prefix)
        if entry is not None and entry.kind == "link":
            return prefix
    return None


def select(tree: Tree, patterns: Iterable[str]) -> Tree:
    """What matches any of the shell patterns (``*`` also crosses ``/``); a pattern that matches nothing is an error."""
    chosen: Tree = {}
    for pattern in patterns:
        matches = {path: entry for path, entry in tree.items() if fnmatch.fnmatchcase(path, pattern)}
        if not matches:
            raise KeyError(pattern)
        chosen.update(matches)
    return chosen


def with_parents(tree: Tree) -> Tree:
    """The same, with every directory above an entry present, in order of path."""
    whole = dict(tree)
    for path in tree:
        parent = posixpath.dirname(path)
        while parent not in ("/", "") and parent not in whole:
            whole[parent] = Entry("directory")
            parent = posixpath.dirname(parent)
    return dict(sorted(whole.items()))


def read_tar(data: bytes) -> Tree:
    """A package's content. Hard links become copies; devices and the like are left out."""
    tree: Tree = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = posixpath.normpath("/" + member.name)
            if path == "/":
                continue
            if member.isdir():
                tree[path] = Entry("directory", member.mode & 0o7777)
            elif member.issym():
                tree[path] = Entry("link", 0o777, target=member.linkname)
            elif member.isfile() or member.islnk():
                content = archive.extractfile(member)
                tree[path] = Entry("file", member.mode & 0o7777, content.read() if content else b"")
    return tree


def write_tar(tree: Tree) -> bytes:
    """A layer: sorted, without times and names of owners, so that equal trees give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in with_parents(tree).items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.mode = entry.mode
            member.uid, member.gid = entry.owner
            if entry.kind == "directory":
                member.type = tarfile.DIRTYPE
            elif entry.kind == "link":
                member.type = tarfile.SYMTYPE
                member.linkname = entry.target
            else:
                member.size = len(entry.data)
            archive.addfile(member, io.BytesIO(entry.data) if entry.kind == "file" else None)
    return buffer.getvalue()


def compress(data: bytes) -> bytes:
    # Level 1: the layers are unpacked on this machine right away, and written once.
    return gzip.compress(data, compresslevel=1, mtime=0)
