"""Rotating container logs: a log that has grown too large is renamed and the runtime asked for a new one.

Readers that follow a log notice the new file by themselves. Source: upstream's container log manager
(``containerLogMaxSize``, ``containerLogMaxFiles``); compressing what is rotated is left out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from kijabi.api import quantity
from kijabi.node.cri import contract
from kijabi.node.kubelet import observed

log = logging.getLogger(__name__)

PERIOD = 10.0


@dataclass(frozen=True, slots=True)
class Rule:
    """``files`` counts the one being written."""

    size: str = "10Mi"
    files: int = 5

    @property
    def bytes(self) -> int:
        return quantity.parse(self.size).value()


async def rotate(runtime: contract.Runtime, found: observed.Container, rule: Rule, now: float) -> bool:
    """True when the container's log was due and has been rotated."""
    if not found.log_path:
        return False
    path = Path(found.log_path)
    try:
        if os.stat(path).st_size < rule.bytes:
            return False
        aside = Path(f"{path}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}")
        os.rename(path, aside)
    except OSError as error:
        log.debug("log %s: %s", path, error)
        return False
    try:
        await runtime.reopen_log(found.id)
    except contract.RuntimeFailure as error:
        # The runtime goes on writing to the file it has: give it its name back.
        log.warning("log %s cannot be reopened: %s", path, error)
        with contextlib.suppress(OSError):
            os.rename(aside, path)
        return False
    _remove_old(path, rule.files - 1)
    return True


def _remove_old(path: Path, kept: int) -> None:
    older = sorted(path.parent.glob(f"{path.name}.*"), reverse=True)
    for gone in older[max(kept, 0) :]:
        with contextlib.suppress(OSError):
            gone.unlink()
