"""``kijabi kubelet``."""

from kijabi.cli import component

command = component.verb("kubelet", "Run the agent of a node (upstream: kubelet).")
