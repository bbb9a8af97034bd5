"""What is done with a node's containerd from outside: wait for it, give it images, list them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from kijabi.cluster import errors, paths

_PATIENCE = 15.0


def wait_up(place: paths.Node) -> None:
    """Until containerd answers on its socket."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place.containerd_socket))
                return
        except OSError:
            if time.monotonic() > deadline:
                raise errors.ClusterError(
                    f"containerd of {place.state.name} did not start: see `kijabi logs containerd-{place.state.name}`"
                ) from None
        time.sleep(0.01)


def load(place: paths.Node, archive: Path) -> None:
    """Import and unpack an OCI or docker archive under the names it carries."""
    _ctr(place, "images", "import", str(archive))


def images(place: paths.Node) -> list[str]:
    """The names of the images a node has."""
    return sorted(name for name in _ctr(place, "images", "list", "-q").split() if not name.startswith("sha256:"))


def has_image(place: paths.Node, name: str) -> bool:
    return name in images(place)


def _ctr(place: paths.Node, *arguments: str) -> str:
    # The CRI's namespace. ctr has come with containerd since 1.0, and imports faster than its API is loaded here.
    command = ["ctr", "--address", str(place.containerd_socket), "--namespace", "k8s.io", *arguments]
    environment = {**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode:
        detail = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise errors.ClusterError(f"{' '.join(arguments[:2])} on {place.state.name} failed: {detail}")
    return result.stdout
