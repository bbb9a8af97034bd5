"""What a server on this machine takes of its memory, found by the port it listens on."""

from __future__ import annotations

import re
from pathlib import Path

_LISTENS = "0A"


def of_listener(port: int) -> float:
    """Megabytes of PSS. Raises LookupError where no process that may be looked at listens on the port."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return _pss(process)
        except OSError:
            # It has ended, or is another user's.
            continue
    raise LookupError(f"no process listens on port {port}")


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _pss(process: Path) -> float:
    match = re.search(r"^Pss:\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1000
