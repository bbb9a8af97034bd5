"""``kijabi dns``."""

from kijabi.cli import component

command = component.verb("dns", "Run the cluster DNS agent of a node.")
