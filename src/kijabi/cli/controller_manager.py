"""``kijabi controller-manager``."""

from kijabi.cli import component

command = component.verb("controller-manager", "Run the controllers (upstream: kube-controller-manager).")
