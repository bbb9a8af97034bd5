"""``kijabi proxy``."""

from kijabi.cli import component

command = component.verb("proxy", "Run the service proxy of a node (upstream: kube-proxy).")
