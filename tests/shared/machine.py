"""What tests with real clusters share: the command line, and what a cluster could leave behind in the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from kijabi.cluster.nodes import sweep


def kijabi(*arguments: str) -> str:
    """Standard output of a verb that must succeed."""
    result = subprocess.run([sys.executable, "-m", "kijabi", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def traces() -> dict[str, object]:
    """Everything a cluster could leave in the machine outside of its own directories."""
    cgroups = [str(path) for path in sweep.CGROUPS.rglob("kijabi*")] if sweep.CGROUPS.is_dir() else []
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
    return {
        "links": sorted(name for name in os.listdir("/sys/class/net") if re.match(r"kj\d", name)),
        "routes": subprocess.run(["ip", "route"], capture_output=True, text=True, check=False).stdout,
        "tables": sorted(line for line in rules.splitlines() if "kijabi" in line),
        "cgroups": cgroups,
        "forwarding": [path.read_text() for path in sorted(Path("/proc/sys/net/ipv4/conf").glob("*/forwarding"))],
    }


def traces_of(name: str, index: int) -> list[str]:
    """What one cluster has in the machine now; others may come and go meanwhile."""
    link = re.compile(rf"\bkj{index}(n\d+)?\b")
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=False).stdout
    return [
        *(one for one in sorted(os.listdir("/sys/class/net")) if link.fullmatch(one)),
        *(line for line in routes.splitlines() if link.search(line)),
        *(line for line in rules.splitlines() if line.endswith(f" kijabi{index}")),
        *(str(path) for path in (sweep.CGROUPS.rglob(f"kijabi/{name}") if sweep.CGROUPS.is_dir() else ())),
    ]


def remains(root: Path) -> list[str]:
    """Processes and mounts that belong to a state directory."""
    processes = [
        " ".join(process.arguments)
        for process in sweep.list_processes()
        if any(str(root) in word for word in process.arguments)
    ]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{root}/" in line]
    return processes + mounts
