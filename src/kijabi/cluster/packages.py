"""The Debian packages a verb needs: installed when that verb runs, and only what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kijabi.cluster import errors, paths

# Program (or file) that must be there → the package that has it.
FOR_NODES: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "catatonit": "catatonit",
    "/bin/busybox": "busybox-static",
    # kubelet's mounts and namespaces
    "mount": "mount",
    "nsenter": "util-linux",
}
KUBECTL: Mapping[str, str] = {"kubectl": "kubernetes-client"}

_SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing(needed: Mapping[str, str], find: Callable[[str], bool] | None = None) -> list[str]:
    """The packages whose program is not there, each once."""
    is_there = find or has
    return list(dict.fromkeys(package for program, package in needed.items() if not is_there(program)))


def has(program: str) -> bool:
    # A user's PATH often lacks the sbin directories.
    path = os.environ.get("PATH", "") + os.pathsep + _SYSTEM_DIRECTORIES
    return os.path.exists(program) if program.startswith("/") else shutil.which(program, path=path) is not None


def install(names: Iterable[str], say: Callable[[str], None] = lambda _: None) -> None:
    """Install by apt; says in one line what to do where that is not possible."""
    wanted = list(names)
    if not wanted:
        return
    listed = " ".join(wanted)
    if shutil.which("apt-get") is None:
        raise errors.ClusterError(f"missing on this machine: {listed}; there is no apt-get here, install them yourself")
    if os.geteuid() != 0:
        raise errors.NeedsRoot(f"installing {listed}")
    say(f"installing {listed}")
    if _apt("install", *wanted) != 0:
        # The lists may be old or absent; most machines do not need this minute.
        _apt("update")
        if _apt("install", *wanted) != 0:
            raise errors.ClusterError(f"apt-get install {listed} failed: see {log_path()}, repair it and try again")


def is_installed(name: str) -> bool:
    result = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", name], capture_output=True, text=True, check=False
    )
    return result.returncode == 0 and result.stdout == "installed"


def fetch(name: str, directory: Path) -> None:
    """Put the package's .deb into ``directory``, without installing it."""
    for attempt in ("first", "after update"):
        command = ["apt-get", "-q", "download", name]
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return
        if attempt == "first" and os.geteuid() == 0:
            _apt("update")
    detail = (result.stderr.strip().splitlines() or ["no output"])[-1]
    raise errors.ClusterError(f"apt-get download {name} failed ({detail}): check apt's sources, or install {name}")


def run(command: list[str]) -> str:
    """The command's output; an error of it is ours."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        detail = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        raise errors.ClusterError(f"{' '.join(command)} failed: {detail}")
    return result.stdout


def log_path() -> Path:
    """What apt says, ours and its own errors."""
    return paths.state_root() / "apt.log"


def _apt(verb: str, *names: str) -> int:
    command = ["apt-get", "-q", verb, *(["-y", "--no-install-recommends", *names] if names else [])]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log_path().parent.mkdir(parents=True, exist_ok=True)
    with log_path().open("ab") as log:
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        ).returncode
