"""A container's last words: from its termination message file, or from the end of its log when it failed.

Source: the documented "Determine the Reason for Pod Failure"; limits of upstream.
"""

from __future__ import annotations

import os
from typing import Final

from kijabi.node.cri import contract
from kijabi.node.kubelet import labels, logs

MAX_MESSAGE: Final = 4096
MAX_FROM_LOG: Final = 2048
LINES_FROM_LOG: Final = 80


def message(status: contract.ContainerStatus) -> str:
    """Empty when there is none or it cannot be read: a container's end must be told all the same."""
    path = status.annotations.get(labels.MESSAGE_PATH, "")
    mount = next((mount for mount in status.mounts if path and mount.container_path == path), None)
    text = _from_file(mount.host_path) if mount is not None else ""
    fall_back = status.annotations.get(labels.MESSAGE_POLICY) == "FallbackToLogsOnError"
    if not text and fall_back and status.exit_code != 0 and status.log_path:
        text = logs.last_lines(status.log_path, LINES_FROM_LOG, MAX_FROM_LOG)
    return text


def _from_file(path: str) -> str:
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            file.seek(max(0, size - MAX_MESSAGE))
            return file.read(MAX_MESSAGE).decode(errors="replace")
    except OSError:
        return ""
