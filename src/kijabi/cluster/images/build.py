"""From a recipe to an image: choose the files, add the libraries their programs need, write the layer."""

from __future__ import annotations

import hashlib
import platform
import posixpath
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from kijabi.cluster import errors, packages, paths
from kijabi.cluster.images import elf, oci, recipe, tree
from kijabi.cluster.images import packages as contents

# Raised when the way images are made changes, so that kept ones are made anew.
FORMAT = 1

Source = Callable[[str, Iterable[str]], tree.Tree]

_LIBRARY_DIRECTORIES = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")


def kept(wanted: recipe.Recipe) -> Path:
    """Where the built image is (or will be): the name carries a digest of the recipe."""
    digest = hashlib.sha256(f"{FORMAT} {wanted!r} {platform.machine()}".encode()).hexdigest()[:12]
    return paths.images() / f"{wanted.name}-{digest}.tar"


def build(wanted: recipe.Recipe, *, again: bool = False) -> Path:
    """The image's OCI archive, built unless it is there already."""
    path = kept(wanted)
    if again or not path.exists():
        image = oci.image(tree.write_tar(assemble(wanted, contents.contents)), wanted.config)
        paths.write(path, oci.archive(image, wanted.tags), mode=0o644)
        # Its older selves are of no use any more.
        for old in path.parent.glob(f"{wanted.name}-????????????.tar"):
            if old != path:
                old.unlink(missing_ok=True)
    return path


def assemble(wanted: recipe.Recipe, source: Source) -> tree.Tree:
    """The image's file system. ``source`` gives a package's files."""
    available: tree.Tree = {}
    for name in wanted.packages:
        available.update(source(name, wanted.take))
    try:
        chosen = tree.select(available, wanted.take)
    except KeyError as missing:
        raise errors.ClusterError(
            f"image {wanted.name}: no package of {', '.join(wanted.packages)} has {missing.args[0]}"
        ) from None
    chosen.update(_libraries(chosen, available, wanted.name))
    for program, directory in wanted.applets.items():
        chosen.update(_applets(chosen, program, directory))
    chosen.update(
        {path: tree.Entry("directory", entry.mode, owner=entry.owner) for path, entry in wanted.directories.items()}
    )
    chosen.update({path: tree.Entry("file", 0o644, text.encode()) for path, text in wanted.files.items()})
    chosen.update({path: tree.Entry("link", 0o777, target=target) for path, target in wanted.links.items()})
    return chosen


def _libraries(chosen: tree.Tree, available: tree.Tree, image: str) -> tree.Tree:
    """What the chosen programs load, and what that loads in turn, with the links that lead there."""
    found: tree.Tree = {}
    open_files = [entry.data for entry in chosen.values() if entry.kind == "file"]
    while open_files:
        needed = elf.needs(open_files.pop())
        if needed is None:
            continue
        for name in (*needed.libraries, *([needed.loader] if needed.loader else ())):
            path = _find(name, available)
            if path is None:
                raise errors.ClusterError(f"image {image}: {name} is in none of its packages: add the one that has it")
            if path in found:
                continue
            target = tree.resolve(available, path)
            assert target is not None
            found[path] = available[path]
            found[target] = available[target]
            open_files.append(available[target].data)
    return found


def _find(name: str, available: tree.Tree) -> str | None:
    if name.startswith("/"):
        return name if tree.resolve(available, name) else None
    triplet = f"{platform.machine()}-linux-gnu"
    for directory in _LIBRARY_DIRECTORIES:
        for path in (posixpath.join(directory, triplet, name), posixpath.join(directory, name)):
            if tree.resolve(available, path):
                return path
    return None


def _applets(chosen: tree.Tree, program: str, directory: str) -> tree.Tree:
    """Links named after every applet of a multi-call program, which it lists itself (``busybox --list``)."""
    entry = chosen.get(program)
    if entry is None:
        raise errors.ClusterError(f"applets: {program} is not in the image")
    with tempfile.TemporaryDirectory(prefix="kijabi-") as scratch:
        # It goes by the name it is called with.
        copy = Path(scratch) / posixpath.basename(program)
        copy.write_bytes(entry.data)
        copy.chmod(0o700)
        listing = packages.run([str(copy), "--list"])
    links = {posixpath.join(directory, name): tree.Entry("link", 0o777, target=program) for name in listing.split()}
    return {path: link for path, link in links.items() if path not in chosen}
