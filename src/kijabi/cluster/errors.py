"""What can go wrong with a local cluster, each in one line that says what failed and what to do.

ClusterError            exit code 1
├── Unknown             3   no such cluster, node, component or image
├── NotRunning          3   it exists, and does not run
└── NeedsRoot           4
"""

from __future__ import annotations


class ClusterError(Exception):
    """The message is shown to the user as it is."""

    exit_code = 1


class Unknown(ClusterError):
    exit_code = 3


class NotRunning(ClusterError):
    exit_code = 3


class NeedsRoot(ClusterError):
    exit_code = 4

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs root: run it with sudo, or use `kijabi up --runtime hollow`")
