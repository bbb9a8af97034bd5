"""The files of a package of this machine's distribution, whether it is installed or not.

An installed package is copied from the machine, which works without any network; what has configuration files among
the wanted is fetched afresh, because an administrator may have changed them here.
"""

from __future__ import annotations

import fnmatch
import posixpath
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kijabi.cluster import errors, packages
from kijabi.cluster.images import tree


def contents(name: str, wanted: Iterable[str]) -> tree.Tree:
    """Everything in the package. ``wanted`` are the patterns of the files that matter."""
    is_wanted = list(wanted)
    if packages.is_installed(name):
        changeable = _configuration_files(name)
        if not any(fnmatch.fnmatchcase(path, pattern) for path in changeable for pattern in is_wanted):
            return _installed(name, changeable)
    return _fetched(name)


def _configuration_files(name: str) -> set[str]:
    listing = packages.run(["dpkg-query", "-W", "-f", "${Conffiles}", name])
    return {line.split()[0] for line in listing.splitlines() if line.strip()}


def _installed(name: str, but: set[str]) -> tree.Tree:
    found: tree.Tree = {}
    listed = packages.run(["dpkg-query", "-L", name]).splitlines()
    # Where /lib is a link to /usr/lib on the machine, it is a directory to the package all the same.
    parents = {posixpath.dirname(line) for line in listed}
    for line in listed:
        path = Path(line)
        if line in but or line in parents or line in ("/.", "") or line.startswith("/usr/share/doc/"):
            continue
        if path.is_symlink():
            found[line] = tree.Entry("link", 0o777, target=str(path.readlink()))
        elif path.is_dir():
            found[line] = tree.Entry("directory", path.stat().st_mode & 0o7777)
        elif path.is_file():
            found[line] = tree.Entry("file", path.stat().st_mode & 0o7777, path.read_bytes())
    return found


def _fetched(name: str) -> tree.Tree:
    with tempfile.TemporaryDirectory(prefix="kijabi-") as directory:
        # apt drops its privileges to download; a directory it may not enter only earns a warning.
        packages.fetch(name, Path(directory))
        archive = next(Path(directory).glob("*.deb"))
        result = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=False)
    if result.returncode:
        raise errors.ClusterError(f"cannot unpack the package {name}: {result.stderr.decode().strip()}")
    return tree.read_tar(result.stdout)
