"""``kijabi apiserver``."""

from kijabi.cli import component

command = component.verb("apiserver", "Run the API server (upstream: kube-apiserver).")
